//! A dictionary while it is being read: what may be defined twice, and what may come too early.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::attribute::{Attribute, Flags, Format, Kind, Names, Place, Vendor};
use crate::dictionary::{Dictionary, vendor_key};
use crate::parse::ParseError;

/// Where a statement stands.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub file: Arc<Path>,
    pub line: u32,
}

impl Spot {
    pub(crate) fn error(&self, why: impl Into<String>) -> ParseError {
        let file = self.file.to_path_buf();
        ParseError { file, line: self.line, why: why.into().into() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: Box<str>,
    pub place: Place,
    pub kind: Kind,
    pub flags: Flags,
}

#[derive(Debug)]
struct ValueName {
    name: Box<str>,
    number: u32,
    /// Written before its attribute was. FreeRADIUS lets such a name win, but not print.
    early: bool,
    spot: Spot,
}

#[derive(Default)]
pub(crate) struct Draft {
    attributes: Vec<Entry>,
    /// By name in lower case.
    by_name: HashMap<Box<str>, usize>,
    by_place: HashMap<Place, usize>,
    /// Whose number was given a new name with the same type: the old one stands for the number.
    renamed: HashSet<usize>,
    vendors: HashMap<u32, Vendor>,
    vendor_names: HashMap<Box<str>, u32>,
    values: HashMap<Place, Vec<ValueName>>,
    /// Values of attributes that are not defined yet.
    early: Vec<(Box<str>, ValueName)>,
    aliases: HashMap<Place, Place>,
}

impl Draft {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Entry> {
        self.attributes.get(*self.by_name.get(name.to_ascii_lowercase().as_str())?)
    }

    pub(crate) fn at(&self, place: &Place) -> Option<&Entry> {
        self.attributes.get(*self.by_place.get(place)?)
    }

    pub(crate) fn vendor(&self, number: u32) -> Option<&Vendor> {
        self.vendors.get(&number)
    }

    pub(crate) fn vendor_named(&self, name: &str) -> Option<u32> {
        self.vendor_names.get(name.to_ascii_lowercase().as_str()).copied()
    }

    /// The newest name of a vendor and the newest format count.
    pub(crate) fn add_vendor(
        &mut self,
        name: &str,
        number: u32,
        format: Format,
    ) -> Result<(), String> {
        let known = self.vendor_names.insert(name.to_ascii_lowercase().into(), number);
        match known {
            Some(other) if other != number => {
                return Err(format!("vendor {name} has the number {other} already"));
            }
            Some(_) => {
                if let Some(vendor) = self.vendors.get_mut(&number) {
                    vendor.format = format;
                }
            }
            None => {
                self.vendors.insert(number, Vendor { name: name.into(), number, format });
            }
        }
        Ok(())
    }

    /// A known name may change its type, not its number; a known number may get a new name.
    pub(crate) fn add_attribute(&mut self, entry: Entry) -> Result<(), String> {
        let lower: Box<str> = entry.name.to_ascii_lowercase().into();
        let at = match self.by_name.get(&lower) {
            None => {
                self.by_name.insert(lower, self.attributes.len());
                let before = self.by_place.insert(entry.place.clone(), self.attributes.len());
                let same =
                    |at: &usize| self.attributes.get(*at).map(|old| old.kind) == Some(entry.kind);
                self.renamed.extend(before.filter(same));
                self.attributes.push(entry);
                return Ok(());
            }
            Some(at) => *at,
        };
        let Some(known) = self.attributes.get_mut(at) else { return Ok(()) };
        if known.place != entry.place && !is_placeholder(&known.place) {
            // FreeRADIUS compares the numbers alone: the same one of another vendor replaces.
            if known.place.last() != entry.place.last() {
                return Err(format!("{} has the number {} already", entry.name, known.place));
            }
        }
        if known.place != entry.place && self.by_place.get(&known.place) == Some(&at) {
            self.by_place.remove(&known.place);
        }
        self.by_place.insert(entry.place.clone(), at);
        *known = entry;
        Ok(())
    }

    pub(crate) fn add_value(
        &mut self,
        attribute: &str,
        name: &str,
        number: u32,
        spot: &Spot,
    ) -> Result<(), String> {
        let mut value = ValueName { name: name.into(), number, early: false, spot: spot.clone() };
        let Some(entry) = self.attribute(attribute) else {
            value.early = true;
            self.early.push((attribute.into(), value));
            return Ok(());
        };
        let largest = match entry.kind {
            Kind::Byte => 0xff,
            Kind::Short => 0xffff,
            Kind::Integer | Kind::Octets => u32::MAX,
            kind => return Err(format!("{attribute} is of type {kind}, which has no values")),
        };
        if number > largest {
            return Err(format!("{number} is too large for {attribute}, a {}", entry.kind));
        }
        let place = entry.place.clone();
        self.values.entry(place).or_default().push(value);
        Ok(())
    }

    /// `attribute` gets the value names of `other`.
    pub(crate) fn add_alias(&mut self, attribute: &str, other: &str) -> Result<(), String> {
        let unknown = |name: &str| format!("unknown attribute {name}");
        let entry = self.attribute(attribute).ok_or_else(|| unknown(attribute))?;
        let other_entry = self.attribute(other).ok_or_else(|| unknown(other))?;
        if entry.kind != other_entry.kind {
            return Err(format!("{attribute} and {other} are of different types"));
        }
        let (place, other_place) = (entry.place.clone(), other_entry.place.clone());
        if self.aliases.contains_key(&place) || self.aliases.contains_key(&other_place) {
            return Err(format!("{attribute} or {other} has a VALUE-ALIAS already"));
        }
        self.aliases.insert(place, other_place);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Dictionary, ParseError> {
        self.settle_early()?;
        self.settle_renamed();
        let mut names: HashMap<Place, Arc<Names>> = HashMap::with_capacity(self.values.len());
        for (place, values) in self.values {
            names.insert(place, Arc::new(settle_names(values)?));
        }
        let names_of = |place: &Place| {
            let place = self.aliases.get(place).unwrap_or(place);
            names.get(place).cloned().unwrap_or_else(Names::none)
        };
        let attributes: Vec<Arc<Attribute>> = self
            .attributes
            .into_iter()
            .map(|Entry { name, place, kind, flags }| {
                // Of several attributes at one place some may not be numbers.
                let names = match kind {
                    Kind::Integer | Kind::Short | Kind::Byte => names_of(&place),
                    _ => Names::none(),
                };
                let format = Vendor::format_of(&self.vendors, &place);
                Arc::new(Attribute { name, place, kind, flags, format, names })
            })
            .collect();
        let mut dictionary = Dictionary::empty(self.vendors, self.vendor_names);
        for (place, at) in self.by_place {
            if let Some(attribute) = attributes.get(at) {
                dictionary.insert(place, attribute.clone());
            }
        }
        let mut by_name: Vec<(Box<str>, usize)> = self.by_name.into_iter().collect();
        by_name.sort();
        dictionary.by_name =
            by_name.iter().filter_map(|(_, at)| attributes.get(*at).cloned()).collect();
        dictionary.attributes = attributes.into();
        Ok(dictionary)
    }

    fn settle_renamed(&mut self) {
        for at in std::mem::take(&mut self.renamed) {
            let place = self.attributes.get(at).map(|old| &old.place);
            let newest = place.and_then(|place| self.at(place)).map(|new| (new.kind, new.flags));
            if let Some((kind, flags)) = newest
                && let Some(old) = self.attributes.get_mut(at)
                && old.kind != kind
            {
                (old.kind, old.flags) = (kind, flags);
            }
        }
    }

    fn settle_early(&mut self) -> Result<(), ParseError> {
        for (attribute, value) in std::mem::take(&mut self.early) {
            let Some(entry) = self.attribute(&attribute) else {
                let why = format!("VALUE {} of unknown attribute {attribute}", value.name);
                return Err(value.spot.error(why));
            };
            let place = entry.place.clone();
            self.values.entry(place).or_default().push(value);
        }
        Ok(())
    }
}

impl Dictionary {
    fn empty(vendors: HashMap<u32, Vendor>, vendor_names: HashMap<Box<str>, u32>) -> Dictionary {
        Dictionary {
            standard: vec![None; 256].into(),
            vendor_attributes: HashMap::default(),
            elsewhere: HashMap::default(),
            by_name: Box::default(),
            attributes: Box::default(),
            vendors,
            vendor_names,
        }
    }

    fn insert(&mut self, place: Place, attribute: Arc<Attribute>) {
        if let Place::Wire { vendor, path } = &place
            && let [number] = path.as_slice()
        {
            if *vendor != 0 {
                self.vendor_attributes.insert(vendor_key(*vendor, *number), attribute);
            } else if let Some(slot) = self.standard.get_mut(*number as usize) {
                *slot = Some(attribute);
            }
            return;
        }
        self.elsewhere.insert(place, attribute);
    }
}

/// One number per name, one printing name per number.
fn settle_names(values: Vec<ValueName>) -> Result<Names, ParseError> {
    let mut named: HashMap<String, &ValueName> = HashMap::with_capacity(values.len());
    for value in &values {
        let known = named.entry(value.name.to_ascii_lowercase()).or_insert(value);
        if known.number != value.number {
            match (known.early, value.early) {
                (false, false) => {
                    let why = format!("value {} is {} already", value.name, known.number);
                    return Err(value.spot.error(why));
                }
                (false, true) => *known = value,
                (true, _) => {}
            }
        }
    }
    let mut printing: HashMap<u32, &ValueName> = HashMap::with_capacity(values.len());
    for value in &values {
        let known = printing.entry(value.number).or_insert(value);
        if known.early || !value.early {
            *known = value;
        }
    }
    let named = named.values().map(|value| (value.name.clone(), value.number)).collect();
    let printing = printing.iter().map(|(number, value)| (*number, &*value.name)).collect();
    Ok(Names::new(named, &printing))
}

/// Our `dictionary.modules` gives numbers that FreeRADIUS would give at will: a site's own win.
fn is_placeholder(place: &Place) -> bool {
    matches!(place, Place::Internal(0x1_0000..))
}
