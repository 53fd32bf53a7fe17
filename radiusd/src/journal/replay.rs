//! From the journal to the store, in order.
//!
//! Replay is at least once: a batch whose transaction committed and whose position did not reach
//! the disk is written again after a crash. Since a row is a function of the set of its events
//! (`accounting`), the second time changes nothing: exactly once in effect.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schema::Error;
use tokio::sync::Notify;
use tracing::{error, warn};

use super::Outcome;
use super::folder::Position;
use super::log::{Batch, Order};
use super::spill::{Spill, Way, shard};
use super::writer::Writer;
use crate::accounting::Event;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a segment may refuse to be read.
const READS_MAX: u32 = 3;

pub struct Replay {
    pub writer: Arc<Writer>,
    pub spill: Arc<Spill>,
    pub batch_max: usize,
    pub spill_after: Duration,
    /// How many transactions at once; a session is always in the same one.
    pub shards: usize,
    pub stop: Arc<Stop>,
    pub rate: Arc<Rate>,
}

#[derive(Default)]
pub struct Stop {
    said: AtomicBool,
    heard: Notify,
}

impl Stop {
    pub fn say(&self) {
        self.said.store(true, Ordering::Relaxed);
        self.heard.notify_one();
    }
}

/// Records replayed per second, of late.
#[derive(Default)]
pub struct Rate(AtomicU64);

