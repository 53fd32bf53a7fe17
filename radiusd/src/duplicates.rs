//! Requests under way and answers given: a retransmission gets the answer it already had
//! (RFC 5080 §2.2.2).
//!
//! One table per worker, so without locks: a NAS's source port always reaches the same worker.
//! The table is bounded; when it is full the oldest answer goes first, and a request that finds
//! only unanswered ones is turned away.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use hashbrown::HashTable;

use crate::roster::Nas;

/// What makes two requests the same to a client (RFC 2865 §3, Identifier).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub socket: usize,
    pub source: SocketAddr,
    pub identifier: u8,
}

impl Hash for Key {
    /// One number for IPv4, two for IPv6, instead of the nine that deriving would write.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let rest = u64::from(self.source.port()) << 16
            | u64::from(self.identifier) << 8
            | (self.socket as u64 & 0xff);
        match self.source.ip() {
            IpAddr::V4(address) => state.write_u64(u64::from(u32::from(address)) << 32 | rest),
            IpAddr::V6(address) => {
                state.write_u128(u128::from(address));
                state.write_u64(rest);
            }
        }
    }
}

/// A request's place in the table, and which of the place's tenants it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    slot: u32,
    generation: u32,
}

impl Ticket {
    pub fn to_bits(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    pub fn from_bits(bits: u64) -> Ticket {
        Ticket { slot: (bits >> 32) as u32, generation: bits as u32 }
    }
}

/// What the table says of a datagram.
pub enum Seen {
    /// Never seen: the ticket is the caller's to answer. `replaced` counts an unanswered request
    /// that the same client gave up by reusing its identifier.
    New { ticket: Ticket, replaced: bool },
    /// Answered before: where the answer lies.
    Answered(Ticket),
    /// Being answered.
    Busy,
    /// No room: every place holds an unanswered request.
    Full,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Working,
    Delayed,
    Answered,
}

/// A request that waited for the store, and what is needed to go on with it.
pub struct Parked {
    pub octets: Vec<u8>,
    pub key: Key,
    pub asked: IpAddr,
    pub nas: Arc<Nas>,
    pub received: Instant,
    pub received_ms: i64,
}

struct Entry {
    key: Key,
    authenticator: [u8; 16],
    length: u16,
    generation: u32,
    state: State,
    asked: IpAddr,
    nas: Option<Arc<Nas>>,
    received: Instant,
    received_ms: i64,
    expires: Instant,
    /// The request while it waits, the answer afterwards; the buffer stays with the place.
    octets: Vec<u8>,
    /// Counted among those of its source that wait.
    waits: bool,
    older: u32,
    newer: u32,
}

const NONE: u32 = u32::MAX;

/// The table of one worker.
pub struct Duplicates {
    entries: Vec<Entry>,
    index: HashTable<u32>,
    hasher: RandomState,
    free: Vec<u32>,
    /// Answered entries in the order of their answers.
    oldest: u32,
    newest: u32,
    limit: usize,
    /// Requests of each source that wait, and how many may.
    waiting: HashMap<IpAddr, u32, RandomState>,
    source_limit: u32,
    /// Requests that their clients gave up before what they wait for has come: until then they
    /// count as waiting, or reusing identifiers would get round every limit.
    given_up: HashMap<Ticket, IpAddr, RandomState>,
    keep: Duration,
    working: usize,
    /// Which table of this worker it is: a ticket of an earlier one fits none of this one's.
    era: u8,
}

impl Duplicates {
    /// A table of at most `limit` requests, of one source at most `source_limit` that wait; answers
    /// are kept for `keep`.
    pub fn new(limit: usize, source_limit: u32, keep: Duration, era: u8) -> Duplicates {
        Duplicates {
            era,
            entries: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            limit: limit.clamp(1, NONE as usize - 1),
            waiting: HashMap::default(),
            source_limit,
            given_up: HashMap::default(),
            keep,
            working: 0,
        }
    }

