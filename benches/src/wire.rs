//! Requests made and replies verified by code of the generator's own, so that a fault of `proto` cannot hide itself.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

pub const ACCESS_REQUEST: u8 = 1;
pub const ACCESS_ACCEPT: u8 = 2;
pub const ACCESS_REJECT: u8 = 3;
pub const ACCOUNTING_REQUEST: u8 = 4;
pub const ACCOUNTING_RESPONSE: u8 = 5;
pub const STATUS_SERVER: u8 = 12;

const MESSAGE_AUTHENTICATOR: u8 = 80;
const HEADER: usize = 20;

/// A request as it is sent; large enough for everything this generator makes.
#[derive(Clone)]
pub struct Datagram {
    octets: [u8; 500],
    length: usize,
}

impl Default for Datagram {
    fn default() -> Self {
        Datagram { octets: [0; 500], length: 0 }
    }
}

impl Datagram {
    pub fn begin(&mut self, code: u8, identifier: u8, authenticator: &[u8; 16]) {
        self.octets[0] = code;
        self.octets[1] = identifier;
        self.octets[4..HEADER].copy_from_slice(authenticator);
        self.length = HEADER;
    }

    pub fn put(&mut self, number: u8, value: &[u8]) {
        let end = self.length + 2 + value.len();
        self.octets[self.length] = number;
        self.octets[self.length + 1] = (2 + value.len()) as u8;
        self.octets[self.length + 2..end].copy_from_slice(value);
        self.length = end;
    }

    pub fn put_u32(&mut self, number: u8, value: u32) {
        self.put(number, &value.to_be_bytes());
    }

    /// A vendor's attribute in the usual format.
    pub fn put_vendor(&mut self, vendor: u32, number: u8, value: &[u8]) {
        let mut octets = [0; 253];
        octets[..4].copy_from_slice(&vendor.to_be_bytes());
        octets[4] = number;
        octets[5] = (2 + value.len()) as u8;
        octets[6..6 + value.len()].copy_from_slice(value);
        self.put(26, &octets[..6 + value.len()]);
    }

    /// Attributes encoded before.
    pub fn put_encoded(&mut self, attributes: &[u8]) {
        let end = self.length + attributes.len();
        self.octets[self.length..end].copy_from_slice(attributes);
        self.length = end;
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn close(&mut self) {
        let length = (self.length as u16).to_be_bytes();
        self.octets[2..4].copy_from_slice(&length);
    }
}

/// The shared secret with its hash states prepared.
#[derive(Clone)]
pub struct Keys {
    secret: Vec<u8>,
    hiding: Md5,
    signing: Hmac<Md5>,
}

/// What a reply turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Signed,
    /// Authentic, without Message-Authenticator.
    Unsigned,
    Forged,
}

impl Keys {
    pub fn new(secret: &[u8]) -> Keys {
        let signing = Hmac::<Md5>::new_from_slice(secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Keys { secret: secret.to_vec(), hiding: Md5::new_with_prefix(secret), signing }
    }

    /// RFC 2865 §5.2, for passwords of at most 16 octets.
    pub fn hide(&self, password: &[u8], authenticator: &[u8; 16]) -> [u8; 16] {
        let mut hidden: [u8; 16] =
            self.hiding.clone().chain_update(authenticator).finalize().into();
        for (octet, clear) in hidden.iter_mut().zip(password) {
            *octet ^= clear;
        }
        hidden
    }

    /// Ends an Access-Request or Status-Server: its length and Message-Authenticator.
    pub fn sign_access(&self, datagram: &mut Datagram) {
        datagram.put(MESSAGE_AUTHENTICATOR, &[0; 16]);
        datagram.close();
        let mac = self.signing.clone().chain_update(datagram.octets()).finalize().into_bytes();
        let end = datagram.length;
        datagram.octets[end - 16..end].copy_from_slice(&mac);
    }

    /// Ends an Accounting-Request: its length and Request Authenticator (RFC 2866 §3).
    pub fn sign_accounting(&self, datagram: &mut Datagram) {
        datagram.close();
        datagram.octets[4..HEADER].fill(0);
        let digest =
            Md5::new().chain_update(datagram.octets()).chain_update(&self.secret).finalize();
        datagram.octets[4..HEADER].copy_from_slice(&digest);
    }

    /// Response Authenticator, and Message-Authenticator if there is one.
    pub fn verify(&self, request: &[u8], reply: &[u8]) -> Verdict {
        if reply.len() < HEADER
            || usize::from(u16::from_be_bytes([reply[2], reply[3]])) != reply.len()
            || reply[1] != request[1]
        {
            return Verdict::Forged;
        }
        let digest = Md5::new()
            .chain_update(&reply[..4])
            .chain_update(&request[4..HEADER])
            .chain_update(&reply[HEADER..])
            .chain_update(&self.secret)
            .finalize();
        if digest[..] != reply[4..HEADER] {
            return Verdict::Forged;
        }
        let Some(place) = find_place(reply, MESSAGE_AUTHENTICATOR) else {
            return Verdict::Unsigned;
        };
        let Some(sent) = reply.get(place..place + 16) else { return Verdict::Forged };
        let mac = self
            .signing
            .clone()
            .chain_update(&reply[..4])
            .chain_update(&request[4..HEADER])
            .chain_update(&reply[HEADER..place])
            .chain_update([0; 16])
            .chain_update(&reply[place + 16..])
            .finalize()
            .into_bytes();
        if mac[..] == *sent { Verdict::Signed } else { Verdict::Forged }
    }
}

fn find_place(packet: &[u8], number: u8) -> Option<usize> {
    let mut at = HEADER;
    while let Some(&[kind, length]) = packet.get(at..at + 2).and_then(|two| two.first_chunk()) {
        if kind == number {
            return Some(at + 2);
        }
        at += usize::from(length).max(2);
    }
    None
}

/// The value of the first attribute of this number.
pub fn find(packet: &[u8], number: u8) -> Option<&[u8]> {
    let place = find_place(packet, number)?;
    packet.get(place..place + usize::from(packet[place - 1]).saturating_sub(2))
}

/// The value of the first attribute of this vendor and number in the usual format.
pub fn find_vendor(packet: &[u8], vendor: u32, number: u8) -> Option<&[u8]> {
    let mut at = HEADER;
    while let Some(&[kind, length]) = packet.get(at..at + 2).and_then(|two| two.first_chunk()) {
        let end = at + usize::from(length).max(2);
        if kind == 26 && packet.get(at + 2..at + 6) == Some(&vendor.to_be_bytes()) {
            let inner = packet.get(at + 6..end)?;
            if inner.first() == Some(&number) {
                return inner.get(2..usize::from(*inner.get(1)?));
            }
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2865 §7.1.
    #[test]
    fn a_published_exchange_verifies() {
        let request = decode(
            "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce\
             3196e43f782a0aee0406c0a80110050600000003",
        );
        let accept =
            decode("0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103");
        let keys = Keys::new(b"xyzzy5461");
        assert_eq!(keys.verify(&request, &accept), Verdict::Unsigned);
        let authenticator: [u8; 16] = request[4..20].try_into().unwrap();
        assert_eq!(keys.hide(b"arctangent", &authenticator), request[28..44]);
        let mut changed = accept.clone();
        changed[37] ^= 1;
        assert_eq!(keys.verify(&request, &changed), Verdict::Forged);
        assert_eq!(find(&accept, 14), Some(&[192, 168, 1, 3][..]));
    }

    fn decode(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }
}
