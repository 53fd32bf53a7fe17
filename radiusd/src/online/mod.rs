//! Who is online, so that a limit need not be asked of the store each time.
//!
//! A count here may be too high, never too low, as long as nobody else writes sessions: whoever is
//! below a limit here is below it in radacct. At the limit the store is asked (`deviations.md` 3).
//! `watch` loads the table and knows when it can be trusted.

mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;
use parking_lot::{Mutex, RwLock};
use schema::Session;
use smallvec::SmallVec;

pub use watch::Watch;

use crate::accounting::{Event, Kind};
use crate::policy::lookup_names;

/// Others are believed to write sessions for so long after they were last heard of.
const OTHERS: Duration = Duration::from_secs(60);
/// Another node is heard of within so long after we began to listen.
const LISTENING: Duration = Duration::from_secs(4);
/// The store's silence for so long means that nobody would tell.
const SILENCE: Duration = Duration::from_secs(5);
/// What may happen while a table is loaded; more, and the load has failed.
const MEANWHILE_MAX: usize = 1_000_000;

/// Names are kept as numbers: of a text nothing is needed but whether it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Open {
        user: u64,
        entry: Entry,
    },
    Closed {
        user: u64,
        session: u64,
    },
    /// All sessions of a NAS that began before this second ended.
    Down {
        nas: u32,
        before: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    session: u64,
    nas: u32,
    /// Epoch seconds.
    start: u32,
}

#[derive(Default)]
struct Table {
    users: HashMap<u64, SmallVec<[Entry; 1]>, RandomState>,
    sessions: usize,
    loaded: bool,
    /// What was told since a load began.
    meanwhile: Option<Vec<Told>>,
}

#[derive(Default)]
struct Trust {
    heard: Option<Instant>,
    /// Since when changes are told without a gap.
    listening: Option<Instant>,
    others: Option<Instant>,
    /// Nothing was missed since the load of this table began.
    sound: bool,
    /// Something was missed since the last load began.
    missed: bool,
}

/// How many sessions of a user are open, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At least as many as radacct holds.
    Enough(u32),
    /// As far as is known.
    Perhaps(u32),
    Unknown,
}

#[derive(Default)]
pub struct Online {
    hasher: RandomState,
    table: RwLock<Table>,
    trust: Mutex<Trust>,
    /// The journal holds records that the store does not have.
    ahead: AtomicBool,
    pub loads: AtomicU64,
    /// Limits decided without the store.
    pub decided: AtomicU64,
}

/// Rows of one transaction, to be told when it has committed.
#[derive(Default)]
pub struct Rows(Vec<Told>);

impl Online {
    /// The sessions of a user by the name that was sent.
    pub fn count(&self, user: &[u8], now: Instant) -> Count {
        let (raw, escaped) = lookup_names(user);
        let table = self.table.read();
        if !table.loaded {
            return Count::Unknown;
        }
        let of = |name: &str| table.users.get(&self.number(name)).map_or(0, |open| open.len());
        let count = if raw == escaped { of(&raw) } else { of(&raw) + of(&escaped) };
        drop(table);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.is_trusted(now) { Count::Enough(count) } else { Count::Perhaps(count) }
    }

    /// Whether a count is as high as the store would say.
    pub fn is_trusted(&self, now: Instant) -> bool {
        let trust = self.trust.lock();
        let within = |since: Option<Instant>, limit| {
            since.is_some_and(|since| now.saturating_duration_since(since) < limit)
        };
        let told = within(trust.heard, SILENCE) && !within(trust.listening, LISTENING);
        told && trust.sound && !within(trust.others, OTHERS) && !self.is_ahead()
    }

