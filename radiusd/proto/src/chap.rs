//! CHAP, RFC 1994 and RFC 2865 §5.3.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::attribute::{CHAP_CHALLENGE, CHAP_PASSWORD};
use crate::packet::Packet;

/// A CHAP login as the NAS sends it.
#[derive(Clone, Copy)]
pub struct Chap<'a> {
    pub identifier: u8,
    pub response: &'a [u8; 16],
    pub challenge: &'a [u8],
}

/// CHAP-Password isn't 17 octets: a login that must fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongLength;

impl<'a> Chap<'a> {
    /// `None`: no CHAP login. The challenge is CHAP-Challenge, else the Request Authenticator.
    pub fn find(packet: &Packet<'a>) -> Option<Result<Chap<'a>, WrongLength>> {
        let octets: Result<&[u8; 17], _> = packet.find(CHAP_PASSWORD)?.try_into();
        let challenge = packet.find(CHAP_CHALLENGE).unwrap_or(packet.authenticator());
        let Ok(&[identifier, ..]) = octets else { return Some(Err(WrongLength)) };
        let response = octets.ok()?.last_chunk::<16>()?;
        Some(Ok(Chap { identifier, response, challenge }))
    }

    pub fn check(&self, password: &[u8]) -> bool {
        check(self.identifier, password, self.challenge, self.response)
    }
}

/// What the peer computes from password and challenge.
pub fn response(identifier: u8, password: &[u8], challenge: &[u8]) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update([identifier]);
    md5.update(password);
    md5.update(challenge);
    md5.finalize().into()
}

pub fn check(identifier: u8, password: &[u8], challenge: &[u8], answer: &[u8; 16]) -> bool {
    response(identifier, password, challenge).ct_eq(answer).into()
}
