//! What workers hand over and one writer takes, as much as there is at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Notify,
    limit: usize,
}

struct Inner<T> {
    waiting: VecDeque<(Instant, T)>,
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
        let inner = Inner { waiting: VecDeque::new(), flying: None, held: false, closed: false };
        Queue { inner: Mutex::new(inner), arrived: Notify::new(), limit }
    }

    /// Gives it back when there is no room.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut inner = self.inner.lock();
        if inner.waiting.len() >= self.limit || inner.closed {
            return Err(item);
        }
        inner.waiting.push_back((Instant::now(), item));
        let first = inner.waiting.len() == 1;
        drop(inner);
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something and takes at most `most`, which then flies until `land`;
    /// `None` when closed and empty.
    pub async fn take(&self, most: usize) -> Option<Flight<T>> {
        loop {
            {
                let inner = &mut *self.inner.lock();
                let count = if inner.held { 0 } else { inner.waiting.len().min(most) };
                if let Some((since, _)) = inner.waiting.front().filter(|_| count > 0) {
                    let since = *since;
                    let items = inner.waiting.drain(..count).map(|(_, item)| item).collect();
                    let flight = Flight { items, since };
                    inner.flying = Some(flight.clone());
                    return Some(flight);
                }
                if inner.closed && inner.waiting.is_empty() {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// What was taken is decided.
    pub fn land(&self) {
        self.inner.lock().flying = None;
    }

    pub fn is_flying(&self) -> bool {
        self.inner.lock().flying.is_some()
    }

    /// Gives out nothing until `release`, and all there is: a copy of what flies, and what waits.
    pub fn hold(&self) -> Vec<(Instant, T)> {
        let inner = &mut *self.inner.lock();
        inner.held = true;
        let flying = inner.flying.as_ref();
        let mut all: Vec<_> = flying
            .map(|flight| flight.items.iter().map(|item| (flight.since, item.clone())).collect())
            .unwrap_or_default();
        all.extend(inner.waiting.drain(..));
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
