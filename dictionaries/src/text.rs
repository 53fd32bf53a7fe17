//! Text to value, as FreeRADIUS reads the value column of its SQL tables.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::attribute::{Attribute, Kind};
use crate::value::{Value, ValueError};
use crate::{address, date, filter};

impl Value {
    /// Reads a value column: quotes around the whole are taken off, back-ticks are reported.
    /// `zone` is for dates.
    pub fn parse(attribute: &Attribute, text: &str, zone: &TimeZone) -> Result<Value, ValueError> {
        match unquote(text) {
            Unquoted::Text(text) => Value::parse_plain(attribute, &text, zone),
            Unquoted::Expansion(text) => Err(ValueError::Expansion(text.into())),
        }
    }

    /// Reads a text that has no quotes around it, or whose quotes are part of it.
    pub fn parse_plain(
        attribute: &Attribute,
        text: &str,
        zone: &TimeZone,
    ) -> Result<Value, ValueError> {
        let kind = attribute.kind;
        let unreadable = || ValueError::Unreadable { kind, text: text.into() };
        Ok(match kind {
            Kind::String => Value::String(unescape(text)?),
            Kind::Octets => Value::Octets(octets(text).ok_or_else(unreadable)?),
            Kind::Abinary => Value::Abinary(filter::read(text).ok_or_else(unreadable)?),
            Kind::Integer => Value::Integer(named_number(attribute, text)?),
            Kind::Short => Value::Short(small_number(attribute, text)?),
            Kind::Byte => Value::Byte(small_number(attribute, text)?),
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" | "1" => Value::Bool(true),
                "no" | "false" | "off" | "0" => Value::Bool(false),
                _ => return Err(unreadable()),
            },
            Kind::Integer64 => {
                let number = scan(text, 10);
                if number.rest.len() == text.len() {
                    return Err(unreadable());
                }
                Value::Integer64(number.wrapped)
            }
            Kind::Signed => Value::Signed(scan_signed(text)),
            Kind::Date => Value::Date(date::read(text, zone).ok_or_else(unreadable)?),
            Kind::Ifid => Value::Ifid(address::ifid(text).ok_or_else(unreadable)?),
            Kind::Ether => Value::Ether(address::ether(text).ok_or_else(unreadable)?),
            Kind::Ipaddr | Kind::Ipv4prefix | Kind::Ipv6addr | Kind::Ipv6prefix | Kind::ComboIp => {
                address::read(kind, text).ok_or_else(|| match address::is_host_name(text) {
                    true => ValueError::HostName(text.into()),
                    false => unreadable(),
                })?
            }
            Kind::Tlv | Kind::Vsa | Kind::Extended | Kind::LongExtended | Kind::Evs => {
                return Err(ValueError::Container { attribute: attribute.name.clone() });
            }
        })
    }
}

/// What is left of a value column when its quotes are off.
#[derive(Debug, PartialEq, Eq)]
pub enum Unquoted<'a> {
    Text(Cow<'a, str>),
    /// It stood in back-ticks: what is in it is expanded per request.
    Expansion(String),
}

/// Takes off quotes around the whole text. Escapes stay, but for the escaped quote itself.
pub fn unquote(text: &str) -> Unquoted<'_> {
    let text = text.split('\0').next().unwrap_or_default();
    let quote = match text.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) if text.ends_with(quote) => quote,
        _ => return Unquoted::Text(text.into()),
    };
    let mut inner = String::new();
    let mut chars = text.chars().skip(1);
    loop {
        match chars.next() {
            // Never closed: then the quotes are meant literally.
            None => return Unquoted::Text(text.into()),
            Some('\\') => match chars.next() {
                None => return Unquoted::Text(text.into()),
                Some(next) => {
                    if next != quote {
                        inner.push('\\');
                    }
                    inner.push(next);
                }
            },
            // What follows the closing quote is dropped.
            Some(c) if c == quote => break,
            Some(c) => inner.push(c),
        }
    }
    match quote {
        '`' => Unquoted::Expansion(inner),
        _ => Unquoted::Text(inner.into()),
    }
}

