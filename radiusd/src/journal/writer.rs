//! One transaction per batch, and what to do when it fails.

use std::sync::Arc;
use std::time::Duration;

use mgmt::Feed;
use rand::Rng;
use schema::{Actor, Ask, Error, Known, Session, Step, Store, Written};
use tokio::sync::RwLock;
use tracing::{error, warn};

use super::log::State;
use super::quarantine::Quarantine;
use super::{Counters, Outcome, reboots};
use crate::accounting::{Event, Findings, SessionEvent, fold, in_order};
use crate::online::{Online, Rows};

/// A reboot that ended a session so long before its latest event is remembered with the session.
pub const REBOOTS_BEFORE_SECONDS: i64 = 86_400;
const TRIES_MAX: u32 = 10;

pub struct Writer {
    pub store: Store,
    pub quarantine: Arc<Quarantine>,
    pub counters: Arc<Counters>,
    pub online: Arc<Online>,
    /// Who is told what was written.
    pub feed: Arc<Feed>,
    /// Read by each transaction of ours; who gets to write it knows that all are over that began
    /// before.
    pub barrier: RwLock<()>,
}

/// What became of a batch: all `Stored`, or why not.
pub struct Batch {
    pub outcomes: Vec<Outcome>,
    pub error: Option<Error>,
}

impl Writer {
    pub fn new(
        store: Store,
        state: Arc<State>,
        counters: Arc<Counters>,
        online: Arc<Online>,
    ) -> Writer {
        let quarantine = Arc::new(Quarantine::new(state));
        let (feed, barrier) = (Arc::default(), RwLock::new(()));
        Writer { store, quarantine, counters, online, feed, barrier }
    }

    /// Those who listen to this one are told.
    pub fn told(self, feed: Arc<Feed>) -> Writer {
        Writer { feed, ..self }
    }

    /// Writes events in their order, those of sessions between two reboots in one transaction.
    /// Stops at the first error.
    pub async fn write(self: &Arc<Self>, events: &[&Event]) -> Batch {
        let mut outcomes = Vec::with_capacity(events.len());
        let is_session = |event: &Event| matches!(event, Event::Session(_));
        let mut error = None;
        for run in events.chunk_by(|one, next| is_session(one) == is_session(next)) {
            let mut of_run = vec![Outcome::NotStored; run.len()];
            if error.is_none() {
                error = match run.first().is_some_and(|event| is_session(event)) {
                    true => self.write_sessions(run, &mut of_run).await,
                    false => reboots::write(self, run, &mut of_run).await,
                };
            }
            outcomes.append(&mut of_run);
        }
        Batch { outcomes, error }
    }

    /// Halves the batch until what the store refuses stands alone.
    async fn write_sessions(&self, events: &[&Event], outcomes: &mut [Outcome]) -> Option<Error> {
        let mut rest = Vec::new();
        rest.push(0..events.len());
        // Nobody knows why these failed alone. When others succeed, it is something in them.
        let mut odd: Vec<(usize, Error)> = Vec::new();
        let mut stored = 0;
        while let Some(range) = rest.pop() {
            let part = &events[range.clone()];
            let error = match self.commit(sessions(part)).await {
                Ok(()) => {
                    stored += part.len();
                    outcomes[range].fill(Outcome::Stored);
                    continue;
                }
                Err(error) => error,
            };
            match error {
                Error::Data { .. } | Error::Failed(_) if range.len() > 1 => {
                    self.counters.bisected.add(1);
                    let middle = range.start + range.len() / 2;
                    rest.extend([middle..range.end, range.start..middle]);
                }
                Error::Data { code, message } => {
                    let reason = format!("{code}: {message}");
                    outcomes[range.start] = self.quarantine(part[0], reason).await;
                }
                error @ Error::Failed(_) if stored > 0 || odd.is_empty() => {
                    odd.push((range.start, error));
                }
                error => {
                    self.counters.stored.add(stored as u64);
                    return Some(error);
                }
            }
        }
        self.counters.stored.add(stored as u64);
        for (at, error) in odd {
            if stored == 0 {
                return Some(error);
            }
            outcomes[at] = self.quarantine(events[at], error.to_string()).await;
        }
        let kept = outcomes.iter().all(|outcome| *outcome == Outcome::Stored);
        (!kept).then(|| Error::Away("the quarantine can't be written".into()))
    }

