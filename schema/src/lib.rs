//! The tables of a store, FreeRADIUS's and ours, and the only SQL there is.
//!
//! A [`Store`] is PostgreSQL or SQLite; nobody outside can tell which. `engine` is the seam: the
//! one place where a driver is named. `migrations` makes the tables of an empty store and ours
//! beside FreeRADIUS's where those are; `layout` knows what a store turned out to have.
//!
//! What decides a packet is read by `policy` (rows of users and groups), `nas` and `counters`,
//! and `changes` tells when any program altered it. What packets leave behind is written by
//! `sessions` (radacct) and `attempts` (radpostauth and the reasons). People edit `users`,
//! `groups` and `nas`: one function is one transaction.

mod attempts;
mod changes;
mod counters;
mod error;
mod groups;
mod nas;
mod policy;
mod sessions;
mod store;
mod users;

pub use attempts::{Attempt, Bounds, LastAccept, Purged, Trace};
pub use changes::Change;
pub use counters::{OpenSession, Volume};
pub use error::Error;
pub use nas::{NamedNas, NasRow, Tri};
pub use policy::{GroupRows, Huntgroup, Row, UserRows};
pub use sessions::{
    Ask, Incarnation, Known, Reboot, Reuse, Session, Step, ToClose, Writes, Written,
};
pub use store::{Options, Report, Status, Store};
pub use users::{Membership, User};
