//! Guessers are slowed down, by account and by source; and no source asks without end. Bounded
//! memory, however many names and addresses there are.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Keys remembered at most.
const KEYS_MAX: usize = 20_000;
/// Wrong passwords before a lock: of one source at one account, of one source, of one account.
const FREE: [u32; 3] = [5, 20, 50];
/// The first lock and the longest; each one more doubles it.
const FIRST_MS: i64 = 30_000;
const LONGEST_MS: i64 = 900_000;
/// After so long without a failure all is forgotten.
const FORGET_MS: i64 = 3_600_000;
/// Requests a source may have at once, and how many it gets back per second.
const BURST: f64 = 300.0;
const PER_SECOND: f64 = 50.0;

type Key = [u8; 16];

/// Wrong passwords of late.
#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<Key, Failures>>,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last_ms: i64,
    locked_until_ms: i64,
}

/// A sign-in under way. It counts as failed until `succeeded`, so that many at once gain nothing.
pub struct Try {
    keys: [Key; 3],
    /// It has locked one of them; the log should tell, once.
    pub locks: bool,
}

impl Throttle {
    /// Begins one, or says for how many milliseconds there is none.
    pub fn begin(&self, account: &str, source: IpAddr, now_ms: i64) -> Result<Try, i64> {
        let account = account.to_lowercase();
        let source = network(source);
        let keys = [
            key(&["pair", &account, &source]),
            key(&["source", &source]),
            key(&["account", &account]),
        ];
        let mut all = self.failures.lock();
        let of = |all: &HashMap<Key, Failures>, key: &Key| {
            let kept = all.get(key).copied().unwrap_or_default();
            if now_ms - kept.last_ms > FORGET_MS { Failures::default() } else { kept }
        };
        let locked = keys.iter().map(|key| of(&all, key).locked_until_ms - now_ms).max();
        if let Some(wait) = locked.filter(|wait| *wait > 0) {
            return Err(wait);
        }
        let mut locks = false;
        for (key, free) in keys.iter().zip(FREE) {
            let mut failures = of(&all, key);
            failures.count += 1;
            failures.last_ms = now_ms;
            if failures.count >= free {
                let doubled = (failures.count - free).min(10);
                failures.locked_until_ms = now_ms + (FIRST_MS << doubled).min(LONGEST_MS);
                locks |= failures.count == free;
            }
            make_room(&mut all, |failures| failures.last_ms, now_ms - FORGET_MS);
            all.insert(*key, failures);
        }
        Ok(Try { keys, locks })
    }

    /// The password was right.
    pub fn succeeded(&self, tried: &Try) {
        let mut all = self.failures.lock();
        let [pair, source, account] = tried.keys;
        all.remove(&pair);
        for key in [source, account] {
            if let Some(failures) = all.get_mut(&key) {
                failures.count = failures.count.saturating_sub(1);
                failures.locked_until_ms = 0;
            }
        }
    }
}

/// Requests of each source.
#[derive(Default)]
pub struct Rate {
    buckets: Mutex<HashMap<Key, Bucket>>,
}

struct Bucket {
    left: f64,
    at_ms: i64,
}

impl Rate {
    /// False when this source has asked too often.
    pub fn take(&self, source: IpAddr, now_ms: i64) -> bool {
        let mut all = self.buckets.lock();
        let key = key(&[&network(source)]);
        if !all.contains_key(&key) {
            make_room(&mut all, |bucket| bucket.at_ms, now_ms - 60_000);
        }
        let bucket = all.entry(key).or_insert(Bucket { left: BURST, at_ms: now_ms });
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two requests")]
        let passed = (now_ms - bucket.at_ms).max(0) as f64 / 1_000.0;
        bucket.left = (bucket.left + passed * PER_SECOND).min(BURST);
        bucket.at_ms = now_ms;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Forgets what is old when it is full, else whatever is oldest.
fn make_room<T>(all: &mut HashMap<Key, T>, at_ms: impl Fn(&T) -> i64, old_ms: i64) {
    if all.len() < KEYS_MAX {
        return;
    }
    all.retain(|_, kept| at_ms(kept) >= old_ms);
    if all.len() < KEYS_MAX {
        return;
    }
    let mut times: Vec<i64> = all.values().map(&at_ms).collect();
    // A tenth at once, so that the next ones are cheap.
    let (_, &mut middle, _) = times.select_nth_unstable(KEYS_MAX / 10);
    all.retain(|_, kept| at_ms(kept) > middle);
}

/// One customer of a provider has a /64 at least.
fn network(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

/// As long for a long name as for a short one.
fn key(parts: &[&str]) -> Key {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(last.into())
    }

    #[test]
    fn wrong_passwords_lock_longer_and_longer() {
        let throttle = Throttle::default();
        let begin = |now| throttle.begin("Ann", address(1), now);
        for _ in 0..4 {
            assert!(!begin(0).unwrap().locks);
        }
        assert!(begin(0).unwrap().locks);
        assert_eq!(begin(1).err(), Some(29_999));
        assert!(throttle.begin("ann", address(2), 1).is_ok(), "from elsewhere she gets in");
        assert!(throttle.begin("bob", address(1), 1).is_ok(), "and others from here");
        assert!(!begin(30_000).unwrap().locks);
        assert_eq!(begin(30_000).err(), Some(60_000));
        let later = begin(90_000).unwrap();
        assert_eq!(begin(90_000).err(), Some(120_000));
        throttle.succeeded(&later);
        for _ in 0..4 {
            begin(90_000).unwrap();
        }
        assert!(begin(90_000 + FORGET_MS + 1).is_ok());
    }

    #[test]
    fn a_source_that_tries_many_accounts_is_locked_and_an_account_that_many_try() {
        let throttle = Throttle::default();
        for number in 0..20 {
            throttle.begin(&format!("user{number}"), address(1), 0).unwrap();
        }
        assert!(throttle.begin("other", address(1), 0).is_err());
        for number in 0..50 {
            throttle.begin("root", address(100 + number), 0).unwrap();
        }
        assert!(throttle.begin("root", address(9_999), 0).is_err());
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        for _ in 0..5 {
            throttle.begin("eve", six, 0).unwrap();
        }
        assert!(throttle.begin("eve", neighbour, 0).is_err(), "the same /64");
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, rate) = (Throttle::default(), Rate::default());
        for number in 0..30_000 {
            throttle.begin(&format!("user{number}"), address(number), i64::from(number)).ok();
            rate.take(address(number), i64::from(number));
        }
        assert!(throttle.failures.lock().len() <= KEYS_MAX + 3);
        assert!(rate.buckets.lock().len() <= KEYS_MAX);
    }

    #[test]
    fn a_source_gets_so_many_requests() {
        let rate = Rate::default();
        assert_eq!((0..400).filter(|_| rate.take(address(1), 0)).count(), 300);
        assert!(rate.take(address(2), 0));
        assert_eq!((0..400).filter(|_| rate.take(address(1), 1_000)).count(), 50);
    }
}
