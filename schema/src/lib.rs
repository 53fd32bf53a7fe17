//! The tables of a store, FreeRADIUS's and ours, and the only SQL there is.
//!
//! A [`Store`] is PostgreSQL or SQLite; nobody outside can tell which. `engine` is the seam: the
//! one place where a driver is named. `migrations` makes the tables of an empty store and ours
//! beside FreeRADIUS's where those are; `layout` knows what a store turned out to have.
//!
//! What decides a packet is read by `policy` (rows of users and groups), `nas` and `counters`,
//! and `changes` tells when any program altered it. What packets leave behind is written by
//! `sessions` (radacct), with it `usage` (sums by user and hour), and `attempts` (radpostauth and
//! the reasons). People edit `users`, `groups` and `nas`: one function is one transaction.
//!
//! Who people are is in `operators`, what they may do in `roles`, how they are known in `logins`,
//! `factors` and `tokens`, and what belongs to whom in `tenants`. Each change of these takes an [`Actor`] and ends in its row of `audit`.

mod additions;
mod attempts;
mod audit;
mod changes;
mod counters;
mod engine;
mod error;
mod factors;
mod groups;
mod layout;
mod logins;
mod migrations;
mod nas;
mod operators;
mod policy;
mod roles;
mod rows;
mod sessions;
mod store;
mod tenants;
mod tokens;
mod usage;
mod users;

pub use attempts::{
    Attempt, AttemptCount, AttemptFilter, AttemptPage, Bounds, LastAccept, Purged, Trace,
};
pub use audit::{Actor, AuditEntry, AuditFilter, AuditKeys, Break, Verified};
pub use changes::Change;
pub use counters::{Online, OpenSession, Volume};
pub use error::Error;
pub use factors::Factor;
pub use logins::{Bearer, Login};
pub use nas::{NamedNas, NasRow, Tri};
pub use operators::{ADMINISTRATOR, Credentials, Operator};
pub use policy::{GroupRows, Huntgroup, Row, UserRows};
pub use roles::Role;
pub use sessions::{
    Ask, Incarnation, Known, Reboot, Reuse, SESSION_ID_REUSED, Session, SessionFilter, SessionMark,
    SessionPage, Step, ToClose, Which, Writes, Written,
};
pub use store::{Options, Report, Status, Store};
pub use tenants::{Owned, Scope, Tenant};
pub use tokens::Token;
pub use usage::{Amount, By, Compared, Difference, Filled, Total, Usage, UsageFilter, usage_of};
pub use users::{Details, Membership, Once, Person, Place, User, UserFilter};

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
        attempts::more_statements(),
        audit::statements(),
        audit::erase::statements(),
        counters::statements(),
        factors::statements(),
        groups::statements(),
        layout::statements(),
        logins::statements(),
        migrations::statements(),
        nas::statements(),
        operators::statements(),
        policy::statements(),
        roles::statements(),
        rows::statements(),
        sessions::statements(),
        sessions::more_statements(),
        store::statements(),
        tenants::statements(),
        tokens::statements(),
        usage::all_statements(),
        users::all_statements().collect(),
    ];
    let fixed = fixed.into_iter().flatten().filter(|(name, _)| match engine {
        "sqlite" => !only_postgres(name),
        _ => !only_sqlite(name),
    });
    let fixed = fixed.chain(users::built(engine == "postgresql"));
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

/// An id of ours: a UUID kept as text.
fn id(row: &engine::Row<'_>, column: usize) -> Result<uuid::Uuid, Error> {
    let text = row.text(column)?;
    text.parse().map_err(|_| Error::Schema("an id in a table of ours is no UUID".into()))
}

fn id_or_null(row: &engine::Row<'_>, column: usize) -> Result<Option<uuid::Uuid>, Error> {
    match row.text_or_null(column)? {
        Some(_) => id(row, column).map(Some),
        None => Ok(None),
    }
}

/// A JSON list of names; `None` for NULL.
fn names(row: &engine::Row<'_>, column: usize) -> Result<Option<Vec<String>>, Error> {
    let Some(text) = row.text_or_null(column)? else { return Ok(None) };
    let names = serde_json::from_str(&text);
    names.map(Some).map_err(|_| Error::Schema("a list in a table of ours is none".into()))
}
