//! Attempts on their way to the store: never waited for, bounded in number and in rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use schema::{Attempt, Bounds, Store};
use tokio::sync::Notify;
use tracing::warn;

use super::Counters;

/// How long they gather.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSES_PER_SECOND: usize = 10;
/// Waiting at most, of accepts and of rejects each.
const WAITING_MAX: usize = 20_000;
const BATCH_MAX: usize = 1_000;

pub struct Attempts {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    per_second: usize,
    /// Accepts and rejects promised room since the last write.
    promised: [AtomicUsize; 2],
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Waiting {
    /// With their place in the order of arrival.
    rejects: Vec<(u64, Attempt)>,
    accepts: Vec<(u64, Attempt)>,
    arrived: u64,
    closed: bool,
}

impl Attempts {
    pub fn new(per_second: u32, counters: Arc<Counters>) -> Attempts {
        let per_second = per_second as usize;
        Attempts {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            per_second,
            promised: Default::default(),
            counters,
        }
    }

    /// Whether there is room, asked before the work of describing an attempt. What has none is
    /// counted.
    pub fn wants(&self, accepted: bool) -> bool {
        let promised = &self.promised[usize::from(accepted)];
        if promised.load(Ordering::Relaxed) >= self.most().min(WAITING_MAX) {
            self.counters.attempts_over_rate.add(1);
            return false;
        }
        promised.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// In one write.
    fn most(&self) -> usize {
        match self.per_second {
            0 => usize::MAX,
            per_second => per_second.div_ceil(PAUSES_PER_SECOND),
        }
    }

    pub fn push(&self, attempt: Attempt) {
        let waiting = &mut *self.waiting.lock();
        let list = if attempt.accepted { &mut waiting.accepts } else { &mut waiting.rejects };
        if list.len() >= WAITING_MAX || waiting.closed {
            self.counters.attempts_queue_full.add(1);
            return;
        }
        list.push((waiting.arrived, attempt));
        waiting.arrived += 1;
        if waiting.accepts.len() + waiting.rejects.len() == 1 {
            self.arrived.notify_one();
        }
    }

    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    pub async fn run(self: Arc<Self>, store: Store, traces: Bounds) {
        let mut away = false;
        loop {
            let (attempts, closed) = self.take();
            if attempts.is_empty() && !closed {
                self.arrived.notified().await;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            for batch in attempts.chunks(BATCH_MAX) {
                let written = store.write_attempts(batch, traces).await;
                let count = batch.len() as u64;
                match &written {
                    Ok(()) => self.counters.attempts_stored.add(count),
                    Err(_) => self.counters.attempts_lost.add(count),
                }
                if let (Err(error), false) = (&written, away) {
                    warn!(%error, "attempts are not written");
                }
                away = written.is_err();
            }
            if closed {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// In order of arrival; of what is over the rate accepts go first, counted.
    fn take(&self) -> (Vec<Attempt>, bool) {
        let waiting = &mut *self.waiting.lock();
        let mut taken = std::mem::take(&mut waiting.rejects);
        taken.append(&mut waiting.accepts);
        self.promised.iter().for_each(|promised| promised.store(0, Ordering::Relaxed));
        let most = self.most();
        let over = taken.len().saturating_sub(most);
        if over > 0 {
            self.counters.attempts_over_rate.add(over as u64);
            taken.truncate(most);
        }
        taken.sort_unstable_by_key(|(arrived, _)| *arrived);
        (taken.into_iter().map(|(_, attempt)| attempt).collect(), waiting.closed)
    }
}
