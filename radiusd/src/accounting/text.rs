//! Octets of a packet as text that a column can hold.

use std::fmt::Write;

use crate::policy::lookup_names;

/// As the NAS sent it. What is no UTF-8, and NUL, which PostgreSQL has no room for, appears as
/// FreeRADIUS writes it, `=XX`.
pub fn column(octets: &[u8], escape: bool) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !escape && !text.contains('\0') => text.to_owned(),
        _ => escaped(octets, escape),
    }
}

/// A user's name: raw, or as FreeRADIUS writes it.
pub fn user_name(octets: &[u8], escape: bool) -> String {
    let octets = octets.strip_suffix(&[0]).unwrap_or(octets);
    match std::str::from_utf8(octets) {
        Ok(name) if !escape && !name.contains('\0') => name.to_owned(),
        _ => lookup_names(octets).1.into_owned(),
    }
}

fn escaped(octets: &[u8], all: bool) -> String {
    let mut out = String::with_capacity(octets.len());
    let hex = |out: &mut String, octet: u8| write!(out, "={octet:02X}").unwrap_or_default();
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0' => hex(&mut out, 0),
                _ if !all => out.push(c),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '@' | 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '/' | ' ' => {
                    out.push(c);
                }
                '\u{80}'.. => out.push(c),
                other => hex(&mut out, other as u8),
            }
        }
        for octet in chunk.invalid() {
            hex(&mut out, *octet);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_what_was_sent_unless_they_can_not() {
        assert_eq!(column(b"o'brien (1)\n", false), "o'brien (1)\n");
        assert_eq!(column("jürgen".as_bytes(), false), "jürgen");
        assert_eq!(column(b"a\xffb\0c", false), "a=FFb=00c");
        assert_eq!(column(b"o'brien (1)\n", true), "o=27brien =281=29\\n");
        assert_eq!(user_name(b"bob\0", false), "bob");
        assert_eq!(user_name("o'b".as_bytes(), false), "o'b");
    }
}
