//! MS-CHAPv2 from the peer's side (RFC 2759): the answer to a challenge, and the proof expected back.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::{Digest, Md4};
use sha1::Sha1;

/// One finished exchange: it may be sent again and again, the server keeps no state between requests.
pub struct Exchange {
    pub challenge: [u8; 16],
    /// The value of MS-CHAP2-Response.
    pub response: [u8; 50],
    /// What MS-CHAP2-Success must hold after its identifier: `S=` and 40 hex digits.
    pub success: [u8; 42],
}

impl Exchange {
    pub fn new(user: &[u8], password: &str, challenge: [u8; 16], peer: [u8; 16]) -> Exchange {
        let unicode: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let hash: [u8; 16] = Md4::digest(unicode).into();
        let short =
            Sha1::new().chain_update(peer).chain_update(challenge).chain_update(user).finalize();
        let answer = challenge_response(&short[..8], &hash);
        let mut response = [0; 50];
        response[2..18].copy_from_slice(&peer);
        response[26..50].copy_from_slice(&answer);
        Exchange { challenge, response, success: success(&hash, &answer, &short[..8]) }
    }
}

fn challenge_response(challenge: &[u8], hash: &[u8; 16]) -> [u8; 24] {
    let mut keys = [0; 21];
    keys[..16].copy_from_slice(hash);
    let mut response = [0; 24];
    for (key, out) in keys.chunks_exact(7).zip(response.chunks_exact_mut(8)) {
        out.copy_from_slice(challenge);
        let mut wide = [0; 8];
        wide[1..].copy_from_slice(key);
        let bits = u64::from_be_bytes(wide);
        let spread: [u8; 8] = std::array::from_fn(|at| ((bits >> (49 - 7 * at)) as u8) << 1);
        if let Ok(cipher) = Des::new_from_slice(&spread)
            && let Ok(block) = out.try_into()
        {
            cipher.encrypt_block(block);
        }
    }
    response
}

fn success(hash: &[u8; 16], answer: &[u8; 24], challenge: &[u8]) -> [u8; 42] {
    let digest = Sha1::new()
        .chain_update(Md4::digest(hash))
        .chain_update(answer)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    let digest = Sha1::new()
        .chain_update(digest)
        .chain_update(challenge)
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize();
    let mut text = *b"S=0000000000000000000000000000000000000000";
    for (octet, pair) in digest.iter().zip(text[2..].chunks_exact_mut(2)) {
        pair[0] = b"0123456789ABCDEF"[usize::from(octet >> 4)];
        pair[1] = b"0123456789ABCDEF"[usize::from(octet & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2759 §9.2.
    #[test]
    fn the_published_vector() {
        let exchange = Exchange::new(
            b"User",
            "clientPass",
            *b"\x5B\x5D\x7C\x7D\x7B\x3F\x2F\x3E\x3C\x2C\x60\x21\x32\x26\x26\x28",
            *b"\x21\x40\x23\x24\x25\x5E\x26\x2A\x28\x29\x5F\x2B\x3A\x33\x7C\x7E",
        );
        assert_eq!(exchange.response[26..34], [0x82, 0x30, 0x9E, 0xCD, 0x8D, 0x70, 0x8B, 0x5E]);
        assert_eq!(&exchange.success, b"S=407A5589115FD0D6209F510FE9C04566932CDA56");
    }
}
