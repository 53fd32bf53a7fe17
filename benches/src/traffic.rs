//! What is sent: logins of seeded users, and Status-Server; each says whether a reply is the right one.

use crate::mschap::Exchange;
use crate::random::Random;
use crate::wire::{self, Datagram, Keys};

/// A source of requests for the generator.
pub trait Traffic: Send {
    /// Writes the next request; `None` when there is none (left, or just now).
    fn make(&mut self, identifier: u8, keys: &Keys, into: &mut Datagram) -> Option<u64>;
    /// The (authentic) reply to the request that `make` gave this ticket: is it the expected one?
    fn answered(&mut self, ticket: u64, reply: &[u8]) -> bool;
    /// Nothing came in the end.
    fn lost(&mut self, _ticket: u64) {}
    /// True when `make` will never give another request.
    fn exhausted(&self) -> bool {
        false
    }
}

/// A seeded user; `seed/policy.sql` writes the same values.
#[derive(Clone, Copy)]
pub struct User(pub u32);

impl User {
    pub fn name(self) -> [u8; 10] {
        digits(*b"user000000", self.0)
    }

    pub fn password(self) -> [u8; 12] {
        digits(*b"secret000000", self.0)
    }

    pub fn framed_ip(self) -> [u8; 4] {
        [10, (self.0 >> 16) as u8, (self.0 >> 8) as u8, self.0 as u8]
    }
}

/// Writes a number over the zeros at the end.
pub fn digits<const N: usize>(mut text: [u8; N], mut number: u32) -> [u8; N] {
    for octet in text.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *octet = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Method {
    Pap,
    Chap,
    Mschap2,
}

/// Which user comes next.
enum Order {
    Random,
    /// Each user once, so that every one is cold.
    Once {
        next: u32,
    },
}

pub struct Logins {
    method: Method,
    users: u32,
    order: Order,
    random: Random,
    exchanges: Vec<Exchange>,
}

impl Logins {
    pub fn random(method: Method, users: u32, seed: u64) -> Logins {
        let mut random = Random::new(seed);
        let exchanges = match method {
            Method::Mschap2 => (0..users).map(|user| exchange(User(user), &mut random)).collect(),
            Method::Pap | Method::Chap => Vec::new(),
        };
        Logins { method, users, order: Order::Random, random, exchanges }
    }

    pub fn each_once(method: Method, users: u32, seed: u64) -> Logins {
        Logins { order: Order::Once { next: 0 }, ..Logins::random(method, users, seed) }
    }

    fn choose(&mut self) -> Option<u32> {
        match &mut self.order {
            Order::Random => Some(self.random.below(self.users)),
            Order::Once { next } if *next < self.users => {
                *next += 1;
                // A step prime to any count of users below it visits each of them once.
                Some((u64::from(*next) * 1_000_003 % u64::from(self.users)) as u32)
            }
            Order::Once { .. } => None,
        }
    }
}

fn exchange(user: User, random: &mut Random) -> Exchange {
    let password = user.password();
    let text = std::str::from_utf8(&password).unwrap_or_default();
    Exchange::new(&user.name(), text, random.octets16(), random.octets16())
}

impl Traffic for Logins {
    fn make(&mut self, identifier: u8, keys: &Keys, into: &mut Datagram) -> Option<u64> {
        let number = self.choose()?;
        let user = User(number);
        let authenticator = self.random.octets16();
        into.begin(wire::ACCESS_REQUEST, identifier, &authenticator);
        into.put(1, &user.name());
        match self.method {
            Method::Pap => into.put(2, &keys.hide(&user.password(), &authenticator)),
            Method::Chap => into.put(3, &chap(identifier, &user.password(), &authenticator)),
            Method::Mschap2 => {
                let exchange = &self.exchanges[number as usize];
                into.put_vendor(311, 11, &exchange.challenge);
                into.put_vendor(311, 25, &exchange.response);
            }
        }
        into.put(4, &[10, 255, 0, (number % 200) as u8]);
        into.put_u32(5, number);
        into.put_u32(6, 2);
        into.put_u32(7, 1);
        into.put(30, b"internet");
        into.put(31, &digits(*b"02-00-00-000000", number));
        into.put(32, &digits(*b"bras000", number % 200));
        into.put_u32(61, 15);
        keys.sign_access(into);
        Some(u64::from(number))
    }

    fn answered(&mut self, ticket: u64, reply: &[u8]) -> bool {
        let number = ticket as u32;
        reply[0] == wire::ACCESS_ACCEPT
            && wire::find(reply, 8) == Some(&User(number).framed_ip()[..])
            && (self.method != Method::Mschap2 || {
                let success = wire::find_vendor(reply, 311, 26).unwrap_or_default();
                success.get(1..) == Some(&self.exchanges[number as usize].success[..])
            })
    }

    fn exhausted(&self) -> bool {
        matches!(self.order, Order::Once { next } if next >= self.users)
    }
}

fn chap(identifier: u8, password: &[u8], challenge: &[u8; 16]) -> [u8; 17] {
    use md5::{Digest, Md5};
    let digest = Md5::new()
        .chain_update([identifier])
        .chain_update(password)
        .chain_update(challenge)
        .finalize();
    let mut value = [identifier; 17];
    value[1..].copy_from_slice(&digest);
    value
}

/// Status-Server (RFC 5997).
pub struct Status(Random);

impl Status {
    pub fn new(seed: u64) -> Status {
        Status(Random::new(seed))
    }
}

impl Traffic for Status {
    fn make(&mut self, identifier: u8, keys: &Keys, into: &mut Datagram) -> Option<u64> {
        into.begin(wire::STATUS_SERVER, identifier, &self.0.octets16());
        keys.sign_access(into);
        Some(0)
    }

    fn answered(&mut self, _ticket: u64, reply: &[u8]) -> bool {
        matches!(reply[0], wire::ACCESS_ACCEPT | wire::ACCOUNTING_RESPONSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_once_is_each_once() {
        let keys = Keys::new(b"s");
        let mut logins = Logins::each_once(Method::Pap, 1000, 1);
        let mut datagram = Datagram::default();
        let seen: HashSet<u64> =
            std::iter::from_fn(|| logins.make(0, &keys, &mut datagram)).collect();
        assert_eq!(seen.len(), 1000);
        assert!(logins.exhausted());
    }

    #[test]
    fn names_are_those_of_the_seed() {
        assert_eq!(&User(42).name(), b"user000042");
        assert_eq!(&User(99_999).password(), b"secret099999");
        assert_eq!(User(99_999).framed_ip(), [10, 1, 134, 159]);
    }
}
