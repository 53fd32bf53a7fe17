//! The tables of a store, FreeRADIUS's and ours, and the only SQL there is.
//!
//! A [`Store`] is PostgreSQL or SQLite; nobody outside can tell which. `engine` is the seam: the
//! one place where a driver is named. `migrations` makes the tables of an empty store and ours
//! beside FreeRADIUS's where those are; `layout` knows what a store turned out to have.
//!
//! What decides a packet is read by `policy` (rows of users and groups), `nas` and `counters`,
//! and `changes` tells when any program altered it. What packets leave behind is written by
//! `sessions` (radacct), with it `usage` (sums by user and hour), and `attempts` (radpostauth and
//! the reasons). People edit `users`,
//! `groups` and `nas`: one function is one transaction.

mod additions;
mod attempts;
mod changes;
mod counters;
mod engine;
mod error;
mod groups;
mod layout;
mod migrations;
mod nas;
mod policy;
mod rows;
mod sessions;
mod store;
mod usage;
mod users;

pub use attempts::{Attempt, Bounds, LastAccept, Purged, Trace};
pub use changes::Change;
pub use counters::{Online, OpenSession, Volume};
pub use error::Error;
pub use nas::{NamedNas, NasRow, Tri};
pub use policy::{GroupRows, Huntgroup, Row, UserRows};
pub use sessions::{
    Ask, Incarnation, Known, Reboot, Reuse, SESSION_ID_REUSED, Session, Step, ToClose, Writes,
    Written,
};
pub use store::{Options, Report, Status, Store};
pub use usage::{Amount, By, Compared, Difference, Filled, Total, Usage, UsageFilter, usage_of};
pub use users::{Membership, User};

/// Every statement that a store of this engine may be sent.
fn statements<'k>(
    known: &'k store::Known,
    engine: &'static str,
) -> Vec<(&'static str, &'k engine::Sql)> {
    let only_sqlite = |name: &str| name == "SQLITE_INDEXES";
    let only_postgres = |name: &str| {
        migrations::is_for_postgres(name)
            || !only_sqlite(name) && additions::statements().iter().any(|(other, _)| *other == name)
    };
    let fixed = [
        additions::statements(),
        attempts::statements(),
        counters::statements(),
        groups::statements(),
        layout::statements(),
        migrations::statements(),
        nas::statements(),
        policy::statements(),
        rows::statements(),
        sessions::statements(),
        sessions::more_statements(),
        store::statements(),
        usage::all_statements(),
        users::statements(),
    ];
    let fixed = fixed.into_iter().flatten().filter(|(name, _)| match engine {
        "sqlite" => !only_postgres(name),
        _ => !only_sqlite(name),
    });
    let fixed = fixed.map(|(name, sql)| -> (&'static str, &'k engine::Sql) { (name, sql) });
    fixed
        .chain(known.policy.built())
        .chain(known.nas.built())
        .chain(known.counters.built())
        .chain(known.sessions.built())
        .chain(known.usage.built())
        .chain(known.attempts.built())
        .collect()
}
