//! One source that sends more than can be served leaves the others their share: while datagrams
//! pile up, what it sends beyond a falling allowance is dropped before it costs anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ahash::RandomState;

/// Sources are counted over so long.
const WINDOW: Duration = Duration::from_millis(50);
/// What the heaviest source may send in a window however many others wait.
const ALLOWANCE_MIN: u32 = 64;
/// How long sources are counted after datagrams have piled up.
const WATCH: Duration = Duration::from_secs(2);
/// Sources counted in a window; those beyond are served.
const SOURCES_MAX: usize = 4096;
/// Strangers a worker notes in a window. All are counted; a note takes a lock.
const NOTES: u32 = 32;

/// The shares of one worker.
pub struct Shares {
    window_ends: Instant,
    watch_ends: Instant,
    /// A socket still had more after its turn.
    piled_up: bool,
    offered: HashMap<IpAddr, u32, RandomState>,
    total: u32,
    /// The source that sends most of all, and what it may.
    heavy: Option<(IpAddr, u32)>,
    notes: u32,
}

impl Shares {
    pub fn new(now: Instant) -> Shares {
        Shares {
            window_ends: now,
            watch_ends: now,
            piled_up: false,
            offered: HashMap::default(),
            total: 0,
            heavy: None,
            notes: NOTES,
        }
    }

    /// Told when a socket had more than its turn takes.
    pub fn pile_up(&mut self, now: Instant) {
        self.piled_up = true;
        self.watch_ends = now + WATCH;
    }

    /// Whether a datagram of this source is served. Costs nothing while nothing piles up.
    pub fn admit(&mut self, source: IpAddr, now: Instant) -> bool {
        if now >= self.watch_ends {
            return true;
        }
        self.total += 1;
        let room = self.offered.len() < SOURCES_MAX || self.offered.contains_key(&source);
        if !room {
            return true;
        }
        let offered = self.offered.entry(source).or_default();
        *offered += 1;
        !self.heavy.is_some_and(|(heavy, allowance)| heavy == source && *offered > allowance)
    }

    /// Whether a stranger may be noted.
    pub fn note(&mut self) -> bool {
        let free = self.notes > 0;
        self.notes = self.notes.saturating_sub(1);
        free
    }

    /// Begins a new window when it is time.
    pub fn tick(&mut self, now: Instant) {
        if now < self.window_ends {
            return;
        }
        self.window_ends = now + WINDOW;
        self.notes = NOTES;
        let most = self.offered.iter().max_by_key(|(_, offered)| **offered);
        let most = most.map(|(source, offered)| (*source, *offered));
        let others = self.offered.len() > 1;
        self.heavy = match (self.heavy, most) {
            // Half as much with each window that does not suffice. Only who sends more than two
            // thirds of all is at fault: a busy server of equal clients is but busy.
            (heavy, Some((source, offered)))
                if self.piled_up
                    && others
                    && u64::from(offered) * 3 > u64::from(self.total) * 2 =>
            {
                let before = heavy.filter(|(other, _)| *other == source).map(|(_, before)| before);
                let allowance = before.unwrap_or(offered).min(offered) / 2;
                Some((source, allowance.max(ALLOWANCE_MIN)))
            }
            // More again when nothing piles up, until it no longer matters.
            (Some((source, allowance)), _) if !self.piled_up => {
                let offered = self.offered.get(&source).copied().unwrap_or(0);
                let allowance = allowance + allowance / 4;
                (offered > allowance).then_some((source, allowance))
            }
            (heavy, _) => heavy,
        };
        self.piled_up = false;
        self.total = 0;
        self.offered.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    /// A window in which each of these sends so many; how many of each are served.
    fn window(shares: &mut Shares, now: &mut Instant, sent: &[(IpAddr, u32)]) -> Vec<u32> {
        let served = sent.iter().map(|(source, number)| {
            (0..*number).filter(|_| shares.admit(*source, *now)).count() as u32
        });
        let served = served.collect();
        *now += WINDOW;
        served
    }

    #[test]
    fn a_flood_is_cut_while_it_piles_up_and_nobody_else() {
        let mut now = Instant::now();
        let mut shares = Shares::new(now);
        let others = (2..6).map(|last| (IpAddr::from([10, 0, 0, last]), 100));
        let sent: Vec<_> = std::iter::once((FLOOD, 100_000)).chain(others).collect();
        let mut served = Vec::new();
        for _ in 0..20 {
            shares.tick(now);
            shares.pile_up(now);
            served = window(&mut shares, &mut now, &sent);
            assert!(served[1..].iter().all(|count| *count == 100), "{served:?}");
        }
        assert_eq!(served[0], ALLOWANCE_MIN);
        for _ in 0..100 {
            shares.tick(now);
            served = window(&mut shares, &mut now, &[(FLOOD, 1000), sent[1]]);
        }
        assert_eq!(served, [1000, 100], "what fits is served again");
    }

    #[test]
    fn who_is_alone_or_equal_to_others_is_never_cut() {
        for sources in [1, 2, 8] {
            let mut now = Instant::now();
            let mut shares = Shares::new(now);
            let sent: Vec<_> =
                (0..sources).map(|last| (IpAddr::from([10, 0, 0, last]), 50_000)).collect();
            for _ in 0..20 {
                shares.tick(now);
                shares.pile_up(now);
                let served = window(&mut shares, &mut now, &sent);
                assert!(served.iter().all(|count| *count == 50_000), "{served:?}");
            }
        }
    }

    #[test]
    fn sources_are_bounded() {
        let now = Instant::now();
        let mut shares = Shares::new(now);
        shares.pile_up(now);
        for number in 0..100_000_u32 {
            assert!(shares.admit(IpAddr::V4(number.into()), now));
        }
        assert_eq!(shares.offered.len(), SOURCES_MAX);
        let noted = (0..1000).filter(|_| shares.note()).count();
        assert_eq!(noted, NOTES as usize);
    }
}
