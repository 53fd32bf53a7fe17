//! The data types of RFC 8044 and FreeRADIUS: values, and how they lie on the wire.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::attribute::{Attribute, Encrypt, Kind};
use crate::dictionary::Dictionary;
use crate::pair::Pair;

/// A value of some attribute.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Value {
    String(Box<[u8]>),
    Octets(Box<[u8]>),
    Integer(u32),
    Short(u16),
    Byte(u8),
    Integer64(u64),
    Signed(i32),
    Bool(bool),
    /// Seconds since 1970.
    Date(u32),
    Ipaddr(Ipv4Addr),
    Ipv4prefix(Ipv4Addr, u8),
    Ipv6addr(Ipv6Addr),
    Ipv6prefix(Ipv6Addr, u8),
    Ifid([u8; 8]),
    Ether([u8; 6]),
    /// An Ascend filter.
    Abinary(Box<[u8]>),
    Tlv(Vec<Pair>),
}

/// Why a text is no value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("the value ends in a backslash")]
    TrailingBackslash,
    /// Text in back-ticks is to be expanded by whoever has a request.
    #[error("the value is an expansion: {0}")]
    Expansion(Box<str>),
    /// An address given by host name is for the caller to resolve.
    #[error("the value is a host name: {0}")]
    HostName(Box<str>),
    #[error("\"{text}\" is no {kind}")]
    Unreadable { kind: Kind, text: Box<str> },
    /// Neither a number nor one of the attribute's names.
    #[error("{attribute} has no value named \"{text}\"")]
    UnknownName { attribute: Box<str>, text: Box<str> },
    #[error("\"{text}\" is too large for a {kind}")]
    TooLarge { kind: Kind, text: Box<str> },
    #[error("{attribute} holds attributes and takes no text")]
    Container { attribute: Box<str> },
}

impl Value {
    /// Reads a value from the wire, deciphered and without its tag; of a tagged integer all four
    /// octets or the last three. `None`: malformed, or something that holds attributes.
    pub fn decode(attribute: &Attribute, octets: &[u8]) -> Option<Value> {
        Some(match attribute.kind {
            Kind::String => Value::String(octets.into()),
            Kind::Octets => Value::Octets(fixed_length(attribute, octets)?.into()),
            Kind::Abinary => Value::Abinary(octets.into()),
            Kind::Integer => match octets {
                [one, two, three] if attribute.flags.has_tag => {
                    Value::Integer(u32::from_be_bytes([0, *one, *two, *three]))
                }
                _ => Value::Integer(u32::from_be_bytes(octets.try_into().ok()?)),
            },
            Kind::Short => Value::Short(u16::from_be_bytes(octets.try_into().ok()?)),
            Kind::Byte => Value::Byte(u8::from_be_bytes(octets.try_into().ok()?)),
            Kind::Integer64 => Value::Integer64(u64::from_be_bytes(octets.try_into().ok()?)),
            Kind::Signed => Value::Signed(i32::from_be_bytes(octets.try_into().ok()?)),
            Kind::Bool => Value::Bool(u8::from_be_bytes(octets.try_into().ok()?) != 0),
            Kind::Date => Value::Date(u32::from_be_bytes(octets.try_into().ok()?)),
            Kind::Ipaddr => Value::Ipaddr(ipv4(octets)?),
            Kind::Ipv6addr => Value::Ipv6addr(ipv6(octets)?),
            Kind::ComboIp => match ipv4(octets) {
                Some(address) => Value::Ipaddr(address),
                None => Value::Ipv6addr(ipv6(octets)?),
            },
            Kind::Ipv4prefix => match octets {
                [_, bits, address @ ..] if bits & 0x3f <= 32 => {
                    Value::Ipv4prefix(ipv4(address)?, bits & 0x3f)
                }
                _ => return None,
            },
            Kind::Ipv6prefix => match octets {
                [_, bits @ 0..=128, address @ ..] => {
                    let mut whole = [0; 16];
                    whole.get_mut(..address.len())?.copy_from_slice(address);
                    Value::Ipv6prefix(whole.into(), *bits)
                }
                _ => return None,
            },
            Kind::Ifid => Value::Ifid(octets.try_into().ok()?),
            Kind::Ether => Value::Ether(octets.try_into().ok()?),
            Kind::Tlv | Kind::Vsa | Kind::Extended | Kind::LongExtended | Kind::Evs => return None,
        })
    }

