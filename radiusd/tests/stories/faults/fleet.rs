//! NASes that report their sessions, as faithfully as NASes do: each event is sent until it is
//! answered, or until a NAS gives it up or reboots.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::Secret;

use super::ledger::{Book, Event, Kind, Reboot, Session};
use crate::harness::ask::Ask;
use crate::harness::nas::SECRET;
use crate::harness::random::Random;

const PATIENCE: Duration = Duration::from_secs(240);
/// Two months: what a NAS says of its time is believed long after.
const AGO_SECONDS: i64 = 60 * 86_400;
const CAUSES: [&str; 5] =
    ["User-Request", "Lost-Carrier", "Idle-Timeout", "Session-Timeout", "Admin-Reset"];

/// How the fleet and the network between behave; of a hundred, where nothing else is said.
#[derive(Clone, Debug)]
pub struct Habits {
    pub nases: usize,
    /// Sessions at a time of each.
    pub slots: usize,
    pub think: Duration,
    /// How long a NAS waits for the first answer, in milliseconds; then twice as long.
    pub patience: usize,
    /// Requests and answers lost.
    pub lost: usize,
    /// Sent again although answered.
    pub repeated: usize,
    /// Sessions whose events are sent in another order.
    pub reordered: usize,
    /// Events that the network holds back for hours.
    pub late: usize,
    /// Events given up after some tries.
    pub given_up: usize,
    /// NASes without a clock of their own, of every three.
    pub clockless: usize,
    /// A session's end is followed by its NAS's reboot, of a thousand.
    pub reboots: usize,
    /// An Acct-Session-Id is used again after a reboot.
    pub reuses: bool,
    /// Each request goes to every server at once, not to one after the other.
    pub to_all: bool,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            nases: 3,
            slots: 8,
            think: Duration::from_millis(12),
            patience: 250,
            lost: 0,
            repeated: 3,
            reordered: 5,
            late: 2,
            given_up: 3,
            clockless: 1,
            reboots: 8,
            reuses: true,
            to_all: false,
        }
    }
}

/// How far the whole fleet is.
#[derive(Debug, Default)]
pub struct Pulse {
    pub sent: AtomicUsize,
    pub acknowledged: AtomicUsize,
    /// No session begins any more; what is under way is brought to its end.
    pub settle: AtomicBool,
    /// The story has failed.
    pub over: AtomicBool,
}

impl Pulse {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// An event on its way.
struct Errand {
    what: What,
    /// What has been sent of it: an answer to any of these will do.
    packets: Vec<Vec<u8>>,
    due: Instant,
    tries: u32,
    tries_max: u32,
    /// Another packet for each try, with another Acct-Delay-Time.
    renews: bool,
    since: Instant,
    pause: Duration,
}

#[derive(Clone, Copy)]
enum What {
    Event { session: usize, event: usize, held_back: bool },
    Reboot(usize),
}

/// A session whose events have not all been sent.
struct Running {
    session: usize,
    rest: VecDeque<usize>,
    due: Instant,
}

/// One NAS.
pub struct Nas<'f> {
    habits: &'f Habits,
    servers: &'f [SocketAddr],
    pulse: &'f Pulse,
    number: usize,
    random: Random,
    socket: UdpSocket,
    secret: Secret,
    book: Book,
    /// Its own.
    clock: i64,
    errands: Vec<Errand>,
    running: Vec<Running>,
    late: VecDeque<(Instant, usize, usize)>,
    echoes: Vec<(Instant, Vec<u8>)>,
    identifier: u8,
    ids: usize,
    rebooting: bool,
}

