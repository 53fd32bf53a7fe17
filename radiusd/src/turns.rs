//! Sources take turns, one item each: however much one of them has sent, an item of another waits
//! for no more than a turn. Items of one source stay in order.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use ahash::RandomState;

/// What waits, by source.
pub struct Turns<T> {
    of: HashMap<IpAddr, VecDeque<T>, RandomState>,
    /// Each source with a line, in the order of their turns.
    next: VecDeque<IpAddr>,
    /// Lines of sources that have nothing more, to be used again.
    spare: Vec<VecDeque<T>>,
    count: usize,
}

/// Lines kept to be used again, and what each may hold meanwhile.
const SPARE_MAX: usize = 64;
const SPARE_CAPACITY_MAX: usize = 64;

impl<T> Turns<T> {
    pub fn new() -> Turns<T> {
        let of = HashMap::with_hasher(RandomState::new());
        Turns { of, next: VecDeque::new(), spare: Vec::new(), count: 0 }
    }

    pub fn push(&mut self, source: IpAddr, item: T) {
        let Turns { of, next, spare, count } = self;
        let line = of.entry(source).or_insert_with(|| {
            next.push_back(source);
            spare.pop().unwrap_or_default()
        });
        line.push_back(item);
        *count += 1;
    }

    /// At most so many, one of each source after the other.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.count));
        while taken.len() < most {
            let Some(source) = self.next.pop_front() else { break };
            let Some(line) = self.of.get_mut(&source) else { continue };
            taken.extend(line.pop_front());
            if !line.is_empty() {
                self.next.push_back(source);
            } else if let Some(line) = self.of.remove(&source) {
                self.keep(line);
            }
        }
        self.count -= taken.len();
        taken
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn keep(&mut self, line: VecDeque<T>) {
        if self.spare.len() < SPARE_MAX && line.capacity() <= SPARE_CAPACITY_MAX {
            self.spare.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_in_turn_and_nothing_is_kept_of_those_who_have_gone() {
        let mut turns = Turns::new();
        let source = |last: u8| IpAddr::from([10, 0, 0, last]);
        for last in 0..=255 {
            (0..3).for_each(|number| turns.push(source(last), (last, number)));
        }
        (3..1_000).for_each(|number| turns.push(source(7), (7, number)));
        let first: Vec<_> = turns.take(256);
        assert!(first.iter().map(|(last, _)| *last).eq(0..=255), "one of each");
        assert!(first.iter().all(|(_, number)| *number == 0));
        turns.push(source(9), (9, 3));
        let rest = turns.take(usize::MAX);
        assert!(turns.is_empty() && rest.len() == 2 * 256 + 997 + 1);
        let seven = rest.iter().filter(|(last, _)| *last == 7);
        assert!(seven.map(|(_, number)| *number).eq(1..1_000));
        assert_eq!((turns.of.len(), turns.next.len()), (0, 0));
        assert!(turns.spare.len() <= SPARE_MAX);
        assert!(turns.spare.iter().all(|line| line.capacity() <= SPARE_CAPACITY_MAX));
    }
}
