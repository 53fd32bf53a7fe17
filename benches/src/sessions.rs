//! Accounting as NASes send it: sessions of Start, five Interim-Updates and Stop, and the ledger of what was acknowledged.

use crate::random::Random;
use crate::traffic::{Traffic, User, digits};
use crate::wire::{self, Datagram, Keys};

const INTERIMS: u8 = 5;
const STEP_SECONDS: u32 = 300;
/// Sessions kept open at once, beyond what waits for a reply.
const POPULATION: usize = 4000;

/// One session and how far it has come. Records: 0 Start, 1 to 5 Interim-Update, 6 Stop.
#[derive(Clone, Copy)]
struct Session {
    user: u32,
    next: u8,
    sent: u8,
    /// One more than the last record acknowledged.
    acknowledged: u8,
    started: u32,
}

pub struct Sessions {
    run: u32,
    users: u32,
    now: u32,
    random: Random,
    sessions: Vec<Session>,
    ready: Vec<u32>,
}

impl Sessions {
    /// `run` tells this generator's sessions from every other's; `now` is the time in Unix seconds.
    pub fn new(run: u32, users: u32, now: u32) -> Sessions {
        let random = Random::new(u64::from(run) << 32 | u64::from(now));
        Sessions { run, users, now, random, sessions: Vec::new(), ready: Vec::new() }
    }

    /// What every Acct-Session-Id of this generator begins with.
    pub fn prefix(&self) -> String {
        format!("bench{:05}-", self.run)
    }

    /// A session chosen by chance so that records of all ages mix, and a seventh are Starts.
    fn choose(&mut self) -> u32 {
        let fill = self.ready.len() < POPULATION && self.sessions.len() < 2 * POPULATION;
        if self.ready.is_empty() || fill || self.random.below(u32::from(INTERIMS) + 2) == 0 {
            // The first ones join at any age, so that they don't all end at once.
            let next = if fill { 1 + self.random.below(6) as u8 } else { 0 };
            let age = u32::from(INTERIMS + 1) * STEP_SECONDS + self.random.below(3600);
            let user = self.random.below(self.users);
            let started = self.now - age;
            self.sessions.push(Session { user, next, sent: 0, acknowledged: 0, started });
            return (self.sessions.len() - 1) as u32;
        }
        let at = self.random.below(self.ready.len() as u32) as usize;
        self.ready.swap_remove(at)
    }

    fn write(&self, id: u32, identifier: u8, keys: &Keys, into: &mut Datagram) {
        let session = &self.sessions[id as usize];
        let user = User(session.user);
        let seconds = u32::from(session.next) * STEP_SECONDS;
        let counted = Counted::after(session.next);
        into.begin(wire::ACCOUNTING_REQUEST, identifier, &[0; 16]);
        into.put_u32(40, status(session.next));
        into.put(1, &user.name());
        into.put(4, &[10, 255, 0, (session.user % 200) as u8]);
        into.put_u32(5, session.user);
        into.put(87, &digits(*b"ae1.demux.3221225472:000000", session.user));
        into.put_u32(61, 15);
        into.put_u32(6, 2);
        into.put_u32(7, 1);
        into.put(8, &user.framed_ip());
        into.put(30, b"internet");
        into.put(31, &digits(*b"02-00-00-000000", session.user));
        into.put(32, &digits(*b"bras000", session.user % 200));
        into.put(44, &name(self.run, id));
        into.put_u32(45, 1);
        into.put_u32(41, 0);
        into.put_u32(55, session.started + seconds);
        into.put(77, b"1000000000/1000000000");
        if session.next > 0 {
            into.put_u32(46, seconds);
            into.put_u32(42, counted.input as u32);
            into.put_u32(43, counted.output as u32);
            into.put_u32(52, (counted.input >> 32) as u32);
            into.put_u32(53, (counted.output >> 32) as u32);
            into.put_u32(47, seconds * 100);
            into.put_u32(48, seconds * 700);
        }
        if session.next > INTERIMS {
            into.put_u32(49, 1);
        }
        keys.sign_accounting(into);
    }
}

/// Acct-Status-Type: Start, Stop or Interim-Update.
fn status(record: u8) -> u32 {
    match record {
        0 => 1,
        _ if record > INTERIMS => 2,
        _ => 3,
    }
}

/// Acct-Session-Id.
fn name(run: u32, id: u32) -> [u8; 20] {
    let mut name = *b"bench00000-000000000";
    name[5..10].copy_from_slice(&digits(*b"00000", run));
    name[11..].copy_from_slice(&digits(*b"000000000", id));
    name
}

/// The volumes of a session after so many steps: the ledger's check knows them from the time alone.
struct Counted {
    input: u64,
    output: u64,
}

impl Counted {
    fn after(steps: u8) -> Counted {
        Counted { input: u64::from(steps) * 31_415_926, output: u64::from(steps) * 1_271_828_182 }
    }
}

impl Traffic for Sessions {
    fn make(&mut self, identifier: u8, keys: &Keys, into: &mut Datagram) -> Option<u64> {
        let id = self.choose();
        self.write(id, identifier, keys, into);
        let session = &mut self.sessions[id as usize];
        session.next += 1;
        session.sent = session.next;
        Some(u64::from(id))
    }