impl<'f> Nas<'f> {
    pub fn new(
        number: usize,
        habits: &'f Habits,
        servers: &'f [SocketAddr],
        pulse: &'f Pulse,
        seed: u64,
    ) -> Nas<'f> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(3))).expect("a timeout");
        let nas = format!("10.77.{}.{}", number / 250, number % 250 + 1);
        let has_clock = number % 3 >= habits.clockless;
        Nas {
            habits,
            servers,
            pulse,
            number,
            random: Random::new(seed ^ (number as u64).wrapping_mul(0x9e37_79b9)),
            socket,
            secret: Secret::new(SECRET.as_bytes()),
            book: Book { nas, has_clock, ..Book::default() },
            clock: now() - AGO_SECONDS,
            errands: Vec::new(),
            running: Vec::new(),
            late: VecDeque::new(),
            echoes: Vec::new(),
            identifier: 0,
            ids: 0,
            rebooting: false,
        }
    }

    /// Until the fleet has settled.
    pub fn run(mut self) -> Book {
        let mut settling = None;
        loop {
            let settles = self.pulse.settle.load(Ordering::Relaxed);
            if settles && settling.is_none() {
                settling = Some(Instant::now());
                // Half of what goes on stays open.
                let random = &mut self.random;
                self.running.retain(|_| random.chance(50));
            }
            if !settles {
                self.begin();
            }
            self.advance();
            self.bring_late(settles);
            self.send();
            self.receive();
            let idle = self.errands.is_empty() && self.running.is_empty() && self.late.is_empty();
            let over = self.pulse.over.load(Ordering::Relaxed);
            if over || (settles && idle && !self.rebooting) {
                return self.book;
            }
            let waited = settling.map_or(Duration::ZERO, |since: Instant| since.elapsed());
            assert!(waited < PATIENCE, "{} has {} unanswered", self.book.nas, self.errands.len());
        }
    }

    /// New sessions, where there is room.
    fn begin(&mut self) {
        while !self.rebooting && self.running.len() < self.habits.slots {
            self.clock += 1 + self.random.below(5) as i64;
            let session = self.session();
            let mut rest: Vec<usize> = (0..session.events.len()).collect();
            if self.random.chance(self.habits.reordered) {
                self.random.shuffle(&mut rest);
            }
            let due = self.soon();
            self.running.push(Running {
                session: self.book.sessions.len(),
                rest: rest.into(),
                due,
            });
            self.book.sessions.push(session);
        }
    }

    fn session(&mut self) -> Session {
        let random = &mut self.random;
        self.ids += 1;
        let id = format!("{:08x}", self.ids);
        let interims = random.below(5);
        let (mut time, mut input, mut output) = (self.clock, 0, 0);
        let mut events = Vec::with_capacity(interims + 2);
        for at in 0..interims + 2 {
            let kind = match at {
                0 => Kind::Start,
                at if at > interims => Kind::Stop,
                _ => Kind::Interim,
            };
            if at > 0 {
                time += 60 + random.below(240) as i64;
                let most = if random.chance(10) { 9_000_000_000 } else { 5_000_000 };
                input += 1 + random.next() % most;
                output += 1 + random.next() % most;
            }
            // Some learn it from DHCP only later, and some leave it out now and then.
            let has_address = at > 0 && random.chance(80);
            let address =
                has_address.then(|| format!("10.{}.0.{}", self.number, 1 + self.ids % 250));
            let (sent, acknowledged) = (false, false);
            events.push(Event { kind, time, input, output, address, sent, acknowledged });
        }
        Session {
            // The same user is at the same port again: with the same Acct-Session-Id it is the
            // same unique id.
            user: format!("user{}", self.ids % 97),
            port: (self.ids % 48) as u32,
            calling: format!("02-00-00-00-{:02X}-{:02X}", self.number, self.ids % 256),
            cause: CAUSES[random.below(CAUSES.len())],
            id,
            events,
        }
    }

    fn soon(&mut self) -> Instant {
        let most = self.habits.think.as_micros() as usize * 2 + 1;
        Instant::now() + Duration::from_micros(self.random.below(most) as u64)
    }

    /// The next event of each session whose last one is done.
    fn advance(&mut self) {
        if self.rebooting {
            return;
        }
        let now = Instant::now();
        for at in (0..self.running.len()).rev() {
            if self.running[at].due > now {
                continue;
            }
            let session = self.running[at].session;
            let Some(event) = self.running[at].rest.pop_front() else {
                self.running.swap_remove(at);
                if self.random.below(1_000) < self.habits.reboots {
                    self.reboot();
                    return;
                }
                continue;
            };
            if self.random.chance(self.habits.late) && self.book.has_clock {
                let hold = Duration::from_millis(self.random.below(8_000) as u64);
                self.late.push_back((now + hold, session, event));
                continue;
            }
            // Not before this one is done.
            self.running[at].due = now + Duration::from_secs(1_000_000);
            self.errand(What::Event { session, event, held_back: false });
        }
    }

    /// What the network has held back comes through at last, perhaps after the NAS's reboot.
    fn bring_late(&mut self, settles: bool) {
        let now = Instant::now();
        for _ in 0..self.late.len() {
            let Some((due, session, event)) = self.late.pop_front() else { return };
            if settles || due <= now {
                self.errand(What::Event { session, event, held_back: true });
            } else {
                self.late.push_back((due, session, event));
            }
        }
    }

    fn errand(&mut self, what: What) {
        let gives_up =
            matches!(what, What::Event { .. }) && self.random.chance(self.habits.given_up);
        let now = Instant::now();
        self.errands.push(Errand {
            what,
            packets: Vec::new(),
            due: now,
            tries: 0,
            tries_max: if gives_up { 1 + self.random.below(3) as u32 } else { u32::MAX },
            renews: !self.book.has_clock || self.random.chance(30),
            since: now,
            pause: Duration::from_millis(
                (self.habits.patience + self.random.below(self.habits.patience)) as u64,
            ),
        });
    }

    /// Forgets all it was at, and says so until it is heard.
    fn reboot(&mut self) {
        self.running.clear();
        self.errands.retain(|errand| matches!(errand.what, What::Event { held_back: true, .. }));
        let sessions = self.book.sessions.iter();
        let sent = sessions.flat_map(|one| &one.events).filter(|event| event.sent);
        // Also of what may still be underway.
        let held = self
            .late
            .iter()
            .map(|(_, session, event)| self.book.sessions[*session].events[*event].time);
        let last = sent.map(|event| event.time).chain(held).max().unwrap_or(self.clock);
        self.clock = self.clock.max(last) + 200;
        if self.random.chance(50) {
            self.report_reboot(true);
        }
        self.report_reboot(false);
        self.rebooting = true;
        if self.habits.reuses && self.random.chance(50) {
            self.ids = 0;
        }
    }

    fn report_reboot(&mut self, off: bool) {
        let cause = off.then_some("Admin-Reboot").filter(|_| self.random.chance(50));
        let (at, sent, acknowledged) = (self.clock, false, false);
        self.errand(What::Reboot(self.book.reboots.len()));
        self.book.reboots.push(Reboot { at, off, cause, sent, acknowledged });
        self.clock += 200;
    }

    fn send(&mut self) {
        let now = Instant::now();
        let due: Vec<usize> =
            (0..self.errands.len()).filter(|at| self.errands[*at].due <= now).collect();
        let mut given_up = Vec::new();
        for at in due {
            let errand = &self.errands[at];
            if errand.tries >= errand.tries_max {
                given_up.push(at);
                continue;
            }
            if errand.packets.is_empty() || errand.renews {
                let delay = errand.since.elapsed().as_secs();
                let packet = self.packet(errand.what, delay);
                let packets = &mut self.errands[at].packets;
                packets.push(packet);
                // Identifiers are few.
                packets.drain(..packets.len().saturating_sub(8));
            }
            let errand = &mut self.errands[at];
            match errand.what {
                What::Event { session, event, .. } => {
                    self.book.sessions[session].events[event].sent = true;
                }
                What::Reboot(number) => self.book.reboots[number].sent = true,
            }
            errand.tries += 1;
            errand.due = now + errand.pause;
            let longest = Duration::from_millis(8 * self.habits.patience as u64);
            errand.pause = (errand.pause * 2).min(longest);
            let tries = errand.tries as usize;
            let packet = errand.packets.last().cloned().unwrap_or_default();
            self.transmit(&packet, tries);
        }
        for at in given_up.into_iter().rev() {
            let errand = self.errands.swap_remove(at);
            self.done(errand.what);
        }
        let echoes: Vec<_> = self.echoes.extract_if(.., |(due, _)| *due <= now).collect();
        for (_, packet) in echoes {
            let tries = self.random.below(4);
            self.transmit(&packet, tries);
        }
    }

    /// To its server, or after some tries to the next one.
    fn transmit(&mut self, packet: &[u8], tries: usize) {
        self.pulse.sent.fetch_add(1, Ordering::Relaxed);
        let first = self.number + tries.saturating_sub(1) / 2;
        for (at, server) in self.servers.iter().enumerate() {
            let goes = self.habits.to_all || at == first % self.servers.len();
            if goes && !self.random.chance(self.habits.lost) {
                // The daemon may be gone for a while.
                self.socket.send_to(packet, server).ok();
            }
        }
    }

    fn packet(&mut self, what: What, delay: u64) -> Vec<u8> {
        let mut text = match what {
            What::Event { session, event, .. } => {
                let session = &self.book.sessions[session];
                describe(session, &session.events[event])
            }
            What::Reboot(number) => {
                let reboot = &self.book.reboots[number];
                let status = if reboot.off { "Accounting-Off" } else { "Accounting-On" };
                let cause = reboot.cause.map(|cause| format!(" ; Acct-Terminate-Cause = {cause}"));
                format!("Acct-Status-Type = {status}{}", cause.unwrap_or_default())
            }
        };
        let time = match what {
            What::Event { session, event, .. } => self.book.sessions[session].events[event].time,
            What::Reboot(number) => self.book.reboots[number].at,
        };
        let dated = match self.book.has_clock {
            true => format!("Event-Timestamp = {time} ; Acct-Delay-Time = {delay}"),
            false => format!("Acct-Delay-Time = {}", now() - time),
        };
        let nas = &self.book.nas;
        text.push_str(&format!(
            " ; NAS-IP-Address = {nas} ; NAS-Identifier = nas{} ; {dated}",
            self.number
        ));
        // Never one that waits for its answer.
        let is_used = |identifier: u8| {
            self.errands.iter().flat_map(|errand| &errand.packets).any(|one| one[1] == identifier)
        };
        let free = (1..=255).map(|step| self.identifier.wrapping_add(step));
        let mut free = free.filter(|identifier| !is_used(*identifier));
        self.identifier = free.next().unwrap_or(self.identifier.wrapping_add(1));
        let ask = Ask::accounting(&text).expect("a packet");
        ask.encode(self.identifier, self.random.next(), &self.secret)
    }

    fn receive(&mut self) {
        let mut buffer = [0; 4096];
        // The first may take a moment, the others are there.
        for _ in 0..64 {
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { return };
            if self.random.chance(self.habits.lost) {
                continue;
            }
            let answers = |packet: &Vec<u8>| {
                packet[1] == buffer[1]
                    && proto::verify_reply(packet, &buffer[..length], &self.secret).is_ok()
            };
            let found = self.errands.iter().position(|one| one.packets.iter().any(answers));
            let Some(found) = found else { continue };
            let errand = self.errands.swap_remove(found);
            self.pulse.acknowledged.fetch_add(1, Ordering::Relaxed);
            match errand.what {
                What::Event { session, event, .. } => {
                    self.book.sessions[session].events[event].acknowledged = true;
                }
                What::Reboot(number) => {
                    self.book.reboots[number].acknowledged = true;
                }
            }
            if self.random.chance(self.habits.repeated) {
                let later = Duration::from_millis(self.random.below(3_000) as u64);
                let packet = errand.packets.last().cloned();
                self.echoes.extend(packet.map(|packet| (Instant::now() + later, packet)));
            }
            self.done(errand.what);
        }
    }

    /// Answered or given up: what comes next.
    fn done(&mut self, what: What) {
        match what {
            What::Event { held_back: true, .. } => {}
            What::Event { session, .. } => {
                let soon = self.soon();
                let running = self.running.iter_mut().find(|one| one.session == session);
                if let Some(running) = running {
                    running.due = soon;
                }
            }
            What::Reboot(_) => {
                let is_reboot = |errand: &Errand| matches!(errand.what, What::Reboot(_));
                self.rebooting = self.errands.iter().any(is_reboot);
            }
        }
    }
}

