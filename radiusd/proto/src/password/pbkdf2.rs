//! PBKDF2 in the writings that directories and frameworks use.

use hmac::{Hmac, SimpleHmac};
use md5::Md5;
use pbkdf2::pbkdf2;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use subtle::ConstantTimeEq;

use super::form::from_base64;
use super::{BadPassword, Hash};

/// Some ten seconds of one core.
const ITERATIONS_MAX: u32 = 20_000_000;

/// 389 Directory Server's old form: iterations, salt, key.
const LEGACY: (usize, usize) = (64, 256);

/// A key derived from the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Pbkdf2 {
    hash: Hash,
    iterations: u32,
    salt: Box<[u8]>,
    key: Box<[u8]>,
}

impl Pbkdf2 {
    /// `HMACSHA2+256:<iterations>:<salt>:<key>` with or without `{X-PBKDF2}` in front,
    /// `$PBKDF2$HMACSHA2+256:<iterations>:<salt>$<key>`, or passlib's
    /// `$pbkdf2-sha256$<iterations>$<salt>$<key>`.
    pub(super) fn read(value: &[u8]) -> Result<Pbkdf2, BadPassword> {
        let text = std::str::from_utf8(value).map_err(|_| BadPassword::Form)?;
        if let Some(rest) = text.strip_prefix("$PBKDF2$") {
            let [hash, iterations, rest] = fields(rest, ':')?;
            let [salt, key] = fields(rest, '$')?;
            return Pbkdf2::new(by_name(hash)?, decimal(iterations)?, salt, key);
        }
        if let Some(rest) = text.strip_prefix("$pbkdf2-") {
            let [hash, iterations, salt, key] = fields(rest, '$')?;
            let hash = match hash {
                "sha1" => Hash::Sha1,
                "sha256" => Hash::Sha256,
                "sha512" => Hash::Sha512,
                _ => return Err(BadPassword::Form),
            };
            // Passlib writes '.' for '+'.
            let (salt, key) = (salt.replace('.', "+"), key.replace('.', "+"));
            return Pbkdf2::new(hash, decimal(iterations)?, &salt, &key);
        }
        let header = "{X-PBKDF2}";
        let text = match text.get(..header.len()) {
            Some(start) if start.eq_ignore_ascii_case(header) => {
                text.get(header.len()..).unwrap_or_default()
            }
            _ => text,
        };
        let [hash, iterations, salt, key] = fields(text, ':')?;
        let iterations: [u8; 4] = from_base64(iterations.as_bytes())?
            .as_slice()
            .try_into()
            .map_err(|_| BadPassword::Length)?;
        // FreeRADIUS takes zero for one.
        Pbkdf2::new(by_name(hash)?, u32::from_be_bytes(iterations).max(1), salt, key)
    }

    /// `<iterations>$<salt>$<key>`.
    pub(super) fn read_dollars(hash: Hash, value: &[u8]) -> Result<Pbkdf2, BadPassword> {
        let text = std::str::from_utf8(value).map_err(|_| BadPassword::Form)?;
        let [iterations, salt, key] = fields(text, '$')?;
        Pbkdf2::new(hash, decimal(iterations)?, salt, key)
    }

    /// Base64 of 4 octets of iterations, 64 of salt, 256 of key; SHA-256.
    pub(super) fn read_legacy(value: &[u8]) -> Result<Pbkdf2, BadPassword> {
        let octets = from_base64(value)?;
        let (iterations, rest) = octets.split_first_chunk::<4>().ok_or(BadPassword::Length)?;
        let (salt, key) = rest.split_at_checked(LEGACY.0).ok_or(BadPassword::Length)?;
        if key.len() != LEGACY.1 {
            return Err(BadPassword::Length);
        }
        let iterations = allowed(u32::from_be_bytes(*iterations))?;
        Ok(Pbkdf2 { hash: Hash::Sha256, iterations, salt: salt.into(), key: key.into() })
    }

    fn new(hash: Hash, iterations: u32, salt: &str, key: &str) -> Result<Pbkdf2, BadPassword> {
        let (salt, key) = (from_base64(salt.as_bytes())?, from_base64(key.as_bytes())?);
        if key.len() != hash.length() || salt.is_empty() {
            return Err(BadPassword::Length);
        }
        let iterations = allowed(iterations)?;
        Ok(Pbkdf2 { hash, iterations, salt: salt.into(), key: key.into() })
    }

    pub(super) fn fits(&self, clear: &[u8]) -> bool {
        let mut key = vec![0; self.key.len()];
        let (salt, rounds) = (&*self.salt, self.iterations);
        let fits = match self.hash {
            Hash::Md5 => pbkdf2::<Hmac<Md5>>(clear, salt, rounds, &mut key),
            Hash::Sha1 => pbkdf2::<Hmac<Sha1>>(clear, salt, rounds, &mut key),
            Hash::Sha224 => pbkdf2::<Hmac<Sha224>>(clear, salt, rounds, &mut key),
            Hash::Sha256 => pbkdf2::<Hmac<Sha256>>(clear, salt, rounds, &mut key),
            Hash::Sha384 => pbkdf2::<Hmac<Sha384>>(clear, salt, rounds, &mut key),
            Hash::Sha512 => pbkdf2::<Hmac<Sha512>>(clear, salt, rounds, &mut key),
            Hash::Sha3_224 => pbkdf2::<SimpleHmac<Sha3_224>>(clear, salt, rounds, &mut key),
            Hash::Sha3_256 => pbkdf2::<SimpleHmac<Sha3_256>>(clear, salt, rounds, &mut key),
            Hash::Sha3_384 => pbkdf2::<SimpleHmac<Sha3_384>>(clear, salt, rounds, &mut key),
            Hash::Sha3_512 => pbkdf2::<SimpleHmac<Sha3_512>>(clear, salt, rounds, &mut key),
        };
        fits.is_ok() && bool::from(key.ct_eq(&self.key))
    }

    pub(super) fn microseconds(&self) -> u64 {
        let blocks = self.key.len().div_ceil(self.hash.length().max(1));
        u64::from(self.iterations).saturating_mul(u64::try_from(blocks).unwrap_or(u64::MAX))
    }
}

fn by_name(name: &str) -> Result<Hash, BadPassword> {
    Ok(match name {
        "HMACSHA1" => Hash::Sha1,
        "HMACSHA2+224" => Hash::Sha224,
        "HMACSHA2+256" => Hash::Sha256,
        "HMACSHA2+384" => Hash::Sha384,
        "HMACSHA2+512" => Hash::Sha512,
        "HMACSHA3+224" => Hash::Sha3_224,
        "HMACSHA3+256" => Hash::Sha3_256,
        "HMACSHA3+384" => Hash::Sha3_384,
        "HMACSHA3+512" => Hash::Sha3_512,
        _ => return Err(BadPassword::Form),
    })
}

fn decimal(text: &str) -> Result<u32, BadPassword> {
    match text.parse() {
        Ok(0) | Err(_) => Err(BadPassword::Form),
        Ok(iterations) => Ok(iterations),
    }
}

fn allowed(iterations: u32) -> Result<u32, BadPassword> {
    match iterations {
        1..=ITERATIONS_MAX => Ok(iterations),
        0 => Err(BadPassword::Form),
        _ => Err(BadPassword::Cost),
    }
}

/// Exactly `N` parts; the last has what is left, separators too.
fn fields<const N: usize>(text: &str, separator: char) -> Result<[&str; N], BadPassword> {
    let parts: Vec<&str> = text.splitn(N, separator).collect();
    parts.try_into().map_err(|_| BadPassword::Form)
}
