//! Attempts on their way to the store: never waited for, bounded in number and in rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mgmt::Feed;
use parking_lot::Mutex;
use schema::{Attempt, Bounds, Store};
use tokio::sync::Notify;
use tracing::warn;

use super::Counters;

/// How long they gather: a larger batch would keep the store, and a core, for longer in one go.
const PAUSE: Duration = Duration::from_millis(20);
/// What may come at once after a silence.
const BURST: Duration = Duration::from_millis(100);
/// Waiting at most, of accepts and of rejects each.
const WAITING_MAX: usize = 20_000;
const BATCH_MAX: usize = 1_000;

pub struct Attempts {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    per_second: usize,
    /// Rejects and accepts promised room since the last write.
    promised: [AtomicUsize; 2],
    pace: Pace,
    began: Instant,
    counters: Arc<Counters>,
}

/// Lets through so many a second, evenly: to describe an attempt costs several times the login
/// itself, and a tenth of a second's worth of them in a row would be a wait that users notice.
#[derive(Default)]
struct Pace {
    /// When the next one is due, in ns.
    next: AtomicU64,
}

impl Pace {
    /// 0 is no bound. After a silence a tenth of a second's worth may come at once. Rejects are let
    /// through before they are due, so that accepts have what they leave.
    fn allows(&self, accepted: bool, since: Duration, per_second: usize) -> bool {
        let Some(gap) = 1_000_000_000_u64.checked_div(per_second as u64) else { return true };
        let (now, burst) = (since.as_nanos() as u64, BURST.as_nanos() as u64);
        let latest = if accepted { now } else { now + burst };
        let step = |next: u64| {
            let next = next.max(now.saturating_sub(burst));
            (next <= latest).then_some(next + gap)
        };
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
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
            pace: Pace::default(),
            began: Instant::now(),
            counters,
        }
    }

    /// Whether there is room, asked before the work of describing an attempt. What has none is
    /// counted.
    pub fn wants(&self, accepted: bool, now: Instant) -> bool {
        let promised = &self.promised[usize::from(accepted)];
        let since = now.saturating_duration_since(self.began);
        if promised.load(Ordering::Relaxed) >= WAITING_MAX
            || !self.pace.allows(accepted, since, self.per_second)
        {
            self.counters.attempts_over_rate.add(1);
            return false;
        }
        promised.fetch_add(1, Ordering::Relaxed);
        true
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

    pub async fn run(self: Arc<Self>, store: Store, traces: Bounds, feed: Arc<Feed>) {
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
                    Ok(()) => {
                        self.counters.attempts_stored.add(count);
                        feed.attempts(batch);
                    }
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

    /// In order of arrival.
    fn take(&self) -> (Vec<Attempt>, bool) {
        let waiting = &mut *self.waiting.lock();
        let mut taken = std::mem::take(&mut waiting.rejects);
        taken.append(&mut waiting.accepts);
        self.promised.iter().for_each(|promised| promised.store(0, Ordering::Relaxed));
        taken.sort_unstable_by_key(|(arrived, _)| *arrived);
        (taken.into_iter().map(|(_, attempt)| attempt).collect(), waiting.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pace: &Pace, accepted: bool, from_ms: u64, to_ms: u64) -> usize {
        let allowed = |us: &u64| pace.allows(accepted, Duration::from_micros(*us), 2_000);
        (from_ms * 1_000..to_ms * 1_000).step_by(10).filter(allowed).count()
    }

    #[test]
    fn a_flood_is_let_through_evenly_and_a_silence_is_made_up_for() {
        let pace = Pace::default();
        // A tenth of a second's worth first, and what falls due meanwhile.
        assert_eq!(count(&pace, true, 10_000, 10_005), 200 + 10);
        for ms in 10_005..10_100 {
            assert_eq!(count(&pace, true, ms, ms + 1), 2);
        }
        assert!((0..1_000).all(|_| pace.allows(true, Duration::ZERO, 0)), "0 is no bound");
    }

    #[test]
    fn rejects_go_before_accepts_and_both_together_keep_the_bound() {
        let pace = Pace::default();
        let accepts = count(&pace, true, 10_000, 10_100);
        assert_eq!(accepts, 400, "a tenth of a second's worth, and that of another tenth");
        let rejects = count(&pace, false, 10_100, 10_200);
        assert_eq!(rejects, 400, "as if nobody had been there before");
        assert_eq!(count(&pace, true, 10_200, 10_290), 0, "until they are made up for");
        assert!(count(&pace, true, 10_290, 10_400) > 100);
    }
}
