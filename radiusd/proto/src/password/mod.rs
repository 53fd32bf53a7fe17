//! Does this answer this stored secret: every stored form of FreeRADIUS.
//!
//! A [`Stored`] is read once, when its row is; `form` is the plain hashes and how their octets may
//! be written, `header` is Password-With-Header, `crypt` (with `memory_hard` and `sun_md5`) and
//! `pbkdf2` are the slow ones.

mod crypt;
mod form;
mod header;
mod memory_hard;
mod pbkdf2;
mod sun_md5;

use std::fmt;

use subtle::ConstantTimeEq;

use crate::mschap::{self, NtHash};

pub use crypt::Crypt;
pub use form::{Digest, Hash, NsMtaMd5};
pub use pbkdf2::Pbkdf2;

/// What a worker may spend on one password before it should be another thread's work.
const SLOW_MICROSECONDS: u64 = 50;

/// A password as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Stored {
    Cleartext(Box<[u8]>),
    Nt(NtHash),
    Lm([u8; 16]),
    Crypt(Crypt),
    /// MD5, SMD5, SHA, SSHA, SHA-2 and SHA-3, salted or not.
    Digest(Digest),
    NsMtaMd5(NsMtaMd5),
    Pbkdf2(Pbkdf2),
}

/// Why a stored password cannot be used: nobody can log in with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BadPassword {
    /// Shorter or longer than its form.
    Length,
    /// Not written as its form is, or in none that we know.
    Form,
    /// It asks for more work or memory than one login may cost.
    Cost,
}

/// Shows the form, never the secret.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({})", self.form())
    }
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPassword::Length => "the stored password has the wrong length",
            BadPassword::Form => "the stored password has an unknown form",
            BadPassword::Cost => "the stored password costs more work than is allowed",
        })
    }
}

impl std::error::Error for BadPassword {}

impl Stored {
    /// Reads the value of a password attribute, in any of the writings that FreeRADIUS takes.
    /// `None`: the attribute holds no password.
    pub fn from_pair(attribute_name: &str, value: &[u8]) -> Option<Result<Stored, BadPassword>> {
        let name = attribute_name.to_ascii_lowercase();
        Some(match name.as_str() {
            "cleartext-password" => Ok(Stored::Cleartext(value.into())),
            "password-with-header" => header::read(value),
            "crypt-password" => crypt::read(value).map(Stored::Crypt),
            "nt-password" => form::exactly(value).map(Stored::Nt),
            "lm-password" => form::exactly(value).map(Stored::Lm),
            "ns-mta-md5-password" => NsMtaMd5::read(value).map(Stored::NsMtaMd5),
            "pbkdf2-password" => Pbkdf2::read(value).map(Stored::Pbkdf2),
            "pbkdf2-sha1-password" => Pbkdf2::read_dollars(Hash::Sha1, value).map(Stored::Pbkdf2),
            "pbkdf2-sha256-password" => {
                Pbkdf2::read_dollars(Hash::Sha256, value).map(Stored::Pbkdf2)
            }
            "pbkdf2-sha512-password" => {
                Pbkdf2::read_dollars(Hash::Sha512, value).map(Stored::Pbkdf2)
            }
            "pbkdf2-sha256-legacy" => Pbkdf2::read_legacy(value).map(Stored::Pbkdf2),
            name => form::by_attribute(name)?.read(value).map(Stored::Digest),
        })
    }

    /// Does the typed password fit? What [`Stored::is_slow`] belongs on another thread.
    pub fn pap(&self, clear: &[u8]) -> bool {
        match self {
            Stored::Cleartext(stored) => stored.ct_eq(clear).into(),
            Stored::Nt(stored) => {
                mschap::nt_hash(clear).is_some_and(|hash| hash.ct_eq(stored).into())
            }
            Stored::Lm(stored) => mschap::lm_hash(clear).ct_eq(stored).into(),
            Stored::Crypt(stored) => stored.fits(clear),
            Stored::Digest(stored) => stored.fits(clear),
            Stored::NsMtaMd5(stored) => stored.fits(clear),
            Stored::Pbkdf2(stored) => stored.fits(clear),
        }
    }

    /// Does a CHAP response fit? `None`: this form cannot tell.
    pub fn chap(&self, identifier: u8, response: &[u8; 16], challenge: &[u8]) -> Option<bool> {
        match self {
            Stored::Cleartext(clear) => {
                Some(crate::chap::check(identifier, clear, challenge, response))
            }
            _ => None,
        }
    }

    /// What MS-CHAP works with. `None`: this form has none.
    pub fn nt_hash(&self) -> Option<NtHash> {
        match self {
            Stored::Cleartext(clear) => mschap::nt_hash(clear),
            Stored::Nt(hash) => Some(*hash),
            _ => None,
        }
    }

    /// Does [`Stored::pap`] take so long that packets would wait for it?
    pub fn is_slow(&self) -> bool {
        self.microseconds() > SLOW_MICROSECONDS
    }

    /// Roughly what [`Stored::pap`] takes.
    pub fn microseconds(&self) -> u64 {
        match self {
            Stored::Crypt(stored) => stored.microseconds(),
            Stored::Pbkdf2(stored) => stored.microseconds(),
            _ => 1,
        }
    }

    /// What the form is called.
    pub fn form(&self) -> &'static str {
        match self {
            Stored::Cleartext(_) => "cleartext",
            Stored::Nt(_) => "nt",
            Stored::Lm(_) => "lm",
            Stored::Crypt(_) => "crypt",
            Stored::Digest(digest) => digest.form(),
            Stored::NsMtaMd5(_) => "ns-mta-md5",
            Stored::Pbkdf2(_) => "pbkdf2",
        }
    }
}
