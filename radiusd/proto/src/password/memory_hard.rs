//! What yescrypt's function is the heart of: `$7$` (scrypt) and `$gy$` (GOST's hash around it).

use hmac::{KeyInit, Mac, SimpleHmac};
use streebog::{Digest, Streebog256};
use yescrypt::{Mode, Params, yescrypt};

use super::crypt::{ALPHABET, encode, fits};
use super::{BadPassword, crypt};

/// In octets: what one login may take at most.
const MEMORY_MAX: u64 = 256 << 20;
/// One letter of N, five of r, five of p.
const SCRYPT_PARAMS: usize = 11;

/// Least significant octet first, three to four characters.
const ORDER: [u8; 32] = [
    2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, 17, 16, 15, 20, 19, 18, 23, 22, 21, 26, 25,
    24, 29, 28, 27, 31, 30,
];

/// The octets of memory that it takes.
pub(super) fn memory(params: &Params) -> Result<u64, BadPassword> {
    let memory = params.n().saturating_mul(u64::from(params.r())).saturating_mul(128);
    if memory > MEMORY_MAX { Err(BadPassword::Cost) } else { Ok(memory) }
}

/// `$7$`, eleven characters of cost, salt, `$`, hash.
pub(super) struct Scrypt<'a> {
    params: Params,
    salt: &'a str,
    digest: &'a str,
}

impl<'a> Scrypt<'a> {
    /// What stands behind `$7$`.
    pub(super) fn read(rest: &'a str) -> Result<Scrypt<'a>, BadPassword> {
        let (setting, digest) = rest.rsplit_once('$').ok_or(BadPassword::Form)?;
        let (cost, salt) = setting.split_at_checked(SCRYPT_PARAMS).ok_or(BadPassword::Form)?;
        let digits: Vec<u32> =
            cost.bytes().map(digit).collect::<Option<_>>().ok_or(BadPassword::Form)?;
        fits(crypt::is_digest(digest, 43) && salt.bytes().all(|octet| octet.is_ascii_graphic()))?;
        let [log_n, r @ .., _, _, _, _, _] = digits.as_slice() else {
            return Err(BadPassword::Form);
        };
        let number = |digits: &[u32]| digits.iter().rev().fold(0, |all, next| (all << 6) | next);
        let p = number(digits.get(6..).unwrap_or_default());
        let n = 1_u64.checked_shl(*log_n).ok_or(BadPassword::Form)?;
        fits(n > 2 && number(r) > 0 && p > 0)?;
        let params = Params::new(Mode::Classic, n, number(r), p).map_err(|_| BadPassword::Form)?;
        if memory(&params)?.saturating_mul(u64::from(p)) > MEMORY_MAX {
            return Err(BadPassword::Cost);
        }
        Ok(Scrypt { params, salt, digest })
    }

    pub(super) fn work(&self) -> u64 {
        let Scrypt { params, .. } = self;
        let memory = params.n().saturating_mul(u64::from(params.r())).saturating_mul(128);
        memory.saturating_mul(u64::from(params.p().max(1)))
    }

    pub(super) fn digest_of(&self, clear: &[u8]) -> Option<(Vec<u8>, &'a str)> {
        let mut hash = [0; 32];
        yescrypt(clear, self.salt.as_bytes(), &self.params, &mut hash).ok()?;
        Some((encode(&hash, &ORDER), self.digest))
    }
}

/// yescrypt's hash, keyed by the password's GOST hash and the setting.
pub(super) fn gost(clear: &[u8], params: &str, salt: &str) -> Option<Vec<u8>> {
    let yescrypt_params: Params = params.parse().ok()?;
    let mut hash = [0; 32];
    yescrypt(clear, &decode(salt)?, &yescrypt_params, &mut hash).ok()?;
    let key = sign(&Streebog256::digest(clear), format!("$gy${params}${salt}").as_bytes())?;
    Some(encode(&sign(&key, &hash)?, &ORDER))
}

fn sign(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut hmac = SimpleHmac::<Streebog256>::new_from_slice(key).ok()?;
    hmac.update(message);
    Some(hmac.finalize().into_bytes().to_vec())
}

/// Four characters to three octets, least significant first.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for group in text.as_bytes().chunks(4) {
        let digits: Vec<u32> = group.iter().copied().map(digit).collect::<Option<_>>()?;
        let bits = digits.iter().rev().fold(0, |bits, digit| (bits << 6) | digit);
        let octets = bits.to_le_bytes();
        out.extend(octets.get(..group.len().checked_sub(1)?)?);
    }
    Some(out)
}

fn digit(character: u8) -> Option<u32> {
    let at = ALPHABET.iter().position(|known| *known == character)?;
    u32::try_from(at).ok()
}