impl Rate {
    pub fn per_second(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the replay goes.
struct Pace {
    size: usize,
    pause: Duration,
    reads: u32,
    since: Instant,
    count: u64,
    /// Why the last batch was not written; said once.
    error: String,
    /// How many transactions at once.
    shards: usize,
}

impl Replay {
    pub async fn run(self) {
        let begun = Instant::now();
        let size = self.batch_max;
        let error = String::new();
        let (pause, shards) = (PAUSE_MIN, self.shards);
        let mut pace = Pace { size, pause, reads: 0, since: begun, count: 0, error, shards };
        loop {
            let way = self.spill.way();
            if way != Way::HandOver && self.stop.said.load(Ordering::Relaxed) {
                return;
            }
            if way == Way::Direct {
                tokio::select! {
                    () = self.spill.turning.notified() => {}
                    () = self.stop.heard.notified() => {}
                }
                pace.since = Instant::now();
            } else if self.spill.is_flying() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            } else {
                self.step(way, &mut pace).await;
            }
        }
    }

    async fn step(&self, way: Way, pace: &mut Pace) {
        let state = &self.spill.state;
        // Before the read: what is decided by now, the read sees.
        let settled = state.pending.load(Ordering::Acquire) == 0;
        match self.read(pace.size).await {
            Ok(Some(batch)) => {
                pace.reads = 0;
                self.replay(way, batch, pace).await;
            }
            Ok(None) if way == Way::Spill => self.spill.hand_over(),
            Ok(None) if settled => {
                if self.spill.finish() {
                    self.rate.0.store(0, Ordering::Relaxed);
                }
            }
            Ok(None) => {
                let wait = state.written.notified();
                let _ = tokio::time::timeout(Duration::from_millis(20), wait).await;
            }
            Err(error) => {
                pace.reads += 1;
                if pace.reads >= READS_MAX {
                    error!(%error, "a segment of the journal can't be read; it is kept aside");
                    state.give_up_first(&self.spill.orders);
                    pace.reads = 0;
                }
                self.rest(pace).await;
            }
        }
    }

    async fn read(&self, most: usize) -> io::Result<Option<Batch>> {
        let (state, orders) = (Arc::clone(&self.spill.state), self.spill.orders.clone());
        let read = tokio::task::spawn_blocking(move || state.read(most, &orders)).await;
        read.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
    }

    async fn replay(&self, way: Way, batch: Batch, pace: &mut Pace) {
        let begun = Instant::now();
        let count = batch.events.len();
        let (segment, next) = (batch.segment, batch.next);
        let events = Arc::new(batch.events);
        let write = write(Arc::clone(&self.writer), Arc::clone(&events), pace.shards);
        // A panic in here must not end the replay for good.
        let mut writing = tokio::spawn(write);
        let written = tokio::select! {
            written = &mut writing => written,
            () = tokio::time::sleep(self.spill_after), if way == Way::HandOver => {
                self.spill.turn("the store is slower than accounting.spill_after");
                writing.await
            }
        };
        let panicked = written.is_err();
        let error = match written {
            Ok(None) => None,
            Ok(Some(error)) => Some(error),
            Err(panicked) if count > 1 => Some(Error::Failed(panicked.to_string())),
            Err(panicked) => {
                let kept = self.writer.quarantine(&events[0], panicked.to_string()).await;
                (kept == Outcome::NotStored).then(|| Error::Failed(panicked.to_string()))
            }
        };
        let lasted = begun.elapsed();
        let Some(error) = error else {
            self.advance(Position { segment, offset: next }, count as u64, pace);
            // A batch ends with its segment: a short one says nothing about what is left.
            let caught_up = self.spill.state.holds_at_most(self.batch_max);
            if caught_up && lasted < self.spill_after / 2 && self.spill.way() == Way::Spill {
                self.spill.hand_over();
            }
            pace.size = (pace.size * 2).min(self.batch_max);
            pace.pause = PAUSE_MIN;
            pace.error.clear();
            pace.shards = self.shards;
            return;
        };
        let told = error.to_string();
        self.spill.turn(&told);
        if told != pace.error {
            warn!(error = told, "the store doesn't take what the journal holds; trying again");
            pace.error = told;
        }
        if panicked || lasted >= self.spill_after {
            pace.size = (pace.size / 2).max(1);
        } else if matches!(error, Error::Failed(_)) {
            // With others beside it a record that fails by itself is found (see `writer`).
            (pace.size, pace.shards) = (self.batch_max, 1);
        }
        self.rest(pace).await;
    }

    fn advance(&self, position: Position, count: u64, pace: &mut Pace) {
        let state = &self.spill.state;
        state.advance(position);
        let left = |records: u64| Some(records.saturating_sub(count));
        let _ = state.records.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        self.writer.counters.replayed.add(count);
        if self.spill.orders.send(Order::Replayed(position)).is_err() {
            warn!("the journal's thread is gone; the position of the replay is not kept");
        }
        pace.count += count;
        let elapsed = pace.since.elapsed();
        if elapsed >= Duration::from_secs(1) {
            let rate = pace.count as f64 / elapsed.as_secs_f64();
            self.rate.0.store(rate as u64, Ordering::Relaxed);
            (pace.since, pace.count) = (Instant::now(), 0);
        }
    }

    async fn rest(&self, pace: &mut Pace) {
        self.rate.0.store(0, Ordering::Relaxed);
        let _ = tokio::time::timeout(pace.pause, self.stop.heard.notified()).await;
        pace.pause = (pace.pause * 2).min(PAUSE_MAX);
        (pace.since, pace.count) = (Instant::now(), 0);
    }
}

/// Between two reboots the sessions of each shard are one transaction.
pub async fn write(writer: Arc<Writer>, events: Arc<Vec<Event>>, shards: usize) -> Option<Error> {
    let is_session = |event: &Event| matches!(event, Event::Session(_));
    for run in events.chunk_by(|one, next| is_session(one) == is_session(next)) {
        let mut parts: [Vec<&Event>; 2] = Default::default();
        for event in run {
            let part = match event {
                Event::Session(event) => shard(&event.unique_id, shards.clamp(1, 2)),
                Event::Reboot(_) => 0,
            };
            parts[part].push(event);
        }
        let [one, two] = &parts;
        let (one, two) = tokio::join!(writer.write(one), writer.write(two));
        if let Some(error) = one.error.or(two.error) {
            return Some(error);
        }
    }
    None
}
