//! Who may send packets: the NAS found by the address a packet came from, longest match first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use ahash::RandomState;
use ipnet::IpNet;
use proto::Secret;
use schema::Tri;

/// After so many Access-Requests in a row with a Message-Authenticator a client on `auto`
/// must send it always (`deviations.md` 8: one packet can be forged, a hundred in a row not
/// without the secret).
const LEARN_AFTER: u32 = 100;

/// Where RFC 5176 has a NAS listen.
pub const COA_PORT: u16 = 3799;

/// A client of ours.
pub struct Nas {
    pub name: Box<str>,
    pub shortname: Box<str>,
    /// FreeRADIUS's nas_type.
    pub r#type: Box<str>,
    pub secret: Secret,
    pub network: IpNet,
    pub require_message_authenticator: Tri,
    pub limit_proxy_state: Tri,
    /// Where it takes Disconnect-Request.
    pub coa_port: u16,
    /// The row in `nas`, if this address is all of it: what `auto` has seen is written down there.
    pub row: Option<i64>,
    /// The row, whether or not this address is all of it.
    pub listed: Option<i64>,
    /// What `auto` has seen; survives a change of the table.
    pub learned: Arc<Learned>,
    /// What it sent; survives too.
    pub seen: Arc<Seen>,
}

/// How many workers count apart: a line of memory that all write is dear.
const APART: usize = 8;

/// What was seen of a client since the daemon began.
#[derive(Default)]
pub struct Seen {
    by_worker: [OfWorker; APART],
}

#[derive(Default)]
#[repr(align(64))]
struct OfWorker {
    requests: AtomicU64,
    rejects: AtomicU64,
    /// Unix time in milliseconds.
    last_ms: AtomicI64,
}

impl Seen {
    pub fn request(&self, worker: usize, now_ms: i64) {
        let of_worker = &self.by_worker[worker % APART];
        of_worker.requests.fetch_add(1, Ordering::Relaxed);
        of_worker.last_ms.store(now_ms, Ordering::Relaxed);
    }

    pub fn reject(&self, worker: usize) {
        self.by_worker[worker % APART].rejects.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests, rejects, and when the last came.
    pub fn totals(&self) -> (u64, u64, Option<i64>) {
        let sum = |of: fn(&OfWorker) -> &AtomicU64| {
            self.by_worker.iter().map(|one| of(one).load(Ordering::Relaxed)).sum()
        };
        let last = self.by_worker.iter().map(|one| one.last_ms.load(Ordering::Relaxed)).max();
        (sum(|one| &one.requests), sum(|one| &one.rejects), last.filter(|last| *last > 0))
    }
}

/// What was seen of a client whose rules are `auto`.
#[derive(Default)]
pub struct Learned {
    signed_in_a_row: AtomicU32,
    clean_in_a_row: AtomicU32,
    pub signs: AtomicBool,
    pub clean: AtomicBool,
}

/// Why an Access-Request is dropped although its octets are well-formed (CVE-2024-3596).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    MessageAuthenticatorMissing,
    ProxyStateUnsigned,
}

impl Nas {
    /// The BlastRADIUS rules for an Access-Request that verified, if it is signed at all.
    /// `Ok(true)` when the client was just found to sign always. A network stays on `auto`: what
    /// one NAS in it does says nothing of its neighbours.
    pub fn admit(&self, signed: bool, proxy_state: bool) -> Result<bool, Refusal> {
        let learned = &self.learned;
        let required = match self.require_message_authenticator {
            Tri::Yes => true,
            Tri::No => false,
            Tri::Auto => learned.signs.load(Ordering::Relaxed),
        };
        if required && !signed {
            return Err(Refusal::MessageAuthenticatorMissing);
        }
        let limited = match self.limit_proxy_state {
            Tri::Yes => true,
            Tri::No => false,
            Tri::Auto => learned.clean.load(Ordering::Relaxed),
        };
        let unsigned_proxy = proxy_state && !signed;
        if limited && unsigned_proxy {
            return Err(Refusal::ProxyStateUnsigned);
        }
        let mut news = false;
        if self.network.prefix_len() < self.network.max_prefix_len() {
            return Ok(news);
        }
        if self.require_message_authenticator == Tri::Auto && !required {
            news |= count(&learned.signed_in_a_row, &learned.signs, signed);
        }
        if self.limit_proxy_state == Tri::Auto && !limited {
            news |= count(&learned.clean_in_a_row, &learned.clean, !unsigned_proxy);
        }
        Ok(news)
    }

    #[cfg(test)]
    pub fn for_tests() -> Arc<Nas> {
        Arc::new(Nas {
            name: "test".into(),
            shortname: "test".into(),
            r#type: "other".into(),
            secret: Secret::new(b"testing123"),
            network: "127.0.0.1/32".parse().unwrap(),
            require_message_authenticator: Tri::Auto,
            limit_proxy_state: Tri::Auto,
            coa_port: COA_PORT,
            row: None,
            listed: None,
            learned: Arc::default(),
            seen: Arc::default(),
        })
    }
}

fn count(in_a_row: &AtomicU32, reached: &AtomicBool, good: bool) -> bool {
    if !good {
        in_a_row.store(0, Ordering::Relaxed);
        return false;
    }
    in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= LEARN_AFTER
        && !reached.swap(true, Ordering::Relaxed)
}

type ByAddress = HashMap<IpAddr, Arc<Nas>, RandomState>;