    /// Reads what a TLV holds. A child without a name is octets, a malformed one too.
    pub fn decode_tlv(
        dictionary: &Dictionary,
        attribute: &Attribute,
        octets: &[u8],
    ) -> Option<Value> {
        if attribute.kind != Kind::Tlv {
            return None;
        }
        let mut pairs = Vec::new();
        let mut rest = octets;
        while let [number, length, after @ ..] = rest {
            let (octets, next) = after.split_at_checked(usize::from(length.checked_sub(2)?))?;
            rest = next;
            let number = u32::from(*number);
            let raw = || Some(dictionary.unknown_at(attribute.place.child(number)?));
            let child = dictionary.child(attribute, number).cloned().or_else(raw)?;
            let decoded = Value::decode(&child, octets)
                .or_else(|| Value::decode_tlv(dictionary, &child, octets));
            pairs.push(match decoded {
                Some(value) => Pair { attribute: child, tag: None, value },
                None => Pair { attribute: raw()?, tag: None, value: Value::Octets(octets.into()) },
            });
        }
        rest.is_empty().then_some(Value::Tlv(pairs))
    }

    /// Appends the value as it is on the wire, before enciphering and tagging.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::String(octets) | Value::Octets(octets) | Value::Abinary(octets) => {
                out.extend_from_slice(octets);
            }
            Value::Integer(number) | Value::Date(number) => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Short(number) => out.extend_from_slice(&number.to_be_bytes()),
            Value::Byte(number) => out.push(*number),
            Value::Integer64(number) => out.extend_from_slice(&number.to_be_bytes()),
            Value::Signed(number) => out.extend_from_slice(&number.to_be_bytes()),
            Value::Bool(yes) => out.push(u8::from(*yes)),
            Value::Ipaddr(address) => out.extend_from_slice(&address.octets()),
            Value::Ipv6addr(address) => out.extend_from_slice(&address.octets()),
            Value::Ipv4prefix(address, bits) => {
                out.extend_from_slice(&[0, *bits]);
                out.extend_from_slice(&address.octets());
            }
            Value::Ipv6prefix(address, bits) => {
                out.extend_from_slice(&[0, *bits]);
                out.extend_from_slice(&address.octets());
            }
            Value::Ifid(octets) => out.extend_from_slice(octets),
            Value::Ether(octets) => out.extend_from_slice(octets),
            Value::Tlv(pairs) => pairs.iter().for_each(|pair| encode_child(pair, out)),
        }
    }

    /// The number, for kinds that are one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Integer(number) | Value::Date(number) => Some(u64::from(*number)),
            Value::Short(number) => Some(u64::from(*number)),
            Value::Byte(number) => Some(u64::from(*number)),
            Value::Integer64(number) => Some(*number),
            Value::Bool(yes) => Some(u64::from(*yes)),
            _ => None,
        }
    }

    /// The octets, for kinds that are a run of them.
    pub fn as_octets(&self) -> Option<&[u8]> {
        match self {
            Value::String(octets) | Value::Octets(octets) | Value::Abinary(octets) => Some(octets),
            _ => None,
        }
    }
}

/// One child of a TLV: number, length, value; what is over 253 octets is cut.
fn encode_child(pair: &Pair, out: &mut Vec<u8>) {
    let Some(number) = pair.attribute.place.last().and_then(|number| u8::try_from(number).ok())
    else {
        return;
    };
    let mut octets = Vec::new();
    pair.value.encode(&mut octets);
    octets.truncate(253);
    let length = u8::try_from(octets.len().saturating_add(2)).unwrap_or(u8::MAX);
    out.extend_from_slice(&[number, length]);
    out.extend_from_slice(&octets);
}

