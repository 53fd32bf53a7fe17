//! Value to text, as FreeRADIUS prints it.

use std::fmt::Write;
use std::net::Ipv6Addr;

use jiff::tz::TimeZone;

use crate::attribute::Attribute;
use crate::value::Value;
use crate::{date, filter};

impl Value {
    /// As FreeRADIUS prints it, without quotes: names for numbers, dates in the system's zone.
    /// Octets that are no UTF-8 appear as `\ooo`.
    pub fn print(&self, attribute: &Attribute) -> String {
        self.print_in(attribute, &TimeZone::system())
    }

    /// As [`Value::print`], with dates in a zone.
    pub fn print_in(&self, attribute: &Attribute, zone: &TimeZone) -> String {
        let number = |number: u32| match attribute.value_name(number) {
            Some(name) => name.to_owned(),
            None => number.to_string(),
        };
        match self {
            Value::String(octets) => escape(octets, Escapes::InvalidOnly),
            Value::Octets(octets) => hex(octets),
            Value::Integer(value) => number(*value),
            Value::Short(value) => number(u32::from(*value)),
            Value::Byte(value) => number(u32::from(*value)),
            Value::Integer64(value) => value.to_string(),
            Value::Signed(value) => value.to_string(),
            Value::Bool(true) => "yes".into(),
            Value::Bool(false) => "no".into(),
            Value::Date(seconds) => date::print(*seconds, zone),
            Value::Ipaddr(address) => address.to_string(),
            Value::Ipv4prefix(address, bits) => format!("{address}/{bits}"),
            Value::Ipv6addr(address) => ipv6(address),
            Value::Ipv6prefix(address, bits) => format!("{}/{bits}", ipv6(address)),
            Value::Ifid([a, b, c, d, e, f, g, h]) => {
                let group = |high, low| u16::from_be_bytes([high, low]);
                let (one, two) = (group(*a, *b), group(*c, *d));
                let (three, four) = (group(*e, *f), group(*g, *h));
                format!("{one:x}:{two:x}:{three:x}:{four:x}")
            }
            Value::Ether([a, b, c, d, e, f]) => {
                format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
            }
            Value::Abinary(octets) => filter::print(octets).unwrap_or_else(|| hex(octets)),
            Value::Tlv(pairs) => {
                let pairs = pairs.iter().map(|pair| pair.print_in(zone));
                format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// As FreeRADIUS prints it behind an attribute's name: strings, dates and filters in double
    /// quotes, with escapes.
    pub fn print_quoted(&self, attribute: &Attribute, zone: &TimeZone) -> String {
        match self {
            Value::String(octets) => format!("\"{}\"", escape(octets, Escapes::All)),
            Value::Date(_) | Value::Abinary(_) => {
                format!("\"{}\"", self.print_in(attribute, zone))
            }
            _ => self.print_in(attribute, zone),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    InvalidOnly,
    All,
}

fn escape(octets: &[u8], escapes: Escapes) -> String {
    // Some clients count the C string's end in; it is never shown.
    let octets = match (octets, escapes) {
        ([head @ .., 0], Escapes::All) => head,
        _ => octets,
    };
    let mut out = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match (c, escapes) {
                (_, Escapes::InvalidOnly) => out.push(c),
                ('\n', _) => out.push_str("\\n"),
                ('\r', _) => out.push_str("\\r"),
                ('\t', _) => out.push_str("\\t"),
                ('\\' | '"', _) => out.extend(['\\', c]),
                ('\0'..' ' | '\x7f', _) => push_octal(&mut out, c as u8),
                _ => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|octet| push_octal(&mut out, *octet));
    }
    out
}

fn push_octal(out: &mut String, octet: u8) {
    write!(out, "\\{octet:03o}").unwrap_or_default();
}

pub(crate) fn hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len().saturating_mul(2).saturating_add(2));
    out.push_str("0x");
    for octet in octets {
        write!(out, "{octet:02x}").unwrap_or_default();
    }
    out
}

/// As C's `inet_ntop`, which differs from Rust for `::1.2.3.4`.
fn ipv6(address: &Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => address.to_string(),
    }
}
