//! What becomes of records, told to the workers that wait for them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::Mutex;

use super::{Completions, Counters, Outcome, Record, Ticket};
use crate::accounting::Event;
use crate::online::Online;

pub struct Answers {
    pub completions: Arc<dyn Completions>,
    pub counters: Arc<Counters>,
    pub online: Arc<Online>,
    pub waiting: Waiting,
}

impl Answers {
    /// Tells each worker once. Telling it again what was told before does no harm.
    pub fn tell(&self, records: &[Record], outcomes: &[Outcome]) {
        let mut of: BTreeMap<usize, Vec<(Ticket, Outcome)>> = BTreeMap::new();
        for (record, outcome) in records.iter().zip(outcomes) {
            of.entry(record.worker).or_default().push((record.ticket, *outcome));
        }
        let lost = outcomes.iter().filter(|outcome| **outcome == Outcome::NotStored).count();
        self.counters.not_stored.add(lost as u64);
        self.waiting.remove(records);
        for (worker, told) in of {
            self.completions.tell(worker, told);
        }
    }
}

/// Which records wait, by what they say. A NAS that repeats a record with another Acct-Delay-Time
/// sends a new request; only here it is seen to be the same one.
pub struct Waiting {
    hasher: RandomState,
    seen: Mutex<HashSet<u64, RandomState>>,
    /// From so many on a repetition is turned away: what room is left is for news.
    crowd: usize,
}

impl Waiting {
    pub fn new(crowd: usize) -> Waiting {
        Waiting { hasher: RandomState::new(), seen: Mutex::default(), crowd }
    }

    /// Enters a record; false if many are waiting and this one among them.
    pub fn add(&self, event: &Event) -> bool {
        let print = self.print(event);
        let mut seen = self.seen.lock();
        seen.insert(print) || seen.len() < self.crowd
    }

    fn remove(&self, records: &[Record]) {
        let prints: Vec<u64> = records.iter().map(|record| self.print(&record.event)).collect();
        let mut seen = self.seen.lock();
        for print in &prints {
            seen.remove(print);
        }
    }

    fn print(&self, event: &Event) -> u64 {
        match event {
            Event::Session(event) => self.hasher.hash_one((
                &event.unique_id,
                event.kind,
                event.session_time,
                event.input_octets,
                event.output_octets,
            )),
            Event::Reboot(reboot) => {
                self.hasher.hash_one((&reboot.nasipaddress, reboot.off, &reboot.cause))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::start;

    fn record(event: Event) -> Record {
        Record { event, worker: 0, ticket: Ticket(0) }
    }

    #[test]
    fn in_a_crowd_only_news_comes_in() {
        let waiting = Waiting::new(3);
        assert!(waiting.add(&start(1)) && waiting.add(&start(1)), "no crowd yet");
        assert!(waiting.add(&start(2)) && waiting.add(&start(3)));
        assert!(!waiting.add(&start(1)), "a repetition");
        let mut later = start(2);
        if let Event::Session(event) = &mut later {
            event.time += 7;
        }
        assert!(!waiting.add(&later), "the same with another Acct-Delay-Time");
        assert!(waiting.add(&start(4)), "news");
        waiting.remove(&[record(start(2))]);
        assert!(waiting.add(&start(2)), "answered, and repeated since");
    }
}
