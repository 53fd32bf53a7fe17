//! Disconnect-Request out (RFC 5176): sent to the session's NAS, repeated, matched; ACK, NAK with
//! its cause, or silence.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mgmt::{NasAnswer, Outcome};
use proto::attribute::{
    ACCT_SESSION_ID, CALLING_STATION_ID, ERROR_CAUSE, EVENT_TIMESTAMP, FRAMED_IP_ADDRESS,
    NAS_IP_ADDRESS, NAS_IPV6_ADDRESS, USER_NAME,
};
use proto::{Code, Malformed, Packet, Request, Secret, verify_reply};
use schema::Session;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::roster::Nas;

/// Requests under way; each has a socket of its own, so that no two share an identifier.
const UNDER_WAY_MAX: usize = 64;
/// How long a request waits to be one of them.
const TURN: Duration = Duration::from_secs(10);
/// How long each sending is waited for, RFC 5080 §2.2.1 in small: a person waits for the answer.
const WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(2)];
/// Error-Cause: an attribute it does not know makes a NAS refuse the whole.
const UNSUPPORTED_ATTRIBUTE: u32 = 401;

/// Sends what NAS are asked to do.
pub struct Coa {
    turns: Semaphore,
    /// Our own addresses, where the configuration names them: NAS take requests from no other.
    from: Vec<IpAddr>,
    counts: [AtomicU64; 3],
}

/// What identifies the session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    All,
    /// What the NAS itself gave the session, and nothing else.
    Least,
}

/// What came of one request.
enum Heard {
    Ack,
    Nak(Option<u32>),
    Silence(Option<Malformed>),
    Refused,
}

impl Coa {
    pub fn new(listening: &[SocketAddr]) -> Coa {
        let from = listening.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified());
        let turns = Semaphore::new(UNDER_WAY_MAX);
        Coa { turns, from: from.collect(), counts: Default::default() }
    }

    /// How Disconnect-Requests ended.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let count = |at: usize| self.counts[at].load(Ordering::Relaxed);
        [("ack", count(0)), ("nak", count(1)), ("silence", count(2))]
    }

    pub async fn disconnect(&self, nas: &Nas, session: &Session) -> NasAnswer {
        let name = format!("{} ({})", nas.shortname, session.nasipaddress);
        let unasked = |detail: String| NasAnswer {
            outcome: Outcome::Unasked,
            detail,
            error_cause: None,
            nas: name.clone(),
            sent: 0,
        };
        let Ok(address) = session.nasipaddress.parse::<IpAddr>() else {
            return unasked("The session names no address of a NAS.".into());
        };
        let Ok(Ok(_turn)) = timeout(TURN, self.turns.acquire()).await else {
            return unasked("Too many requests are under way; try again.".into());
        };
        let to = SocketAddr::new(address, nas.coa_port);
        let mut sent = 0;
        let mut heard = self.ask(to, &nas.secret, session, Told::All, &mut sent).await;
        if let Ok(Heard::Nak(Some(UNSUPPORTED_ATTRIBUTE))) = heard {
            heard = self.ask(to, &nas.secret, session, Told::Least, &mut sent).await;
        }
        match heard {
            Ok(heard) => self.answer(heard, to, name, sent),
            Err(error) => unasked(format!("{to}: {error}")),
        }
    }

    fn answer(&self, heard: Heard, to: SocketAddr, nas: String, sent: u32) -> NasAnswer {
        let (at, outcome, error_cause, detail) = match heard {
            Heard::Ack => (0, Outcome::Ack, None, "The NAS has ended the session.".to_owned()),
            Heard::Nak(cause) => {
                let why = cause.map_or("it does not say why".into(), words);
                (1, Outcome::Nak, cause, format!("The NAS refuses: {why}."))
            }
            Heard::Refused => (2, Outcome::Silence, None, format!("Nobody listens on {to}.")),
            Heard::Silence(None) => {
                let detail = format!(
                    "No answer from {to}: it may listen elsewhere, not know this server, or have \
                     another secret for it."
                );
                (2, Outcome::Silence, None, detail)
            }
            Heard::Silence(Some(malformed)) => {
                let detail = format!(
                    "{to} sends what does not answer the request ({malformed}): it may have \
                     another secret."
                );
                (2, Outcome::Silence, None, detail)
            }
        };
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        NasAnswer { outcome, detail, error_cause, nas, sent }
    }

    /// One request, repeated with the same identifier and octets.
    async fn ask(
        &self,
        to: SocketAddr,
        secret: &Secret,
        session: &Session,
        told: Told,
        sent: &mut u32,
    ) -> std::io::Result<Heard> {
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // One that is another host's, or down, is no reason not to ask.
        let ours = self.from.iter().find(|address| {
            address.is_ipv4() == to.is_ipv4() && address.is_loopback() == to.ip().is_loopback()
        });
        let socket = match ours {
            Some(ours) => match UdpSocket::bind((*ours, 0)).await {
                Ok(socket) => socket,
                Err(_) => UdpSocket::bind((any, 0)).await?,
            },
            None => UdpSocket::bind((any, 0)).await?,
        };
        socket.connect(to).await?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        let request = request(session, told, rand::random(), now, secret);
        let (mut refused, mut malformed) = (false, None);
        for wait in WAITS {
            let until = Instant::now() + wait;
            match socket.send(&request).await {
                // The answer to an earlier sending: nobody listens there.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused = true,
                other => drop(other?),
            }
            *sent += 1;
            match listen(&socket, until, &request, secret).await {
                Heard::Silence(said) => malformed = said.or(malformed),
                Heard::Refused => {
                    refused = true;
                    tokio::time::sleep_until(until).await;
                }
                answer => return Ok(answer),
            }
        }
        match (malformed, refused) {
            (None, true) => Ok(Heard::Refused),
            (malformed, _) => Ok(Heard::Silence(malformed)),
        }
    }
}

