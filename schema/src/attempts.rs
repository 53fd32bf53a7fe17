//! Authentications: radpostauth as FreeRADIUS fills it but without passwords, and beside it the
//! reason and the trace of each.

use crate::store::unready;
use crate::{Error, Store};

/// One authentication that ended in Accept or Reject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Epoch milliseconds.
    pub at_ms: i64,
    pub username: String,
    pub accepted: bool,
    /// Kebab-case; `accepted` for an accept.
    pub reason: String,
    /// The NAS's address, the name we have for it, and what it said of the user's place.
    pub nas_ip: String,
    pub nas_name: String,
    pub nas_port: Option<String>,
    pub calling_station: Option<String>,
    pub called_station: Option<String>,
    /// JSON; never holds a password. Of a reject it is kept within [`Bounds`]; of an accept
    /// each user's last is kept.
    pub trace: Option<String>,
}

/// How many traces of rejects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub per_user: usize,
    pub in_all: usize,
}

/// A kept trace of a reject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub at_ms: i64,
    pub username: String,
    pub reason: String,
    pub nas_ip: String,
    pub trace: String,
}

/// A user's last accept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastAccept {
    pub username: String,
    pub at_ms: i64,
    pub nas_ip: String,
    pub calling_station: Option<String>,
    pub trace: Option<String>,
}

/// How many rows `purge_attempts` took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub attempts: u64,
    pub traces: u64,
    pub postauth: u64,
}

impl Store {
    /// One transaction for many attempts. Without our tables only radpostauth is written.
    pub async fn write_attempts(
        &self,
        _attempts: &[Attempt],
        _bounds: Bounds,
    ) -> Result<(), Error> {
        unready()
    }

    /// Removes what is older, at most `limit` rows of each table: call it again until all counts
    /// are below. radpostauth is purged only where we made it; a site's own is left alone.
    pub async fn purge_attempts(&self, _before_ms: i64, _limit: usize) -> Result<Purged, Error> {
        unready()
    }

    /// The newest attempts of a user, or of all.
    pub async fn list_attempts(
        &self,
        _username: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<Attempt>, Error> {
        unready()
    }

    /// The kept traces of a user's rejects, newest first.
    pub async fn list_traces(&self, _username: &str, _limit: usize) -> Result<Vec<Trace>, Error> {
        unready()
    }

    pub async fn last_accept(&self, _username: &str) -> Result<Option<LastAccept>, Error> {
        unready()
    }
}
