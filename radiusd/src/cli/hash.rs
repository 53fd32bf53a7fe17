//! A password as a row of `radcheck`, in clear text or in a form that can't be turned back.

use clap::ValueEnum;
use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use radiusd::exit::{self, Failure};
use schema::Row;
use sha2::{Digest, Sha512};

use super::rows::literal_checked;

/// What each form can be checked by is in FreeRADIUS's own table of passwords and methods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Hash {
    /// Cleartext-Password: every method works (PAP, CHAP, MS-CHAP, EAP)
    #[default]
    None,
    /// NT-Password: PAP and MS-CHAP work
    Nt,
    /// SSHA2-512-Password: only PAP works
    Ssha512,
    /// Crypt-Password with bcrypt: only PAP works, and each login costs time
    Bcrypt,
}

/// 2^10 rounds: some 50 ms a login.
const BCRYPT_COST: u32 = 10;

impl Hash {
    pub fn row(
        self,
        password: &str,
        dictionary: &Dictionary,
        zone: &TimeZone,
    ) -> Result<Row, Failure> {
        let (attribute, value) = match self {
            Hash::None => ("Cleartext-Password", self::clear(password, dictionary, zone)?),
            Hash::Nt => {
                let hash = proto::mschap::nt_hash(password.as_bytes());
                ("NT-Password", hash.map(hex::encode).unwrap_or_default())
            }
            Hash::Ssha512 => {
                let salt: [u8; 16] = rand::random();
                let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
                ("SSHA2-512-Password", hex::encode([digest.as_slice(), &salt].concat()))
            }
            Hash::Bcrypt => {
                let hash = bcrypt::hash(password, BCRYPT_COST);
                let hash = hash.map_err(|error| Failure::new(exit::DATA, error.to_string()))?;
                ("Crypt-Password", hash)
            }
        };
        Ok(Row { id: 0, attribute: attribute.to_owned(), op: ":=".to_owned(), value })
    }
}

fn clear(password: &str, dictionary: &Dictionary, zone: &TimeZone) -> Result<String, Failure> {
    let attribute = dictionary.attribute("Cleartext-Password");
    let lost = || Failure::new(exit::SOFTWARE, "the dictionary lacks Cleartext-Password");
    literal_checked(password, attribute.ok_or_else(lost)?, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_row_that_checks_the_password() {
        let dictionary = Dictionary::shipped();
        for hash in Hash::value_variants() {
            let row = hash.row("pass\\word", &dictionary, &TimeZone::UTC).unwrap();
            let attribute = dictionary.attribute(&row.attribute).unwrap();
            let value = dictionaries::Value::parse(attribute, &row.value, &TimeZone::UTC).unwrap();
            let octets = value.as_octets().unwrap();
            let stored = proto::Stored::from_pair(&row.attribute, octets).unwrap().unwrap();
            assert!(stored.pap(b"pass\\word"), "{hash:?}: {row:?}");
            assert!(!stored.pap(b"password"), "{hash:?}");
        }
    }
}
