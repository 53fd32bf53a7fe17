//! NAS on loopback: users come and go, some with the wrong password, and a Disconnect-Request is
//! honoured.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use proto::attribute as number;
use proto::{Code, Packet, Reply, Request, Secret, verify_reply};
use rand::Rng;

pub const SECRET: &str = "a demo is no secret";
/// Users that a NAS has at most.
const ONLINE_MAX: usize = 30;
const TICK: Duration = Duration::from_millis(250);
const INTERIM: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(2);

const START: u32 = 1;
const STOP: u32 = 2;
const INTERIM_UPDATE: u32 = 3;
/// Acct-Terminate-Cause.
const USER_REQUEST: u32 = 1;
const ADMIN_RESET: u32 = 6;
/// Error-Cause.
const NO_SUCH_SESSION: u32 = 503;

/// One of the fleet.
#[derive(Clone, Copy)]
pub struct Nas {
    pub address: Ipv4Addr,
    pub name: &'static str,
    pub kind: &'static str,
    pub place: &'static str,
}

pub fn all() -> Vec<Nas> {
    let named = [
        ("pop-north", "mikrotik", "Access concentrator, North"),
        ("pop-south", "mikrotik", "Access concentrator, South"),
        ("bras-1", "juniper", "Core site"),
        ("campus-wifi", "aruba", "Campus wireless"),
        ("hotel-wifi", "unifi", "Hotel hotspot"),
    ];
    let nas = |(at, (name, kind, place))| {
        let address = Ipv4Addr::new(127, 0, 10, at as u8 + 1);
        Nas { address, name, kind, place }
    };
    named.into_iter().enumerate().map(nas).collect()
}

pub fn user(number: u32) -> String {
    format!("user{number:04}")
}

pub fn password(number: u32) -> String {
    format!("pass-{:05}", number.wrapping_mul(7919) % 100_000)
}

pub fn station(user: u32) -> String {
    let [_, _, high, low] = user.to_be_bytes();
    format!("02-00-5E-00-{high:02X}-{low:02X}")
}

pub fn address(user: u32) -> Ipv4Addr {
    let [_, _, high, low] = user.to_be_bytes();
    Ipv4Addr::new(100, 64, high, low)
}

/// A user who is online.
struct Online {
    user: u32,
    id: String,
    since: Instant,
    until: Instant,
    next: Instant,
    rate: (u64, u64),
}

struct Player {
    nas: Nas,
    secret: Secret,
    auth: UdpSocket,
    acct: UdpSocket,
    das: Option<UdpSocket>,
    users: u32,
    online: Vec<Online>,
    count: u32,
}

/// Starts all of them, and a stranger; says how many are known.
pub fn start(auth: SocketAddr, acct: SocketAddr, users: u32) -> usize {
    let fleet = all();
    for nas in fleet.clone() {
        thread::spawn(move || play(nas, SECRET, (auth, acct), users));
    }
    let stranger =
        Nas { address: Ipv4Addr::new(127, 0, 10, 99), name: "new-site", kind: "other", place: "" };
    thread::spawn(move || play(stranger, "nobody knows it", (auth, acct), users));
    fleet.len()
}

