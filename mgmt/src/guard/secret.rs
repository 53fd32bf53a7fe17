//! What a cookie or a token holds: random, and in the store only its hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 256 random bits: a plain hash of it can't be guessed back.
pub(crate) struct Secret([u8; 32]);

/// So that a token that was published is recognised as one.
const TOKEN: &str = "radiusd_";

impl Secret {
    pub fn random() -> Secret {
        Secret(rand::random())
    }

    pub fn of_cookie(text: &str) -> Option<Secret> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        octets.try_into().ok().map(Secret)
    }

    pub fn of_token(text: &str) -> Option<Secret> {
        Secret::of_cookie(text.strip_prefix(TOKEN)?)
    }

    pub fn cookie(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub fn token(&self) -> String {
        format!("{TOKEN}{}", self.cookie())
    }

    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0))
    }
}
