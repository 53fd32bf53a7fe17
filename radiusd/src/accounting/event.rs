//! What one Accounting-Request says of a session, or of a whole NAS.

use schema::Reboot;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an Accounting-Request asks to be written. As JSON it lies in the journal and in the
/// quarantine: a name that changes, or a field without a default, makes old files unreadable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Session(Box<SessionEvent>),
    /// Accounting-On and Accounting-Off.
    #[serde(serialize_with = "reboot", deserialize_with = "to_reboot")]
    Reboot(Reboot),
}

fn reboot<S: Serializer>(reboot: &Reboot, serializer: S) -> Result<S::Ok, S::Error> {
    (&reboot.nasipaddress, reboot.at, reboot.off, &reboot.cause).serialize(serializer)
}

fn to_reboot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reboot, D::Error> {
    let (nasipaddress, at, off, cause) = Deserialize::deserialize(deserializer)?;
    Ok(Reboot { nasipaddress, at, off, cause })
}

/// The order is that of a session's life: of two events at one position the later kind is later.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Kind {
    Start,
    Interim,
    Stop,
}

/// What a session is called and where it is; written once, by the event that opens the session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Texts {
    pub session_id: String,
    pub username: String,
    pub realm: Option<String>,
    pub nas: String,
    pub nas_port_id: Option<String>,
    pub nas_port_type: String,
    pub authentic: String,
    /// Connect-Info; of the event that opens the session it is `connectinfo_start`.
    pub connect_info: String,
    pub called_station: String,
    pub calling_station: String,
    pub service_type: String,
    pub framed_protocol: String,
}

/// Framed-IP-Address, Framed-IPv6-Address, Framed-IPv6-Prefix, Framed-Interface-Id and
/// Delegated-IPv6-Prefix, in this order, as the columns hold them.
pub type Addresses = [Option<String>; 5];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    pub kind: Kind,
    /// FreeRADIUS's `acctuniqueid`: 32 hexadecimal digits.
    pub unique_id: String,
    /// Seconds since 1970 on the NAS's clock, as far as it can be believed.
    pub time: i64,
    /// Always 0 at a Start.
    pub session_time: Option<i64>,
    pub input_octets: i64,
    pub output_octets: i64,
    pub addresses: Addresses,
    /// Acct-Terminate-Cause, empty when absent.
    pub cause: String,
    pub texts: Texts,
}

impl SessionEvent {
    /// When the session began by this event alone. A NAS that tells no session time leaves only
    /// the event's own time.
    pub fn start(&self) -> i64 {
        self.time.saturating_sub(self.session_time.unwrap_or(0))
    }
}