/// All clients: a snapshot, never changed.
#[derive(Default)]
pub struct Clients {
    hosts: ByAddress,
    /// Longest prefix first; the key is the network's first address.
    networks: Vec<(u8, ByAddress)>,
    /// Clients without a fixed address, known by NAS-Identifier.
    identified: HashMap<Box<[u8]>, Arc<Nas>, RandomState>,
}

impl Clients {
    /// Enters a client; false when its network is taken: the first one stays, as FreeRADIUS
    /// has it.
    pub fn add(&mut self, nas: Arc<Nas>) -> bool {
        let prefix = nas.network.prefix_len();
        let network = nas.network.network();
        let place = if prefix == nas.network.max_prefix_len() {
            &mut self.hosts
        } else {
            let at = match self.networks.iter().position(|(length, _)| *length <= prefix) {
                Some(at) if self.networks[at].0 == prefix => at,
                Some(at) => {
                    self.networks.insert(at, (prefix, HashMap::default()));
                    at
                }
                None => {
                    self.networks.push((prefix, HashMap::default()));
                    self.networks.len() - 1
                }
            };
            &mut self.networks[at].1
        };
        let free = !place.contains_key(&network);
        if free {
            place.insert(network, nas);
        }
        free
    }

    /// Enters a client that is known by its NAS-Identifier only.
    pub fn add_identified(&mut self, identifier: &[u8], nas: Arc<Nas>) {
        self.identified.entry(identifier.into()).or_insert(nas);
    }

    pub fn find(&self, address: IpAddr) -> Option<&Arc<Nas>> {
        if let Some(nas) = self.hosts.get(&address) {
            return Some(nas);
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        self.networks.iter().filter(|(length, _)| *length <= most).find_map(|(length, networks)| {
            let network = IpNet::new(address, *length).ok()?.network();
            networks.get(&network)
        })
    }

    pub fn identified(&self, identifier: &[u8]) -> Option<&Arc<Nas>> {
        self.identified.get(identifier)
    }

    /// The client of a row in `nas`.
    pub fn with_row(&self, row: i64) -> Option<&Arc<Nas>> {
        self.addressed().find(|nas| nas.row == Some(row))
    }

    /// Those that are known by an address or a network.
    pub fn addressed(&self) -> impl Iterator<Item = &Arc<Nas>> {
        self.hosts.values().chain(self.networks.iter().flat_map(|(_, all)| all.values()))
    }

    pub fn has_identified(&self) -> bool {
        !self.identified.is_empty()
    }

    pub fn len(&self) -> usize {
        self.hosts.len()
            + self.networks.iter().map(|(_, all)| all.len()).sum::<usize>()
            + self.identified.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nas(network: &str) -> Arc<Nas> {
        let mut nas = Arc::into_inner(Nas::for_tests()).unwrap();
        nas.network = network.parse().unwrap();
        nas.name = network.into();
        Arc::new(nas)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut clients = Clients::default();
        for network in
            ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32", "::1/128"]
        {
            assert!(clients.add(nas(network)));
        }
        assert!(!clients.add(nas("10.0.0.0/8")));
        for (address, expected) in [
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("10.1.2.4", Some("10.1.0.0/16")),
            ("10.2.0.1", Some("10.0.0.0/8")),
            ("192.0.2.1", Some("0.0.0.0/0")),
            ("2001:db8:1::1", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("::2", None),
        ] {
            let found = clients.find(address.parse().unwrap()).map(|nas| &*nas.name);
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn rules_against_forged_answers() {
        let rules = |require, limit| {
            let mut nas = Arc::into_inner(Nas::for_tests()).unwrap();
            nas.require_message_authenticator = require;
            nas.limit_proxy_state = limit;
            nas
        };
        let missing = Err(Refusal::MessageAuthenticatorMissing);
        let unsigned = Err(Refusal::ProxyStateUnsigned);
        for (require, limit, signed, proxy_state, expected) in [
            (Tri::Yes, Tri::No, false, false, missing),
            (Tri::Yes, Tri::No, true, true, Ok(false)),
            (Tri::No, Tri::Yes, false, true, unsigned),
            (Tri::No, Tri::Yes, false, false, Ok(false)),
            (Tri::No, Tri::Yes, true, true, Ok(false)),
            (Tri::No, Tri::No, false, true, Ok(false)),
            (Tri::Auto, Tri::Auto, false, true, Ok(false)),
        ] {
            assert_eq!(rules(require, limit).admit(signed, proxy_state), expected);
        }
    }

    #[test]
    fn auto_learns_from_a_hundred_in_a_row_and_only_towards_yes() {
        let nas = Arc::into_inner(Nas::for_tests()).unwrap();
        for _ in 0..LEARN_AFTER - 1 {
            assert_eq!(nas.admit(true, true), Ok(false));
        }
        assert_eq!(nas.admit(false, true), Ok(false), "one without starts the count again");
        for _ in 0..LEARN_AFTER - 1 {
            assert_eq!(nas.admit(true, true), Ok(false));
        }
        assert_eq!(nas.admit(true, true), Ok(true));
        assert_eq!(nas.admit(false, false), Err(Refusal::MessageAuthenticatorMissing));
        assert_eq!(nas.admit(true, true), Ok(false));
        assert!(nas.learned.signs.load(Ordering::Relaxed));
    }

    #[test]
    fn auto_learns_nothing_of_a_network() {
        for network in ["10.1.0.0/16", "10.0.0.0/31", "0.0.0.0/0", "2001:db8::/64"] {
            let nas = nas(network);
            for _ in 0..2 * LEARN_AFTER {
                assert_eq!(nas.admit(true, false), Ok(false));
            }
            assert_eq!(nas.admit(false, true), Ok(false), "{network}: a neighbour");
        }
    }
}
