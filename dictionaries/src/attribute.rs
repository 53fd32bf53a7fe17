//! What the dictionary knows of one attribute: its name, its place on the wire, its type.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

/// A vendor, and how its attributes are laid out inside attribute 26.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    pub name: Box<str>,
    /// The Private Enterprise Number.
    pub number: u32,
    pub format: Format,
}

impl Vendor {
    /// Of whose attribute lives at `place`.
    pub(crate) fn format_of(vendors: &HashMap<u32, Vendor>, place: &Place) -> Format {
        match place {
            Place::Wire { vendor, .. } => vendors.get(vendor).map(|vendor| vendor.format),
            Place::Internal(_) => None,
        }
        .unwrap_or_default()
    }
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

impl Place {
    /// The number within the innermost space.
    pub fn last(&self) -> Option<u32> {
        match self {
            Place::Internal(number) => Some(*number),
            Place::Wire { path, .. } => path.last().copied(),
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

    /// The kind that a dictionary file's word stands for.
    pub(crate) fn named(word: &str) -> Option<Kind> {
        Some(match word.to_ascii_lowercase().as_str() {
            "string" | "text" => Kind::String,
            "octets" => Kind::Octets,
            "ipaddr" | "ipv4addr" => Kind::Ipaddr,
            "ipv4prefix" | "cidr" => Kind::Ipv4prefix,
            "ipv6addr" => Kind::Ipv6addr,
            "ipv6prefix" => Kind::Ipv6prefix,
            "combo-ip" => Kind::ComboIp,
            "integer" | "uint32" => Kind::Integer,
            "short" | "uint16" => Kind::Short,
            "byte" | "uint8" => Kind::Byte,
            "integer64" | "uint64" => Kind::Integer64,
            "signed" | "int32" => Kind::Signed,
            "bool" => Kind::Bool,
            "date" => Kind::Date,
            "ifid" => Kind::Ifid,
            "ether" => Kind::Ether,
            "abinary" => Kind::Abinary,
            "tlv" => Kind::Tlv,
            "vsa" => Kind::Vsa,
            "extended" => Kind::Extended,
            "long-extended" => Kind::LongExtended,
            "evs" => Kind::Evs,
            _ => return None,
        })
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
    /// Its vendor's, for whoever writes it.
    pub format: Format,
    /// Shared by all names of one place.
    pub(crate) names: Arc<Names>,
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
        let at = self.names.named.binary_search_by(|(known, _)| fold_cmp(known, name)).ok()?;
        self.names.named.get(at).map(|(_, number)| *number)
    }

    /// The name that `number` prints as.
    pub fn value_name(&self, number: u32) -> Option<&str> {
        let at = self
            .names
            .printed
            .binary_search_by_key(&Some(number), |at| self.names.at(*at).map(|(_, number)| number))
            .ok()?;
        self.names.at(*self.names.printed.get(at)?).map(|(name, _)| name)
    }

    /// Every number that has a name, in order, with the name that prints.
    pub fn values(&self) -> impl Iterator<Item = (u32, &str)> {
        let printed = self.names.printed.iter();
        printed.filter_map(|at| self.names.at(*at).map(|(name, number)| (number, name)))
    }

    /// Every name with its number, in alphabetical order; a number may have several.
    pub fn value_names(&self) -> impl Iterator<Item = (&str, u32)> {
        self.names.named.iter().map(|(name, number)| (&**name, *number))
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

    /// The vendor and number of what lives directly in a vendor's space.
    pub fn vendor_number(&self) -> Option<(u32, u32)> {
        match &self.place {
            Place::Wire { vendor, path } if *vendor != 0 => match path.as_slice() {
                [number] => Some((*vendor, *number)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Attribute {
    /// As a line of a dictionary would say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.place, self.kind)?;
        if let Some(length) = self.flags.length {
            write!(f, "[{length}]")?;
        }
        let flags = self.flags.to_string();
        if flags.is_empty() { Ok(()) } else { write!(f, " {flags}") }
    }
}

impl fmt::Display for Flags {
    /// As a dictionary writes them: `has_tag,encrypt=2`; nothing if there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encrypt = match self.encrypt {
            Encrypt::No => None,
            Encrypt::User => Some("encrypt=1"),
            Encrypt::Tunnel => Some("encrypt=2"),
            Encrypt::Ascend => Some("encrypt=3"),
        };
        let words = [
            self.has_tag.then_some("has_tag"),
            encrypt,
            self.concat.then_some("concat"),
            self.array.then_some("array"),
            self.virtual_.then_some("virtual"),
            self.secret.then_some("secret"),
        ];
        let mut separator = "";
        for word in words.into_iter().flatten() {
            write!(f, "{separator}{word}")?;
            separator = ",";
        }
        Ok(())
    }
}

/// The names of an attribute's numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// In alphabetical order, whatever the case.
    named: Box<[(Box<str>, u32)]>,
    /// Places in `named`: one per number, in the order of numbers.
    printed: Box<[u32]>,
}

impl Names {
    /// `named` has each name once, `printing` each number once.
    pub(crate) fn new(mut named: Vec<(Box<str>, u32)>, printing: &HashMap<u32, &str>) -> Names {
        named.sort_by(|(one, _), (other, _)| fold_cmp(one, other));
        let mut printed: Vec<(u32, u32)> = (0u32..)
            .zip(&named)
            .filter(|(_, (name, number))| printing.get(number) == Some(&&**name))
            .map(|(at, (_, number))| (*number, at))
            .collect();
        printed.sort();
        Names { named: named.into(), printed: printed.iter().map(|(_, at)| *at).collect() }
    }

    /// Of the many attributes that have none.
    pub(crate) fn none() -> Arc<Names> {
        static NONE: LazyLock<Arc<Names>> = LazyLock::new(Arc::default);
        NONE.clone()
    }

    fn at(&self, at: u32) -> Option<(&str, u32)> {
        self.named.get(at as usize).map(|(name, number)| (&**name, *number))
    }
}

/// Compares as names of attributes and values are compared: whatever the case.
pub(crate) fn fold_cmp(one: &str, other: &str) -> Ordering {
    let fold = |octet: u8| octet.to_ascii_lowercase();
    one.bytes().map(fold).cmp(other.bytes().map(fold))
}
