//! Every counter in one place, under the names that reasons have everywhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use proto::Malformed;

use crate::server::{Overflow, Service};

/// How a datagram ended. Each ends in exactly one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    AccessAccept,
    AccessReject,
    /// A row says so: `Response-Packet-Type := Access-Challenge`.
    AccessChallenge,
    AccountingResponse,
    StatusAnswered,
    /// A retransmission of an answered request: the same octets again.
    DuplicateAnswered,
    /// A retransmission of a request that is being answered.
    DuplicateIgnored,
    /// Its client reused the identifier before it was answered.
    Replaced,
    UnknownClient,
    /// A code that this port does not serve.
    UnexpectedCode,
    MessageAuthenticatorRequired,
    ProxyStateUnsigned,
    /// More requests under way than `radius.inflight_max`.
    Overloaded,
    AccountingQueueFull,
    /// The answer depends on something that only the store knows, and it is away.
    StoreAway,
    /// A reply attribute that has no place in a packet.
    NotEncodable,
    /// The worker panicked on it.
    Panicked,
    /// Under way when the worker restarted or the daemon stopped.
    Abandoned,
    /// More than its share from one address: `radius.inflight_source_max`, or more than all others
    /// together while datagrams pile up.
    SourceOverLimit,
    /// A row says so: `Response-Packet-Type := Do-Not-Respond`.
    DoNotRespond,
    /// The rows ask for one thing after the other, more than one request may have fetched.
    TooManyFetches,
    Malformed(Malformed),
}

const NAMES: [&str; 21] = [
    "access-accept",
    "access-reject",
    "accounting-response",
    "status-answered",
    "duplicate-answered",
    "duplicate-ignored",
    "replaced",
    "unknown-client",
    "unexpected-code",
    "message-authenticator-required",
    "proxy-state-unsigned",
    "overloaded",
    "accounting-queue-full",
    "store-away",
    "not-encodable",
    "panicked",
    "abandoned",
    "do-not-respond",
    "too-many-fetches",
    "source-over-limit",
    "access-challenge",
];

impl Outcome {
    fn index(self) -> usize {
        match self {
            Outcome::AccessAccept => 0,
            Outcome::AccessReject => 1,
            Outcome::AccountingResponse => 2,
            Outcome::StatusAnswered => 3,
            Outcome::DuplicateAnswered => 4,
            Outcome::DuplicateIgnored => 5,
            Outcome::Replaced => 6,
            Outcome::UnknownClient => 7,
            Outcome::UnexpectedCode => 8,
            Outcome::MessageAuthenticatorRequired => 9,
            Outcome::ProxyStateUnsigned => 10,
            Outcome::Overloaded => 11,
            Outcome::AccountingQueueFull => 12,
            Outcome::StoreAway => 13,
            Outcome::NotEncodable => 14,
            Outcome::Panicked => 15,
            Outcome::Abandoned => 16,
            Outcome::DoNotRespond => 17,
            Outcome::TooManyFetches => 18,
            Outcome::SourceOverLimit => 19,
            Outcome::AccessChallenge => 20,
            Outcome::Malformed(malformed) => NAMES.len() + malformed as usize,
        }
    }

    fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().chain(Malformed::ALL.iter().map(|malformed| malformed.as_str()))
    }
}

/// The counters of one worker, which alone writes them.
pub struct Counters {
    received: [AtomicU64; 2],
    outcomes: Box<[AtomicU64]>,
    /// Requests under way now.
    pub inflight: AtomicU64,
    /// Answers that the kernel refused to send.
    pub unsent: AtomicU64,
    pub restarts: AtomicU64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            received: Default::default(),
            outcomes: (0..Outcome::names().count()).map(|_| AtomicU64::new(0)).collect(),
            inflight: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        }
    }
}

impl Counters {
    pub fn received(&self, service: Service) {
        self.received[service as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.outcomes.get(outcome.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All counters of the daemon.
pub struct Metrics {
    pub workers: Vec<Arc<Counters>>,
    /// Set once there are sockets.
    pub overflow: OnceLock<Overflow>,
}

/// The sums over all workers.
pub struct Totals {
    pub received: [(&'static str, u64); 2],
    pub outcomes: Vec<(&'static str, u64)>,
    pub inflight: u64,
    pub unsent: u64,
    pub overflown: u64,
    pub restarts: u64,
}

impl Metrics {
    pub fn new(workers: usize) -> Metrics {
        let workers = (0..workers).map(|_| Arc::default()).collect();
        Metrics { workers, overflow: OnceLock::new() }
    }

    pub fn totals(&self) -> Totals {
        let sum = |of: &dyn Fn(&Counters) -> &AtomicU64| {
            self.workers.iter().map(|one| of(one).load(Ordering::Relaxed)).sum()
        };
        Totals {
            received: [
                ("auth", sum(&|one| &one.received[0])),
                ("acct", sum(&|one| &one.received[1])),
            ],
            outcomes: Outcome::names()
                .enumerate()
                .map(|(index, name)| (name, sum(&|one| &one.outcomes[index])))
                .collect(),
            inflight: sum(&|one| &one.inflight),
            unsent: sum(&|one| &one.unsent),
            overflown: self.overflow.get().map_or(0, Overflow::count),
            restarts: sum(&|one| &one.restarts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_name() {
        let names: std::collections::HashSet<_> = Outcome::names().collect();
        assert_eq!(names.len(), Outcome::names().count());
        for (index, malformed) in Malformed::ALL.iter().enumerate() {
            let at = Outcome::Malformed(*malformed).index();
            assert_eq!(at, NAMES.len() + index);
            assert_eq!(Outcome::names().nth(at), Some(malformed.as_str()));
        }
    }
}
