//! radacct: one row per session, read, folded by the caller and written in one transaction.

use crate::store::unready;
use crate::{Error, Store};

/// A row of radacct. Times are seconds since 1970. Addresses are text as PostgreSQL prints an
/// inet; what a NOT NULL column holds as '' is `None` here. `class`, which FreeRADIUS leaves
/// empty, is never touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `None`: not in the table yet.
    pub radacctid: Option<i64>,
    pub acctsessionid: String,
    pub acctuniqueid: String,
    pub username: Option<String>,
    pub realm: Option<String>,
    pub nasipaddress: String,
    pub nasportid: Option<String>,
    pub nasporttype: Option<String>,
    pub acctstarttime: Option<i64>,
    pub acctupdatetime: Option<i64>,
    pub acctstoptime: Option<i64>,
    pub acctinterval: Option<i64>,
    pub acctsessiontime: Option<i64>,
    pub acctauthentic: Option<String>,
    pub connectinfo_start: Option<String>,
    pub connectinfo_stop: Option<String>,
    pub acctinputoctets: Option<i64>,
    pub acctoutputoctets: Option<i64>,
    pub calledstationid: Option<String>,
    pub callingstationid: Option<String>,
    pub acctterminatecause: Option<String>,
    pub servicetype: Option<String>,
    pub framedprotocol: Option<String>,
    pub framedipaddress: Option<String>,
    pub framedipv6address: Option<String>,
    pub framedipv6prefix: Option<String>,
    pub framedinterfaceid: Option<String>,
    pub delegatedipv6prefix: Option<String>,
}

/// An Accounting-On or Accounting-Off: sessions of that NAS ended by then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reboot {
    pub nasipaddress: String,
    /// Epoch seconds.
    pub at: i64,
    pub off: bool,
    pub cause: Option<String>,
}

/// An earlier session under an Acct-Session-Id that its NAS has used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// The id by FreeRADIUS's formula, which the current session holds.
    pub plain_id: String,
    /// Epoch seconds.
    pub start: i64,
    /// The id that the earlier session's row holds now.
    pub acctuniqueid: String,
}

/// What a fold needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// acctuniqueids, sorted.
    pub ids: Vec<String>,
    /// The NAS addresses whose reboots matter.
    pub nases: Vec<String>,
    /// Reboots before this time don't.
    pub since: i64,
}

/// What is in the store, locked until the transaction ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The rows of `Ask::ids` that exist, sorted by acctuniqueid, each with its marks.
    pub rows: Vec<(Session, Option<String>)>,
    /// Filled when the fold has asked for `Step::Older`.
    pub older: Vec<Incarnation>,
    pub reboots: Vec<Reboot>,
}

/// An earlier session as `Step::Older` found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    pub plain_id: String,
    /// The start under which it is known.
    pub start: i64,
    pub session: Session,
    pub marks: Option<String>,
}

/// What the fold answers.
#[derive(Clone, Debug)]
pub enum Step {
    /// Asks once for the earlier sessions whose known start lies nearest below (start + 60) of
    /// each (plain id, start); the fold is then called again with all it knew and those.
    Older(Vec<(String, i64)>),
    Write(Writes),
}

/// What the fold wants written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// With radacctid: updated, whole, before anything is inserted; its acctuniqueid may change.
    /// Without: inserted; if another writer was first, all is undone as [`Error::Conflict`].
    pub rows: Vec<Session>,
    /// Marks by acctuniqueid; `None` deletes.
    pub marks: Vec<(String, Option<String>)>,
    pub reuses: Vec<Reuse>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub inserted: usize,
    pub updated: usize,
}

/// Which sessions a reboot may have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToClose {
    pub radacctid: i64,
    pub acctuniqueid: String,
}

impl Store {
    /// One transaction: reads and locks what `ask` names, lets `fold` decide, writes what it
    /// says. `fold` is pure; nothing is written when it is called a second time.
    pub async fn write_sessions<F>(&self, _ask: &Ask, _fold: F) -> Result<Written, Error>
    where
        F: FnMut(Known) -> Step + Send,
    {
        unready()
    }

    /// Keeps the times at which NASes began or ended; nothing without our tables.
    pub async fn record_reboots(&self, _reboots: &[Reboot]) -> Result<(), Error> {
        unready()
    }

    /// Sessions of `nas` that began by `at` and either are open and last heard of by `at`, or
    /// were closed at `next`, the reboot after it. In order of radacctid, those above `after`.
    pub async fn sessions_to_close(
        &self,
        _nas: &str,
        _at: i64,
        _next: Option<i64>,
        _after: i64,
        _limit: usize,
    ) -> Result<Vec<ToClose>, Error> {
        unready()
    }

    /// The row of a session.
    pub async fn find_session(&self, _acctuniqueid: &str) -> Result<Option<Session>, Error> {
        unready()
    }
}
