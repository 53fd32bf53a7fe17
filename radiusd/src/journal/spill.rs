//! Which way records go: to the store, or to the journal and from there to the store.
//!
//! `Direct`: into the lanes. `Spill`: behind everything that is in the journal. Whoever turns the
//! way takes along what flies and what waits, in order of arrival, under a lock that keeps new
//! records out; so a session's records never overtake each other. `HandOver`: the journal is as
//! good as empty; new records wait in the lanes, which are held, until its rest is in the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::answers::Answers;
use super::log::{Order, State};
use super::queue::Queue;
use super::{Record, Refused};
use crate::accounting::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Direct,
    Spill,
    HandOver,
}

pub struct Spill {
    way: RwLock<Way>,
    /// Of sessions, then of reboots. An id is always written through the same one, so that no two
    /// transactions of ours are at one session.
    lanes: Vec<Arc<Queue<Record>>>,
    pub state: Arc<State>,
    pub orders: Sender<Order>,
    pub answers: Arc<Answers>,
    /// Records that may wait for the journal's thread.
    pending_max: usize,
    /// The way has turned away from `Direct`.
    pub turning: Notify,
}

impl Spill {
    /// Direct, unless an earlier run has left something.
    pub fn new(
        lanes: Vec<Arc<Queue<Record>>>,
        state: Arc<State>,
        orders: Sender<Order>,
        answers: Arc<Answers>,
        pending_max: usize,
    ) -> Spill {
        let way = if state.is_empty() { Way::Direct } else { Way::Spill };
        let turning = Notify::new();
        let spill =
            Spill { way: RwLock::new(way), lanes, state, orders, answers, pending_max, turning };
        if way == Way::Spill {
            spill.answers.online.set_ahead(true);
            spill.lanes.iter().for_each(|lane| drop(lane.hold()));
            spill.turning.notify_one();
        }
        spill
    }

    pub fn way(&self) -> Way {
        *self.way.read()
    }

    /// Takes a record the way that all go now.
    pub fn take(&self, record: Record) -> Result<(), Refused> {
        if let Err(refused) = self.answers.waiting.add(&record.event, record.source) {
            let counters = &self.answers.counters;
            match refused {
                Refused::Repeated => counters.repeated.add(1),
                Refused::Full => counters.queue_full.add(1),
            }
            return Err(refused);
        }
        let record = {
            let way = self.way.read();
            if *way == Way::Spill {
                return self.append_bounded(record);
            }
            match self.lane(&record.event).push(record.source, record) {
                Ok(()) => return Ok(()),
                Err(record) => record,
            }
        };
        // Not let go in between: who has handed over meanwhile looks for no more records.
        let _way = self.turned("more records are waiting than accounting.queue_max");
        self.append_bounded(record)
    }

    fn lane(&self, event: &Event) -> &Queue<Record> {
        let at = match event {
            Event::Session(event) => shard(&event.unique_id, self.lanes.len() - 1),
            Event::Reboot(_) => self.lanes.len() - 1,
        };
        &self.lanes[at]
    }

    fn append_bounded(&self, record: Record) -> Result<(), Refused> {
        let full = self.state.pending.load(Ordering::Relaxed) >= self.pending_max;
        let refused = if full { Err(record) } else { self.append(record) };
        refused.map_err(|record| {
            // It waits for nothing: its repetition is news.
            self.answers.waiting.remove(&[record]);
            self.answers.counters.queue_full.add(1);
            Refused::Full
        })
    }

    fn append(&self, record: Record) -> Result<(), Record> {
        self.state.pending.fetch_add(1, Ordering::Relaxed);
        let Err(refused) = self.orders.send(Order::Append(record)) else { return Ok(()) };
        self.state.pending.fetch_sub(1, Ordering::Relaxed);
        match refused.into_inner() {
            Order::Append(record) => Err(record),
            _ => Ok(()),
        }
    }

    /// From now on everything goes to the journal, beginning with what flies and what waits.
    pub fn turn(&self, why: &str) {
        drop(self.turned(why));
    }

    /// As long as what this returns is held, no other way is taken.
    fn turned(&self, why: &str) -> RwLockReadGuard<'_, Way> {
        let mut way = self.way.write();
        if *way == Way::Spill {
            return RwLockWriteGuard::downgrade(way);
        }
        let mut all: Vec<_> = self.lanes.iter().flat_map(|lane| lane.hold()).collect();
        all.sort_by_key(|(since, _)| *since);
        if *way == Way::Direct {
            self.answers.counters.spills.add(1);
            warn!(why, records = all.len(), "accounting goes to the journal");
        }
        for (_, record) in all {
            if let Err(record) = self.append(record) {
                self.answers.tell(&[record], &[super::Outcome::NotStored]);
            }
        }
        self.answers.online.set_ahead(true);
        *way = Way::Spill;
        self.turning.notify_one();
        RwLockWriteGuard::downgrade(way)
    }

    /// The journal is nearly empty: what comes now waits in the lanes for its end.
    pub fn hand_over(&self) {
        *self.way.write() = Way::HandOver;
    }

    /// The journal is empty; false if the way has turned meanwhile.
    pub fn finish(&self) -> bool {
        let mut way = self.way.write();
        if *way != Way::HandOver {
            return false;
        }
        self.state.finish_current(&self.orders);
        self.state.records.store(0, Ordering::Relaxed);
        self.state.trouble.lock().clear();
        self.answers.online.set_ahead(false);
        *way = Way::Direct;
        self.lanes.iter().for_each(|lane| lane.release());
        info!("the journal is empty: accounting goes to the store again");
        true
    }

    pub fn is_flying(&self) -> bool {
        self.lanes.iter().any(|lane| lane.is_flying())
    }

    /// Nothing more comes in.
    pub fn close(&self) {
        self.lanes.iter().for_each(|lane| lane.close());
    }

    pub fn queued(&self) -> usize {
        let pending = self.state.pending.load(Ordering::Relaxed);
        self.lanes.iter().map(|lane| lane.len()).sum::<usize>() + pending
    }
}

/// Ids are hexadecimal digits of a hash already.
pub fn shard(unique_id: &str, shards: usize) -> usize {
    unique_id.bytes().last().map_or(0, |digit| usize::from(digit) % shards)
}
