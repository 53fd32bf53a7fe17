//! crypt(3): every form that Debian's libcrypt checks.
//!
//! DES, BSDi's, `$1$`, `$2a$` `$2b$` `$2x$` `$2y$`, `$3$`, `$5$`, `$6$`, `$7$`, `$sha1$`, `$md5$`,
//! `$y$`, `$gy$`.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha_crypt::{Params as ShaParams, sha256_crypt, sha512_crypt};
use subtle::ConstantTimeEq;
use yescrypt::{Params as YescryptParams, PasswordHashRef, PasswordVerifier, Yescrypt};

use super::BadPassword;
use super::memory_hard::{self, Scrypt};
use super::sun_md5::SunMd5;

/// No padding; the last character's spare bits are nothing.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const ROUNDS_MIN: u32 = 1000;
/// Some ten seconds of one core.
const ROUNDS_MAX: u32 = 10_000_000;
const BCRYPT_COST_MAX: u32 = 17;

pub(super) const ALPHABET: &[u8; 64] =
    b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A crypt(3) string, its scheme and cost known.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypt {
    text: Box<str>,
    scheme: Scheme,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Des,
    Bsdi(u32),
    Md5,
    Bcrypt(u32),
    /// Bcrypt as it was before a mistake with octets over 127 was found.
    SignedBcrypt(u32),
    /// The NT hash in hex.
    Nt,
    Sha1(u32),
    SunMd5(u32),
    Sha256(u32),
    Sha512(u32),
    /// Octets of memory.
    Yescrypt(u64),
    GostYescrypt(u64),
    Scrypt(u64),
}

impl fmt::Debug for Crypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crypt(..)")
    }
}

/// Checks everything that the functions below take for granted.
pub(super) fn read(value: &[u8]) -> Result<Crypt, BadPassword> {
    let text = std::str::from_utf8(value).map_err(|_| BadPassword::Form)?;
    let mut parts = text.split('$');
    let scheme = match (parts.next(), parts.next()) {
        (Some(all), None) => des(all)?,
        (Some(""), Some(id)) => {
            let rest: Vec<&str> = parts.collect();
            match (id, rest.as_slice()) {
                ("1", [salt, digest]) => {
                    fits(salt.len() <= 8 && is_alphabet(salt) && is_digest(digest, 22))?;
                    Scheme::Md5
                }
                ("2a" | "2b" | "2y", [cost, _]) => bcrypt(text, cost)?,
                ("2x", [cost, _]) => match bcrypt(text, cost)? {
                    Scheme::Bcrypt(cost) => Scheme::SignedBcrypt(cost),
                    other => other,
                },
                ("3", [_, digest]) => {
                    let hex = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
                    fits(text.starts_with("$3$$") && digest.len() == 32)?;
                    fits(digest.bytes().all(hex))?;
                    Scheme::Nt
                }
                ("sha1", [rounds, salt, digest]) => sha1(rounds, salt, digest)?,
                ("7", _) => Scheme::Scrypt(Scrypt::read(text.get(3..).unwrap_or_default())?.work()),
                ("5", rest) => Scheme::Sha256(sha(rest, 43)?.rounds),
                ("6", rest) => Scheme::Sha512(sha(rest, 86)?.rounds),
                ("y", [params, salt, digest]) => {
                    fits(PasswordHashRef::new(text).is_ok())?;
                    Scheme::Yescrypt(yescrypt(params, salt, digest)?)
                }
                ("gy", [params, salt, digest]) => {
                    fits(memory_hard::decode(salt).is_some())?;
                    Scheme::GostYescrypt(yescrypt(params, salt, digest)?)
                }
                (id, _) if id.starts_with("md5") => Scheme::SunMd5(SunMd5::read(text)?.rounds),
                _ => return Err(BadPassword::Form),
            }
        }
        _ => return Err(BadPassword::Form),
    };
    Ok(Crypt { text: text.into(), scheme })
}

