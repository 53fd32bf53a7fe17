//! Addresses in text, as FreeRADIUS reads them with host name look-up on.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::attribute::Kind;
use crate::text::{hex_octet, scan};
use crate::value::Value;

pub(crate) fn read(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Ipaddr => match prefix4(text)? {
            (address, 32) => Some(Value::Ipaddr(address)),
            _ => None,
        },
        Kind::Ipv4prefix => prefix4(text).map(|(address, bits)| Value::Ipv4prefix(address, bits)),
        Kind::Ipv6addr => match prefix6(text)? {
            (address, 128) => Some(Value::Ipv6addr(address)),
            _ => None,
        },
        Kind::Ipv6prefix => prefix6(text).map(|(address, bits)| Value::Ipv6prefix(address, bits)),
        Kind::ComboIp => match text.parse() {
            Ok(address) => Some(Value::Ipv6addr(address)),
            Err(_) => numbers_and_dots(text).map(Value::Ipaddr),
        },
        _ => None,
    }
}

/// Could a resolver know it? Labels of letters, digits, `-` and `_`, the last one not a number.
pub(crate) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(allowed) && !label.starts_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(is_label)
        && last.contains(|c: char| c.is_ascii_alphabetic())
        && !last.starts_with("0x")
}

/// `10.0.0.0/8`, `10/8`; alone also `*`, `10` (a number!), `0x0a000001`, `10.1`, `010.0.0.1`.
fn prefix4(text: &str) -> Option<(Ipv4Addr, u8)> {
    let Some((address, bits)) = text.split_once('/') else {
        return address4(text).map(|address| (address, 32));
    };
    let address = leading_octets(address)?;
    let bits = prefix_bits(bits, 32)?;
    let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits.into())).unwrap_or(0);
    Some(((address & mask).into(), bits))
}

fn address4(text: &str) -> Option<Ipv4Addr> {
    let is_integer = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if text == "*" {
        Some(Ipv4Addr::UNSPECIFIED)
    } else if let Some(digits) = text.strip_prefix("0x") {
        Some(((scan(digits, 16).wrapped & 0xffff_ffff) as u32).into())
    } else if is_integer {
        let radix = if text.starts_with('0') { 8 } else { 10 };
        Some(((scan(text, radix).wrapped & 0xffff_ffff) as u32).into())
    } else {
        numbers_and_dots(text)
    }
}

/// As C's `inet_aton`: one to four numbers, decimal, octal or hexadecimal, the last one filling
/// what is left.
fn numbers_and_dots(text: &str) -> Option<Ipv4Addr> {
    let number = |text: &str| {
        let digits = |digits: &str, radix| match digits.bytes().next()? {
            b'+' => None,
            _ => u32::from_str_radix(digits, radix).ok(),
        };
        match text.get(..2) {
            Some("0x" | "0X") => digits(text.get(2..)?, 16),
            _ if text.starts_with('0') => digits(text, 8),
            _ => digits(text, 10),
        }
    };
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, heads) = numbers.split_last()?;
    let left = 4usize.checked_sub(heads.len()).filter(|left| *left > 0)?;
    let room = u64::from(*last) >> (8u32.checked_mul(u32::try_from(left).ok()?)?);
    if room != 0 || heads.iter().any(|head| *head > 255) {
        return None;
    }
    let shift = |at: usize| 24u32.saturating_sub(8u32.saturating_mul(at as u32));
    let high = heads.iter().enumerate().fold(0, |sum, (at, head)| sum | (head << shift(at)));
    Some((high | last).into())
}

/// Up to four octets, the missing ones being zero; what follows a fourth is not looked at.
fn leading_octets(text: &str) -> Option<u32> {
    let mut octets = [0; 4];
    for (octet, digits) in octets.iter_mut().zip(text.split('.')) {
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        *octet = digits
            .trim_start_matches('0')
            .parse()
            .or_else(|error| match digits {
                _ if digits.bytes().all(|digit| digit == b'0') => Ok(0),
                _ => Err(error),
            })
            .ok()?;
    }
    Some(u32::from_be_bytes(octets))
}

fn prefix6(text: &str) -> Option<(Ipv6Addr, u8)> {
    let Some((address, bits)) = text.split_once('/') else {
        let address = if text == "*" { Ipv6Addr::UNSPECIFIED } else { text.parse().ok()? };
        return Some((address, 128));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let bits = prefix_bits(bits, 128)?;
    let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits.into())).unwrap_or(0);
    Some(((address.to_bits() & mask).into(), bits))
}

/// Nothing at all is 0.
fn prefix_bits(text: &str, most: u8) -> Option<u8> {
    let bits = scan(text, 10);
    let bits = u8::try_from(bits.wrapped).ok().filter(|_| bits.rest.is_empty())?;
    (bits <= most).then_some(bits)
}

/// Four groups of one to four hexadecimal digits.
pub(crate) fn ifid(text: &str) -> Option<[u8; 8]> {
    let mut groups = text.split(':');
    let mut next = || {
        let group = groups.next().filter(|group| (1..=4).contains(&group.len()))?;
        let is_hex = group.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(group, 16).ok().filter(|_| is_hex).map(u16::to_be_bytes)
    };
    let [[a, b], [c, d], [e, f], [g, h]] = [next()?, next()?, next()?, next()?];
    groups.next().is_none().then_some([a, b, c, d, e, f, g, h])
}

/// `aa:bb:cc:dd:ee:ff`, groups missing at the end being zero; or a number whose upper 48 of 64
/// bits are taken.
pub(crate) fn ether(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        let number = scan(text, 10).wrapped.min(i64::MAX as u64).to_be_bytes();
        octets.copy_from_slice(number.get(..6)?);
        return Some(octets);
    }
    let mut rest = text.as_bytes();
    let mut places = octets.iter_mut();
    while !rest.is_empty() {
        let (digits, next) = match rest {
            [low, b':', next @ ..] => ([b'0', *low], next),
            [high, low, b':', next @ ..] => ([*high, *low], next),
            [high, low] => ([*high, *low], [].as_slice()),
            _ => return None,
        };
        *places.next()? = hex_octet(digits)?;
        rest = next;
    }
    Some(octets)
}
