//! One transaction per batch, and what to do when it fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use schema::{Ask, Error, Step, Store, Written};
use tokio::sync::RwLock;
use tracing::{error, warn};

use super::queue::Queue;
use super::{Completions, Counters, Outcome, Quarantine, Record, Ticket};
use crate::accounting::{Event, Findings, SessionEvent, fold, in_order};

/// A reboot that ended a session so long before its latest event is remembered with the session.
const REBOOTS_BEFORE_SECONDS: i64 = 86_400;
const TRIES_MAX: u32 = 10;

pub struct Writer {
    pub store: Store,
    pub completions: Arc<dyn Completions>,
    pub quarantine: Quarantine,
    pub counters: Arc<Counters>,
    pub batch_max: usize,
    /// Read by each transaction of ours; who gets to write it knows that all are over that began
    /// before.
    pub barrier: RwLock<()>,
}

impl Writer {
    pub async fn run(self: Arc<Self>, queue: Arc<Queue<Record>>) {
        while let Some(records) = queue.take(self.batch_max).await {
            let outcomes = self.write_all(&records).await;
            self.tell(&records, &outcomes);
        }
    }

    /// Tells each worker once.
    pub fn tell(&self, records: &[Record], outcomes: &[Outcome]) {
        let mut of: BTreeMap<usize, Vec<(Ticket, Outcome)>> = BTreeMap::new();
        for (record, outcome) in records.iter().zip(outcomes) {
            of.entry(record.worker).or_default().push((record.ticket, *outcome));
        }
        let lost = outcomes.iter().filter(|outcome| **outcome == Outcome::NotStored).count();
        self.counters.not_stored.add(lost as u64);
        for (worker, told) in of {
            self.completions.tell(worker, told);
        }
    }

    /// Halves the batch until what the store refuses stands alone.
    async fn write_all(&self, records: &[Record]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::NotStored; records.len()];
        let mut rest = Vec::new();
        rest.push(0..records.len());
        while let Some(range) = rest.pop() {
            let part = &records[range.clone()];
            match self.write(sessions(part)).await {
                Ok(()) => {
                    self.counters.stored.add(part.len() as u64);
                    outcomes[range].fill(Outcome::Stored);
                }
                Err(Error::Data { code, message }) if range.len() == 1 => {
                    let reason = format!("{code}: {message}");
                    outcomes[range.start] = self.quarantine(&part[0], &reason);
                }
                Err(Error::Data { .. }) => {
                    self.counters.bisected.add(1);
                    let middle = range.start + range.len() / 2;
                    rest.extend([middle..range.end, range.start..middle]);
                }
                Err(error) => {
                    warn!(%error, "an accounting transaction failed; its records stay unanswered");
                    break;
                }
            }
        }
        outcomes
    }

    async fn write(&self, mut events: Vec<&SessionEvent>) -> Result<(), Error> {
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

    /// One transaction, repeated while others are at the same rows.
    pub async fn fold(
        &self,
        ask: &Ask,
        events: &[&SessionEvent],
    ) -> Result<(Written, Findings), Error> {
        let _under_way = self.barrier.read().await;
        let mut tries = 0;
        loop {
            let mut findings = Findings::default();
            let mut older_are_known = false;
            let result = self
                .store
                .write_sessions(ask, |known| {
                    let (step, found) = fold(known, older_are_known, &ask.ids, events);
                    older_are_known = matches!(step, Step::Older(_));
                    findings = found;
                    step
                })
                .await;
            match result {
                Ok(written) => return Ok((written, findings)),
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

    fn quarantine(&self, record: &Record, reason: &str) -> Outcome {
        match self.quarantine.keep(&record.event, reason, now_ms()) {
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

fn sessions(records: &[Record]) -> Vec<&SessionEvent> {
    records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Session(event) => Some(&**event),
            Event::Reboot(_) => None,
        })
        .collect()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
