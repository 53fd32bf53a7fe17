//! What a decision is made from, what it is, and its steps in order.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use dictionaries::{Dictionary, Pair, Place, Value};
use jiff::tz::TimeZone;
use proto::attribute::{
    EAP_MESSAGE, ERROR_CAUSE, MESSAGE_AUTHENTICATOR, MICROSOFT, MS_CHAP_ERROR, PROXY_STATE,
    REPLY_MESSAGE, STATE, USER_NAME,
};
use proto::{Code, Packet, Secret};
use smallvec::SmallVec;

use super::list::{List, first};
use super::role::Role;
use super::template::Scope;
use super::trace::{self, Lacks, Recorder, TraceStep};
use super::view::View;
use super::{Answers, Groups, Huntgroups, Methods, Need, Reason, UserPolicy};

/// What the packet says, and where and when it came.
pub struct Request<'a> {
    pub packet: &'a Packet<'a>,
    pub dictionary: &'a Dictionary,
    /// Of this dictionary.
    pub methods: &'a Methods,
    pub secret: &'a Secret,
    /// The NAS, or a proxy.
    pub source: SocketAddr,
    /// Our address that was asked.
    pub destination: SocketAddr,
    /// Asked only if a row names Huntgroup-Name.
    pub huntgroups: &'a Huntgroups,
    /// Epoch seconds of receipt.
    pub now: i64,
    pub zone: &'a TimeZone,
    /// Draws random octets: the challenge that MS-CHAP-Error offers, the State of a challenge.
    pub challenge: fn() -> [u8; 16],
    pub options: Options,
}

/// What the configuration says of decisions: where FreeRADIUS's way is wanted although ours is
/// better (`compat`), and what can be asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Session-Timeout of a counter may reach into the next period.
    pub counter_carry: bool,
    /// At a limit NAS can be asked whether they still have a session.
    pub checkrad: bool,
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
    Needs(Vec<Need>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Reject(Reason),
    /// A row turns whatever was decided into an Access-Challenge.
    Challenge,
    /// A row says that no answer is sent.
    Silence,
}

#[derive(Debug)]
pub struct Decision<'a> {
    pub verdict: Verdict,
    /// What the answer carries, in the order in which it is sent.
    pub reply: SmallVec<[Cow<'a, Pair>; 16]>,
    /// How long after receipt a reject is to be sent, where a row says so.
    pub delay: Option<Duration>,
}

impl Decision<'_> {
    pub fn code(&self) -> Code {
        match self.verdict {
            Verdict::Accept => Code::AccessAccept,
            Verdict::Challenge => Code::AccessChallenge,
            Verdict::Reject(_) | Verdict::Silence => Code::AccessReject,
        }
    }
}

/// Decides as far as the facts go.
pub fn decide<'a, R: Recorder>(
    facts: &Facts<'a>,
    request: &Request<'a>,
    recorder: &mut R,
) -> Step<'a> {
    let groups = facts.user.map_or(&[][..], |user| &user.groups);
    let mut case = Case {
        facts,
        request,
        view: View::new(request, groups),
        control: List::new(),
        reply: List::new(),
        seen: Seen::default(),
        recorder,
    };
    let verdict = match case.run() {
        Ok(()) => Verdict::Accept,
        Err(Halt::Refuse(reason)) => Verdict::Reject(reason),
        Err(Halt::Needs(needs)) => return Step::Needs(needs),
    };
    let overruled = case.overrule(verdict);
    if let (Verdict::Reject(reason), Verdict::Accept) = (verdict, overruled) {
        case.recorder.note(|| TraceStep::Overruled { reason });
    }
    Step::Decided(case.finish(overruled))
}

/// VALUEs of Response-Packet-Type.
const ACCESS_ACCEPT: u64 = 2;
const ACCESS_REJECT: u64 = 3;
const ACCESS_CHALLENGE: u64 = 11;
const DO_NOT_RESPOND: u64 = 256;
const DELAY_MAX: Duration = Duration::from_secs(10);
/// VALUE of Post-Auth-Type.
const POST_AUTH_REJECT: u64 = 2;

/// One decision in progress.
pub(super) struct Case<'c, 'a, R> {
    pub(super) facts: &'c Facts<'a>,
    pub(super) request: &'c Request<'a>,
    pub(super) view: View<'c, 'a>,
    pub(super) control: List<'a>,
    pub(super) reply: List<'a>,
    pub(super) seen: Seen,
    pub(super) recorder: &'c mut R,
}

/// For the reason of a reject.
#[derive(Default)]
pub(super) struct Seen {
    /// The user has rows or groups.
    pub(super) known: bool,
    /// The user's own check rows don't fit.
    pub(super) unfit: bool,
}

/// Why the steps end early.
pub(super) enum Halt {
    Refuse(Reason),
    Needs(Vec<Need>),
}

