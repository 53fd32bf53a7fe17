//! What becomes of records, told to the workers that wait for them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::Mutex;

use super::{Completions, Counters, Outcome, Record, Refused, Ticket};
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

/// Which records wait, by what they say, and how many of each source. A NAS that repeats a record
/// with another Acct-Delay-Time sends a new request; only here it is seen to be the same one.
pub struct Waiting {
    hasher: RandomState,
    seen: Mutex<Seen>,
    /// From so many on a repetition is turned away: what room is left is for news.
    crowd: usize,
    /// So many of one source: what room is left is for the others.
    source_max: usize,
}

#[derive(Default)]
struct Seen {
    /// Who sent each first.
    prints: HashMap<u64, IpAddr, RandomState>,
    of: HashMap<IpAddr, usize, RandomState>,
}

impl Waiting {
    /// Where `most` records may wait.
    pub fn new(most: usize) -> Waiting {
        let (crowd, source_max) = (most / 2, most - most / 4);
        Waiting { hasher: RandomState::new(), seen: Mutex::default(), crowd, source_max }
    }

    /// Enters a record, or says why it may not wait.
    pub fn add(&self, event: &Event, source: IpAddr) -> Result<(), Refused> {
        let print = self.print(event);
        let seen = &mut *self.seen.lock();
        let count = seen.prints.len();
        match seen.prints.entry(print) {
            Entry::Occupied(_) if count >= self.crowd => return Err(Refused::Repeated),
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(entry) => {
                let of_source = seen.of.entry(source).or_default();
                if *of_source >= self.source_max {
                    return Err(Refused::Full);
                }
                *of_source += 1;
                entry.insert(source);
            }
        }
        Ok(())
    }

    pub fn remove(&self, records: &[Record]) {
        let prints: Vec<u64> = records.iter().map(|record| self.print(&record.event)).collect();
        let seen = &mut *self.seen.lock();
        for print in &prints {
            let Some(source) = seen.prints.remove(print) else { continue };
            let Some(of_source) = seen.of.get_mut(&source) else { continue };
            *of_source -= 1;
            if *of_source == 0 {
                seen.of.remove(&source);
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.seen.lock().prints.len()
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
    use std::net::Ipv4Addr;

    use super::*;
    use crate::journal::tests::start;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn record(event: Event) -> Record {
        Record { event, source: OTHER, worker: 0, ticket: Ticket(0) }
    }

    #[test]
    fn in_a_crowd_only_news_comes_in() {
        let waiting = Waiting::new(6);
        let add = |event: &Event| waiting.add(event, ONE);
        assert_eq!((add(&start(1)), add(&start(1))), (Ok(()), Ok(())), "no crowd yet");
        assert_eq!((add(&start(2)), add(&start(3))), (Ok(()), Ok(())));
        assert_eq!(add(&start(1)), Err(Refused::Repeated));
        let mut later = start(2);
        if let Event::Session(event) = &mut later {
            event.time += 7;
        }
        assert_eq!(add(&later), Err(Refused::Repeated), "with another Acct-Delay-Time");
        assert_eq!(add(&start(4)), Ok(()), "news");
        waiting.remove(&[record(start(2))]);
        assert_eq!(add(&start(2)), Ok(()), "answered, and repeated since");
    }

    /// Told twice or by another source's words: the books are right.
    #[test]
    fn a_quarter_of_the_room_is_for_the_others() {
        let waiting = Waiting::new(100);
        for number in 0..75 {
            assert_eq!(waiting.add(&start(number), ONE), Ok(()));
        }
        assert_eq!(waiting.add(&start(75), ONE), Err(Refused::Full));
        assert_eq!(waiting.add(&start(75), OTHER), Ok(()));
        let all: Vec<_> = (0..76).map(|number| record(start(number))).collect();
        waiting.remove(&all[..1]);
        waiting.remove(&all[..1]);
        assert_eq!(waiting.add(&start(76), ONE), Ok(()), "one has gone");
        assert_eq!(waiting.add(&start(77), ONE), Err(Refused::Full));
        waiting.remove(&all);
        waiting.remove(&[record(start(76))]);
        let seen = waiting.seen.lock();
        assert_eq!((seen.prints.len(), seen.of.len()), (0, 0));
    }
}
