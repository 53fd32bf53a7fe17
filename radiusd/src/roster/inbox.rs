//! Whoever sends packets that we cannot take: noted per source, logged at most once a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Nas;

/// Sources remembered; a flood from forged addresses replaces the oldest.
const SOURCES_MAX: usize = 1024;
const LOG_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Inbox {
    sources: Mutex<HashMap<(IpAddr, &'static str), Entry>>,
}

struct Entry {
    first: Instant,
    last: Instant,
    logged: Instant,
    count: u64,
}

/// A source that sent what cannot be taken.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub source: IpAddr,
    pub complaint: &'static str,
    pub first: Instant,
    pub last: Instant,
    pub count: u64,
}

impl Inbox {
    /// A packet from an address that no client has.
    pub fn unknown(&self, source: IpAddr, now: Instant) {
        if self.note(source, "unknown-client", now) {
            tracing::warn!(%source, "packets from an address that no client has are dropped");
        }
    }

    /// A packet that a client's secret does not verify.
    pub fn wrong_secret(&self, nas: &Nas, now: Instant) {
        let source = nas.network.addr();
        if self.note(source, "bad-authenticator", now) {
            tracing::warn!(nas.name = %nas.name, "packets do not verify with this client's secret");
        }
    }

    /// True when it is time to say so in the log.
    fn note(&self, source: IpAddr, complaint: &'static str, now: Instant) -> bool {
        let mut sources = self.sources.lock();
        if let Some(entry) = sources.get_mut(&(source, complaint)) {
            entry.last = now;
            entry.count += 1;
            let log = now.saturating_duration_since(entry.logged) >= LOG_EVERY;
            if log {
                entry.logged = now;
            }
            return log;
        }
        if sources.len() >= SOURCES_MAX {
            // Half goes at once, so that a flood pays for the search rarely.
            let mut ages: Vec<Instant> = sources.values().map(|entry| entry.last).collect();
            let middle = ages.len() / 2;
            let (_, median, _) = ages.select_nth_unstable(middle);
            let median = *median;
            sources.retain(|_, entry| entry.last > median);
            if sources.len() >= SOURCES_MAX {
                sources.clear();
            }
        }
        let log = sources.len() < SOURCES_MAX / 2;
        sources.insert((source, complaint), Entry { first: now, last: now, logged: now, count: 1 });
        log
    }

    /// All of them, for a person.
    pub fn list(&self) -> Vec<Seen> {
        let seen = |(&(source, complaint), entry): (&(IpAddr, &'static str), &Entry)| {
            let Entry { first, last, count, .. } = *entry;
            Seen { source, complaint, first, last, count }
        };
        self.sources.lock().iter().map(seen).collect()
    }

    /// Sources that sent what we cannot take, of late.
    pub fn len(&self) -> usize {
        self.sources.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_sources_is_bounded_and_a_source_is_logged_once_a_minute() {
        let inbox = Inbox::default();
        let now = Instant::now();
        assert!(inbox.note([10, 0, 0, 1].into(), "unknown-client", now));
        assert!(!inbox.note([10, 0, 0, 1].into(), "unknown-client", now));
        let later = now + LOG_EVERY;
        assert!(inbox.note([10, 0, 0, 1].into(), "unknown-client", later));
        for number in 0..100_000u32 {
            inbox.note(IpAddr::V4(number.into()), "unknown-client", later);
        }
        assert!(inbox.len() <= SOURCES_MAX);
    }
}