/// `\n \r \t \\ \" \ooo`; any other backslash stays, one at the end is an error.
fn unescape(text: &str) -> Result<Box<[u8]>, ValueError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(out.into()),
            [b'\\'] => return Err(ValueError::TrailingBackslash),
            [b'\\', escaped @ (b'n' | b'r' | b't' | b'\\' | b'"'), after @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                after
            }
            [b'\\', one @ b'0'..=b'9', two @ b'0'..=b'9', three @ b'0'..=b'9', after @ ..] => {
                match octal(&[*one, *two, *three]) {
                    Some(octet) => {
                        out.push(octet);
                        after
                    }
                    None => {
                        out.push(b'\\');
                        rest.get(1..).unwrap_or_default()
                    }
                }
            }
            [other, after @ ..] => {
                out.push(*other);
                after
            }
        };
    }
}

/// The value of the leading octal digits, cut to an octet; `None` without any.
fn octal(digits: &[u8; 3]) -> Option<u8> {
    let digits = digits.iter().take_while(|digit| **digit < b'8');
    digits.fold(None, |number: Option<u8>, digit| {
        Some(number.unwrap_or(0).wrapping_mul(8) | (digit & 7))
    })
}

/// `0x…`, or the text itself.
fn octets(text: &str) -> Option<Box<[u8]>> {
    match text.get(..2) {
        Some("0x" | "0X") => hex(text.get(2..)?),
        _ => Some(text.as_bytes().into()),
    }
}

/// Pairs of hexadecimal digits and nothing else.
pub(crate) fn hex(digits: &str) -> Option<Box<[u8]>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| hex_octet(*pair)).collect()
}

pub(crate) fn hex_octet([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    Some((digit(high)? << 4) | digit(low)?)
}

fn small_number<N: TryFrom<u32>>(attribute: &Attribute, text: &str) -> Result<N, ValueError> {
    named_number(attribute, text)?
        .try_into()
        .map_err(|_| ValueError::TooLarge { kind: attribute.kind, text: text.into() })
}

/// A number, cut to 32 bits, with spaces around it or nothing at all; else a name.
fn named_number(attribute: &Attribute, text: &str) -> Result<u32, ValueError> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => scan_digits(digits, 16).unwrap_or(Scanned { wrapped: 0, rest: "x" }),
        None => scan(text, 10),
    };
    if number.rest.chars().all(is_c_space) {
        return Ok((number.wrapped & u64::from(u32::MAX)) as u32);
    }
    attribute.value_named(text).ok_or_else(|| ValueError::UnknownName {
        attribute: attribute.name.clone(),
        text: text.into(),
    })
}

/// What C's number functions make of a text: the number, and where they stopped.
pub(crate) struct Scanned<'a> {
    /// Negative ones wrap around, too large ones are the largest.
    pub wrapped: u64,
    /// The whole text if there was no number.
    pub rest: &'a str,
}

/// As C's `strtoul`: spaces, a sign, digits.
pub(crate) fn scan(text: &str, radix: u32) -> Scanned<'_> {
    let trimmed = text.trim_start_matches(is_c_space);
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    match scan_digits(digits, radix) {
        None => Scanned { wrapped: 0, rest: text },
        Some(Scanned { wrapped: u64::MAX, rest }) => Scanned { wrapped: u64::MAX, rest },
        Some(Scanned { wrapped, rest }) if negative => {
            Scanned { wrapped: wrapped.wrapping_neg(), rest }
        }
        Some(scanned) => scanned,
    }
}

/// As C's `strtol` and `atoi`: cut to 64 bits at both ends, then to 32.
pub(crate) fn scan_signed(text: &str) -> i32 {
    let trimmed = text.trim_start_matches(is_c_space);
    let number = match trimmed.strip_prefix('-') {
        Some(digits) => {
            let number = scan_digits(digits, 10).map_or(0, |scanned| i128::from(scanned.wrapped));
            number.checked_neg().unwrap_or(0).max(i128::from(i64::MIN))
        }
        None => {
            let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
            let number = scan_digits(digits, 10).map_or(0, |scanned| i128::from(scanned.wrapped));
            number.min(i128::from(i64::MAX))
        }
    };
    number as i32
}

/// `None` without a digit.
fn scan_digits(text: &str, radix: u32) -> Option<Scanned<'_>> {
    let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let wrapped = u64::from_str_radix(digits, radix).unwrap_or(u64::MAX);
    Some(Scanned { wrapped, rest })
}