impl<'a, R: Recorder> Case<'_, 'a, R> {
    /// FreeRADIUS's sections and modules in the order in which Debian lists them.
    fn run(&mut self) -> Result<(), Halt> {
        self.note_request();
        self.check_name()?;
        self.find_login()?;
        self.read_rows()?;
        self.check_quotas()?;
        self.check_expiration()?;
        self.check_login_time()?;
        self.find_password();
        self.authenticate()?;
        self.check_sessions()
    }

    /// A row may turn whatever was decided into something else, a refusal into an accept too.
    fn overrule(&self, verdict: Verdict) -> Verdict {
        let held = first(&self.control, Role::ResponsePacketType);
        match (held.and_then(|held| held.pair.value.as_u64()), verdict) {
            (Some(DO_NOT_RESPOND), _) => Verdict::Silence,
            (Some(ACCESS_REJECT), Verdict::Accept) => Verdict::Reject(Reason::ResponseTypeReject),
            (Some(ACCESS_ACCEPT), _) => Verdict::Accept,
            (Some(ACCESS_CHALLENGE), _) => Verdict::Challenge,
            (_, verdict) => verdict,
        }
    }

    pub(super) fn scope(&self) -> Scope<'_, '_, 'a> {
        let Case { view, control, reply, facts, .. } = self;
        Scope { view, control, reply, answers: facts.answers }
    }

    fn note_request(&mut self) {
        let Request { packet, dictionary, secret, zone, .. } = *self.request;
        self.recorder.note(|| TraceStep::Request {
            sent: packet
                .pairs(dictionary, secret)
                .iter()
                .map(|pair| trace::sent(pair, dictionary, zone))
                .collect(),
        });
    }

    fn check_name(&mut self) -> Result<(), Halt> {
        let Some(name) = self.view.user() else {
            return Err(Halt::Refuse(Reason::NoUserName));
        };
        let found_as = self.facts.user.map(UserPolicy::name);
        self.recorder.note(|| TraceStep::User {
            name: String::from_utf8_lossy(name).into_owned(),
            found_as: found_as.map(str::to_owned),
        });
        let sent = self.request.packet.find(USER_NAME).unwrap_or_default();
        match super::gate::objection(sent) {
            None => Ok(()),
            Some(why) => {
                self.recorder.note(|| TraceStep::BadName { why: why.into() });
                Err(Halt::Refuse(Reason::BadUserName))
            }
        }
    }

    /// All of it in one round.
    pub(super) fn wait(&mut self, needs: Vec<Need>) -> Halt {
        for need in &needs {
            self.recorder.note(|| TraceStep::Waits {
                lacks: match need {
                    Need::Profile(name) => Lacks::Profile(name.clone()),
                    Need::Counter { ask, .. } => Lacks::Counter(*ask),
                    Need::OpenSessions { .. } => Lacks::OpenSessions,
                    Need::LiveSessions { .. } => Lacks::LiveSessions,
                    Need::Host(name) => Lacks::Host(name.clone()),
                    Need::SlowPassword(_) => Lacks::PasswordCheck,
                },
            });
        }
        Halt::Needs(needs)
    }

    /// A row may have an accept's attributes filtered like a reject's.
    fn ends_as_reject(&self) -> bool {
        let held = first(&self.control, Role::PostAuthType);
        held.and_then(|held| held.pair.value.as_u64()) == Some(POST_AUTH_REJECT)
    }

    /// What of the reply list is sent: with EAP no Reply-Message, in a reject only a few.
    fn finish(mut self, verdict: Verdict) -> Decision<'a> {
        self.recorder.note(|| match verdict {
            Verdict::Accept => TraceStep::Accepted,
            Verdict::Reject(reason) => TraceStep::Rejected { reason },
            Verdict::Challenge => TraceStep::Challenged,
            Verdict::Silence => TraceStep::Silenced,
        });
        let as_reject = match verdict {
            Verdict::Accept => self.ends_as_reject(),
            Verdict::Challenge => false,
            Verdict::Reject(_) | Verdict::Silence => true,
        };
        let delay = self.delay();
        let eap = self.reply.iter().any(|held| held.role == Role::EapMessage);
        let mut reply = SmallVec::new();
        for held in std::mem::take(&mut self.reply) {
            let attribute = &held.pair.attribute;
            if held.mute || attribute.is_internal() {
                continue;
            }
            let silenced = eap && held.role == Role::ReplyMessage;
            if silenced || (as_reject && !is_kept_in_reject(&attribute.place)) {
                self.recorder.note(|| TraceStep::LeftOut { attribute: attribute.name.to_string() });
                continue;
            }
            reply.push(held.pair);
        }
        if verdict == Verdict::Challenge {
            reply.extend(self.state(&reply).map(Cow::Owned));
        }
        Decision { verdict, reply, delay }
    }

    /// What a challenge is to be answered with, unless a row says something.
    fn state(&self, reply: &[Cow<'a, Pair>]) -> Option<Pair> {
        let attribute = self.request.dictionary.standard(STATE)?;
        if reply.iter().any(|pair| pair.attribute.same(attribute)) {
            return None;
        }
        let value = Value::Octets((self.request.challenge)().as_slice().into());
        Some(Pair { attribute: attribute.clone(), tag: None, value })
    }

    /// Ten seconds at most; of the two rows the one in seconds counts.
    fn delay(&self) -> Option<Duration> {
        let said = |role| first(&self.reply, role).and_then(|held| held.pair.value.as_u64());
        let seconds = said(Role::ResponseDelay).map(Duration::from_secs);
        let delay = seconds.or_else(|| said(Role::ResponseDelayUsec).map(Duration::from_micros))?;
        Some(delay.min(DELAY_MAX))
    }
}

/// FreeRADIUS's `attr_filter.access_reject`.
fn is_kept_in_reject(place: &Place) -> bool {
    let Place::Wire { vendor, path } = place else { return false };
    let [number] = path.as_slice() else { return false };
    let Ok(number) = u8::try_from(*number) else { return false };
    match *vendor {
        0 => matches!(
            number,
            EAP_MESSAGE | STATE | MESSAGE_AUTHENTICATOR | ERROR_CAUSE | REPLY_MESSAGE | PROXY_STATE
        ),
        MICROSOFT => number == MS_CHAP_ERROR,
        _ => false,
    }
}
