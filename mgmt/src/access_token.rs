//! Short-lived proofs of an API token, signed: for programs whose client speaks OAuth 2.
//!
//! Such a proof says which token it stands for and nothing of what that may do: rights are looked
//! up for each request, so that a token that is removed takes its proofs with it.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::FieldKeys;

pub(crate) const SECONDS: i64 = 600;
const ISSUER: &str = "radiusd";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The token that it stands for.
    sub: Uuid,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// `None` only without a key.
pub(crate) fn sign(keys: &FieldKeys, token: Uuid, now_ms: i64) -> Option<String> {
    let (id, key) = keys.of_access_tokens().last()?;
    let (iss, iat) = (ISSUER.to_owned(), now_ms / 1_000);
    let claims = Claims { iss, sub: token, iat, exp: iat + SECONDS, jti: Uuid::now_v7() };
    let header = Header { kid: Some(id), ..Header::new(Algorithm::HS256) };
    encode(&header, &claims, &EncodingKey::from_secret(&key)).ok()
}

/// The token that it stands for; `None` for what is not of ours or has expired.
pub(crate) fn read(keys: &FieldKeys, text: &str, now_ms: i64) -> Option<Uuid> {
    let kid = jsonwebtoken::decode_header(text).ok()?.kid?;
    let (_, key) = keys.of_access_tokens().find(|(id, _)| *id == kid)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    // The clock is ours to read.
    validation.validate_exp = false;
    let claims = decode::<Claims>(text, &DecodingKey::from_secret(&key), &validation).ok()?.claims;
    (now_ms / 1_000 < claims.exp).then_some(claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_for_one_token_for_a_while_and_only_when_we_signed_it() {
        let old = FieldKeys::new(vec![[1; 32]]).unwrap();
        let both = FieldKeys::new(vec![[1; 32], [2; 32]]).unwrap();
        let (token, now) = (Uuid::now_v7(), 1_800_000_000_000);
        let text = sign(&old, token, now).unwrap();
        assert_eq!(read(&both, &text, now + 599_999), Some(token), "keys rotate");
        assert_eq!(read(&both, &text, now + 600_000), None);
        let newer = sign(&both, token, now).unwrap();
        assert_eq!(read(&old, &newer, now), None, "an unknown key");
        let foreign = FieldKeys::new(vec![[3; 32]]).unwrap();
        assert_eq!(read(&foreign, &text, now), None);
        let (head, rest) = text.split_once('.').unwrap();
        let (body, seal) = rest.split_once('.').unwrap();
        assert_eq!(read(&both, &format!("{head}.{body}x.{seal}"), now), None);
        use base64::Engine as _;
        let none = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        assert_eq!(read(&both, &format!("{none}.{body}."), now), None);
    }
}
