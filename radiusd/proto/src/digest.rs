//! Digest, RFC 2617 §3.2.2, in the attributes of draft-sterman-aaa-sip-00.

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use crate::attribute::{DIGEST_ATTRIBUTES, DIGEST_RESPONSE};
use crate::packet::Packet;
use crate::password::BadPassword;

/// A hash as 32 hexadecimal digits.
const HEX: usize = 32;
type Hex = [u8; HEX];

/// What a response is computed from, under the numbers of Digest-Attributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    Realm = 1,
    Nonce = 2,
    Method = 3,
    Uri = 4,
    Qop = 5,
    Algorithm = 6,
    BodyDigest = 7,
    CNonce = 8,
    NonceCount = 9,
    UserName = 10,
}

impl Part {
    pub const ALL: [Part; 10] = [
        Part::Realm,
        Part::Nonce,
        Part::Method,
        Part::Uri,
        Part::Qop,
        Part::Algorithm,
        Part::BodyDigest,
        Part::CNonce,
        Part::NonceCount,
        Part::UserName,
    ];

    pub fn numbered(number: u32) -> Option<Part> {
        Part::ALL.into_iter().find(|part| *part as u32 == number)
    }
}

/// A digest login as the NAS sends it.
#[derive(Clone, Copy)]
pub struct Digest<'a> {
    response: &'a Hex,
    packet: Packet<'a>,
}

/// What the stored secret is.
#[derive(Clone, Copy)]
pub enum Known<'k> {
    Clear(&'k [u8]),
    /// H(user:realm:password), as hexadecimal digits.
    Ha1(&'k [u8]),
}

/// Why nothing can be compared: a login that must fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    Lacks(Part),
    /// MD5-sess takes only an even number of octets here.
    Odd(Part),
    Algorithm,
    Qop,
    Ha1(BadPassword),
    /// The response is no hexadecimal number.
    Response,
}

impl<'a> Digest<'a> {
    /// `None`: no digest login, or not written as one.
    pub fn find(packet: &Packet<'a>) -> Option<Digest<'a>> {
        let sent = packet.find_all(DIGEST_RESPONSE).find(|octets| !octets.is_empty())?;
        let digest = Digest { response: sent.try_into().ok()?, packet: *packet };
        let mut walk = digest.walk();
        let any = walk.by_ref().count() > 0;
        (any && walk.well_formed).then_some(digest)
    }

    /// Every instance of a part, in order.
    pub fn all(&self, part: Part) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.walk().filter(move |(found, _)| *found == part).map(|(_, value)| value)
    }

    /// Does the response fit the stored secret?
    pub fn check(&self, known: Known<'_>) -> Result<bool, Unusable> {
        let mut parts = Parts::default();
        for (part, value) in self.walk() {
            if parts.find(part).is_none() {
                parts.set(part, value);
            }
        }
        let right = parts.response(known)?;
        let mut sent = [0; 16];
        hex::decode_to_slice(self.response, &mut sent).map_err(|_| Unusable::Response)?;
        Ok(right.ct_eq(&sent).into())
    }

    fn walk(&self) -> Walk<'a, impl Iterator<Item = &'a [u8]> + use<'a>> {
        let values = self.packet.find_all(DIGEST_ATTRIBUTES);
        Walk { values, rest: &[], well_formed: true }
    }
}

/// Through the parts of all Digest-Attributes: number, length with these two octets, value.
struct Walk<'a, I> {
    values: I,
    rest: &'a [u8],
    well_formed: bool,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for Walk<'a, I> {
    type Item = (Part, &'a [u8]);

    fn next(&mut self) -> Option<(Part, &'a [u8])> {
        while self.rest.is_empty() {
            self.rest = self.values.next()?;
        }
        let (part, value, rest) = match first(self.rest) {
            Some(found) if self.well_formed => found,
            _ => {
                self.well_formed = false;
                return None;
            }
        };
        self.rest = rest;
        Some((part, value))
    }
}

fn first(octets: &[u8]) -> Option<(Part, &[u8], &[u8])> {
    let [number, length @ 3..=255, ..] = octets else { return None };
    let part = Part::numbered(u32::from(*number))?;
    let (whole, rest) = octets.split_at_checked(usize::from(*length))?;
    Some((part, whole.get(2..)?, rest))
}

/// What a response is computed from.
#[derive(Clone, Copy, Default)]
pub struct Parts<'a>([Option<&'a [u8]>; Part::ALL.len()]);

