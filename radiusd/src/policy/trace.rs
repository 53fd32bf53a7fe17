//! What a decision went through, step by step: kept for rejects, shown by `radiusd explain`.

use dictionaries::{Attribute, Dictionary, Encrypt, Pair};
use jiff::tz::TimeZone;

use super::list::Effect;
use super::role::Role;
use super::{Ask, Reason};

/// Is told of every step. [`NoRecorder`] compiles to nothing.
pub trait Recorder {
    fn note(&mut self, step: impl FnOnce() -> TraceStep);
}

pub struct NoRecorder;

impl Recorder for NoRecorder {
    #[inline(always)]
    fn note(&mut self, _step: impl FnOnce() -> TraceStep) {}
}

/// Keeps the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Trace {
    pub steps: Vec<TraceStep>,
}

impl Recorder for Trace {
    fn note(&mut self, step: impl FnOnce() -> TraceStep) {
        self.steps.push(step());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    RadCheck,
    RadReply,
    RadGroupCheck,
    RadGroupReply,
}

impl Table {
    pub fn as_str(self) -> &'static str {
        match self {
            Table::RadCheck => "radcheck",
            Table::RadReply => "radreply",
            Table::RadGroupCheck => "radgroupcheck",
            Table::RadGroupReply => "radgroupreply",
        }
    }
}

/// A row, its secrets left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shown {
    pub table: Table,
    /// The user or the group.
    pub owner: String,
    pub id: i64,
    pub attribute: String,
    pub op: String,
    /// `None`: it is a secret, or follows from the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What we say ourselves; read back it is no constant any more.
type Word = std::borrow::Cow<'static, str>;

/// One step. Values of secrets are in none of them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TraceStep {
    /// What the NAS sent, attribute by attribute; of secrets the names.
    Request {
        sent: Vec<String>,
    },
    /// The name as it was sent, and in which form rows were found.
    User {
        name: String,
        found_as: Option<String>,
    },
    /// The name is refused as it is.
    BadName {
        why: Word,
    },
    /// The way to log in follows from what was sent.
    Login {
        method: Word,
    },
    /// The user has no row here, so radreply isn't read either.
    NoCheckRows,
    /// A row that cannot be read; nothing else counts any more.
    Unreadable {
        row: Shown,
        why: String,
    },
    /// A check row against the request.
    Compared {
        row: Shown,
        fits: bool,
        /// Why its pattern fits nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unusable: Option<String>,
        sent: Vec<String>,
    },
    /// A row that was merged into what was there.
    Merged {
        row: Shown,
        effect: Effect,
    },
    /// A group's turn. `known`: it has rows.
    Group {
        name: String,
        known: bool,
    },
    /// A group whose check rows don't fit is passed over.
    GroupPassedOver {
        name: String,
    },
    /// Why no further group is looked at, or none at all.
    GroupsEnd {
        why: Word,
        left_out: Vec<String>,
    },
    /// User-Profile names a user whose groups follow.
    Profile {
        name: String,
        known: bool,
    },
    /// A limit of time or volume.
    Limit {
        attribute: Word,
        limit: u64,
        used: u64,
        reached: bool,
    },
    /// Session-Timeout was set or shortened.
    SessionTimeout {
        seconds: u32,
        because_of: Word,
    },
    Expired {
        since: String,
    },
    OutsideLoginTime {
        hours: String,
    },
    /// Which Auth-Type decides, of all that rows set.
    AuthType {
        name: String,
    },
    /// The password that counts, and whether it fits.
    Password {
        attribute: String,
        fits: bool,
    },
    /// Why no password could be compared.
    NoPassword {
        why: Word,
    },
    /// An open session that its NAS no longer has.
    SessionGone {
        nas: String,
        session: String,
    },
    Sessions {
        open: u64,
        limit: u32,
        allowed: bool,
        why: Word,
    },
    /// The answer doesn't carry it.
    LeftOut {
        attribute: String,
    },
    /// Session-Type names a section that is not there: sessions are not counted.
    SessionsUncounted,
    /// Refused, but `Response-Packet-Type := Access-Accept`.
    Overruled {
        reason: Reason,
    },
    Accepted,
    /// `Response-Packet-Type := Access-Challenge`.
    Challenged,
    /// `Response-Packet-Type := Do-Not-Respond`.
    Silenced,
    Rejected {
        reason: Reason,
    },
    /// The decision stops here until the store has said more.
    Waits {
        lacks: Lacks,
    },
}

/// What a decision waits for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lacks {
    Profile(String),
    Counter(Ask),
    OpenSessions,
    LiveSessions,
    Host(String),
    PasswordCheck,
}

/// An attribute of the request as a trace shows it.
pub(super) fn sent(pair: &Pair, dictionary: &Dictionary, zone: &TimeZone) -> String {
    match is_secret(&pair.attribute, dictionary) {
        true => format!("{} (not shown)", pair.attribute.name),
        false => pair.print_in(zone),
    }
}

/// Is it named in traces and on a screen, and never shown? What comes without its name, because it
/// is malformed or a row has its number, is a secret if its name would be one.
pub fn is_secret(attribute: &Attribute, dictionary: &Dictionary) -> bool {
    let attribute = dictionary.at(&attribute.place).map_or(attribute, |known| known);
    let name = &*attribute.name;
    attribute.flags.secret
        || attribute.flags.encrypt != Encrypt::No
        || Role::of(attribute).is_password()
        || (0..name.len()).any(|at| names_a_secret(name.as_bytes().split_at(at).1))
        || name.ends_with("-Key")
        || matches!(name, "State" | "Message-Authenticator")
}

/// Asked at every octet of every name in a trace.
fn names_a_secret(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'P') => rest.starts_with(b"Password"),
        Some(b'C') => rest.starts_with(b"CHAP"),
        Some(b'D') => rest.starts_with(b"Digest-Response") || rest.starts_with(b"Digest-HA1"),
        Some(b'E') => rest.starts_with(b"EAP-Message"),
        Some(b'M') => rest.starts_with(b"MPPE"),
        Some(b'S') => rest.starts_with(b"Secret"),
        _ => false,
    }
}
