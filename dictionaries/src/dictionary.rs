//! Look-up of attributes by name and by number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::attribute::{Attribute, Flags, Format, Kind, Names, Place, Vendor, fold_cmp};

/// All that is known of attributes; immutable once loaded.
#[derive(Debug)]
pub struct Dictionary {
    pub(crate) standard: Box<[Option<Arc<Attribute>>]>,
    pub(crate) vendor_attributes: HashMap<u64, Arc<Attribute>, BuildHasherDefault<Spread>>,
    /// Internal ones and those below others.
    pub(crate) elsewhere: HashMap<Place, Arc<Attribute>>,
    /// In alphabetical order, whatever the case.
    pub(crate) by_name: Box<[Arc<Attribute>]>,
    /// In the order of definition.
    pub(crate) attributes: Box<[Arc<Attribute>]>,
    pub(crate) vendors: HashMap<u32, Vendor>,
    /// In lower case; a vendor may have several names.
    pub(crate) vendor_names: HashMap<Box<str>, u32>,
}

/// Why a name stands for no attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("unknown attribute \"{0}\"")]
    Unknown(Box<str>),
    #[error("bad tag in \"{0}\"")]
    BadTag(Box<str>),
    #[error("\"{name}\" is no number of an attribute: {why}")]
    BadNumber { name: Box<str>, why: &'static str },
}

/// Spreads keys that are numbers already; the table is fixed, so nobody can flood it.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

pub(crate) fn vendor_key(vendor: u32, number: u32) -> u64 {
    (u64::from(vendor) << 32) | u64::from(number)
}

impl Dictionary {
    /// By name, in any case; old names too. No tag.
    pub fn attribute(&self, name: &str) -> Option<&Arc<Attribute>> {
        let at = self.by_name.binary_search_by(|known| fold_cmp(&known.name, name)).ok()?;
        self.by_name.get(at)
    }

    /// By number in the standard space.
    pub fn standard(&self, number: u8) -> Option<&Arc<Attribute>> {
        self.standard.get(usize::from(number))?.as_ref()
    }

    /// By number in a vendor's space.
    pub fn vendor_attribute(&self, vendor: u32, number: u32) -> Option<&Arc<Attribute>> {
        self.vendor_attributes.get(&vendor_key(vendor, number))
    }

    /// By number below a TLV, an extended attribute or an extended vendor's.
    pub fn child(&self, parent: &Attribute, number: u32) -> Option<&Arc<Attribute>> {
        self.elsewhere.get(&parent.place.child(number)?)
    }

    /// By place, wherever that is.
    pub fn at(&self, place: &Place) -> Option<&Arc<Attribute>> {
        match place {
            Place::Wire { vendor, path } => match (vendor, path.as_slice()) {
                (0, [number]) => self.standard(u8::try_from(*number).ok()?),
                (vendor, [number]) => self.vendor_attribute(*vendor, *number),
                _ => self.elsewhere.get(place),
            },
            Place::Internal(_) => self.elsewhere.get(place),
        }
    }

    pub fn vendor(&self, number: u32) -> Option<&Vendor> {
        self.vendors.get(&number)
    }

    pub fn vendor_named(&self, name: &str) -> Option<&Vendor> {
        self.vendors.get(self.vendor_names.get(name.to_ascii_lowercase().as_str())?)
    }

    pub fn vendors(&self) -> impl Iterator<Item = &Vendor> {
        self.vendors.values()
    }

    /// All attributes in the order of definition, old names too.
    pub fn attributes(&self) -> impl Iterator<Item = &Arc<Attribute>> {
        self.attributes.iter()
    }

    /// An attribute that no dictionary names: octets, called by its numbers.
    pub fn unknown(place: Place) -> Arc<Attribute> {
        Arc::new(Attribute {
            name: format!("Attr-{place}").into(),
            place,
            kind: Kind::Octets,
            flags: Flags::default(),
            format: Format::default(),
            names: Names::none(),
        })
    }

    /// The same, in the format of its vendor.
    pub fn unknown_at(&self, place: Place) -> Arc<Attribute> {
        let format = Vendor::format_of(&self.vendors, &place);
        let mut attribute = Dictionary::unknown(place);
        if format != Format::default() {
            Arc::make_mut(&mut attribute).format = format;
        }
        attribute
    }

    /// What is known of an attribute, in some lines of text.
    pub fn describe(&self, attribute: &Attribute) -> String {
        let mut lines = vec![format!("{attribute}")];
        match &attribute.place {
            Place::Internal(_) => lines.push("  internal: never sent".into()),
            Place::Wire { vendor, path } => {
                let vendor = match path.as_slice() {
                    [241..=246, 26, vendor, ..] => *vendor,
                    _ => *vendor,
                };
                if let Some(vendor) = self.vendor(vendor) {
                    lines.push(format!("  vendor {} ({})", vendor.name, vendor.number));
                }
            }
        }
        let newest = self.at(&attribute.place).filter(|newest| newest.name != attribute.name);
        if let Some(newest) = newest {
            lines.push(format!("  now called {}", newest.name));
        }
        for (name, number) in attribute.value_names() {
            let note = if attribute.value_name(number) == Some(name) { "" } else { " (old name)" };
            lines.push(format!("  {number} = {name}{note}"));
        }
        let children = self.attributes().filter(|other| parent_of(&other.place, &attribute.place));
        lines.extend(children.map(|child| format!("  holds {child}")));
        lines.join("\n")
    }
}

fn parent_of(child: &Place, parent: &Place) -> bool {
    match (child, parent) {
        (
            Place::Wire { vendor: child_vendor, path: child },
            Place::Wire { vendor: parent_vendor, path: parent },
        ) => {
            child_vendor == parent_vendor && child.len() > parent.len() && child.starts_with(parent)
        }
        _ => false,
    }
}
