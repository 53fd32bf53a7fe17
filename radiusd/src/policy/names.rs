//! Names as FreeRADIUS writes them into its queries.

use std::borrow::Cow;
use std::fmt::Write;

/// The name as it is sent, and as FreeRADIUS escapes it before it asks its tables; equal for most.
/// Of what isn't text, or holds a NUL, the raw form is the escaped one too.
pub fn lookup_names(raw: &[u8]) -> (Cow<'_, str>, Cow<'_, str>) {
    let raw = without_end(raw);
    match std::str::from_utf8(raw) {
        Ok(name) if name.bytes().all(is_safe) => (Cow::Borrowed(name), Cow::Borrowed(name)),
        Ok(name) if !name.contains('\0') => (Cow::Borrowed(name), Cow::Owned(escape(raw))),
        _ => {
            let escaped = escape(raw);
            (Cow::Owned(escaped.clone()), Cow::Owned(escaped))
        }
    }
}

/// One NUL at the end is no part of a name.
pub(super) fn without_end(raw: &[u8]) -> &[u8] {
    raw.strip_suffix(b"\0").unwrap_or(raw)
}

fn is_safe(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"@.-_: /".contains(&octet)
}

/// Twice: as text between double quotes first, then whatever is not safe as `=XX`.
fn escape(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len() + 16);
    for character in quoted(raw).chars() {
        match u8::try_from(u32::from(character)) {
            Ok(octet) if octet < 0x80 && !is_safe(octet) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "={octet:02X}");
            }
            _ => out.push(character),
        }
    }
    out
}

/// `"`, `\` and control characters get a backslash; octets that are no UTF-8 become `\ooo`.
pub(super) fn quoted(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len() + 8);
    for chunk in raw.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                control @ ('\0'..'\x20' | '\x7f') => {
                    let _ = write!(out, "\\{:03o}", u32::from(control));
                }
                other => out.push(other),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "\\{octet:03o}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_and_escaped() {
        for (sent, raw, escaped) in [
            (b"bob".as_slice(), "bob", "bob"),
            (b"a/b:c@d.e f-_", "a/b:c@d.e f-_", "a/b:c@d.e f-_"),
            (b"o'brien", "o'brien", "o=27brien"),
            (b"DOM\\user", "DOM\\user", "DOM=5C=5Cuser"),
            (b"a\"b", "a\"b", "a=5C=22b"),
            (b"a\tb", "a\tb", "a=5Ctb"),
            (b"a\x01b", "a\x01b", "a=5C001b"),
            (b"a\x7fb", "a\x7fb", "a=5C177b"),
            (b"a=b%c+d", "a=b%c+d", "a=3Db=25c=2Bd"),
            ("é\u{a0}".as_bytes(), "é\u{a0}", "é\u{a0}"),
            (b"a\xffb", "a=5C377b", "a=5C377b"),
            (b"u\0", "u", "u"),
            (b"u\0x", "u=5C000x", "u=5C000x"),
            (b"", "", ""),
        ] {
            assert_eq!(lookup_names(sent), (raw.into(), escaped.into()), "{sent:?}");
        }
    }
}
