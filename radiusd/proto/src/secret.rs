//! What the shared secret signs: authenticators and Message-Authenticator.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::malformed::Malformed;
use crate::packet::{Code, HEADER, Packet};

/// The 16 octets that a request carries, and that its answer and what is hidden depend on.
pub type Authenticator = [u8; 16];

/// In place of an authenticator that is still to be computed.
pub(crate) const ZEROS: Authenticator = [0; 16];

/// A shared secret, its hash states prepared once. Never prints itself.
#[derive(Clone)]
pub struct Secret {
    octets: Box<[u8]>,
    /// MD5 that has read the secret: what every hidden attribute begins with.
    prefix: Md5,
    hmac: Hmac<Md5>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.octets.ct_eq(&other.octets).into()
    }
}

impl Eq for Secret {}

impl Secret {
    pub fn new(octets: &[u8]) -> Secret {
        Secret { octets: octets.into(), prefix: Md5::new_with_prefix(octets), hmac: keyed(octets) }
    }

    /// Is the request from who knows the secret? `Ok(true)`: it had a Message-Authenticator, and
    /// that was right. An Access-Request without one proves nothing: `Ok(false)`.
    pub fn verify_request(&self, packet: &Packet<'_>) -> Result<bool, Malformed> {
        let authenticator = match packet.code() {
            code if code.signs_itself() => {
                let right = self.sign(packet.octets(), &ZEROS);
                if !same(&right, packet.authenticator()) {
                    return Err(Malformed::BadRequestAuthenticator);
                }
                &ZEROS
            }
            _ => packet.authenticator(),
        };
        self.verify_message_authenticator(packet, authenticator)
    }

    /// Does `reply` answer the request that carried `authenticator`? `Ok(true)` as above.
    pub fn verify_reply(
        &self,
        reply: &Packet<'_>,
        authenticator: &Authenticator,
    ) -> Result<bool, Malformed> {
        let right = self.sign(reply.octets(), authenticator);
        if !same(&right, reply.authenticator()) {
            return Err(Malformed::BadReplyAuthenticator);
        }
        self.verify_message_authenticator(reply, authenticator)
    }

    fn verify_message_authenticator(
        &self,
        packet: &Packet<'_>,
        authenticator: &Authenticator,
    ) -> Result<bool, Malformed> {
        let Some(at) = packet.message_authenticator_at() else { return Ok(false) };
        let found = packet.octets().get(at..).and_then(|rest| rest.first_chunk::<16>());
        let right = self.message_authenticator(packet.octets(), authenticator, at);
        match found {
            Some(found) if same(&right, found) => Ok(true),
            _ => Err(Malformed::BadMessageAuthenticator),
        }
    }

    /// Puts the Message-Authenticator at `at` and, where `authenticates`, the packet's own
    /// authenticator in: both are over the request's authenticator (or zeros), which the header
    /// still has.
    pub(crate) fn finish(&self, octets: &mut [u8], at: Option<usize>, authenticates: bool) {
        if let Some(at) = at {
            let mut hmac = self.hmac.clone();
            hmac.update(octets);
            put(octets, at, &hmac.finalize().into_bytes().into());
        }
        if authenticates {
            let mut md5 = Md5::new();
            md5.update(&*octets);
            md5.update(&self.octets);
            put(octets, 4, &md5.finalize().into());
        }
    }

    /// HMAC-MD5 over the packet with `authenticator` in its header and zeros in the 16 octets at
    /// `at`, RFC 3579 §3.2.
    fn message_authenticator(
        &self,
        octets: &[u8],
        authenticator: &Authenticator,
        at: usize,
    ) -> [u8; 16] {
        let mut hmac = self.hmac.clone();
        hmac.update(octets.get(..4).unwrap_or_default());
        hmac.update(authenticator);
        hmac.update(octets.get(HEADER..at).unwrap_or_default());
        hmac.update(&ZEROS);
        hmac.update(octets.get(at.saturating_add(16)..).unwrap_or_default());
        hmac.finalize().into_bytes().into()
    }

    /// MD5(code ‖ identifier ‖ length ‖ authenticator ‖ attributes ‖ secret), RFC 2865 §3: the
    /// Response Authenticator, and with zeros a self-signed request's.
    fn sign(&self, octets: &[u8], authenticator: &Authenticator) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(octets.get(..4).unwrap_or_default());
        md5.update(authenticator);
        md5.update(octets.get(HEADER..).unwrap_or_default());
        md5.update(&self.octets);
        md5.finalize().into()
    }

    /// MD5(secret ‖ what follows).
    pub(crate) fn mask(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut md5 = self.prefix.clone();
        for part in parts {
            md5.update(part);
        }
        md5.finalize().into()
    }

    /// MD5(authenticator ‖ secret), Ascend's order.
    pub(crate) fn mask_behind(&self, authenticator: &Authenticator) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(authenticator);
        md5.update(&self.octets);
        md5.finalize().into()
    }
}

/// The authenticator that a request's hidden attributes were made with: one that signs itself
/// isn't known yet while they are written, so zeros take its place.
pub(crate) fn hiding_authenticator(code: Code, authenticator: &Authenticator) -> &Authenticator {
    if code.signs_itself() { &ZEROS } else { authenticator }
}

fn put(octets: &mut [u8], at: usize, value: &[u8; 16]) {
    if let Some(place) = octets.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<16>()) {
        *place = *value;
    }
}

fn same(a: &[u8; 16], b: &[u8; 16]) -> bool {
    a.ct_eq(b).into()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn keyed(octets: &[u8]) -> Hmac<Md5> {
    Hmac::new_from_slice(octets).expect("HMAC takes keys of every length")
}