    /// Requests not yet answered.
    pub fn working(&self) -> usize {
        self.working
    }

    /// Looks the request up, and enters it if it is new.
    pub fn see(
        &mut self,
        key: Key,
        authenticator: &[u8; 16],
        length: usize,
        now: Instant,
        received_ms: i64,
    ) -> Seen {
        let length = length as u16;
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        let found = self.index.find(hash, |slot| entries[*slot as usize].key == key).copied();
        let mut replaced = false;
        let slot = if let Some(slot) = found {
            let entry = &self.entries[slot as usize];
            let same = entry.authenticator == *authenticator && entry.length == length;
            match entry.state {
                State::Answered if same && entry.expires > now => {
                    return Seen::Answered(self.ticket(slot));
                }
                State::Working | State::Delayed if same => return Seen::Busy,
                State::Answered => self.unlink(slot),
                // The client reused its identifier: it no longer waits for the old answer.
                _ => {
                    replaced = true;
                    self.give_up(slot);
                }
            }
            slot
        } else {
            let Some(slot) = self.room() else { return Seen::Full };
            let hasher = &self.hasher;
            self.entries[slot as usize].key = key;
            let entries = &self.entries;
            self.index
                .insert_unique(hash, slot, |slot| hasher.hash_one(entries[*slot as usize].key));
            slot
        };
        let entry = &mut self.entries[slot as usize];
        entry.authenticator = *authenticator;
        entry.length = length;
        entry.generation = entry.generation.wrapping_add(1);
        entry.state = State::Working;
        entry.nas = None;
        entry.received = now;
        entry.received_ms = received_ms;
        entry.octets.clear();
        self.working += 1;
        Seen::New { ticket: self.ticket(slot), replaced }
    }

    fn ticket(&self, slot: u32) -> Ticket {
        Ticket { slot, generation: self.entries[slot as usize].generation }
    }

    /// A free place: an unused one, or the oldest answer's.
    fn room(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.entries.len() < self.limit {
            let slot = self.entries.len() as u32;
            let now = Instant::now();
            self.entries.push(Entry {
                key: Key { socket: 0, source: ([0; 4], 0).into(), identifier: 0 },
                authenticator: [0; 16],
                length: 0,
                generation: u32::from(self.era) << 24,
                state: State::Free,
                asked: [0; 4].into(),
                nas: None,
                received: now,
                received_ms: 0,
                expires: now,
                octets: Vec::new(),
                waits: false,
                older: NONE,
                newer: NONE,
            });
            return Some(slot);
        }
        if self.oldest == NONE {
            return None;
        }
        let slot = self.oldest;
        self.unlink(slot);
        self.forget(slot);
        Some(slot)
    }

    /// Takes an entry out of the index; its place is the caller's.
    fn forget(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(self.entries[slot as usize].key);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        let entry = &mut self.entries[slot as usize];
        entry.state = State::Free;
        entry.nas = None;
        entry.generation = entry.generation.wrapping_add(1);
        // One large packet must not keep its buffer for ever.
        if entry.octets.capacity() > 512 {
            entry.octets = Vec::new();
        }
    }

    fn live(&self, ticket: Ticket) -> Option<&Entry> {
        let entry = self.entries.get(ticket.slot as usize)?;
        (entry.generation == ticket.generation && entry.state != State::Free).then_some(entry)
    }

    fn live_mut(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(ticket.slot as usize)?;
        (entry.generation == ticket.generation && entry.state != State::Free).then_some(entry)
    }

    /// Whether a request that has to wait would find no place of its source's. A retransmission
    /// has one.
    pub fn is_saturated(&self, key: &Key, authenticator: &[u8; 16]) -> bool {
        let full = self.waiting.get(&key.source.ip()).is_some_and(|n| *n >= self.source_limit);
        full && {
            let entries = &self.entries;
            let hash = self.hasher.hash_one(key);
            let found = self.index.find(hash, |slot| entries[*slot as usize].key == *key);
            found.is_none_or(|slot| entries[*slot as usize].authenticator != *authenticator)
        }
    }

