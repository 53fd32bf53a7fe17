//! Does this answer this stored secret: every stored form of FreeRADIUS.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::mschap::{self, NtHash};

/// A password as it is stored, read once when its row is.
#[derive(Clone, PartialEq, Eq)]
pub enum Stored {
    Cleartext(Box<[u8]>),
    Nt(NtHash),
    Lm([u8; 16]),
    /// crypt(3): DES, `$1$`, `$2*$`, `$5$`, `$6$`, `$y$`.
    Crypt(Box<str>),
}

/// Why a stored password cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BadPassword {
    /// Shorter or longer than its form.
    Length,
    /// No form that we know.
    Form,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored(..)")
    }
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPassword::Length => "the stored password has the wrong length",
            BadPassword::Form => "the stored password has an unknown form",
        })
    }
}

impl std::error::Error for BadPassword {}

impl Stored {
    /// `None`: the attribute holds no password.
    pub fn from_pair(attribute_name: &str, value: &[u8]) -> Option<Result<Stored, BadPassword>> {
        match attribute_name.to_ascii_lowercase().as_str() {
            "cleartext-password" => Some(Ok(Stored::Cleartext(value.into()))),
            _ => None,
        }
    }

    /// Does the typed password fit? Slow forms ([`Stored::is_slow`]) belong on another thread.
    pub fn pap(&self, clear: &[u8]) -> bool {
        match self {
            Stored::Cleartext(stored) => stored.ct_eq(clear).into(),
            Stored::Nt(stored) => {
                mschap::nt_hash(clear).is_some_and(|hash| hash.ct_eq(stored).into())
            }
            Stored::Lm(stored) => mschap::lm_hash(clear).ct_eq(stored).into(),
            Stored::Crypt(_) => false,
        }
    }

    /// `None`: this form cannot answer CHAP.
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

    /// Does [`Stored::pap`] take milliseconds?
    pub fn is_slow(&self) -> bool {
        matches!(self, Stored::Crypt(_))
    }
}
