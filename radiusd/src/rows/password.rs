//! A password as a row of `radcheck`, in clear text or in a form that can't be turned back.

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use mgmt::Form;
use schema::Row;
use sha2::{Digest, Sha512};

use super::literal_checked;

/// 2^10 rounds: some 50 ms a login.
const BCRYPT_COST: u32 = 10;

/// The row that says this password.
pub fn password_row(
    form: Form,
    password: &str,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Row, String> {
    let (attribute, value) = match form {
        Form::Cleartext => {
            let attribute = dictionary.attribute("Cleartext-Password");
            let attribute = attribute.ok_or("the dictionary lacks Cleartext-Password")?;
            ("Cleartext-Password", literal_checked(password, attribute, zone)?)
        }
        Form::Nt => {
            let hash = proto::mschap::nt_hash(password.as_bytes());
            ("NT-Password", hash.map(hex::encode).unwrap_or_default())
        }
        Form::Ssha512 => {
            let salt: [u8; 16] = rand::random();
            let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
            ("SSHA2-512-Password", hex::encode([digest.as_slice(), &salt].concat()))
        }
        Form::Bcrypt => {
            let hash = bcrypt::hash(password, BCRYPT_COST).map_err(|error| error.to_string())?;
            ("Crypt-Password", hash)
        }
    };
    Ok(Row { id: 0, attribute: attribute.to_owned(), op: ":=".to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_row_that_checks_the_password() {
        let dictionary = Dictionary::shipped();
        for hash in Form::ALL {
            let row = password_row(hash, "pass\\word", &dictionary, &TimeZone::UTC).unwrap();
            let attribute = dictionary.attribute(&row.attribute).unwrap();
            let value = dictionaries::Value::parse(attribute, &row.value, &TimeZone::UTC).unwrap();
            let octets = value.as_octets().unwrap();
            let stored = proto::Stored::from_pair(&row.attribute, octets).unwrap().unwrap();
            assert!(stored.pap(b"pass\\word"), "{hash:?}: {row:?}");
            assert!(!stored.pap(b"password"), "{hash:?}");
        }
    }
}