impl Crypt {
    pub(super) fn fits(&self, clear: &[u8]) -> bool {
        let text = &*self.text;
        match self.scheme {
            Scheme::Des => pwhash::unix_crypt::verify(clear, text),
            Scheme::Bsdi(_) => pwhash::bsdi_crypt::verify(clear, text),
            Scheme::Md5 => pwhash::md5_crypt::verify(clear, text),
            Scheme::Bcrypt(_) => bcrypt::verify(clear, text).unwrap_or(false),
            Scheme::SignedBcrypt(cost) => self.fits_signed_bcrypt(cost, clear),
            Scheme::Nt => crate::mschap::nt_hash(clear)
                .is_some_and(|hash| self.ends_with(hex::encode(hash).as_bytes())),
            Scheme::Sha1(_) => pwhash::sha1_crypt::verify(clear, text),
            Scheme::SunMd5(_) => SunMd5::read(text).is_ok_and(|sun| {
                let (made, digest) = sun.digest_of(clear);
                made.ct_eq(digest.as_bytes()).into()
            }),
            Scheme::Scrypt(_) => {
                let scrypt = Scrypt::read(text.get(3..).unwrap_or_default()).ok();
                let made = scrypt.and_then(|scrypt| scrypt.digest_of(clear));
                made.is_some_and(|(made, digest)| made.ct_eq(digest.as_bytes()).into())
            }
            Scheme::GostYescrypt(_) => {
                let parts: Vec<&str> = text.split('$').skip(2).collect();
                let [params, salt, digest] = parts.as_slice() else { return false };
                memory_hard::gost(clear, params, salt)
                    .is_some_and(|made| made.ct_eq(digest.as_bytes()).into())
            }
            Scheme::Sha256(rounds) => self.fits_sha(rounds, 43, |salt, params| {
                encode(&sha256_crypt(clear, salt, params), &SHA256_ORDER)
            }),
            Scheme::Sha512(rounds) => self.fits_sha(rounds, 86, |salt, params| {
                encode(&sha512_crypt(clear, salt, params), &SHA512_ORDER)
            }),
            Scheme::Yescrypt(_) => PasswordHashRef::new(text)
                .is_ok_and(|hash| Yescrypt::default().verify_password(clear, hash).is_ok()),
        }
    }

    fn fits_sha(
        &self,
        rounds: u32,
        length: usize,
        compute: impl Fn(&[u8], ShaParams) -> Vec<u8>,
    ) -> bool {
        let rest: Vec<&str> = self.text.split('$').skip(2).collect();
        match (sha(&rest, length), ShaParams::new(rounds)) {
            (Ok(sha), Ok(params)) => {
                compute(sha.salt.as_bytes(), params).ct_eq(sha.digest.as_bytes()).into()
            }
            _ => false,
        }
    }

    fn ends_with(&self, digest: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let at = text.len().saturating_sub(digest.len());
        text.get(at..).is_some_and(|end| end.ct_eq(digest).into())
    }

    /// The key as it was expanded then, each octet with its sign.
    fn fits_signed_bcrypt(&self, cost: u32, clear: &[u8]) -> bool {
        let mut octets = clear.iter().chain(&[0]).cycle();
        let mut key = Vec::with_capacity(72);
        for _ in 0..18 {
            let word = octets.by_ref().take(4).fold(0_u32, |word, octet| {
                (word << 8) | i32::from(octet.cast_signed()).cast_unsigned()
            });
            key.extend(word.to_be_bytes());
        }
        let salt = self.text.get(7..29).and_then(|salt| BCRYPT.decode(salt).ok());
        let Some(Ok(salt)) = salt.map(<[u8; 16]>::try_from) else { return false };
        let made = bcrypt::bcrypt(cost, salt, &key);
        let Some((made, _)) = made.split_at_checked(23) else { return false };
        self.ends_with(BCRYPT.encode(made).as_bytes())
    }

    pub(super) fn microseconds(&self) -> u64 {
        match self.scheme {
            Scheme::Des => 10,
            Scheme::Bsdi(rounds) => u64::from(rounds / 10),
            Scheme::Md5 => 150,
            Scheme::Nt => 1,
            Scheme::Sha1(rounds) | Scheme::SunMd5(rounds) => u64::from(rounds),
            Scheme::Bcrypt(cost) | Scheme::SignedBcrypt(cost) => {
                60_u64.checked_shl(cost).unwrap_or(u64::MAX)
            }
            Scheme::Sha256(rounds) | Scheme::Sha512(rounds) => u64::from(rounds / 4),
            Scheme::Yescrypt(memory) | Scheme::GostYescrypt(memory) | Scheme::Scrypt(memory) => {
                memory / 700
            }
        }
    }
}

pub(super) fn fits(well: bool) -> Result<(), BadPassword> {
    if well { Ok(()) } else { Err(BadPassword::Form) }
}

pub(super) fn is_alphabet(text: &str) -> bool {
    text.bytes().all(|octet| ALPHABET.contains(&octet))
}

