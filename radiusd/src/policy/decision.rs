//! What a decision is made from, and what it is.

use std::borrow::Cow;
use std::net::SocketAddr;

use dictionaries::{Dictionary, Pair};
use jiff::tz::TimeZone;
use proto::{Code, Packet, Secret};
use smallvec::SmallVec;

use super::{Answers, Groups, Huntgroups, Need, Reason, Recorder, UserPolicy};

/// What the packet says, and where and when it came.
pub struct Request<'a> {
    pub packet: &'a Packet<'a>,
    pub dictionary: &'a Dictionary,
    pub secret: &'a Secret,
    /// The NAS, or a proxy.
    pub source: SocketAddr,
    /// Our address that was asked.
    pub destination: SocketAddr,
    pub nas_shortname: &'a str,
    /// Asked only if a row names Huntgroup-Name.
    pub huntgroups: &'a Huntgroups,
    /// Epoch seconds of receipt.
    pub now: i64,
    pub zone: &'a TimeZone,
    /// Random octets: the challenge that MS-CHAP-Error offers.
    pub challenge: [u8; 16],
    pub options: Options,
}

/// Where FreeRADIUS's way is wanted although ours is better (`compat` in the configuration).
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Session-Timeout of a counter may reach into the next period.
    pub counter_carry: bool,
}

/// What is known of the user: `user` is `None` when neither form of the name has rows.
pub struct Facts<'a> {
    pub user: Option<&'a UserPolicy>,
    pub groups: &'a Groups,
    pub answers: &'a Answers,
}

#[expect(clippy::large_enum_variant, reason = "it lives on the stack of one call")]
pub enum Step<'a> {
    Decided(Decision<'a>),
    /// To be called again with these in the [`Answers`], the earlier ones kept.
    Needs(SmallVec<[Need; 1]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Reject(Reason),
}

#[derive(Debug)]
pub struct Decision<'a> {
    pub verdict: Verdict,
    /// What the answer carries, in the order in which it is sent.
    pub reply: SmallVec<[Cow<'a, Pair>; 16]>,
}

impl Decision<'_> {
    pub fn code(&self) -> Code {
        match self.verdict {
            Verdict::Accept => Code::AccessAccept,
            Verdict::Reject(_) => Code::AccessReject,
        }
    }
}

/// Decides as far as the facts go.
pub fn decide<'a, R: Recorder>(
    _facts: &Facts<'a>,
    _request: &Request<'a>,
    _recorder: &mut R,
) -> Step<'a> {
    Step::Decided(Decision {
        verdict: Verdict::Reject(Reason::UnknownUser),
        reply: SmallVec::new(),
    })
}