/// The method of User-Password pads `octets[n]`: there the rest is cut. Otherwise another length
/// passes, as it does in FreeRADIUS.
fn fixed_length<'a>(attribute: &Attribute, octets: &'a [u8]) -> Option<&'a [u8]> {
    match attribute.flags.length {
        Some(length) if attribute.flags.encrypt == Encrypt::User => octets.get(..length.into()),
        _ => Some(octets),
    }
}

fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

fn ipv6(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        crate::text::hex(hex).unwrap().into()
    }

    /// Decodes, prints, and encodes again; `!` stands for malformed.
    fn check(name: &str, cases: &[(&str, &str)]) {
        let dictionary = Dictionary::shipped();
        let attribute = dictionary.attribute(name).unwrap();
        for (hex, expected) in cases {
            let value = Value::decode(attribute, &octets(hex))
                .or_else(|| Value::decode_tlv(&dictionary, attribute, &octets(hex)));
            let printed = match &value {
                Some(value) => value.print_quoted(attribute, &TimeZone::UTC),
                None => "!".into(),
            };
            assert_eq!(printed, *expected, "{name} {hex}");
            let mut again = Vec::new();
            if let Some(value) = value {
                value.encode(&mut again);
                assert_eq!(Value::decode(attribute, &again).unwrap_or(value.clone()), value);
            }
        }
    }

    #[test]
    fn the_wire_is_read_as_freeradius_reads_it() {
        check(
            "User-Name",
            &[("68c3a9", "\"h\u{e9}\""), ("ff00", "\"\\377\""), ("0a22", "\"\\n\\\"\"")],
        );
        check("Class", &[("0102", "0x0102"), ("", "0x")]);
        check("Service-Type", &[("00000002", "Framed-User"), ("000003e7", "999"), ("000002", "!")]);
        check("Tunnel-Type", &[("00000003", "L2TP"), ("000003", "L2TP"), ("0003", "!")]);
        check("Framed-IP-Address", &[("01020304", "1.2.3.4"), ("010203", "!")]);
        check("Event-Timestamp", &[("ffffffff", "\"Feb  7 2106 06:28:15 UTC\"")]);
        check("Framed-Interface-Id", &[("000100020003ffff", "1:2:3:ffff"), ("00", "!")]);
        check("MIP6-Feature-Vector", &[("0000000000000001", "1"), ("01", "!")]);
        check(
            "Ascend-Data-Filter",
            &[("01", "\"0x01\""), (&format!("010101{}", "00".repeat(29)), "\"ip in forward 0\"")],
        );
        check(
            "MS-CHAP-MPPE-Keys",
            &[("00", "!"), (&"ab".repeat(32), &format!("0x{}", "ab".repeat(24)))],
        );
        check("Fortinet-WirelessController-Device-MAC", &[("001122334455", "00:11:22:33:44:55")]);
    }

    #[test]
    fn prefixes_may_be_short() {
        check(
            "Framed-IPv6-Prefix",
            &[
                ("004020010db800000000", "2001:db8::/64"),
                ("000820", "2000::/8"),
                ("0000", "::/0"),
                ("014020010db8", "2001:db8::/64"),
                (
                    "0040 20010db8000000000000000000000001".replace(' ', "").as_str(),
                    "2001:db8::1/64",
                ),
                ("0081", "!"),
                ("00", "!"),
                (&format!("0080{}", "ff".repeat(17)), "!"),
            ],
        );
        check(
            "PMIP6-Home-IPv4-HoA",
            &[("001801020304", "1.2.3.4/24"), ("002101020304", "!"), ("0018010203", "!")],
        );
    }

    #[test]
    fn tlvs_hold_pairs() {
        check(
            "WiMAX-Capability",
            &[
                ("0105312e30", "{ WiMAX-Release = \"1.0\" }"),
                (
                    "010361020300fe03ff",
                    "{ WiMAX-Release = \"a\", WiMAX-Accounting-Capabilities = No-Accounting, \
                 Attr-26.24757.1.254 = 0xff }",
                ),
                ("02040000", "{ Attr-26.24757.1.2 = 0x0000 }"),
                ("", "{  }"),
                ("0101", "!"),
                ("010661", "!"),
                ("01", "!"),
            ],
        );
    }
}