/// What comes until then and answers the request; the rest is noted.
async fn listen(socket: &UdpSocket, until: Instant, request: &[u8], secret: &Secret) -> Heard {
    let mut buffer = vec![0; 4_097];
    let mut malformed = None;
    loop {
        let size = match timeout_at(until, socket.recv(&mut buffer)).await {
            Err(_) => return Heard::Silence(malformed),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Heard::Refused;
            }
            Ok(Err(_)) => continue,
            Ok(Ok(size)) => size,
        };
        match verify_reply(request, buffer.get(..size).unwrap_or_default(), secret) {
            Ok(reply) if reply.code() == Code::DisconnectAck => return Heard::Ack,
            Ok(reply) => return Heard::Nak(cause(&reply)),
            Err(why) => malformed = Some(why),
        }
    }
}

fn cause(reply: &Packet<'_>) -> Option<u32> {
    let octets = reply.find(ERROR_CAUSE)?;
    octets.try_into().ok().map(u32::from_be_bytes)
}

/// Signed twice: by its own authenticator, and by Message-Authenticator.
fn request(session: &Session, told: Told, identifier: u8, now: u32, secret: &Secret) -> Vec<u8> {
    let code = Code::DisconnectRequest;
    let mut request = Request::with(code, identifier, Default::default(), true);
    let mut text = |number: u8, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            request.raw(number, text.as_bytes());
        }
    };
    text(USER_NAME, session.username.as_deref());
    text(ACCT_SESSION_ID, Some(&session.acctsessionid));
    text(CALLING_STATION_ID, session.callingstationid.as_deref());
    if told == Told::All {
        match session.nasipaddress.parse() {
            Ok(IpAddr::V4(address)) => drop(request.raw(NAS_IP_ADDRESS, &address.octets())),
            Ok(IpAddr::V6(address)) => drop(request.raw(NAS_IPV6_ADDRESS, &address.octets())),
            Err(_) => {}
        }
        let framed = session.framedipaddress.as_deref().unwrap_or_default();
        if let Ok(address) = framed.parse::<Ipv4Addr>() {
            request.raw(FRAMED_IP_ADDRESS, &address.octets());
        }
    }
    request.raw(EVENT_TIMESTAMP, &now.to_be_bytes());
    request.finish(secret)
}

/// RFC 5176 §3.5, for a person.
fn words(cause: u32) -> String {
    let text = match cause {
        201 => "what is left of the session was removed",
        401 => "it does not support an attribute of the request",
        402 => "an attribute that it needs is missing",
        403 => "it is not the NAS that the request names",
        404 => "the request is not valid for it",
        405 => "it does not support the service",
        406 => "it does not support the extension",
        407 => "an attribute has a value that it does not take",
        501 => "its administrator does not permit it",
        502 => "the request cannot be routed to the NAS",
        503 => "it knows no such session",
        504 => "it knows the session and cannot end it",
        505 => "a proxy failed",
        506 => "it lacks resources",
        507 => "it asks for authorisation first",
        508 => "the request fits several sessions, and it ends one at a time",
        _ => return format!("Error-Cause {cause}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_session_and_is_signed_twice() {
        let session = Session {
            acctsessionid: "81".into(),
            username: Some("bob".into()),
            nasipaddress: "192.0.2.1".into(),
            framedipaddress: Some("10.0.0.7".into()),
            callingstationid: Some("02-00-00-00-00-01".into()),
            ..Session::default()
        };
        let secret = Secret::new(b"testing123");
        let octets = request(&session, Told::All, 7, 1_800_000_000, &secret);
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!((packet.code(), packet.identifier()), (Code::DisconnectRequest, 7));
        assert_eq!(secret.verify_request(&packet), Ok(true));
        let has = |number: u8| packet.find(number).map(<[u8]>::to_vec);
        assert_eq!(has(USER_NAME), Some(b"bob".to_vec()));
        assert_eq!(has(ACCT_SESSION_ID), Some(b"81".to_vec()));
        assert_eq!(has(NAS_IP_ADDRESS), Some(vec![192, 0, 2, 1]));
        assert_eq!(has(FRAMED_IP_ADDRESS), Some(vec![10, 0, 0, 7]));
        assert_eq!(has(EVENT_TIMESTAMP), Some(1_800_000_000_u32.to_be_bytes().to_vec()));
        let octets = request(&session, Told::Least, 7, 1_800_000_000, &secret);
        let packet = Packet::parse(&octets).unwrap();
        assert!(packet.find(FRAMED_IP_ADDRESS).is_none() && packet.find(NAS_IP_ADDRESS).is_none());
        assert_eq!(packet.find(CALLING_STATION_ID), Some(b"02-00-00-00-00-01".as_slice()));
    }
}
