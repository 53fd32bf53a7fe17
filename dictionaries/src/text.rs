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
    /// It stood in back-ticks and has something to expand.
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
        '`' if expands(&inner) => Unquoted::Expansion(inner),
        _ => Unquoted::Text(inner.into()),
    }
}

/// Is there a `%{…}` or one of the one-letter expansions?
fn expands(text: &str) -> bool {
    let follows = text.split('%').skip(1).filter_map(|after| after.chars().next());
    follows.into_iter().any(|first| "{cdelmntCDGHIMSTYv".contains(first))
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
