//! Users' compiled rows in a bounded read-through cache that a change can never outrun.
//!
//! A change is announced by the md5 of the user's name and moves a counter; an entry remembers
//! the counters as they stood *before* its query began, and counts as absent once one has moved.
//! So an invalidation touches no entry, and a fill that races a change stores something that is
//! never used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;
use md5::{Digest, Md5};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::policy::UserPolicy;

/// Counters, each shared by the names whose md5 begins alike: a change also drops the few
/// neighbours of a name, which costs them one query.
const SLOTS: usize = 1 << 16;

/// What is known of a name: its rows, or that there are none.
#[derive(Clone)]
pub struct Known {
    pub policy: Option<Arc<UserPolicy>>,
    mark: Mark,
    /// In ms since the cache was made.
    filled_ms: u64,
}

/// The counters of a name before its rows were asked for: of its raw form and of its escaped one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    epoch: u32,
    watch: u32,
    slots: [u16; 2],
    generations: [u32; 2],
}

/// What the cache says of a name.
pub enum Found {
    /// As the store has it.
    Known(Known),
    /// As the store had it; whether it still does cannot be told (no word from the store).
    Doubtful(Known),
    Unknown,
}

/// Of the table, for each name.
const ENTRY_OCTETS: usize = 96;

#[derive(Clone)]
struct ByOctets;

impl Weighter<Box<[u8]>, Known> for ByOctets {
    fn weight(&self, name: &Box<[u8]>, known: &Known) -> u64 {
        let rows = known.policy.as_ref().map_or(0, |policy| policy.size());
        (name.len() + rows + ENTRY_OCTETS) as u64
    }
}

pub struct Users {
    cache: Cache<Box<[u8]>, Known, ByOctets, RandomState>,
    generations: Box<[AtomicU32]>,
    epoch: AtomicU32,
    /// Counts the times that the watch began anew: what changed before may have been missed.
    watch: AtomicU32,
    began: Instant,
    /// When the store was last known to announce changes, in ms since `began`.
    heard_ms: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// Without word from the store for so long, changes may have been missed.
const SILENCE: Duration = Duration::from_secs(5);
/// How old an answer may be while changes may be missed.
const UNWATCHED_AGE: Duration = Duration::from_secs(2);

impl Users {
    /// A cache of about `limit_octets`.
    pub fn new(limit_octets: u64) -> Users {
        let entries = (limit_octets / 512).max(64);
        Users {
            cache: Cache::with(
                entries as usize,
                limit_octets,
                ByOctets,
                RandomState::new(),
                DefaultLifecycle::default(),
            ),
            generations: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            epoch: AtomicU32::new(0),
            watch: AtomicU32::new(0),
            began: Instant::now(),
            heard_ms: AtomicU64::new(NEVER),
        }
    }

    /// The counters of a name as they stand now; to be taken before the query.
    pub fn mark(&self, raw: &str, escaped: &str) -> Mark {
        let of = |name: &str| slot(&Md5::digest(name.as_bytes()).into());
        let epoch = self.epoch.load(Ordering::Acquire);
        let watch = self.watch.load(Ordering::Acquire);
        let raw_slot = of(raw);
        let slots = [raw_slot, if raw == escaped { raw_slot } else { of(escaped) }];
        Mark { epoch, watch, slots, generations: slots.map(|slot| self.generation(slot)) }
    }

    fn generation(&self, slot: u16) -> u32 {
        self.generations[usize::from(slot)].load(Ordering::Acquire)
    }

    fn stands(&self, mark: &Mark) -> bool {
        self.epoch.load(Ordering::Acquire) == mark.epoch
            && mark.slots.map(|slot| self.generation(slot)) == mark.generations
    }

    /// Keeps what a query said, unless something moved since `mark`.
    pub fn fill(&self, name: &[u8], mark: Mark, policy: Option<Arc<UserPolicy>>) -> Known {
        let filled_ms = self.began.elapsed().as_millis() as u64;
        let known = Known { policy, mark, filled_ms };
        if self.stands(&mark) {
            self.cache.insert(name.into(), known.clone());
        }
        known
    }