    fn answered(&mut self, ticket: u64, reply: &[u8]) -> bool {
        if reply[0] != wire::ACCOUNTING_RESPONSE {
            return false;
        }
        let id = ticket as u32;
        let session = &mut self.sessions[ticket as usize];
        session.acknowledged = session.sent;
        if session.next <= INTERIMS + 1 {
            self.ready.push(id);
        }
        true
    }
}

/// What the table holds against what was acknowledged.
#[derive(Default, Debug, Clone)]
pub struct Audit {
    pub sessions: u64,
    pub acknowledged: u64,
    /// Acknowledged, no row.
    pub missing: u64,
    /// More than one row.
    pub doubled: u64,
    /// A row older than what was acknowledged, or closed or open against it, or with other volumes.
    pub wrong: u64,
}

impl Audit {
    pub fn faults(&self) -> u64 {
        self.missing + self.doubled + self.wrong
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Audit { sessions, acknowledged, missing, doubled, wrong } = self;
        write!(f, "{acknowledged} of {sessions} sessions acknowledged: {missing} missing, ")?;
        write!(f, "{doubled} doubled, {wrong} wrong")
    }
}

/// One row of radacct, as far as it matters here.
pub struct Row {
    pub id: u32,
    pub closed: bool,
    pub seconds: i64,
    pub input: i64,
    pub output: i64,
}

impl Sessions {
    pub fn audit(&self, rows: impl IntoIterator<Item = Row>) -> Audit {
        let mut audit = Audit { sessions: self.sessions.len() as u64, ..Audit::default() };
        let mut seen = vec![0u8; self.sessions.len()];
        for row in rows {
            let Some(session) = self.sessions.get(row.id as usize) else {
                audit.wrong += 1;
                continue;
            };
            seen[row.id as usize] = seen[row.id as usize].saturating_add(1);
            if !matches(session, &row) {
                audit.wrong += 1;
            }
        }
        for (session, rows) in self.sessions.iter().zip(seen) {
            audit.acknowledged += u64::from(session.acknowledged > 0);
            audit.missing += u64::from(session.acknowledged > 0 && rows == 0);
            audit.doubled += u64::from(rows > 1);
        }
        audit
    }
}

fn matches(session: &Session, row: &Row) -> bool {
    let stop_acknowledged = session.acknowledged == INTERIMS + 2;
    let stop_sent = session.sent == INTERIMS + 2;
    let Ok(steps) = u8::try_from(row.seconds / i64::from(STEP_SECONDS)) else { return false };
    let counted = Counted::after(steps);
    row.seconds % i64::from(STEP_SECONDS) == 0
        && steps + 1 >= session.acknowledged
        && steps < session.sent.max(1)
        && row.input == counted.input as i64
        && row.output == counted.output as i64
        && (row.closed || !stop_acknowledged)
        && (!row.closed || stop_sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> Vec<u8> {
        let mut reply = vec![0; 20];
        reply[0] = wire::ACCOUNTING_RESPONSE;
        reply
    }

    #[test]
    fn a_truthful_table_passes_and_a_lost_or_stale_row_does_not() {
        let keys = Keys::new(b"s");
        let mut sessions = Sessions::new(7, 1000, 1_700_000_000);
        let mut datagram = Datagram::default();
        for _ in 0..200_000 {
            let ticket = sessions.make(0, &keys, &mut datagram).unwrap();
            assert!(sessions.answered(ticket, &response()));
        }
        let rows = |sessions: &Sessions| -> Vec<Row> {
            let row = |(id, session): (usize, &Session)| {
                let steps = session.acknowledged - 1;
                let counted = Counted::after(steps);
                Row {
                    id: id as u32,
                    closed: steps == INTERIMS + 1,
                    seconds: i64::from(steps) * i64::from(STEP_SECONDS),
                    input: counted.input as i64,
                    output: counted.output as i64,
                }
            };
            sessions.sessions.iter().enumerate().map(row).collect()
        };
        let truth = sessions.audit(rows(&sessions));
        assert_eq!(truth.faults(), 0, "{truth:?}");
        assert_eq!(truth.sessions, truth.acknowledged);
        assert_eq!(sessions.audit(rows(&sessions).into_iter().skip(1)).missing, 1);
        let mut stale = rows(&sessions);
        let last = stale.iter_mut().find(|row| row.closed).unwrap();
        last.closed = false;
        assert_eq!(sessions.audit(stale).wrong, 1);
        // a seventh are Starts, in the long run
        let share = sessions.sessions.len() as f64 / 200_000.0;
        assert!((0.13..0.2).contains(&share), "{share}");
    }

    #[test]
    fn a_record_has_twenty_attributes_and_fits() {
        let keys = Keys::new(b"s");
        let mut sessions = Sessions::new(7, 1000, 1_700_000_000);
        let mut datagram = Datagram::default();
        sessions.make(0, &keys, &mut datagram).unwrap();
        let (mut at, mut count) = (20, 0);
        while at < datagram.octets().len() {
            at += usize::from(datagram.octets()[at + 1]);
            count += 1;
        }
        assert!((20..=25).contains(&count), "{count}");
        assert_eq!(at, datagram.octets().len());
    }
}
