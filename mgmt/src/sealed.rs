//! Values that lie encrypted in the store: AES-256-GCM, with a key from `keys/`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Every key that was ever used, the current one last.
pub struct FieldKeys {
    keys: Vec<[u8; 32]>,
}

impl std::fmt::Debug for FieldKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FieldKeys(…)")
    }
}

impl FieldKeys {
    pub(crate) fn new(keys: Vec<[u8; 32]>) -> Option<FieldKeys> {
        (!keys.is_empty()).then_some(FieldKeys { keys })
    }

    /// `KEY.NONCE_AND_TEXT`. `place` says whose value it is: moved elsewhere it can't be opened.
    pub(crate) fn seal(&self, place: &str, clear: &[u8]) -> Option<String> {
        let key = self.keys.last()?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = clear.to_vec();
        let cipher = cipher(key)?;
        cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut text,
            )
            .ok()?;
        let mut octets = nonce.to_vec();
        octets.append(&mut text);
        Some(format!("{}.{}", id_of(key), URL_SAFE_NO_PAD.encode(octets)))
    }

    /// `None` for what was sealed with another key or for another place, or was changed.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let (id, text) = sealed.split_once('.')?;
        let key = self.keys.iter().find(|key| id_of(key) == id)?;
        let mut octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        if octets.len() < NONCE_LEN {
            return None;
        }
        let mut text = octets.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&octets).ok()?;
        let clear = cipher(key)?.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text);
        clear.ok().map(|clear| clear.to_vec())
    }
}

impl FieldKeys {
    /// Keys with their names that sign access tokens: others, made of these.
    pub(crate) fn of_access_tokens(&self) -> impl DoubleEndedIterator<Item = (String, [u8; 32])> {
        let derived = |key: &[u8; 32]| {
            let mut hasher = Sha256::new();
            hasher.update(b"access token key");
            hasher.update(key);
            hasher.finalize().into()
        };
        self.keys.iter().map(move |key| (id_of(key), derived(key)))
    }
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

fn id_of(key: &[u8; 32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"field key id");
    hasher.update(key);
    hex::encode(&hasher.finalize()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_it_and_only_in_its_place() {
        let old = FieldKeys::new(vec![[1; 32]]).unwrap();
        let both = FieldKeys::new(vec![[1; 32], [2; 32]]).unwrap();
        let sealed = old.seal("ann", b"secret").unwrap();
        assert_ne!(sealed, old.seal("ann", b"secret").unwrap());
        assert_eq!(both.open("ann", &sealed).unwrap(), b"secret");
        assert_eq!(both.open("bob", &sealed), None);
        assert_eq!(old.open("ann", &both.seal("ann", b"x").unwrap()), None);
        for wrong in ["", ".", "x.y", &sealed[..sealed.len() - 2], &sealed.replace('.', ".A")] {
            assert_eq!(old.open("ann", wrong), None, "{wrong}");
        }
        assert!(FieldKeys::new(vec![]).is_none());
    }
}
