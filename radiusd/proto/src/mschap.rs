//! MS-CHAP version 1 and 2, RFC 2433, 2759, 2548, and the keys that follow from them, RFC 3079.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::attribute::{MICROSOFT, MS_CHAP_CHALLENGE, MS_CHAP_RESPONSE, MS_CHAP2_RESPONSE};
use crate::packet::Packet;

/// MD4 over the password in UTF-16LE: what Windows stores instead of a password.
pub type NtHash = [u8; 16];

/// "E=" of MS-CHAP-Error: the user is disabled.
pub const DISABLED: u32 = 647;
/// The password has expired.
pub const EXPIRED: u32 = 648;
/// Wrong name or password.
pub const AUTHENTICATION_FAILURE: u32 = 691;

/// An MS-CHAP login as the NAS sends it.
#[derive(Clone, Copy)]
pub enum MsChap<'a> {
    V1(V1<'a>),
    V2(V2<'a>),
}

#[derive(Clone, Copy)]
pub struct V1<'a> {
    pub identifier: u8,
    pub challenge: &'a [u8; 8],
    /// `None`: the peer sent only the LM response, which nobody may accept any more.
    pub response: Option<&'a [u8; 24]>,
}

#[derive(Clone, Copy)]
pub struct V2<'a> {
    pub identifier: u8,
    pub challenge: &'a [u8; 16],
    pub peer_challenge: &'a [u8; 16],
    pub response: &'a [u8; 24],
}

/// Why an MS-CHAP login cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// The challenge is shorter than 8 octets, or 16 in version 2.
    Challenge,
    /// The response is shorter than 50 octets.
    Response,
}

impl<'a> MsChap<'a> {
    /// `None`: no MS-CHAP login, which takes a challenge and a response. With both versions
    /// present, the first counts. What is behind the right length is passed over.
    pub fn find(packet: &Packet<'a>) -> Option<Result<MsChap<'a>, Unreadable>> {
        let challenge = packet.find_vendor(MICROSOFT, MS_CHAP_CHALLENGE)?;
        let first = packet.find_vendor(MICROSOFT, MS_CHAP_RESPONSE);
        let second = packet.find_vendor(MICROSOFT, MS_CHAP2_RESPONSE);
        match (challenge, first, second) {
            (challenge, Some(response), _) => Some(V1::read(challenge, response)),
            (challenge, None, Some(response)) => Some(V2::read(challenge, response)),
            (_, None, None) => None,
        }
    }
}

impl<'a> V1<'a> {
    fn read(challenge: &'a [u8], response: &'a [u8]) -> Result<MsChap<'a>, Unreadable> {
        let challenge = challenge.first_chunk::<8>().ok_or(Unreadable::Challenge)?;
        let response = response.first_chunk::<50>().ok_or(Unreadable::Response)?;
        let [identifier, flags, ..] = *response;
        let nt = response.last_chunk::<24>().filter(|_| flags & 1 == 1);
        Ok(MsChap::V1(V1 { identifier, challenge, response: nt }))
    }

    pub fn check(&self, nt_hash: &NtHash) -> bool {
        let Some(response) = self.response else { return false };
        challenge_response(self.challenge, nt_hash).ct_eq(response).into()
    }
}

impl<'a> V2<'a> {
    fn read(challenge: &'a [u8], response: &'a [u8]) -> Result<MsChap<'a>, Unreadable> {
        let challenge = challenge.first_chunk::<16>().ok_or(Unreadable::Challenge)?;
        let octets = response.first_chunk::<50>().ok_or(Unreadable::Response)?;
        let [identifier, ..] = *octets;
        let peer = octets.get(2..).and_then(|rest| rest.first_chunk::<16>());
        let peer_challenge = peer.ok_or(Unreadable::Response)?;
        let response = octets.last_chunk::<24>().ok_or(Unreadable::Response)?;
        Ok(MsChap::V2(V2 { identifier, challenge, peer_challenge, response }))
    }

    /// `name` is what the peer hashed: see [`peer_name`].
    pub fn check(&self, nt_hash: &NtHash, name: &[u8]) -> bool {
        let challenge = challenge_hash(self.peer_challenge, self.challenge, name);
        challenge_response(&challenge, nt_hash).ct_eq(self.response).into()
    }

    /// The value of MS-CHAP2-Success: the identifier, and the proof that we know the password too.
    pub fn success(&self, nt_hash: &NtHash, name: &[u8]) -> [u8; 43] {
        let challenge = challenge_hash(self.peer_challenge, self.challenge, name);
        let proof = authenticator_response(nt_hash, self.response, &challenge);
        let mut octets = [0; 43];
        let text = octets.iter_mut().zip([self.identifier, b'S', b'=']);
        text.for_each(|(octet, value)| *octet = value);
        hex_into(octets.iter_mut().skip(3), &proof, b"0123456789ABCDEF");
        octets
    }

    pub fn keys(&self, nt_hash: &NtHash) -> Keys {
        keys(nt_hash, self.response)
    }
}

