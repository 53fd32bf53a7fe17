//! What the hot path knows without asking: clients and groups as snapshots swapped whole, users
//! in a bounded cache.
//!
//! `clients` finds a NAS · `entry` makes them · `names` resolves host names · `users` holds users'
//! rows · `inbox` counts strangers · `watch` keeps all of it as the store has it · `last_known` keeps
//! the NAS for a start without the store.

mod clients;
mod entry;
mod inbox;
mod last_known;
mod names;
mod users;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

pub use clients::{Clients, Nas, Refusal};
pub use entry::network;
pub use inbox::{Inbox, Seen};
pub use last_known::LastKnown;
pub use names::look_up;
pub use users::{Found, Known, Mark, Users};
pub use watch::{Watch, WatchOptions};

use crate::policy::{Groups, Huntgroups};

pub struct Roster {
    clients: ArcSwap<Clients>,
    groups: ArcSwap<Groups>,
    huntgroups: ArcSwap<Huntgroups>,
    pub users: Users,
    pub inbox: Inbox,
    /// Clients on `auto` that were found to sign always, to be written down.
    learned: UnboundedSender<i64>,
    /// The store did not answer when it was last asked.
    away: AtomicBool,
    stale_policy_max: Duration,
}

impl Roster {
    pub fn clients(&self) -> Arc<Clients> {
        self.clients.load_full()
    }

    pub fn groups(&self) -> arc_swap::Guard<Arc<Groups>> {
        self.groups.load()
    }

    pub fn huntgroups(&self) -> arc_swap::Guard<Arc<Huntgroups>> {
        self.huntgroups.load()
    }

    /// Whether so much time has passed without word from the store that memory decides nothing
    /// (`deviations.md` 2), as it does before the store was first read.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.users.silence(now).is_none_or(|silence| silence > self.stale_policy_max)
    }

    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The store answered.
    pub fn answered(&self) {
        if self.is_away() && self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("the store answers again");
        }
    }

    /// The store did not answer; said once until it does.
    pub fn missed(&self, why: &impl std::fmt::Display) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %why, "the store does not answer");
        }
    }

    /// A client on `auto` signs always: written down once (the snapshot knows already).
    pub fn learned(&self, nas: &Nas) {
        if let Some(row) = nas.row {
            // Nobody listens any more when the daemon stops.
            let _ = self.learned.send(row);
        }
    }
}