fn play(nas: Nas, secret: &str, (auth, acct): (SocketAddr, SocketAddr), users: u32) {
    let socket = |to: SocketAddr| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((nas.address, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    let (Ok(auth), Ok(acct)) = (socket(auth), socket(acct)) else { return };
    let das = UdpSocket::bind((nas.address, 3799)).ok();
    let das = das.filter(|socket| socket.set_nonblocking(true).is_ok());
    let secret = Secret::new(secret.as_bytes());
    let (online, count) = (Vec::new(), rand::random());
    let mut player = Player { nas, secret, auth, acct, das, users, online, count };
    loop {
        player.disconnects();
        player.meters();
        player.somebody_comes();
        thread::sleep(TICK);
    }
}

impl Player {
    fn somebody_comes(&mut self) {
        let mut rng = rand::rng();
        if self.online.len() >= ONLINE_MAX || !rng.random_bool(0.35) {
            return;
        }
        let who = rng.random_range(0..self.users);
        if self.online.iter().any(|one| one.user == who) {
            return;
        }
        let (name, password) = match rng.random_range(0..100) {
            0..5 => (user(who), "mistyped".to_owned()),
            5..7 => (format!("guest{who}"), "guest".to_owned()),
            _ => (user(who), password(who)),
        };
        let accepted = self.ask(&self.auth, Code::AccessRequest, |request, secret| {
            request.raw(number::USER_NAME, name.as_bytes());
            request.user_password(password.as_bytes(), secret);
            request.raw(number::NAS_IP_ADDRESS, &self.nas.address.octets());
            request.raw(number::CALLING_STATION_ID, station(who).as_bytes());
            request.raw(number::CALLED_STATION_ID, self.nas.name.as_bytes());
            request.raw(number::NAS_PORT_ID, format!("ether{}", who % 24).as_bytes());
        });
        if accepted != Some(Code::AccessAccept) {
            return;
        }
        let now = Instant::now();
        self.count = self.count.wrapping_add(1);
        let one = Online {
            user: who,
            id: format!("{:08x}", self.count),
            since: now,
            until: now + Duration::from_secs(rng.random_range(60..1_200)),
            next: now + INTERIM,
            rate: (rng.random_range(1_000..80_000), rng.random_range(20_000..2_000_000)),
        };
        self.record(&one, START, None);
        self.online.push(one);
    }

    fn meters(&mut self) {
        let now = Instant::now();
        let mut online = std::mem::take(&mut self.online);
        online.retain_mut(|one| {
            if now >= one.until {
                self.record(one, STOP, Some(USER_REQUEST));
                return false;
            }
            if now >= one.next {
                one.next = now + INTERIM;
                self.record(one, INTERIM_UPDATE, None);
            }
            true
        });
        self.online = online;
    }

    fn disconnects(&mut self) {
        let mut buffer = [0; 4096];
        while let Some((size, from)) =
            self.das.as_ref().and_then(|das| das.recv_from(&mut buffer).ok())
        {
            let Ok(packet) = Packet::parse(&buffer[..size]) else { continue };
            let disconnects = packet.code() == Code::DisconnectRequest;
            if !disconnects || self.secret.verify_request(&packet).is_err() {
                continue;
            }
            let id = packet.find(number::ACCT_SESSION_ID).unwrap_or_default();
            let found = self.online.iter().position(|one| one.id.as_bytes() == id);
            let mut reply = match found {
                Some(_) => Reply::new(Code::DisconnectAck, &packet),
                None => Reply::new(Code::DisconnectNak, &packet),
            };
            if found.is_none() {
                reply.raw(number::ERROR_CAUSE, &NO_SUCH_SESSION.to_be_bytes());
            }
            let reply = reply.finish(&self.secret);
            if let Some(das) = &self.das {
                let _ = das.send_to(&reply, from);
            }
            if let Some(at) = found {
                let one = self.online.swap_remove(at);
                self.record(&one, STOP, Some(ADMIN_RESET));
            }
        }
    }

    fn record(&self, one: &Online, status: u32, cause: Option<u32>) {
        let seconds = one.since.elapsed().as_secs();
        let octets = |rate: u64| rate.saturating_mul(seconds);
        self.ask(&self.acct, Code::AccountingRequest, |request, _| {
            let mut word =
                |number: u8, value: u64| request.raw(number, &(value as u32).to_be_bytes());
            word(number::ACCT_STATUS_TYPE, status.into());
            word(number::ACCT_SESSION_TIME, seconds);
            word(number::ACCT_INPUT_OCTETS, octets(one.rate.0));
            word(number::ACCT_INPUT_GIGAWORDS, octets(one.rate.0) >> 32);
            word(number::ACCT_OUTPUT_OCTETS, octets(one.rate.1));
            word(number::ACCT_OUTPUT_GIGAWORDS, octets(one.rate.1) >> 32);
            // Ethernet; RADIUS.
            word(number::NAS_PORT_TYPE, 15);
            word(number::ACCT_AUTHENTIC, 1);
            if let Some(cause) = cause {
                word(number::ACCT_TERMINATE_CAUSE, cause.into());
            }
            request.raw(number::USER_NAME, user(one.user).as_bytes());
            request.raw(number::ACCT_SESSION_ID, one.id.as_bytes());
            request.raw(number::NAS_IP_ADDRESS, &self.nas.address.octets());
            request.raw(number::FRAMED_IP_ADDRESS, &address(one.user).octets());
            request.raw(number::CALLING_STATION_ID, station(one.user).as_bytes());
            request.raw(number::CALLED_STATION_ID, self.nas.name.as_bytes());
            request.raw(number::NAS_PORT_ID, format!("ether{}", one.user % 24).as_bytes());
        });
    }

    /// The answer's code; none without an answer, as when nobody knows us.
    fn ask(
        &self,
        socket: &UdpSocket,
        code: Code,
        fill: impl FnOnce(&mut Request, &Secret),
    ) -> Option<Code> {
        let mut request = Request::new(code, rand::random(), rand::random());
        fill(&mut request, &self.secret);
        let request = request.finish(&self.secret);
        let mut buffer = [0; 4096];
        for _ in 0..2 {
            socket.send(&request).ok()?;
            while let Ok(size) = socket.recv(&mut buffer) {
                if let Ok(reply) = verify_reply(&request, &buffer[..size], &self.secret) {
                    return Some(reply.code());
                }
            }
        }
        None
    }
}
