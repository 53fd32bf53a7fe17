//! Access-Request to Accept or Reject: the order of steps is the order of lines.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dictionaries::{Attribute, Place};
use proto::attribute::{CALLED_STATION_ID, CALLING_STATION_ID, NAS_PORT_ID, USER_NAME};
use proto::{Packet, Refused, Reply};
use schema::Attempt;

use crate::accounting::{self, Event};
use crate::duplicates::{Key, Ticket};
use crate::fetch::{Fetched, What};
use crate::metrics::Outcome;
use crate::online::Count;
use crate::policy::{
    Answers, Decision, Facts, NEEDS_MAX, Need, NoRecorder, OpenSessions, Request, Step, Trace,
    Verdict, decide,
};
use crate::roster::{Found, Known, Nas};
use crate::server::{Service, Shared};

/// A request, whose it is, and how it came.
pub struct Exchange<'a> {
    pub ticket: Ticket,
    pub packet: Packet<'a>,
    pub nas: &'a Arc<Nas>,
    pub key: Key,
    /// Our address that was asked.
    pub asked: IpAddr,
    /// The port of the socket it came by.
    pub asked_port: u16,
    pub service: Service,
    pub received: Instant,
    /// Unix time in milliseconds.
    pub received_ms: i64,
}

/// What a request has been told so far.
#[derive(Default)]
pub struct Waiting {
    user: Option<Known>,
    answers: Answers,
    /// The store was away when it was asked.
    away: bool,
    rounds: u8,
}

/// More rounds than rows can ask for: profile, counters, password, sessions.
const ROUNDS_MAX: u8 = 16;

impl Waiting {
    pub fn take(&mut self, fetched: Fetched) {
        self.rounds += 1;
        match fetched {
            Fetched::User(Some(known)) => self.user = Some(known),
            Fetched::Answers(Some(answers)) => {
                answers.into_iter().for_each(|answer| answer.enter(&mut self.answers));
            }
            Fetched::User(None) | Fetched::Answers(None) => self.away = true,
        }
    }
}

/// What is to be done with a request.
pub enum Next {
    /// The answer stands in the buffer.
    Answer {
        outcome: Outcome,
        /// To be sent so long after receipt.
        delay: Option<Duration>,
    },
    Fetch(What),
    Silence(Outcome),
}

/// Decides as far as is known. What isn't known while the store is away gets silence, never
/// reject, so that the NAS turns to another server (`deviations.md` 2).
pub fn next(
    shared: &Shared,
    exchange: &Exchange<'_>,
    waiting: &mut Waiting,
    buffer: &mut Vec<u8>,
) -> Next {
    if shared.roster.is_stale(exchange.received) {
        return Next::Silence(Outcome::StoreAway);
    }
    let name = exchange.packet.find(USER_NAME).unwrap_or_default();
    if waiting.user.is_none() && !name.is_empty() {
        match shared.roster.users.find(name, exchange.received) {
            Found::Known(known) => waiting.user = Some(known),
            Found::Doubtful(known) if waiting.away || shared.roster.is_away() => {
                waiting.user = Some(known);
            }
            _ if waiting.away => return Next::Silence(Outcome::StoreAway),
            _ if waiting.rounds > ROUNDS_MAX => return Next::Silence(Outcome::TooManyFetches),
            _ => return Next::Fetch(What::User(name.into())),
        }
    }
    let user = waiting.user.as_ref().and_then(|known| known.policy.as_deref());
    let groups = shared.roster.groups();
    let huntgroups = shared.roster.huntgroups();
    let facts = Facts { user, groups: &groups, answers: &waiting.answers };
    let request = Request {
        packet: &exchange.packet,
        dictionary: &shared.dictionary,
        methods: &shared.methods,
        secret: &exchange.nas.secret,
        source: exchange.key.source,
        destination: SocketAddr::new(exchange.asked, exchange.asked_port),
        huntgroups: &huntgroups,
        now: exchange.received_ms.div_euclid(1000),
        zone: &shared.zone,
        challenge: rand::random,
        options: shared.options,
    };
    let needs = match decide(&facts, &request, &mut NoRecorder) {
        Step::Decided(decision) => {
            return answer(shared, exchange, &facts, &request, &decision, buffer);
        }
        Step::Needs(needs) => needs,
    };
    if let Some(open) = open_sessions(shared, exchange, waiting.away, &needs) {
        waiting.answers.open_sessions = Some(OpenSessions::Count(open));
        return next(shared, exchange, waiting, buffer);
    }
    if waiting.away {
        return Next::Silence(Outcome::StoreAway);
    }
    match waiting.rounds > ROUNDS_MAX || needs.len() > NEEDS_MAX {
        true => Next::Silence(Outcome::TooManyFetches),
        false => Next::Fetch(What::Needs(needs)),
    }
}

