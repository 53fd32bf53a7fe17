//! The data types of RFC 8044 and FreeRADIUS: text to value to octets, and back.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::tz::TimeZone;

use crate::attribute::{Attribute, Kind};
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
    Abinary(Box<[u8]>),
    Tlv(Vec<Pair>),
}

/// Why a text is no value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A lone backslash at the end.
    #[error("the value ends in a backslash")]
    TrailingBackslash,
    /// Text in back-ticks is to be expanded by whoever has a request.
    #[error("the value is an expansion: {0}")]
    Expansion(Box<str>),
    /// An address given by host name is for the caller to resolve.
    #[error("the value is a host name: {0}")]
    HostName(Box<str>),
    #[error("no {kind}: \"{text}\"")]
    Unreadable { kind: Kind, text: Box<str> },
    /// Neither a number nor one of the attribute's names.
    #[error("no value of {attribute} is named \"{text}\"")]
    UnknownName { attribute: Box<str>, text: Box<str> },
    #[error("{attribute} holds attributes, not text")]
    Container { attribute: Box<str> },
}

impl Value {
    /// Reads a value as FreeRADIUS reads the value column of its SQL tables. `zone` is for dates.
    pub fn parse(attribute: &Attribute, text: &str, _zone: &TimeZone) -> Result<Value, ValueError> {
        match attribute.kind {
            Kind::String => Ok(Value::String(text.as_bytes().into())),
            kind => Err(ValueError::Unreadable { kind, text: text.into() }),
        }
    }

    /// Reads a value from the wire, deciphered and without its tag. `None`: malformed.
    pub fn decode(attribute: &Attribute, octets: &[u8]) -> Option<Value> {
        match attribute.kind {
            Kind::String => Some(Value::String(octets.into())),
            Kind::Integer => Some(Value::Integer(u32::from_be_bytes(octets.try_into().ok()?))),
            _ => Some(Value::Octets(octets.into())),
        }
    }

    /// Appends the value as it is on the wire, before enciphering and tagging.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::String(octets) | Value::Octets(octets) => out.extend_from_slice(octets),
            Value::Integer(number) => out.extend_from_slice(&number.to_be_bytes()),
            _ => {}
        }
    }

    /// As FreeRADIUS prints it: names for numbers, no quotes.
    pub fn print(&self, _attribute: &Attribute) -> String {
        format!("{self:?}")
    }

    /// The number, for kinds that are one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Integer(number) | Value::Date(number) => Some(u64::from(*number)),
            Value::Short(number) => Some(u64::from(*number)),
            Value::Byte(number) => Some(u64::from(*number)),
            Value::Integer64(number) => Some(*number),
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