    async fn commit(&self, mut events: Vec<&SessionEvent>) -> Result<(), Error> {
        events.sort_by_key(|event| in_order(event));
        let mut ids: Vec<String> = events.iter().map(|event| event.unique_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut nases: Vec<String> = events.iter().map(|event| event.texts.nas.clone()).collect();
        nases.sort_unstable();
        nases.dedup();
        let first = events.iter().map(|event| event.time).min().unwrap_or(0);
        let ask = Ask { ids, nases, since: first.saturating_sub(REBOOTS_BEFORE_SECONDS) };
        let (written, findings) = self.fold(&ask, &events).await?;
        self.counters.batches.add(1);
        self.counters.rows.add((written.inserted + written.updated) as u64);
        self.counters.unchanged.add(findings.unchanged);
        self.counters.counters_fell.add(findings.fallen);
        self.counters.sessions_reused.add(findings.reused);
        Ok(())
    }

    pub async fn fold(
        &self,
        ask: &Ask,
        events: &[&SessionEvent],
    ) -> Result<(Written, Findings), Error> {
        let decide = |known: Known| {
            let older_are_known = known.older_are_known;
            fold(known, older_are_known, &ask.ids, events)
        };
        self.transaction(ask, decide).await
    }

    /// One transaction, repeated while others are at the same rows.
    pub async fn transaction(
        &self,
        ask: &Ask,
        decide: impl FnMut(Known) -> (Step, Findings) + Send,
    ) -> Result<(Written, Findings), Error> {
        self.transaction_by(None, ask, decide).await
    }

    /// The same, for a person who closes a session.
    pub async fn transaction_by(
        &self,
        person: Option<(&Actor, &Session)>,
        ask: &Ask,
        mut decide: impl FnMut(Known) -> (Step, Findings) + Send,
    ) -> Result<(Written, Findings), Error> {
        let _under_way = self.barrier.read().await;
        let mut tries = 0;
        loop {
            let (mut findings, mut rows) = (Findings::default(), Rows::default());
            let mut events = Vec::new();
            let fold = |known| {
                let (step, found) = decide(known);
                findings = found;
                if let Step::Write(writes) = &step {
                    rows = self.online.rows(&writes.rows);
                    if self.feed.is_heard() {
                        events = Feed::sessions(writes.rows.iter());
                    }
                }
                step
            };
            let result = match person {
                None => self.store.write_sessions(ask, fold).await,
                Some((actor, session)) => self.store.close_session(actor, session, ask, fold).await,
            };
            match result {
                Ok(written) => {
                    self.online.committed(rows);
                    self.feed.tell(events);
                    return Ok((written, findings));
                }
                Err(Error::Conflict) if tries < TRIES_MAX => {
                    tries += 1;
                    self.counters.retries.add(1);
                    let most = 2u64 << tries.min(7);
                    let pause = rand::rng().random_range(1..=most);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub async fn quarantine(&self, event: &Event, reason: String) -> Outcome {
        let (quarantine, event) = (Arc::clone(&self.quarantine), event.clone());
        let told = reason.clone();
        let kept = tokio::task::spawn_blocking(move || quarantine.keep(&event, &told)).await;
        match kept.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked))) {
            Ok(()) => {
                self.counters.quarantined.add(1);
                warn!(reason, "an accounting record that the store refuses is in quarantine");
                Outcome::Stored
            }
            Err(error) => {
                error!(%error, reason, "an accounting record could not be put into quarantine");
                Outcome::NotStored
            }
        }
    }
}

fn sessions<'e>(events: &[&'e Event]) -> Vec<&'e SessionEvent> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Session(event) => Some(&**event),
            Event::Reboot(_) => None,
        })
        .collect()
}