fn answer(
    shared: &Shared,
    exchange: &Exchange<'_>,
    facts: &Facts<'_>,
    request: &Request<'_>,
    decision: &Decision<'_>,
    buffer: &mut Vec<u8>,
) -> Next {
    if decision.verdict == Verdict::Silence {
        return Next::Silence(Outcome::DoNotRespond);
    }
    // FreeRADIUS keeps no record of a challenge.
    let ends = decision.verdict != Verdict::Challenge;
    let accepted = decision.verdict == Verdict::Accept;
    if ends && shared.journal.wants_attempt(accepted, exchange.received) {
        let mut trace = Trace::default();
        // The same call again, this time telling how it came to it.
        let _ = decide(facts, request, &mut trace);
        shared.journal.attempt(attempt(shared, exchange, decision.verdict, &trace));
    }
    let delay = match decision.verdict {
        Verdict::Reject(_) if shared.reject_delay.is_zero() => None,
        Verdict::Reject(_) => Some(decision.delay.unwrap_or(shared.reject_delay)),
        _ => None,
    };
    encode(exchange, decision, buffer, delay)
}

/// From memory: below the limit, or while the store is away (`deviations.md` 3).
fn open_sessions(
    shared: &Shared,
    exchange: &Exchange<'_>,
    away: bool,
    needs: &[Need],
) -> Option<u32> {
    let (user, limit) = needs.iter().find_map(|need| match need {
        Need::OpenSessions { user, limit } => Some((user, *limit)),
        _ => None,
    })?;
    let open = match shared.online.count(user, exchange.received) {
        Count::Enough(open) if open < limit.min(i32::MAX.unsigned_abs()) => open,
        Count::Enough(open) | Count::Perhaps(open) if away || shared.roster.is_away() => open,
        _ => return None,
    };
    shared.online.decided.fetch_add(1, Ordering::Relaxed);
    Some(open)
}

fn encode(
    exchange: &Exchange<'_>,
    decision: &Decision<'_>,
    buffer: &mut Vec<u8>,
    delay: Option<Duration>,
) -> Next {
    let secret = &exchange.nas.secret;
    let mut reply = Reply::reuse(std::mem::take(buffer), decision.code(), &exchange.packet);
    reply.salt(rand::random());
    for pair in &decision.reply {
        if is_unsendable(&pair.attribute) {
            return Next::Silence(Outcome::NotEncodable);
        }
        let written = reply.pair(&pair.attribute, pair.tag, &pair.value, secret);
        if written == Err(Refused::Impossible) {
            return Next::Silence(Outcome::NotEncodable);
        }
    }
    reply.proxy_state(&exchange.packet);
    *buffer = reply.finish(secret);
    let outcome = match decision.verdict {
        Verdict::Accept => Outcome::AccessAccept,
        Verdict::Challenge => Outcome::AccessChallenge,
        Verdict::Reject(_) | Verdict::Silence => Outcome::AccessReject,
    };
    Next::Answer { outcome, delay }
}

/// An extended attribute that a row names by number: FreeRADIUS cannot encode it, and answers
/// nothing at all.
fn is_unsendable(attribute: &Attribute) -> bool {
    let Place::Wire { vendor: 0, path } = &attribute.place else { return false };
    path.len() > 1 && attribute.name.starts_with("Attr-")
}

/// One row for the operator: who, where, how it ended and why. Never a password.
fn attempt(shared: &Shared, exchange: &Exchange<'_>, verdict: Verdict, trace: &Trace) -> Attempt {
    let text = |number| {
        let octets = exchange.packet.find(number)?;
        Some(match shared.escape_names {
            true => accounting::column(octets, true),
            false => String::from_utf8_lossy(octets).into_owned(),
        })
    };
    let reason = match verdict {
        Verdict::Accept | Verdict::Challenge | Verdict::Silence => String::new(),
        Verdict::Reject(reason) => reason.as_str().into(),
    };
    Attempt {
        at_ms: exchange.received_ms,
        username: text(USER_NAME).unwrap_or_default(),
        accepted: verdict == Verdict::Accept,
        reason,
        nas_ip: exchange.key.source.ip().to_string(),
        nas_name: exchange.nas.shortname.to_string(),
        nas_port: text(NAS_PORT_ID),
        calling_station: text(CALLING_STATION_ID),
        called_station: text(CALLED_STATION_ID),
        trace: serde_json::to_string(trace).ok(),
    }
}

/// What an Accounting-Request asks to be written; none when it writes nothing.
pub fn session_event(shared: &Shared, exchange: &Exchange<'_>) -> Option<Event> {
    let context = accounting::Context {
        dictionary: &shared.dictionary,
        source: exchange.key.source.ip(),
        receipt: exchange.received_ms.div_euclid(1000),
        escape: shared.escape_names,
    };
    accounting::read(&exchange.packet, &context)
}