    /// What of a transaction's rows has to be remembered until it has committed.
    pub fn rows<'s>(&self, sessions: impl IntoIterator<Item = &'s Session>) -> Rows {
        let told = sessions.into_iter().map(|row| {
            let user = self.number(row.username.as_deref().unwrap_or_default());
            match row.acctstoptime {
                Some(_) => Told::Closed { user, session: self.number(&row.acctuniqueid) },
                None => {
                    let start = row.acctstarttime;
                    let entry = self.entry(&row.acctuniqueid, &row.nasipaddress, start);
                    Told::Open { user, entry }
                }
            }
        });
        Rows(told.collect())
    }

    /// These rows are in the store.
    pub fn committed(&self, rows: Rows) {
        self.tell(rows.0);
    }

    /// These events are durable, and on their way to the store.
    pub fn journalled<'e>(&self, events: impl Iterator<Item = &'e Event>) {
        let told = events.map(|event| match event {
            Event::Reboot(reboot) => Told::Down {
                nas: self.number(&reboot.nasipaddress) as u32,
                // What begins in the second of an Accounting-On is new, of an Accounting-Off old.
                before: seconds(Some(reboot.at + i64::from(reboot.off))),
            },
            Event::Session(event) => {
                let user = self.number(&event.texts.username);
                match event.kind {
                    Kind::Stop => Told::Closed { user, session: self.number(&event.unique_id) },
                    _ => {
                        let start = Some(event.start());
                        let entry = self.entry(&event.unique_id, &event.texts.nas, start);
                        Told::Open { user, entry }
                    }
                }
            }
        });
        self.tell(told.collect());
    }

    /// Whether the journal holds what the store lacks.
    pub fn set_ahead(&self, ahead: bool) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    pub fn is_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Sessions and users; none before a table was loaded.
    pub fn sizes(&self) -> Option<(usize, usize)> {
        let table = self.table.read();
        table.loaded.then_some((table.sessions, table.users.len()))
    }

    fn number(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    fn entry(&self, session: &str, nas: &str, start: Option<i64>) -> Entry {
        let nas = self.number(nas) as u32;
        Entry { session: self.number(session), nas, start: seconds(start) }
    }

    fn tell(&self, told: Vec<Told>) {
        if told.is_empty() {
            return;
        }
        let mut table = self.table.write();
        told.iter().for_each(|one| table.tell(*one));
        if let Some(meanwhile) = &mut table.meanwhile
            && meanwhile.len() <= MEANWHILE_MAX
        {
            meanwhile.extend(told);
        }
    }

    fn begin_load(&self) {
        self.trust.lock().missed = false;
        self.table.write().meanwhile = Some(Vec::new());
    }

    /// False when too much has happened meanwhile.
    fn end_load(&self, open: Vec<Told>) -> bool {
        let mut fresh = Table { loaded: true, ..Table::default() };
        open.into_iter().for_each(|one| fresh.tell(one));
        let mut table = self.table.write();
        let meanwhile = table.meanwhile.take().unwrap_or_default();
        if meanwhile.len() > MEANWHILE_MAX {
            return false;
        }
        meanwhile.into_iter().for_each(|one| fresh.tell(one));
        *table = fresh;
        drop(table);
        let mut trust = self.trust.lock();
        trust.sound = !trust.missed;
        drop(trust);
        self.loads.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn break_load(&self) {
        self.table.write().meanwhile = None;
        self.trust.lock().sound = false;
    }
}

impl Table {
    /// Telling it twice changes nothing.
    fn tell(&mut self, told: Told) {
        match told {
            Told::Open { user, entry } => {
                let open = self.users.entry(user).or_default();
                match open.iter_mut().find(|known| known.session == entry.session) {
                    Some(known) => *known = entry,
                    None => {
                        open.push(entry);
                        self.sessions += 1;
                    }
                }
            }
            Told::Closed { user, session } => {
                let Some(open) = self.users.get_mut(&user) else { return };
                let before = open.len();
                open.retain(|entry| entry.session != session);
                self.sessions -= before - open.len();
                if open.is_empty() {
                    self.users.remove(&user);
                }
            }
            Told::Down { nas, before } => {
                let mut gone = 0;
                self.users.retain(|_, open| {
                    let all = open.len();
                    open.retain(|entry| entry.nas != nas || entry.start >= before);
                    gone += all - open.len();
                    !open.is_empty()
                });
                self.sessions -= gone;
            }
        }
    }
}

/// An unknown start is the oldest.
fn seconds(time: Option<i64>) -> u32 {
    time.and_then(|time| u32::try_from(time).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