    /// A request that waits takes a place of its source's; false when there is none.
    fn wait(&mut self, slot: u32) -> bool {
        let entry = &mut self.entries[slot as usize];
        if !entry.waits {
            if self.given_up.len() >= self.limit {
                return false;
            }
            let waiting = self.waiting.entry(entry.key.source.ip()).or_default();
            if *waiting >= self.source_limit {
                return false;
            }
            *waiting += 1;
            entry.waits = true;
        }
        true
    }

    /// A request is under way no more.
    fn settle(&mut self, slot: u32) {
        self.working -= 1;
        let entry = &mut self.entries[slot as usize];
        if !std::mem::take(&mut entry.waits) {
            return;
        }
        let source = entry.key.source.ip();
        self.leave(source);
    }

    /// As `settle`, while something is still under way for it.
    fn give_up(&mut self, slot: u32) {
        self.working -= 1;
        let ticket = self.ticket(slot);
        let entry = &mut self.entries[slot as usize];
        if std::mem::take(&mut entry.waits) {
            self.given_up.insert(ticket, entry.key.source.ip());
        }
    }

    /// What a request waited for has come; told of those that were given up, too.
    pub fn came(&mut self, ticket: Ticket) {
        if let Some(source) = self.given_up.remove(&ticket) {
            self.leave(source);
        }
    }

