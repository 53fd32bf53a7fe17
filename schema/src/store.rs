//! The store as others hold it: opened once, cloned freely.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::Error;

/// How to reach a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…` as libpq understands it.
    pub url: String,
    /// Connections at most; on SQLite readers, beside the one writer.
    pub pool: usize,
    /// Where LISTEN goes when `url` leads to a pooler.
    pub listen_url: Option<String>,
    /// The zone of times that FreeRADIUS writes as local text.
    pub timezone: TimeZone,
}

impl Default for Options {
    fn default() -> Options {
        Options { url: String::new(), pool: 8, listen_url: None, timezone: TimeZone::UTC }
    }
}

/// What `migrate` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Migrations run now, `0002_attempts`.
    pub applied: Vec<String>,
    /// FreeRADIUS's tables were there and are left as they are.
    pub taken: bool,
    /// Indexes and triggers added to FreeRADIUS's tables.
    pub added: Vec<String>,
    /// What the role may not do, one sentence each; `Store::print_sql` has the text for an owner.
    pub lacking: Vec<String>,
}

/// What a store is and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `postgresql` or `sqlite`.
    pub engine: &'static str,
    pub version: String,
    /// Every migration, and whether it has been run.
    pub migrations: Vec<(String, bool)>,
    /// Our tables can be used; else RADIUS runs without reasons, traces and session marks.
    pub ours: bool,
    /// Changes by other programs are told at once; else policy is at most 2 s old.
    pub notified: bool,
    pub lacking: Vec<String>,
}

/// FreeRADIUS's tables and ours, on PostgreSQL or SQLite.
#[derive(Clone)]
pub struct Store {
    #[expect(dead_code, reason = "the engine follows")]
    inner: Arc<Inner>,
}

struct Inner;

pub(crate) fn unready<T>() -> Result<T, Error> {
    Err(Error::Failed("not built yet".into()))
}

impl Store {
    /// Connects and looks what is there; makes nothing but an empty SQLite file.
    pub async fn open(_options: &Options) -> Result<Store, Error> {
        unready()
    }

    /// Brings the tables to the newest version: an empty store gets FreeRADIUS's tables and
    /// ours, another one ours, and what it lacks of indexes and triggers if the role may. Safe to
    /// repeat, and with two processes at once.
    pub async fn migrate(&self) -> Result<Report, Error> {
        unready()
    }

    /// The part of `migrate` that never takes long, for a daemon that starts: all but indexes.
    pub async fn migrate_tables(&self) -> Result<Report, Error> {
        unready()
    }

    /// The rest of `migrate`: indexes that FreeRADIUS's tables lack, built without blocking
    /// writers on PostgreSQL.
    pub async fn add_indexes(&self) -> Result<Report, Error> {
        unready()
    }

    /// What the owner of the tables has to run so that `migrate` has nothing left to do.
    pub async fn print_sql(&self) -> Result<String, Error> {
        unready()
    }

    pub async fn status(&self) -> Result<Status, Error> {
        unready()
    }

    pub fn engine_name(&self) -> &'static str {
        "none"
    }

    /// Ends connections and threads when their work is done.
    pub async fn close(&self) {}
}
