//! What workers hand over to be written: accounting records, answered once they are durable, and
//! attempts, not waited for. Both queues are bounded.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use schema::Attempt;

use crate::accounting::event::Event;
use crate::duplicates::Ticket;

/// An Accounting-Request that waits for its answer.
pub struct Record {
    pub event: Event,
    pub worker: usize,
    pub ticket: Ticket,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Durable: it may be acknowledged.
    Stored,
    /// It is not, and the NAS has to repeat it.
    NotStored,
}

/// The queue is full.
#[derive(Debug)]
pub struct Full;

/// The workers' end of the queues.
pub struct Journal {
    records: Sender<Record>,
    attempts: Sender<Attempt>,
    rate: Rate,
    counters: Counters,
}

/// The writer's end.
pub struct Queues {
    pub records: Receiver<Record>,
    pub attempts: Receiver<Attempt>,
}

/// What the journal counts.
#[derive(Default)]
pub struct Counters {
    records: AtomicU64,
    records_refused: AtomicU64,
    attempts: AtomicU64,
    attempts_left_out: AtomicU64,
}

impl Counters {
    /// Name, meaning and value of each.
    pub fn all(&self) -> [(&'static str, &'static str, u64); 4] {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("accounting_records", "Accounting records taken", value(&self.records)),
            (
                "accounting_records_refused",
                "Accounting records for which there was no room",
                value(&self.records_refused),
            ),
            ("attempts", "Attempts handed over to be written", value(&self.attempts)),
            (
                "attempts_left_out",
                "Attempts beyond attempts.rate_max, or without room",
                value(&self.attempts_left_out),
            ),
        ]
    }
}

impl Journal {
    /// `queue_max` records wait at most; `rate_max` attempts a second are taken, 0 is no bound.
    pub fn new(queue_max: usize, rate_max: u32) -> (Journal, Queues) {
        let (records, records_out) = bounded(queue_max);
        let (attempts, attempts_out) = bounded(queue_max);
        let rate = Rate::new(rate_max);
        let journal = Journal { records, attempts, rate, counters: Counters::default() };
        (journal, Queues { records: records_out, attempts: attempts_out })
    }

    pub fn record(&self, record: Record) -> Result<(), Full> {
        match self.records.try_send(record) {
            Ok(()) => {
                self.counters.records.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counters.records_refused.fetch_add(1, Ordering::Relaxed);
                Err(Full)
            }
        }
    }

    /// Whether an attempt would be taken now: asked before the work of describing it. Accepts
    /// leave a quarter of the rate to rejects.
    pub fn admits_attempt(&self, accepted: bool) -> bool {
        let admitted = self.rate.admits(accepted);
        if !admitted {
            self.counters.attempts_left_out.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    pub fn attempt(&self, attempt: Attempt) {
        let taken = self.attempts.try_send(attempt).is_ok();
        let counter =
            if taken { &self.counters.attempts } else { &self.counters.attempts_left_out };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// So many a second, counted per second of the clock.
struct Rate {
    most: u32,
    second: AtomicI64,
    taken: AtomicU64,
    began: Instant,
}

impl Rate {
    fn new(most: u32) -> Rate {
        Rate { most, second: AtomicI64::new(0), taken: AtomicU64::new(0), began: Instant::now() }
    }

    fn admits(&self, accepted: bool) -> bool {
        if self.most == 0 {
            return true;
        }
        let second = self.began.elapsed().as_secs() as i64;
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.taken.store(0, Ordering::Relaxed);
        }
        let most = u64::from(self.most);
        let share = if accepted { most - most / 4 } else { most };
        if self.taken.load(Ordering::Relaxed) >= share {
            return false;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_leave_room_for_rejects() {
        let (journal, _queues) = Journal::new(10, 8);
        let taken = |accepted| (0..100).filter(|_| journal.admits_attempt(accepted)).count();
        let (accepts, rejects) = (taken(true), taken(false));
        assert!((6..=12).contains(&accepts) && rejects >= 2, "{accepts} {rejects}");
    }

    #[test]
    fn a_full_queue_refuses_and_counts() {
        let (journal, queues) = Journal::new(1, 0);
        for _ in 0..3 {
            journal.attempt(Attempt::default());
        }
        assert_eq!(queues.attempts.len(), 1);
        assert_eq!(journal.counters().all()[3].2, 2);
    }
}