pub(super) fn is_digest(text: &str, length: usize) -> bool {
    text.len() == length && is_alphabet(text)
}

/// Two characters of salt and eleven of hash; or `_`, four of rounds, four of salt, eleven.
fn des(text: &str) -> Result<Scheme, BadPassword> {
    if let Some(rest) = text.strip_prefix('_') {
        fits(is_digest(rest, 19))?;
        let digits = rest.bytes().take(4).rev();
        let rounds = digits.fold(0_u32, |rounds, digit| {
            let digit = ALPHABET.iter().position(|known| *known == digit).unwrap_or_default();
            (rounds << 6) | u32::try_from(digit).unwrap_or_default()
        });
        fits(rounds > 0)?;
        return if rounds > ROUNDS_MAX { Err(BadPassword::Cost) } else { Ok(Scheme::Bsdi(rounds)) };
    }
    fits(is_digest(text, 13))?;
    Ok(Scheme::Des)
}

fn bcrypt(text: &str, cost: &str) -> Result<Scheme, BadPassword> {
    fits(text.len() == 60 && cost.len() == 2)?;
    match cost.parse() {
        Ok(cost @ 4..=BCRYPT_COST_MAX) => Ok(Scheme::Bcrypt(cost)),
        Ok(18..=31) => Err(BadPassword::Cost),
        _ => Err(BadPassword::Form),
    }
}

/// The parts of a `$5$` or `$6$` string behind its id.
struct Sha<'a> {
    rounds: u32,
    salt: &'a str,
    digest: &'a str,
}

fn sha<'a>(parts: &[&'a str], length: usize) -> Result<Sha<'a>, BadPassword> {
    let (rounds, salt, digest) = match parts {
        [salt, digest] => (5000, salt, digest),
        [rounds, salt, digest] => {
            let rounds = rounds.strip_prefix("rounds=").ok_or(BadPassword::Form)?;
            // crypt(3) writes what it used, so another writing never compares equal.
            fits(!rounds.starts_with(['0', '+']))?;
            (rounds.parse().map_err(|_| BadPassword::Form)?, salt, digest)
        }
        _ => return Err(BadPassword::Form),
    };
    fits(rounds >= ROUNDS_MIN && salt.len() <= 16 && is_digest(digest, length))?;
    if rounds > ROUNDS_MAX {
        return Err(BadPassword::Cost);
    }
    Ok(Sha { rounds, salt, digest })
}

fn sha1(rounds: &str, salt: &str, digest: &str) -> Result<Scheme, BadPassword> {
    fits(!rounds.starts_with(['0', '+']) && !salt.is_empty() && salt.len() <= 64)?;
    fits(is_alphabet(salt) && is_digest(digest, 28))?;
    match rounds.parse().map_err(|_| BadPassword::Form)? {
        0 => Err(BadPassword::Form),
        rounds @ 1..=ROUNDS_MAX => Ok(Scheme::Sha1(rounds)),
        _ => Err(BadPassword::Cost),
    }
}

/// Of the parameters only those that crypt(3) writes: flavour, N, r. The octets of memory.
fn yescrypt(params: &str, salt: &str, digest: &str) -> Result<u64, BadPassword> {
    fits(params.len() == 3 && is_alphabet(params))?;
    fits(salt.len() <= 86 && is_alphabet(salt) && is_digest(digest, 43))?;
    let params: YescryptParams = params.parse().map_err(|_| BadPassword::Form)?;
    memory_hard::memory(&params)
}

/// The order in which crypt's base 64 takes the digest's octets, least significant last.
const SHA256_ORDER: [u8; 32] = [
    0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28,
    8, 9, 19, 29, 31, 30,
];
const SHA512_ORDER: [u8; 64] = [
    0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8,
    29, 9, 30, 51, 31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58,
    16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41, 63,
];

/// Three octets to four characters, least significant six bits first.
pub(super) fn encode(digest: &[u8], order: &[u8]) -> Vec<u8> {
    let octet = |at: &u8| digest.get(usize::from(*at)).copied().map_or(0, u32::from);
    let mut out = Vec::with_capacity(86);
    for group in order.chunks(3) {
        let mut bits = group.iter().fold(0_u32, |bits, at| (bits << 8) | octet(at));
        for _ in 0..=group.len() {
            let digit = usize::try_from(bits & 63).unwrap_or_default();
            out.extend(ALPHABET.get(digit));
            bits >>= 6;
        }
    }
    out
}
