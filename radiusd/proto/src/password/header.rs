//! Password-With-Header: a word in braces says what the rest is.

use super::form::{self, Form, Hash, from_base64};
use super::{BadPassword, NsMtaMd5, Pbkdf2, Stored, crypt};

/// With no header, or one that nobody knows, all of it is the password itself. A value that is
/// base64 of something with a header, known or not, is taken as that.
pub(super) fn read(value: &[u8]) -> Result<Stored, BadPassword> {
    let decoded = match value {
        [b'{', ..] => None,
        _ => {
            from_base64(value).ok().filter(|inner| inner.starts_with(b"{") && inner.contains(&b'}'))
        }
    };
    let value = decoded.as_deref().unwrap_or(value);
    headed(value).unwrap_or_else(|| Ok(Stored::Cleartext(value.into())))
}

/// `None`: no header that we know.
fn headed(value: &[u8]) -> Option<Result<Stored, BadPassword>> {
    let inside = value.strip_prefix(b"{")?;
    let end = inside.iter().position(|octet| *octet == b'}')?;
    let (name, rest) = inside.split_at_checked(end)?;
    let rest = rest.strip_prefix(b"}")?;
    let name = name.to_ascii_lowercase();
    let digest = |form: Form| form.read(rest).map(Stored::Digest);
    let dollars = |hash: Hash| Pbkdf2::read_dollars(hash, rest).map(Stored::Pbkdf2);
    Some(match name.as_slice() {
        b"clear" | b"cleartext" => Ok(Stored::Cleartext(rest.into())),
        b"crypt" => crypt::read(rest).map(Stored::Crypt),
        b"md4" | b"nt" | b"nthash" | b"x-nthash" | b"x- orclntv" => {
            form::exactly(rest).map(Stored::Nt)
        }
        b"x- orcllmv" => form::exactly(rest).map(Stored::Lm),
        b"ns-mta-md5" => NsMtaMd5::read(rest).map(Stored::NsMtaMd5),
        b"md5" | b"base64_md5" => digest(Form::Plain(Hash::Md5)),
        b"smd5" => digest(Form::Salted(Hash::Md5)),
        b"sha" => digest(Form::Plain(Hash::Sha1)),
        b"ssha" => digest(Form::Salted(Hash::Sha1)),
        b"sha2" | b"sha224" | b"sha256" | b"sha384" | b"sha512" => digest(Form::Sha2),
        b"ssha224" => digest(Form::Salted(Hash::Sha224)),
        b"ssha256" => digest(Form::Salted(Hash::Sha256)),
        b"ssha384" => digest(Form::Salted(Hash::Sha384)),
        b"ssha512" => digest(Form::Salted(Hash::Sha512)),
        b"x-pbkdf2" => Pbkdf2::read(rest).map(Stored::Pbkdf2),
        b"pbkdf2-sha1" => dollars(Hash::Sha1),
        b"pbkdf2-sha256" => dollars(Hash::Sha256),
        b"pbkdf2-sha512" => dollars(Hash::Sha512),
        b"pbkdf2_sha256" => Pbkdf2::read_legacy(rest).map(Stored::Pbkdf2),
        _ => return None,
    })
}
