//! What workers hand over and one writer takes, as much as there is at a time.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    arrived: Notify,
    limit: usize,
}

struct Waiting<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub fn new(limit: usize) -> Queue<T> {
        let waiting = Mutex::new(Waiting { items: VecDeque::new(), closed: false });
        Queue { waiting, arrived: Notify::new(), limit }
    }

    /// Gives it back when there is no room.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut waiting = self.waiting.lock();
        if waiting.items.len() >= self.limit || waiting.closed {
            return Err(item);
        }
        waiting.items.push_back(item);
        let first = waiting.items.len() == 1;
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something and takes at most `most`; `None` when closed and empty.
    pub async fn take(&self, most: usize) -> Option<Vec<T>> {
        loop {
            let (taken, closed) = {
                let mut waiting = self.waiting.lock();
                let count = waiting.items.len().min(most);
                let taken: Vec<T> = waiting.items.drain(..count).collect();
                (taken, waiting.closed)
            };
            if !taken.is_empty() {
                return Some(taken);
            }
            if closed {
                return None;
            }
            self.arrived.notified().await;
        }
    }

    /// Nothing more comes in; what is in still comes out.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    pub fn len(&self) -> usize {
        self.waiting.lock().items.len()
    }
}