    fn leave(&mut self, source: IpAddr) {
        if let Some(waiting) = self.waiting.get_mut(&source) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&source);
            }
        }
    }

    /// Keeps a copy of the request until somebody answers. False when too many of its source
    /// wait already.
    pub fn park(&mut self, ticket: Ticket, octets: &[u8], asked: IpAddr, nas: Arc<Nas>) -> bool {
        if self.live(ticket).is_none() || !self.wait(ticket.slot) {
            return false;
        }
        if let Some(entry) = self.live_mut(ticket) {
            entry.octets.clear();
            entry.octets.extend_from_slice(octets);
            entry.asked = asked;
            entry.nas = Some(nas);
        }
        true
    }

    /// Takes a parked request up again; none when its client gave it up meanwhile.
    pub fn unpark(&mut self, ticket: Ticket) -> Option<Parked> {
        let entry = self.live_mut(ticket)?;
        if entry.state != State::Working {
            return None;
        }
        Some(Parked {
            nas: entry.nas.take()?,
            octets: std::mem::take(&mut entry.octets),
            key: entry.key,
            asked: entry.asked,
            received: entry.received,
            received_ms: entry.received_ms,
        })
    }

    /// Keeps an answer that is sent later; a retransmission meanwhile is ignored. False when too
    /// many of its source wait already.
    pub fn delay(&mut self, ticket: Ticket, answer: &[u8], asked: IpAddr) -> bool {
        if self.live(ticket).is_none() || !self.wait(ticket.slot) {
            return false;
        }
        if let Some(entry) = self.live_mut(ticket) {
            entry.state = State::Delayed;
            entry.asked = asked;
            entry.nas = None;
            entry.octets.clear();
            entry.octets.extend_from_slice(answer);
        }
        true
    }

    /// The delayed answer's time has come: it becomes an answer that was given.
    pub fn release(&mut self, ticket: Ticket, now: Instant) -> Option<(Key, IpAddr, &[u8])> {
        let entry = self.live(ticket)?;
        if entry.state != State::Delayed {
            return None;
        }
        self.settle(ticket.slot);
        self.link(ticket.slot, now);
        let entry = &self.entries[ticket.slot as usize];
        Some((entry.key, entry.asked, &entry.octets))
    }

    /// Keeps an answer that is sent now.
    pub fn answer(&mut self, ticket: Ticket, answer: &[u8], asked: IpAddr, now: Instant) {
        let Some(entry) = self.live_mut(ticket).filter(|entry| entry.state == State::Working)
        else {
            return;
        };
        entry.asked = asked;
        entry.nas = None;
        entry.octets.clear();
        entry.octets.extend_from_slice(answer);
        self.settle(ticket.slot);
        self.link(ticket.slot, now);
    }

    /// The answer that was given before.
    pub fn answered(&self, ticket: Ticket) -> Option<(IpAddr, &[u8])> {
        let entry = self.live(ticket)?;
        (entry.state == State::Answered).then_some((entry.asked, entry.octets.as_slice()))
    }

    /// Forgets a request that gets no answer, so that its retransmission is tried afresh.
    pub fn remove(&mut self, ticket: Ticket) {
        let Some(entry) = self.live(ticket) else { return };
        if entry.state == State::Answered {
            self.unlink(ticket.slot);
        } else {
            self.settle(ticket.slot);
        }
        self.forget(ticket.slot);
        self.free.push(ticket.slot);
    }

    /// Drops answers older than they are kept for.
    pub fn expire(&mut self, now: Instant) {
        while self.oldest != NONE && self.entries[self.oldest as usize].expires <= now {
            let slot = self.oldest;
            self.unlink(slot);
            self.forget(slot);
            self.free.push(slot);
        }
    }

    fn link(&mut self, slot: u32, now: Instant) {
        let newest = self.newest;
        let entry = &mut self.entries[slot as usize];
        entry.state = State::Answered;
        entry.expires = now + self.keep;
        entry.older = newest;
        entry.newer = NONE;
        match newest {
            NONE => self.oldest = slot,
            newest => self.entries[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { older, newer, .. } = self.entries[slot as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16, identifier: u8) -> Key {
        Key { socket: 0, source: ([127, 0, 0, 1], port).into(), identifier }
    }

    fn new(table: &mut Duplicates, key: Key, authenticator: u8, now: Instant) -> Ticket {
        match table.see(key, &[authenticator; 16], 20, now, 0) {
            Seen::New { ticket, .. } => ticket,
            _ => panic!("expected a new request"),
        }
    }

    #[test]
    fn a_retransmission_gets_the_answer_until_it_expires() {
        let now = Instant::now();
        let mut table = Duplicates::new(8, 1000, Duration::from_secs(5), 0);
        let ticket = new(&mut table, key(1, 1), 1, now);
        assert!(matches!(table.see(key(1, 1), &[1; 16], 20, now, 0), Seen::Busy));
        table.answer(ticket, b"answer", [127, 0, 0, 1].into(), now);
        let Seen::Answered(again) = table.see(key(1, 1), &[1; 16], 20, now, 0) else { panic!() };
        assert_eq!(table.answered(again).unwrap().1, b"answer");
        let later = now + Duration::from_secs(6);
        table.expire(later);
        assert!(matches!(table.see(key(1, 1), &[1; 16], 20, later, 0), Seen::New { .. }));
    }

    #[test]
    fn another_authenticator_or_length_is_another_request() {
        let now = Instant::now();
        let mut table = Duplicates::new(8, 1000, Duration::from_secs(5), 0);
        let old = new(&mut table, key(1, 1), 1, now);
        table.park(old, b"old", [127, 0, 0, 1].into(), Nas::for_tests());
        let seen = table.see(key(1, 1), &[2; 16], 20, now, 0);
        let Seen::New { ticket, replaced: true } = seen else { panic!() };
        assert!(table.unpark(old).is_none());
        assert_eq!(table.working(), 1);
        table.answer(ticket, b"x", [127, 0, 0, 1].into(), now);
        assert!(matches!(
            table.see(key(1, 1), &[2; 16], 21, now, 0),
            Seen::New { replaced: false, .. }
        ));
    }

    #[test]
    fn the_oldest_answer_makes_room_and_work_does_not() {
        let now = Instant::now();
        let mut table = Duplicates::new(3, 1000, Duration::from_secs(5), 0);
        for id in 0..3 {
            let ticket = new(&mut table, key(1, id), 1, now);
            if id > 0 {
                table.answer(ticket, &[id], [127, 0, 0, 1].into(), now);
            }
        }
        new(&mut table, key(2, 1), 1, now);
        assert!(matches!(table.see(key(1, 1), &[1; 16], 20, now, 0), Seen::New { .. }));
        assert!(matches!(table.see(key(3, 1), &[1; 16], 20, now, 0), Seen::Full));
        assert_eq!(table.working(), 3);
    }

    #[test]
    fn a_delayed_answer_is_silent_until_released() {
        let now = Instant::now();
        let mut table = Duplicates::new(8, 1000, Duration::from_secs(5), 0);
        let ticket = new(&mut table, key(1, 1), 1, now);
        table.delay(ticket, b"no", [127, 0, 0, 1].into());
        assert!(matches!(table.see(key(1, 1), &[1; 16], 20, now, 0), Seen::Busy));
        assert_eq!(table.release(ticket, now).unwrap().2, b"no");
        assert!(table.release(ticket, now).is_none());
        assert!(matches!(table.see(key(1, 1), &[1; 16], 20, now, 0), Seen::Answered(_)));
    }

    /// However its client goes about it: by new identifiers, or by the same again and again.
    #[test]
    fn a_source_has_so_many_waiting_and_no_more() {
        let now = Instant::now();
        let mut table = Duplicates::new(64, 4, Duration::from_secs(5), 0);
        let asked: IpAddr = [127, 0, 0, 1].into();
        let mut parked = Vec::new();
        for round in 0..20 {
            let ticket = new(&mut table, key(1, round % 2), round, now);
            let has_place = table.park(ticket, b"request", asked, Nas::for_tests());
            assert_eq!(has_place, round < 4, "{round}");
            match has_place {
                true => parked.push(ticket),
                false => table.remove(ticket),
            }
        }
        let other = Key { source: ([127, 0, 0, 2], 1).into(), ..key(1, 1) };
        let ticket = new(&mut table, other, 1, now);
        assert!(table.delay(ticket, b"answer", asked), "another source has places of its own");
        assert!(table.is_saturated(&key(1, 9), &[9; 16]));
        for ticket in parked {
            table.came(ticket);
            table.remove(ticket);
        }
        assert!(!table.is_saturated(&key(1, 9), &[9; 16]));
        table.remove(ticket);
        assert_eq!((table.waiting.len(), table.given_up.len(), table.working()), (0, 0, 0));
    }

    #[test]
    fn random_use_keeps_the_books() {
        let mut table = Duplicates::new(64, 1000, Duration::from_millis(50), 0);
        let mut now = Instant::now();
        let mut seed = 7u64;
        let mut open = Vec::new();
        for _ in 0..100_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let roll = (seed >> 33) as u32;
            now += Duration::from_micros(u64::from(roll % 3000));
            let key = key((roll % 7) as u16, (roll >> 8) as u8 % 16);
            match roll % 5 {
                0..=2 => {
                    let seen = table.see(key, &[(roll % 3) as u8; 16], 20, now, 0);
                    if let Seen::New { ticket, .. } = seen {
                        open.push(ticket);
                    }
                }
                3 if !open.is_empty() => {
                    let ticket = open.swap_remove(roll as usize % open.len());
                    match roll % 4 {
                        0 => table.remove(ticket),
                        1 => {
                            table.delay(ticket, b"d", [127, 0, 0, 1].into());
                            table.release(ticket, now);
                        }
                        _ if table.live(ticket).is_some_and(|e| e.state == State::Working) => {
                            table.answer(ticket, b"a", [127, 0, 0, 1].into(), now);
                        }
                        _ => {}
                    }
                }
                _ => table.expire(now),
            }
            let working = table
                .entries
                .iter()
                .filter(|e| matches!(e.state, State::Working | State::Delayed))
                .count();
            assert_eq!(working, table.working());
            let used = table.entries.iter().filter(|e| e.state != State::Free).count();
            assert_eq!(used, table.index.len());
            assert_eq!(used + table.free.len(), table.entries.len());
        }
    }
}
