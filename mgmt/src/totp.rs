//! The second factor: codes of an app (RFC 6238), and codes for when the app is lost.

use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use crate::password;

/// What the app shows above the code.
const ISSUER: &str = "FerroRADIUS";
/// 160 bits, as RFC 4226 §4 recommends.
const SECRET: usize = 20;
/// Codes that are made for when the app is lost.
const RECOVERY: usize = 10;

pub(crate) fn random_secret() -> [u8; SECRET] {
    rand::random()
}

/// For the app: the secret as it is typed, and as a URI that a QR code holds.
pub(crate) fn told(secret: &[u8], account: &str) -> Option<(String, String)> {
    let totp = totp(secret, account)?;
    Some((totp.secret().to_base32(), totp.to_url().ok()?))
}

/// The step of which this is the code, one before or one after now included.
pub(crate) fn step(secret: &[u8], account: &str, code: &str, now_ms: i64) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let seconds = u64::try_from(now_ms / 1_000).ok()?;
    let step = totp(secret, account)?.check(&code, seconds)?;
    i64::try_from(step).ok()
}

fn totp(secret: &[u8], account: &str) -> Option<Totp> {
    // SHA-1, six digits, 30 seconds: what every app can do.
    let builder = Builder::new().with_secret(secret.to_vec()).with_account_name(account);
    builder.with_issuer(Some(ISSUER)).build().ok()
}

/// New ones, and the hashes by which they are known again.
pub(crate) fn recovery_codes() -> (Vec<String>, Vec<String>) {
    let codes: Vec<String> = (0..RECOVERY).map(|_| password::generate()).collect();
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    (codes, hashes)
}

/// A hundred random bits: a plain hash of them can't be guessed back.
pub(crate) fn recovery_hash(code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex::encode(Sha256::digest(code.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1, the last six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let at = |seconds: i64| step(secret, "ann", code, seconds * 1_000);
            assert_eq!(at(seconds), Some(seconds / 30));
            assert_eq!(at(seconds + 30), Some(seconds / 30));
            assert_eq!(at(seconds - 30), Some(seconds / 30));
            assert_eq!(at(seconds + 90), None);
        }
        assert_eq!(step(secret, "ann", "28 70 82", 59_000), Some(1));
        for wrong in ["", "28708", "2870820", "abcdef", "２８７０８２"] {
            assert_eq!(step(secret, "ann", wrong, 59_000), None);
        }
        let (typed, uri) = told(secret, "ann").unwrap();
        assert_eq!(typed, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(uri.starts_with("otpauth://totp/FerroRADIUS:ann?secret=GEZD"), "{uri}");
    }

    #[test]
    fn recovery_codes_are_known_however_they_are_typed() {
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        assert_eq!(recovery_hash(&codes[0].to_uppercase().replace('-', " ")), hashes[0]);
    }
}