impl<'a> Parts<'a> {
    pub fn set(&mut self, part: Part, value: &'a [u8]) {
        if let Some(slot) = self.0.get_mut((part as usize).saturating_sub(1)) {
            *slot = Some(value);
        }
    }

    pub fn find(&self, part: Part) -> Option<&'a [u8]> {
        self.0.get((part as usize).saturating_sub(1)).copied().flatten()
    }

    fn need(&self, part: Part) -> Result<&'a [u8], Unusable> {
        self.find(part).ok_or(Unusable::Lacks(part))
    }

    /// RFC 2617 §3.2.2.1, without a qop as RFC 2069 has it.
    pub fn response(&self, known: Known<'_>) -> Result<[u8; 16], Unusable> {
        if let Known::Ha1(ha1) = known {
            ha1_length(ha1).map_err(Unusable::Ha1)?;
        }
        let nonce = self.need(Part::Nonce)?;
        let first = self.a1(known, nonce)?;
        let second = hex_of(self.a2()?);
        Ok(match self.find(Part::Qop) {
            None => hash(&[&first, nonce, &second]),
            Some(qop) => {
                let count = self.need(Part::NonceCount)?;
                hash(&[&first, nonce, count, self.need(Part::CNonce)?, qop, &second])
            }
        })
    }

    /// H(A1), RFC 2617 §3.2.2.2.
    fn a1(&self, known: Known<'_>, nonce: &[u8]) -> Result<Hex, Unusable> {
        let (user, realm) = (self.need(Part::UserName)?, self.need(Part::Realm)?);
        let session = match self.find(Part::Algorithm) {
            None => false,
            Some(name) if is(name, "MD5") => false,
            Some(name) if is(name, "MD5-sess") => true,
            Some(_) => return Err(Unusable::Algorithm),
        };
        let long_lived = match known {
            Known::Clear(clear) => hex_of(hash(&[user, realm, clear])),
            // FreeRADIUS takes the digits as they are here, capitals too.
            Known::Ha1(ha1) if session => {
                ha1.try_into().map_err(|_| Unusable::Ha1(BadPassword::Length))?
            }
            Known::Ha1(ha1) => hex_of(read_ha1(ha1).map_err(Unusable::Ha1)?),
        };
        if !session {
            return Ok(long_lived);
        }
        let even = |part: Part, value: &[u8]| match value.len().is_multiple_of(2) {
            true => Ok(()),
            false => Err(Unusable::Odd(part)),
        };
        even(Part::Nonce, nonce)?;
        let cnonce = self.need(Part::CNonce)?;
        even(Part::CNonce, cnonce)?;
        Ok(hex_of(hash(&[&long_lived, nonce, cnonce])))
    }

    /// RFC 2617 §3.2.2.3.
    fn a2(&self) -> Result<[u8; 16], Unusable> {
        let (method, uri) = (self.need(Part::Method)?, self.need(Part::Uri)?);
        match self.find(Part::Qop) {
            Some(qop) if is(qop, "auth-int") => {
                Ok(hash(&[method, uri, self.need(Part::BodyDigest)?]))
            }
            Some(qop) if !is(qop, "auth") => Err(Unusable::Qop),
            _ => Ok(hash(&[method, uri])),
        }
    }
}

/// A stored H(user:realm:password).
pub fn read_ha1(text: &[u8]) -> Result<[u8; 16], BadPassword> {
    ha1_length(text)?;
    let mut ha1 = [0; 16];
    hex::decode_to_slice(text, &mut ha1).map_err(|_| BadPassword::Form)?;
    Ok(ha1)
}

fn ha1_length(text: &[u8]) -> Result<(), BadPassword> {
    if text.len() == HEX { Ok(()) } else { Err(BadPassword::Length) }
}

/// Up to a NUL, in any letters.
fn is(value: &[u8], name: &str) -> bool {
    let text = value.split(|octet| *octet == 0).next().unwrap_or_default();
    text.eq_ignore_ascii_case(name.as_bytes())
}

/// MD5 of these with colons between them.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            md5.update(b":");
        }
        md5.update(part);
    }
    md5.finalize().into()
}

fn hex_of(hash: [u8; 16]) -> Hex {
    let mut digits = [0; HEX];
    // It has just this room.
    let _ = hex::encode_to_slice(hash, &mut digits);
    digits
}
