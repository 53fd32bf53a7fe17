//! What limits are measured against: time and volume used, sessions open now.
//!
//! `names` is a user's name in every form radacct may hold it: raw, and as FreeRADIUS escapes it.

use crate::store::unready;
use crate::{Error, Store};

/// Octets of a user's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    pub input: i64,
    pub output: i64,
}

/// A session that nobody closed and that began after its NAS's entry in nasreload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenSession {
    pub radacctid: i64,
    pub acctsessionid: String,
    pub acctuniqueid: String,
    pub nas_ip: String,
    pub nas_port_id: Option<String>,
    pub framed_ip: Option<String>,
    pub calling_station: Option<String>,
    pub framed_protocol: Option<String>,
    pub start: Option<i64>,
    pub update: Option<i64>,
}

impl Store {
    /// Seconds of the sessions that reach into the time since `since` (epoch seconds), without
    /// what lies before it. FreeRADIUS's daily, weekly and monthly counters.
    pub async fn session_seconds(&self, _names: &[&str], _since: i64) -> Result<i64, Error> {
        unready()
    }

    /// Seconds of all sessions ever.
    pub async fn session_seconds_ever(&self, _names: &[&str]) -> Result<i64, Error> {
        unready()
    }

    /// Octets of the sessions that reach into the time since `since`; of all for `None`.
    pub async fn volume(&self, _names: &[&str], _since: Option<i64>) -> Result<Volume, Error> {
        unready()
    }

    /// When the first session began, epoch seconds.
    pub async fn first_login(&self, _names: &[&str]) -> Result<Option<i64>, Error> {
        unready()
    }

    pub async fn open_sessions(&self, _names: &[&str]) -> Result<Vec<OpenSession>, Error> {
        unready()
    }
}