pub(crate) fn is_c_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;

    /// One attribute of each type, called by its type.
    pub(crate) fn dictionary() -> Dictionary {
        let kinds = "string octets ipaddr ipv4prefix ipv6addr ipv6prefix combo-ip integer short \
                     byte integer64 signed bool date ifid ether abinary tlv vsa";
        let lines = (300..).zip(kinds.split_whitespace());
        let mut text: String =
            lines.map(|(number, kind)| format!("ATTRIBUTE {kind} {number} {kind}\n")).collect();
        text += "VALUE integer Framed-User 2\nVALUE integer 3Com 3\nVALUE byte MD5-Challenge 4\n";
        Dictionary::from_text(&text).unwrap()
    }

    /// Reads texts as values and prints these; `!` stands for an error.
    fn check(kind: &str, zone: &str, cases: &[(&str, &str)]) {
        let dictionary = dictionary();
        let attribute = dictionary.attribute(kind).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        for (text, expected) in cases {
            let printed = match Value::parse(attribute, text, &zone) {
                Ok(value) => value.print_in(attribute, &zone),
                Err(error) => format!("! {error}"),
            };
            let matches = match expected.strip_prefix("! ") {
                Some(why) => printed.starts_with('!') && printed.contains(why),
                None => printed == *expected,
            };
            assert!(matches, "{kind} {text:?}: {printed:?}, not {expected:?}");
        }
    }

    #[test]
    fn quotes_are_taken_off_and_back_ticks_reported() {
        check(
            "string",
            "UTC",
            &[
                ("plain", "plain"),
                ("\"double\"", "double"),
                ("'single'", "single"),
                ("\"", "\""),
                ("\"\"", ""),
                ("''", ""),
                ("\"open", "\"open"),
                ("mid\"dle", "mid\"dle"),
                ("\"a\\\"b\"", "a\"b"),
                ("'a\\'b'", "a'b"),
                ("\"a\" b\"", "a"),
                ("'a'b'", "a"),
                ("\"a\\\"", "\"a\""),
                ("`a`", "! the value is an expansion: a"),
                ("`100%`", "! the value is an expansion: 100%"),
                ("`%{User-Name}`", "! the value is an expansion: %{User-Name}"),
                ("`%l`", "! the value is an expansion: %l"),
                ("%{User-Name}", "%{User-Name}"),
                ("\"%{User-Name}\"", "%{User-Name}"),
            ],
        );
        check("integer", "UTC", &[("\"12\"", "12"), ("'Framed-User'", "Framed-User")]);
    }

    #[test]
    fn strings_have_escapes() {
        check(
            "string",
            "UTC",
            &[
                ("a\\nb\\rc\\td", "a\nb\rc\td"),
                ("\\\\", "\\"),
                ("\\\"", "\""),
                ("\\101\\102", "AB"),
                ("\\141\\08", "a\\08"),
                ("\\999", "\\999"),
                ("\\q", "\\q"),
                ("\\x41", "\\x41"),
                ("\\377", "\\377"),
                ("'a\\nb'", "a\nb"),
                ("a\\", "! ends in a backslash"),
                ("0x6162", "0x6162"),
                ("h\u{e9}", "h\u{e9}"),
                (":1:vlan", ":1:vlan"),
            ],
        );
    }

    #[test]
    fn octets_are_hexadecimal_or_taken_as_they_are() {
        check(
            "octets",
            "UTC",
            &[
                ("abc", "0x616263"),
                ("0x616263", "0x616263"),
                ("0XaB", "0xab"),
                ("0x", "0x"),
                ("", "0x"),
                ("0x6", "! is no octets"),
                ("0x6g", "! is no octets"),
                ("a\\nb", "0x615c6e62"),
                ("\"0x61\"", "0x61"),
            ],
        );
    }

    #[test]
    fn integers_wrap_and_have_names() {
        check(
            "integer",
            "UTC",
            &[
                ("3600", "3600"),
                (" 3600 ", "3600"),
                ("2", "Framed-User"),
                ("framed-user", "Framed-User"),
                ("3Com", "3Com"),
                ("0x10", "16"),
                ("012", "12"),
                ("", "0"),
                ("+5", "5"),
                ("-1", "4294967295"),
                ("4294967296", "0"),
                ("99999999999999999999", "4294967295"),
                ("3600sec", "! no value named"),
                ("3600 sec", "! no value named"),
                ("Framed-User ", "! no value named"),
                ("0x", "! no value named"),
                ("0X10", "! no value named"),
                ("-0x1", "! no value named"),
                (":1:3", "! no value named"),
            ],
        );
        check(
            "short",
            "UTC",
            &[("65535", "65535"), ("65536", "! too large"), ("-1", "! too large")],
        );
        check(
            "byte",
            "UTC",
            &[("255", "255"), ("256", "! too large"), ("md5-challenge", "MD5-Challenge")],
        );
        check(
            "integer64",
            "UTC",
            &[
                ("18446744073709551615", "18446744073709551615"),
                ("18446744073709551616", "18446744073709551615"),
                ("-1", "18446744073709551615"),
                ("12 apples", "12"),
                ("0x10", "0"),
                ("", "! is no integer64"),
                ("x", "! is no integer64"),
            ],
        );
        check(
            "signed",
            "UTC",
            &[("-7", "-7"), ("x", "0"), ("5x", "5"), ("99999999999", "1215752191")],
        );
        check(
            "bool",
            "UTC",
            &[("yes", "yes"), ("No", "no"), ("1", "yes"), ("maybe", "! is no bool")],
        );
    }

    #[test]
    fn addresses_are_read_as_the_c_library_reads_them() {
        check(
            "ipaddr",
            "UTC",
            &[
                ("10.0.0.1", "10.0.0.1"),
                ("10.0.0.1/32", "10.0.0.1"),
                ("10/32", "10.0.0.0"),
                ("1.2.3.4/ 32", "1.2.3.4"),
                ("*", "0.0.0.0"),
                ("10", "0.0.0.10"),
                ("010", "0.0.0.8"),
                ("010.1.2.3", "8.1.2.3"),
                ("10.1", "10.0.0.1"),
                ("1.2.65535", "1.2.255.255"),
                ("1.65536", "1.1.0.0"),
                ("0x0a000001", "10.0.0.1"),
                ("1.0x10.3.4", "1.16.3.4"),
                ("4294967296", "0.0.0.0"),
                ("nas.example.net", "! a host name: nas.example.net"),
                ("localhost", "! a host name: localhost"),
                ("10.0.0.1/24", "! is no ipaddr"),
                ("10.1.1.1 ", "! is no ipaddr"),
                ("10.1.1.1+", "! is no ipaddr"),
                ("256.1.1.1", "! is no ipaddr"),
                ("1.2.3.08", "! is no ipaddr"),
                ("1.2.3.4.5", "! is no ipaddr"),
                ("1.2.3.4/", "! is no ipaddr"),
                ("::1", "! is no ipaddr"),
                ("", "! is no ipaddr"),
            ],
        );
        check(
            "ipv4prefix",
            "UTC",
            &[
                ("10.1.2.3/24", "10.1.2.0/24"),
                ("10/8", "10.0.0.0/8"),
                ("10.1.2.3", "10.1.2.3/32"),
                ("10.1.2.3/0", "0.0.0.0/0"),
                ("10.1.2.3/33", "! is no ipv4prefix"),
                ("*/0", "! is no ipv4prefix"),
            ],
        );
        check(
            "ipv6addr",
            "UTC",
            &[
                ("2001:DB8::1", "2001:db8::1"),
                ("2001:db8::1/128", "2001:db8::1"),
                ("*", "::"),
                ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
                ("::1.2.3.4", "::1.2.3.4"),
                ("::1", "::1"),
                ("host", "! a host name: host"),
                ("2001:db8::1/64", "! is no ipv6addr"),
                ("1.2.3.4", "! is no ipv6addr"),
                ("::1 ", "! is no ipv6addr"),
            ],
        );
        check(
            "ipv6prefix",
            "UTC",
            &[
                ("2001:db8:1:2:3::1/48", "2001:db8:1::/48"),
                ("2001:db8::1", "2001:db8::1/128"),
                ("::/0", "::/0"),
                ("2001:db8::/", "::/0"),
                ("2001:db8::/129", "! is no ipv6prefix"),
            ],
        );
        check(
            "combo-ip",
            "UTC",
            &[
                ("10.0.0.1", "10.0.0.1"),
                ("2001:db8::1", "2001:db8::1"),
                ("10", "0.0.0.10"),
                ("*", "! is no combo-ip"),
            ],
        );
        check(
            "ifid",
            "UTC",
            &[
                ("1:2:3:FFFF", "1:2:3:ffff"),
                ("0001:0:0:0", "1:0:0:0"),
                ("1:2:3", "! is no ifid"),
                ("1:2:3:4:5", "! is no ifid"),
                ("12345:2:3:4", "! is no ifid"),
            ],
        );
        check(
            "ether",
            "UTC",
            &[
                ("00:11:22:aA:bb:cc", "00:11:22:aa:bb:cc"),
                ("00:11:22", "00:11:22:00:00:00"),
                ("1:2:FF", "01:02:ff:00:00:00"),
                ("1234567890123456", "00:04:62:d5:3c:8a"),
                ("00-11-22-aa-bb-cc", "! is no ether"),
                ("00:11:22:aa:bb:cc:dd", "! is no ether"),
                ("0:1:2:3:4:5", "! is no ether"),
            ],
        );
    }

    #[test]
    fn dates_are_local_and_name_the_month() {
        let cases = [
            ("0", "Jan  1 1970 01:00:00 CET"),
            ("1700000000", "Nov 14 2023 23:13:20 CET"),
            ("12 Dec 2024", "Dec 12 2024 00:00:00 CET"),
            ("dec 12 2024 10:11", "Dec 12 2024 10:11:00 CET"),
            ("10:11:12 12 December 2024", "Dec 12 2024 10:11:12 CET"),
            ("2024 12 Dec", "Dec 12 2024 00:00:00 CET"),
            ("Dec 12 2024 10:11:12 UTC", "Dec 12 2024 10:11:12 CET"),
            ("Sep  1 2024", "Sep  1 2024 00:00:00 CEST"),
            ("31 Feb 2024", "Mar  2 2024 00:00:00 CET"),
            ("Dec 12 2024 25:61:61", "Dec 13 2024 02:02:01 CET"),
            ("Mar 31 2024 02:30", "Mar 31 2024 03:30:00 CEST"),
            ("Oct 27 2024 02:30", "Oct 27 2024 02:30:00 CET"),
            ("Jan 1 2200", "Nov 24 2063 17:31:44 CET"),
            ("-1", "Feb  7 2106 07:28:15 CET"),
            ("", "Jan  1 1970 01:00:00 CET"),
            ("2024-12-31", "! is no date"),
            ("31/12/2024", "! is no date"),
            ("12 Dec 24", "! is no date"),
            ("12 Foo 2024", "! is no date"),
            ("Dec 32 2024", "! is no date"),
            ("Dec 12 2024 10", "! is no date"),
            ("1700000000 ", "! is no date"),
            ("1 Jan 99999", "! is no date"),
            ("Dec 12 2024 2147483647:59", "! is no date"),
            ("Dec 12 2024 -2147483648:0", "! is no date"),
        ];
        check("date", "Europe/Berlin", &cases);
        check("date", "UTC", &[("Dec 12 2024", "Dec 12 2024 00:00:00 UTC")]);
    }

    #[test]
    fn filters_are_words_or_octets() {
        let generic = "generic in drop 14 ffffffffffff 080020aabbcc";
        let ipx = "ipx in forward srcipxnet 0x1234 srcipxnode 0x00112233ff01 srcipxsock = 0x0452";
        check(
            "abinary",
            "UTC",
            &[
                ("ip in forward", "ip in forward 0"),
                ("IP OUT DROP tcp est", "ip out drop tcp est"),
                (
                    "ip out forward srcip 10.0.0.1/24 dstip 10.1.1.1 tcp dstport = 80 srcport > www",
                    "ip out forward srcip 10.0.0.1/24 dstip 10.1.1.1/8 tcp srcport > 80 dstport = 80",
                ),
                ("ip in forward 17", "ip in forward udp"),
                (generic, &format!("{generic} ==")),
                (&format!("{generic} != more"), &format!("{generic} != more")),
                (ipx, ipx),
                ("0x010101", "ip in forward 0"),
                ("0xab", "?? out drop"),
                ("ip in", "! is no abinary"),
                ("ip in forward tcp udp", "! is no abinary"),
                ("ip in forward srcip 10.0.0.1/33", "! is no abinary"),
                ("ip in forward tcp dstport = http", "! is no abinary"),
                ("generic in drop 14 ffff 0800", "! is no abinary"),
                ("", "! is no abinary"),
            ],
        );
    }

    #[test]
    fn what_holds_attributes_takes_no_text() {
        check("tlv", "UTC", &[("0x0103ff", "! holds attributes")]);
        check("vsa", "UTC", &[("x", "! holds attributes")]);
    }
}