/// The name that a version 2 peer put into its hash: what follows `DOMAIN\`.
pub fn peer_name(name: &[u8]) -> &[u8] {
    match name.iter().position(|octet| *octet == b'\\') {
        Some(at) => name.get(at.saturating_add(1)..).unwrap_or(name),
        None => name,
    }
}

/// `None`: the password isn't UTF-8, or has a character that UCS-2 lacks; FreeRADIUS rejects such
/// logins too.
pub fn nt_hash(password: &[u8]) -> Option<NtHash> {
    let text = std::str::from_utf8(password).ok()?;
    let mut md4 = Md4::new();
    for character in text.chars() {
        md4.update(u16::try_from(u32::from(character)).ok()?.to_le_bytes());
    }
    Some(md4.finalize().into())
}

/// MD4 of an NT hash.
pub fn hash_nt_hash(nt_hash: &NtHash) -> [u8; 16] {
    Md4::digest(nt_hash).into()
}

/// LM-Password: the first 14 characters in upper case as two DES keys.
pub fn lm_hash(password: &[u8]) -> [u8; 16] {
    let mut key = [0_u8; 14];
    for (octet, typed) in key.iter_mut().zip(password) {
        *octet = typed.to_ascii_uppercase();
    }
    let mut out = [0; 16];
    for (block, key) in out.chunks_mut(8).zip(key.chunks(7)) {
        block.copy_from_slice(&des(key, b"KGS!@#$%"));
    }
    out
}

/// RFC 2433 A.4: three DES blocks keyed by the hash, padded with zeros to 21 octets.
pub fn challenge_response(challenge: &[u8; 8], nt_hash: &NtHash) -> [u8; 24] {
    let mut key = [0_u8; 21];
    for (octet, hash) in key.iter_mut().zip(nt_hash) {
        *octet = *hash;
    }
    let mut out = [0; 24];
    for (block, key) in out.chunks_mut(8).zip(key.chunks(7)) {
        block.copy_from_slice(&des(key, challenge));
    }
    out
}

/// RFC 2759 §8.2.
pub fn challenge_hash(peer: &[u8; 16], authenticator: &[u8; 16], name: &[u8]) -> [u8; 8] {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(peer)
        .chain_update(authenticator)
        .chain_update(name)
        .finalize()
        .into();
    digest.first_chunk::<8>().copied().unwrap_or_default()
}

/// RFC 2759 §8.7, before it is written as "S=" and hex.
pub fn authenticator_response(
    nt_hash: &NtHash,
    response: &[u8; 24],
    challenge: &[u8; 8],
) -> [u8; 20] {
    let first = Sha1::new()
        .chain_update(hash_nt_hash(nt_hash))
        .chain_update(response)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    Sha1::new()
        .chain_update(first)
        .chain_update(challenge)
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize()
        .into()
}

/// The value of MS-CHAP-Error in version 1: what went wrong, and a challenge for the next try.
pub fn error_v1(identifier: u8, code: u32, retry: bool, challenge: &[u8]) -> Vec<u8> {
    let mut octets = vec![identifier];
    let retry = u8::from(retry);
    let text = format!("E={code} R={retry} C={} V=2", hex::encode(challenge));
    octets.extend_from_slice(text.as_bytes());
    octets
}

/// The same in version 2, with words.
pub fn error_v2(
    identifier: u8,
    code: u32,
    retry: bool,
    challenge: &[u8],
    message: &str,
) -> Vec<u8> {
    let mut octets = vec![identifier];
    let retry = u8::from(retry);
    let text = format!("E={code} R={retry} C={} V=3 M={message}", hex::encode(challenge));
    octets.extend_from_slice(text.as_bytes());
    octets
}

