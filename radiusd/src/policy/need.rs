//! What a decision may lack, and what was found out for it.

use std::net::IpAddr;
use std::sync::Arc;

use proto::Stored;
use smallvec::SmallVec;

use super::UserPolicy;

/// More is not fetched for one request at once. It is the hosts that one name's rows give instead
/// of addresses.
pub const NEEDS_MAX: usize = 64;

/// One thing that has to be fetched before the decision can go on.
#[derive(Debug)]
pub enum Need {
    /// The groups of this name (User-Profile): [`Answers::profile`].
    Profile(String),
    /// What this user used up: [`Answers::counter`].
    Counter { user: Vec<u8>, ask: Ask },
    /// How many sessions this user has: [`Answers::open_sessions`]. Fewer than `limit` need only be
    /// counted.
    OpenSessions { user: Vec<u8>, limit: u32 },
    /// Which of these sessions their NAS no longer have: [`Answers::gone`].
    LiveSessions { user: Vec<u8>, sessions: Vec<schema::OpenSession> },
    /// The addresses of a host that a row names instead of one: [`Answers::host`].
    Host(String),
    /// A password whose check takes long: [`Answers::slow_password`].
    SlowPassword(SlowPassword),
}

/// What a limit is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Seconds online since that time (epoch seconds); `None`: ever.
    SessionSeconds {
        since: Option<i64>,
    },
    /// When the first session began, epoch seconds.
    FirstLogin,
    Volume {
        since: Option<i64>,
        direction: Direction,
    },
}

/// What a counter stands at; none while no session counts.
pub type Counted = Option<i64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the user.
    Input,
    /// To the user.
    Output,
    Both,
}

#[derive(Debug)]
pub enum OpenSessions {
    /// So many, and no need to look closer.
    Count(u32),
    /// Each of them.
    List(Vec<schema::OpenSession>),
}

/// A typed password and the stored one, to be compared on a thread that may block.
pub struct SlowPassword {
    pub(super) stored: Stored,
    pub(super) typed: Vec<u8>,
}

impl SlowPassword {
    pub fn fits(&self) -> bool {
        self.stored.pap(&self.typed)
    }
}

impl std::fmt::Debug for SlowPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlowPassword(..)")
    }
}

/// What was fetched for a request so far.
#[derive(Debug, Default)]
pub struct Answers {
    profiles: SmallVec<[(String, Option<Arc<UserPolicy>>); 1]>,
    counters: SmallVec<[(Ask, Counted); 2]>,
    hosts: Vec<(String, Vec<IpAddr>)>,
    pub open_sessions: Option<OpenSessions>,
    /// By radacctid.
    pub gone: Option<Vec<i64>>,
    pub slow_password: Option<bool>,
}

impl Answers {
    /// `None`: no such name in the tables.
    pub fn profile(&mut self, name: String, policy: Option<Arc<UserPolicy>>) {
        self.profiles.push((name, policy));
    }

    pub fn counter(&mut self, ask: Ask, used: Counted) {
        self.counters.push((ask, used));
    }

    /// No addresses: there is no such host.
    pub fn host(&mut self, name: String, addresses: Vec<IpAddr>) {
        self.hosts.push((name, addresses));
    }

    pub(super) fn find_host(&self, name: &str) -> Option<&[IpAddr]> {
        let found = self.hosts.iter().find(|(known, _)| known == name);
        found.map(|(_, addresses)| addresses.as_slice())
    }

    pub(super) fn find_profile(&self, name: &str) -> Option<Option<&UserPolicy>> {
        let found = self.profiles.iter().find(|(known, _)| known == name);
        found.map(|(_, policy)| policy.as_deref())
    }

    pub(super) fn find_counter(&self, ask: Ask) -> Option<Counted> {
        self.counters.iter().find(|(known, _)| *known == ask).map(|(_, used)| *used)
    }
}
