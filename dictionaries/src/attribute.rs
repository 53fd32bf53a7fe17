//! What the dictionary knows of one attribute: its name, its place on the wire, its type.

use std::fmt;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

/// A vendor, and how its attributes are laid out inside attribute 26.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    pub name: Box<str>,
    /// The Private Enterprise Number.
    pub number: u32,
    pub format: Format,
}

/// The widths of a vendor's type and length fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// 1, 2 or 4.
    pub type_octets: u8,
    /// 0, 1 or 2.
    pub length_octets: u8,
    /// WiMAX's octet that says "more follows".
    pub continuation: bool,
}

impl Default for Format {
    fn default() -> Self {
        Format { type_octets: 1, length_octets: 1, continuation: false }
    }
}

/// Where an attribute lives. Two names with one place are the same attribute.
#[derive(Clone, PartialEq, Eq, Hash, Ord, PartialOrd, Debug)]
pub enum Place {
    /// Never on the wire.
    Internal(u32),
    /// `User-Name` is `{0, [1]}`, `Cisco-AVPair` `{9, [1]}`, a TLV's child `{24757, [1, 2]}`,
    /// an extended one `{0, [241, 1]}`, an extended vendor's `{0, [241, 26, pen, n]}`.
    Wire { vendor: u32, path: SmallVec<[u32; 4]> },
}

impl Place {
    pub fn standard(number: u8) -> Place {
        Place::wire(0, &[u32::from(number)])
    }

    pub fn wire(vendor: u32, path: &[u32]) -> Place {
        Place::Wire { vendor, path: SmallVec::from_slice(path) }
    }

    /// The place `number` below this one; internal attributes have none.
    pub fn child(&self, number: u32) -> Option<Place> {
        match self {
            Place::Internal(_) => None,
            Place::Wire { vendor, path } => {
                let mut path = path.clone();
                path.push(number);
                Some(Place::Wire { vendor: *vendor, path })
            }
        }
    }
}

impl fmt::Display for Place {
    /// As FreeRADIUS numbers what it has no name for: `1`, `26.9.1`, `241.26.9.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Internal(number) => write!(f, "{number}"),
            Place::Wire { vendor, path } => {
                if *vendor != 0 {
                    write!(f, "26.{vendor}")?;
                }
                for (i, number) in path.iter().enumerate() {
                    if i > 0 || *vendor != 0 {
                        f.write_str(".")?;
                    }
                    write!(f, "{number}")?;
                }
                Ok(())
            }
        }
    }
}

/// The data types, RFC 8044's and FreeRADIUS's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    String,
    Octets,
    Ipaddr,
    Ipv4prefix,
    Ipv6addr,
    Ipv6prefix,
    ComboIp,
    Integer,
    Short,
    Byte,
    Integer64,
    Signed,
    Bool,
    Date,
    Ifid,
    Ether,
    Abinary,
    Tlv,
    Vsa,
    Extended,
    LongExtended,
    Evs,
}

impl Kind {
    /// The word a dictionary file uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Octets => "octets",
            Kind::Ipaddr => "ipaddr",
            Kind::Ipv4prefix => "ipv4prefix",
            Kind::Ipv6addr => "ipv6addr",
            Kind::Ipv6prefix => "ipv6prefix",
            Kind::ComboIp => "combo-ip",
            Kind::Integer => "integer",
            Kind::Short => "short",
            Kind::Byte => "byte",
            Kind::Integer64 => "integer64",
            Kind::Signed => "signed",
            Kind::Bool => "bool",
            Kind::Date => "date",
            Kind::Ifid => "ifid",
            Kind::Ether => "ether",
            Kind::Abinary => "abinary",
            Kind::Tlv => "tlv",
            Kind::Vsa => "vsa",
            Kind::Extended => "extended",
            Kind::LongExtended => "long-extended",
            Kind::Evs => "evs",
        }
    }

    /// Holds other attributes and has no value of its own.
    pub fn is_container(self) -> bool {
        matches!(self, Kind::Tlv | Kind::Vsa | Kind::Extended | Kind::LongExtended | Kind::Evs)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a value is hidden with the shared secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Encrypt {
    #[default]
    No,
    /// As User-Password, RFC 2865 §5.2.
    User,
    /// As Tunnel-Password, RFC 2868 §3.5.
    Tunnel,
    /// As Ascend-Send-Secret.
    Ascend,
}

/// What else the dictionary says of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    /// Carries RFC 2868's tag.
    pub has_tag: bool,
    pub encrypt: Encrypt,
    /// Long values are split over consecutive attributes.
    pub concat: bool,
    /// Several values of fixed size in one attribute (DHCP).
    pub array: bool,
    /// Computed when looked at, never stored.
    pub virtual_: bool,
    /// Not to be shown.
    pub secret: bool,
    /// `octets[n]`.
    pub length: Option<u8>,
}

/// One attribute. Equal are those of one name and one place.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub name: Box<str>,
    pub place: Place,
    pub kind: Kind,
    pub flags: Flags,
    pub(crate) names: Names,
}

/// The names of an attribute's numbers, sorted both ways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// In lower case.
    by_name: Box<[(Box<str>, u32)]>,
    by_number: Box<[(u32, Box<str>)]>,
}

impl Names {
    /// `named` in the order of definition: of two names for one number the last one prints.
    pub(crate) fn new(named: &[(Box<str>, u32)]) -> Names {
        let mut by_name: Vec<(Box<str>, u32)> =
            named.iter().map(|(name, number)| (lower(name), *number)).collect();
        by_name.sort();
        by_name.dedup();
        let mut by_number: Vec<(u32, Box<str>)> =
            named.iter().rev().map(|(name, number)| (*number, name.clone())).collect();
        by_number.sort_by_key(|(number, _)| *number);
        by_number.dedup_by_key(|(number, _)| *number);
        Names { by_name: by_name.into(), by_number: by_number.into() }
    }
}

pub(crate) fn lower(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && self.name == other.name
    }
}

impl Eq for Attribute {}

impl Hash for Attribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place.hash(state);
    }
}

impl Attribute {
    /// The number that `name` stands for, in any case.
    pub fn value_named(&self, name: &str) -> Option<u32> {
        let name = lower(name);
        let at = self.names.by_name.binary_search_by(|(known, _)| (**known).cmp(&name)).ok()?;
        self.names.by_name.get(at).map(|(_, number)| *number)
    }

    /// The name that `number` prints as.
    pub fn value_name(&self, number: u32) -> Option<&str> {
        let at = self.names.by_number.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        self.names.by_number.get(at).map(|(_, name)| &**name)
    }

    /// Every number that has a name, in order, with the name that prints.
    pub fn values(&self) -> impl Iterator<Item = (u32, &str)> {
        self.names.by_number.iter().map(|(number, name)| (*number, &**name))
    }

    /// Is this the same attribute, perhaps by another name?
    pub fn same(&self, other: &Attribute) -> bool {
        self.place == other.place
    }

    /// Never sent.
    pub fn is_internal(&self) -> bool {
        matches!(self.place, Place::Internal(_))
    }

    /// The number within the standard space, if it lives directly in it.
    pub fn standard_number(&self) -> Option<u8> {
        match &self.place {
            Place::Wire { vendor: 0, path } => match path.as_slice() {
                [number] => u8::try_from(*number).ok(),
                _ => None,
            },
            _ => None,
        }
    }
}
