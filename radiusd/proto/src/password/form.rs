//! Plain hashes, salted or not, and how their octets may be written: raw, hex or base64.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use super::BadPassword;

/// As forgiving as FreeRADIUS: padding may be missing, left-over bits may be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A hash function that passwords are stored with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

type Output = SmallVec<[u8; 64]>;

impl Hash {
    /// The octets that it makes.
    pub fn length(self) -> usize {
        match self {
            Hash::Md5 => 16,
            Hash::Sha1 => 20,
            Hash::Sha224 | Hash::Sha3_224 => 28,
            Hash::Sha256 | Hash::Sha3_256 => 32,
            Hash::Sha384 | Hash::Sha3_384 => 48,
            Hash::Sha512 | Hash::Sha3_512 => 64,
        }
    }

    fn of(self, parts: &[&[u8]]) -> Output {
        fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Output {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            SmallVec::from_slice(&digest.finalize())
        }
        match self {
            Hash::Md5 => run::<Md5>(parts),
            Hash::Sha1 => run::<Sha1>(parts),
            Hash::Sha224 => run::<Sha224>(parts),
            Hash::Sha256 => run::<Sha256>(parts),
            Hash::Sha384 => run::<Sha384>(parts),
            Hash::Sha512 => run::<Sha512>(parts),
            Hash::Sha3_224 => run::<Sha3_224>(parts),
            Hash::Sha3_256 => run::<Sha3_256>(parts),
            Hash::Sha3_384 => run::<Sha3_384>(parts),
            Hash::Sha3_512 => run::<Sha3_512>(parts),
        }
    }

    /// Of SHA2-Password the length says which.
    fn of_length(length: usize) -> Option<Hash> {
        [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512]
            .into_iter()
            .find(|hash| hash.length() == length)
    }
}

/// Which hash an attribute or header holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Plain(Hash),
    Salted(Hash),
    /// Any of SHA-2, by its length.
    Sha2,
}

/// By an attribute's name in lower case.
pub(super) fn by_attribute(name: &str) -> Option<Form> {
    Some(match name.strip_suffix("-password")? {
        "md5" => Form::Plain(Hash::Md5),
        "smd5" => Form::Salted(Hash::Md5),
        "sha" | "sha1" => Form::Plain(Hash::Sha1),
        "ssha" | "ssha1" => Form::Salted(Hash::Sha1),
        "sha2" | "sha224" | "sha256" | "sha384" | "sha512" => Form::Sha2,
        "ssha2-224" => Form::Salted(Hash::Sha224),
        "ssha2-256" => Form::Salted(Hash::Sha256),
        "ssha2-384" => Form::Salted(Hash::Sha384),
        "ssha2-512" => Form::Salted(Hash::Sha512),
        "ssha3-224" => Form::Salted(Hash::Sha3_224),
        "ssha3-256" => Form::Salted(Hash::Sha3_256),
        "ssha3-384" => Form::Salted(Hash::Sha3_384),
        "ssha3-512" => Form::Salted(Hash::Sha3_512),
        _ => return None,
    })
}

impl Form {
    pub(super) fn read(self, value: &[u8]) -> Result<Digest, BadPassword> {
        let shortest = match self {
            Form::Plain(hash) | Form::Salted(hash) => hash.length(),
            Form::Sha2 => Hash::Sha224.length(),
        };
        let octets = normalise(value, shortest);
        let hash = match self {
            Form::Plain(hash) | Form::Salted(hash) => hash,
            Form::Sha2 => Hash::of_length(octets.len()).ok_or(BadPassword::Length)?,
        };
        let (digest, salt) = octets.split_at_checked(hash.length()).ok_or(BadPassword::Length)?;
        if salt.is_empty() == matches!(self, Form::Salted(_)) {
            return Err(BadPassword::Length);
        }
        Ok(Digest { hash, digest: SmallVec::from_slice(digest), salt: salt.into() })
    }
}

/// A hash of password and salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    hash: Hash,
    digest: Output,
    /// Empty in the forms without one.
    salt: Box<[u8]>,
}

impl Digest {
    pub(super) fn fits(&self, clear: &[u8]) -> bool {
        self.hash.of(&[clear, &self.salt]).ct_eq(&self.digest).into()
    }

    pub(super) fn form(&self) -> &'static str {
        match (self.hash, self.salt.is_empty()) {
            (Hash::Md5, true) => "md5",
            (Hash::Md5, false) => "smd5",
            (Hash::Sha1, true) => "sha",
            (Hash::Sha1, false) => "ssha",
            (_, true) => "sha2",
            (Hash::Sha3_224 | Hash::Sha3_256 | Hash::Sha3_384 | Hash::Sha3_512, false) => "ssha3",
            (_, false) => "ssha2",
        }
    }
}

/// Netscape's mail server: MD5 of salt, 59, password, 247, salt.
#[derive(Clone, PartialEq, Eq)]
pub struct NsMtaMd5 {
    digest: [u8; 16],
    /// 32 characters, hashed as they stand.
    salt: [u8; 32],
}

impl NsMtaMd5 {
    pub(super) fn read(value: &[u8]) -> Result<NsMtaMd5, BadPassword> {
        let value: &[u8; 64] = value.try_into().map_err(|_| BadPassword::Length)?;
        let (digits, salt) = value.split_at(32);
        let mut digest = [0; 16];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| BadPassword::Form)?;
        Ok(NsMtaMd5 { digest, salt: salt.try_into().map_err(|_| BadPassword::Length)? })
    }

    pub(super) fn fits(&self, clear: &[u8]) -> bool {
        let digest = Hash::Md5.of(&[&self.salt, &[59], clear, &[247], &self.salt]);
        digest.ct_eq(&self.digest).into()
    }
}

/// A hash of fixed length.
pub(super) fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], BadPassword> {
    normalise(value, N).as_ref().try_into().map_err(|_| BadPassword::Length)
}

/// Octets that should be `shortest` or more, as FreeRADIUS finds them: hex if all of it is and it
/// is long enough, else base64 if that is long enough, else as they stand.
pub(super) fn normalise(value: &[u8], shortest: usize) -> Cow<'_, [u8]> {
    if value.len() >= shortest.saturating_mul(2)
        && let Ok(octets) = hex::decode(value)
    {
        return Cow::Owned(octets);
    }
    match from_base64(value) {
        Ok(octets) if octets.len() >= shortest => Cow::Owned(octets),
        _ => Cow::Borrowed(value),
    }
}

pub(super) fn from_base64(text: &[u8]) -> Result<Vec<u8>, BadPassword> {
    BASE64.decode(text).map_err(|_| BadPassword::Form)
}