/// The clear value of MS-CHAP-MPPE-Keys: no LM key, and the hash of the NT hash. Its attribute
/// hides it as User-Password is, which pads it to 32.
pub fn keys_v1(nt_hash: &NtHash) -> [u8; 24] {
    let mut octets = [0; 24];
    for (octet, hash) in octets.iter_mut().skip(8).zip(hash_nt_hash(nt_hash)) {
        *octet = hash;
    }
    octets
}

/// 128-bit MPPE keys as the server has them: MS-MPPE-Send-Key and MS-MPPE-Recv-Key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    pub send: [u8; 16],
    pub receive: [u8; 16],
}

/// RFC 3079 §3.
pub fn keys(nt_hash: &NtHash, response: &[u8; 24]) -> Keys {
    let master = master_key(nt_hash, response);
    Keys { send: start_key(&master, true), receive: start_key(&master, false) }
}

/// RFC 3079 §3.4, `GetMasterKey`.
pub fn master_key(nt_hash: &NtHash, response: &[u8; 24]) -> [u8; 16] {
    let digest = Sha1::new()
        .chain_update(hash_nt_hash(nt_hash))
        .chain_update(response)
        .chain_update(b"This is the MPPE Master Key")
        .finalize();
    first_16(&digest)
}

/// RFC 3079 §3.4, `GetAsymmetricStartKey` with 16 octets: the key with which the server sends, or
/// receives.
pub fn start_key(master: &[u8; 16], server_sends: bool) -> [u8; 16] {
    let words: &[u8] = if server_sends {
        b"On the client side, this is the receive key; on the server side, it is the send key."
    } else {
        b"On the client side, this is the send key; on the server side, it is the receive key."
    };
    let digest = Sha1::new()
        .chain_update(master)
        .chain_update([0x00; 40])
        .chain_update(words)
        .chain_update([0xf2; 40])
        .finalize();
    first_16(&digest)
}

fn first_16(octets: &[u8]) -> [u8; 16] {
    octets.first_chunk::<16>().copied().unwrap_or_default()
}

fn hex_into<'a>(out: impl Iterator<Item = &'a mut u8>, octets: &[u8], digits: &[u8; 16]) {
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    for (place, nibble) in out.zip(nibbles) {
        *place = digits.get(usize::from(nibble)).copied().unwrap_or_default();
    }
}

/// One DES block under a key of 56 bits, which DES wants spread over 8 octets.
fn des(key: &[u8], block: &[u8; 8]) -> [u8; 8] {
    let bits = key.iter().fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet));
    let mut spread = [0_u8; 8];
    for (octet, shift) in spread.iter_mut().zip([49, 42, 35, 28, 21, 14, 7, 0]) {
        *octet = u8::try_from((bits >> shift) & 0x7f).unwrap_or_default() << 1;
    }
    let mut block = (*block).into();
    Des::new(&spread.into()).encrypt_block(&mut block);
    block.into()
}

#[cfg(test)]
mod tests {
    use super::{AUTHENTICATION_FAILURE, error_v1, error_v2, nt_hash, peer_name};

    #[test]
    fn errors_read_as_freeradius_writes_them() {
        assert_eq!(
            error_v1(
                0,
                AUTHENTICATION_FAILURE,
                true,
                &[0xaa, 0xb9, 0x1f, 0xc1, 0x86, 0x54, 0x04, 0xab]
            ),
            b"\0E=691 R=1 C=aab91fc1865404ab V=2"
        );
        assert_eq!(
            error_v2(7, AUTHENTICATION_FAILURE, true, &[0xf8; 16], "Authentication rejected"),
            b"\x07E=691 R=1 C=f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8 V=3 M=Authentication rejected"
        );
    }

    #[test]
    fn the_domain_is_not_hashed() {
        assert_eq!(peer_name(b"User"), b"User");
        assert_eq!(peer_name(b"DOM\\User"), b"User");
        assert_eq!(peer_name(b"DOM\\"), b"");
    }

    #[test]
    fn no_hash_outside_ucs_2() {
        assert!(nt_hash("p\u{e4}".as_bytes()).is_some());
        assert!(nt_hash("p\u{1f600}".as_bytes()).is_none());
        assert!(nt_hash(b"p\xe4").is_none());
    }
}