    pub fn find(&self, name: &[u8], now: Instant) -> Found {
        let Some(known) = self.cache.get(name) else { return Found::Unknown };
        if !self.stands(&known.mark) {
            return Found::Unknown;
        }
        if known.mark.watch != self.watch.load(Ordering::Acquire) {
            return Found::Doubtful(known);
        }
        if self.silence(now).is_none_or(|silence| silence > SILENCE)
            && now.saturating_duration_since(self.at(known.filled_ms)) > UNWATCHED_AGE
        {
            return Found::Doubtful(known);
        }
        Found::Known(known)
    }

    /// For how long the store has not been heard; none when it never was.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        (heard_ms != NEVER).then(|| now.saturating_duration_since(self.at(heard_ms)))
    }

    fn at(&self, ms: u64) -> Instant {
        self.began + Duration::from_millis(ms)
    }

    pub fn heard(&self) {
        let since = self.began.elapsed().as_millis() as u64;
        self.heard_ms.store(since, Ordering::Relaxed);
    }

    /// A user's rows changed.
    pub fn changed(&self, digest: &[u8; 16]) {
        self.generations[usize::from(slot(digest))].fetch_add(1, Ordering::AcqRel);
    }

    /// Anybody's rows may have changed.
    pub fn all_changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Changes may have been missed: what is known is good only while the store can't be asked.
    pub fn all_doubtful(&self) {
        self.watch.fetch_add(1, Ordering::AcqRel);
    }

    pub fn len(&self) -> usize {
        self.cache.len()
    }

    pub fn octets(&self) -> u64 {
        self.cache.weight()
    }
}

fn slot(digest: &[u8; 16]) -> u16 {
    u16::from_be_bytes([digest[0], digest[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str) -> [u8; 16] {
        Md5::digest(name.as_bytes()).into()
    }

    fn known(users: &Users, name: &str) -> bool {
        matches!(users.find(name.as_bytes(), Instant::now()), Found::Known(_))
    }

    #[test]
    fn a_change_drops_the_user_and_nobody_else() {
        let users = Users::new(1 << 20);
        for name in ["alice", "bob"] {
            users.fill(name.as_bytes(), users.mark(name, name), None);
        }
        users.changed(&digest("alice"));
        assert!(!known(&users, "alice") && known(&users, "bob"));
        users.all_changed();
        assert!(!known(&users, "bob"));
    }

    #[test]
    fn after_a_gap_in_the_watch_what_is_known_is_doubtful() {
        let users = Users::new(1 << 20);
        let mark = users.mark("alice", "alice");
        users.all_doubtful();
        for mark in [mark, users.mark("alice", "alice")] {
            users.fill(b"alice", mark, None);
            users.all_doubtful();
            assert!(matches!(users.find(b"alice", Instant::now()), Found::Doubtful(_)));
        }
        users.changed(&digest("alice"));
        assert!(matches!(users.find(b"alice", Instant::now()), Found::Unknown));
    }

    #[test]
    fn a_fill_that_races_a_change_is_not_used() {
        let users = Users::new(1 << 20);
        let mark = users.mark("alice", "alice");
        users.changed(&digest("alice"));
        users.fill(b"alice", mark, None);
        assert!(!known(&users, "alice"));
        let mark = users.mark("o'b", "o=27b");
        users.changed(&digest("o=27b"));
        users.fill(b"o'b", mark, None);
        assert!(!known(&users, "o'b"));
    }

    #[test]
    fn without_word_from_the_store_what_is_known_becomes_doubtful() {
        let users = Users::new(1 << 20);
        users.fill(b"alice", users.mark("alice", "alice"), None);
        let later = Instant::now() + Duration::from_secs(10);
        assert!(matches!(users.find(b"alice", later), Found::Doubtful(_)));
    }

    #[test]
    fn the_cache_is_bounded() {
        let users = Users::new(100_000);
        for number in 0..10_000 {
            let name = format!("user{number}");
            users.fill(name.as_bytes(), users.mark(&name, &name), None);
        }
        assert!(users.octets() <= 100_000 && users.len() > 100);
    }
}
