//! What workers hand over and one writer takes, as much as there is at a time; sources take turns.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::turns::Turns;

pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Notify,
    limit: usize,
}

struct Inner<T> {
    waiting: Turns<(Instant, T)>,
    /// Taken, and not yet landed.
    flying: Option<Flight<T>>,
    held: bool,
    closed: bool,
}

/// Items that were taken together, and when the first of them came.
pub struct Flight<T> {
    pub items: Arc<[T]>,
    pub since: Instant,
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Flight<T> {
        Flight { items: Arc::clone(&self.items), since: self.since }
    }
}

impl<T: Clone> Queue<T> {
    pub fn new(limit: usize) -> Queue<T> {
        let inner = Inner { waiting: Turns::new(), flying: None, held: false, closed: false };
        Queue { inner: Mutex::new(inner), arrived: Notify::new(), limit }
    }

    /// Gives it back when there is no room.
    pub fn push(&self, source: IpAddr, item: T) -> Result<(), T> {
        let mut inner = self.inner.lock();
        if inner.waiting.len() >= self.limit || inner.closed {
            return Err(item);
        }
        inner.waiting.push(source, (Instant::now(), item));
        let first = inner.waiting.len() == 1;
        drop(inner);
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something to take; false when closed and empty.
    pub async fn wait(&self) -> bool {
        loop {
            {
                let inner = self.inner.lock();
                match inner.waiting.is_empty() {
                    false if !inner.held => return true,
                    true if inner.closed => return false,
                    _ => {}
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes at most `most`, which then flies until `land`; `None` when there is nothing.
    pub fn take(&self, most: usize) -> Option<Flight<T>> {
        let inner = &mut *self.inner.lock();
        let taken = if inner.held { Vec::new() } else { inner.waiting.take(most) };
        let since = taken.iter().map(|(since, _)| *since).min()?;
        let items = taken.into_iter().map(|(_, item)| item).collect();
        let flight = Flight { items, since };
        inner.flying = Some(flight.clone());
        Some(flight)
    }

    /// What was taken is decided.
    pub fn land(&self) {
        self.inner.lock().flying = None;
    }

    pub fn is_flying(&self) -> bool {
        self.inner.lock().flying.is_some()
    }

    /// Gives out nothing until `release`, and all there is: a copy of what flies, and what waits;
    /// each source's in order.
    pub fn hold(&self) -> Vec<(Instant, T)> {
        let inner = &mut *self.inner.lock();
        inner.held = true;
        let flying = inner.flying.as_ref();
        let mut all: Vec<_> = flying
            .map(|flight| flight.items.iter().map(|item| (flight.since, item.clone())).collect())
            .unwrap_or_default();
        all.extend(inner.waiting.take(usize::MAX));
        // A closed queue has an end now.
        self.arrived.notify_one();
        all
    }

    pub fn release(&self) {
        self.inner.lock().held = false;
        self.arrived.notify_one();
    }

    /// Nothing more comes in; what is in still comes out.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.arrived.notify_one();
    }

    pub fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.waiting.len() + inner.flying.as_ref().map_or(0, |flight| flight.items.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn take(queue: &Queue<(u8, u32)>, most: usize) -> Vec<(u8, u32)> {
        let flight = queue.take(most).unwrap();
        queue.land();
        flight.items.to_vec()
    }

    #[test]
    fn who_sends_much_makes_nobody_wait() {
        let queue = Queue::new(20_000);
        let push = |from: u8, number: u32| queue.push(source(from), (from, number)).unwrap();
        (0..10_000).for_each(|number| push(1, number));
        (0..5).for_each(|number| push(2, number));
        (0..3).for_each(|number| push(3, number));
        let taken = take(&queue, 50);
        let of = |from| -> Vec<u32> {
            taken.iter().filter(|(one, _)| *one == from).map(|(_, number)| *number).collect()
        };
        assert_eq!((of(2), of(3)), ((0..5).collect(), (0..3).collect()), "all of theirs at once");
        assert_eq!(of(1), (0..42).collect::<Vec<_>>(), "the rest of the places is the flood's");
        push(2, 5);
        assert!(take(&queue, 2).contains(&(2, 5)), "the next turn");
        assert_eq!(queue.len(), 10_000 - 42 - 1);
    }

    #[test]
    fn what_waits_is_bounded_and_comes_out_in_order() {
        let queue = Queue::new(1_000);
        let push = |from: u8, number: u32| queue.push(source(from), (from, number));
        (0..500).for_each(|number| push(1 + (number % 2) as u8, number).unwrap());
        (500..1_000).for_each(|number| push(7, number).unwrap());
        assert_eq!(push(8, 0), Err((8, 0)));
        let all = queue.hold();
        assert_eq!(all.len(), 1_000);
        for from in [1, 2, 7] {
            let of = all.iter().filter(|(_, (one, _))| *one == from).map(|(_, (_, n))| *n);
            assert!(of.is_sorted());
        }
        push(8, 0).unwrap();
        assert_eq!(queue.len(), 1);
    }
}
