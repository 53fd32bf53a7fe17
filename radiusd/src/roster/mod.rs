//! What the hot path knows without asking: clients and groups as snapshots swapped whole, users
//! in a bounded cache.
//!
//! `clients` finds a NAS · `users` holds users' rows · `inbox` counts strangers · `watch` keeps
//! all of it as the store has it.

mod clients;
mod inbox;
mod users;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

pub use clients::{Clients, Nas, Refusal};
pub use inbox::Inbox;
pub use users::{Found, Known, Mark, Users};
pub use watch::{Watch, WatchOptions};

use crate::policy::{Groups, Huntgroups};

/// For how long the store may be away before nothing is answered from memory
/// (`deviations.md` 2).
const STALE_POLICY_MAX: Duration = Duration::from_secs(3600);

pub struct Roster {
    clients: ArcSwap<Clients>,
    groups: ArcSwap<Groups>,
    huntgroups: ArcSwap<Huntgroups>,
    pub users: Users,
    pub inbox: Inbox,
    /// Clients on `auto` that were found to sign always, to be written down.
    learned: UnboundedSender<i64>,
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

    /// Whether so much time has passed without word from the store that memory decides nothing.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.users.silence(now) > STALE_POLICY_MAX
    }

    /// A client on `auto` signs always: written down once (the snapshot knows already).
    pub fn learned(&self, nas: &Nas) {
        if let Some(row) = nas.row {
            // Nobody listens any more when the daemon stops.
            let _ = self.learned.send(row);
        }
    }
}