/// What an access concentrator says of a session.
fn describe(session: &Session, event: &Event) -> String {
    let status = match event.kind {
        Kind::Start => "Start",
        Kind::Interim => "Interim-Update",
        Kind::Stop => "Stop",
    };
    let Session { id, user, port, calling, cause, .. } = session;
    let mut text = format!(
        "Acct-Status-Type = {status} ; User-Name = {user} ; Acct-Session-Id = {id} ; \
         NAS-Port = {port} ; NAS-Port-Type = Ethernet ; Service-Type = Framed-User ; \
         Framed-Protocol = PPP ; Acct-Authentic = RADIUS ; Called-Station-Id = edge-{} ; \
         Calling-Station-Id = {calling} ; Connect-Info = 100M/{status}",
        port % 7
    );
    if let Some(address) = &event.address {
        text.push_str(&format!(" ; Framed-IP-Address = {address}"));
    }
    if event.kind != Kind::Start {
        let Event { input, output, .. } = event;
        text.push_str(&format!(
            " ; Acct-Session-Time = {} ; Acct-Input-Octets = {} ; Acct-Input-Gigawords = {} ; \
             Acct-Output-Octets = {} ; Acct-Output-Gigawords = {} ; Acct-Input-Packets = {} ; \
             Acct-Output-Packets = {}",
            event.time - session.start(),
            input & 0xffff_ffff,
            input >> 32,
            output & 0xffff_ffff,
            output >> 32,
            (input / 700) & 0xffff,
            (output / 700) & 0xffff
        ));
    }
    if event.kind == Kind::Stop {
        text.push_str(&format!(" ; Acct-Terminate-Cause = {cause}"));
    }
    text
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
