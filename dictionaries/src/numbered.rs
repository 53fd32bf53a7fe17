//! Names as people write them: with a tag, or by numbers where a dictionary has no name.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::attribute::{Attribute, Kind, Place};
use crate::dictionary::{Dictionary, NameError};
use crate::parse::{MAX_DEPTH, MAX_VENDOR};
use crate::words::number;

impl Dictionary {
    /// As people write it: `Tunnel-Type:1`, `Attr-26.9.1`, `Vendor-9-Attr-1`, `Attr-200`. What
    /// is named by its numbers comes back as octets, as FreeRADIUS does it. No tag, `:*`, or a
    /// tag on what has none is `None`.
    pub fn named(&self, text: &str) -> Result<(Arc<Attribute>, Option<u8>), NameError> {
        let (name, tag) = split_tag(text)?;
        match self.attribute(name) {
            Some(attribute) if attribute.flags.has_tag => Ok((attribute.clone(), tag)),
            Some(attribute) => Ok((attribute.clone(), None)),
            None => {
                let place = self.place_named(name)?;
                Ok((self.unknown_at(place), None))
            }
        }
    }

    /// `Attr-…`, `Vendor-9-Attr-…`, `Cisco-Attr-…`.
    fn place_named(&self, name: &str) -> Result<Place, NameError> {
        let unknown = || NameError::Unknown(name.into());
        let (vendor, numbers) = match strip_prefix(name, "Attr-") {
            Some(numbers) => (0, numbers),
            None => {
                let at = match strip_prefix(name, "Vendor-") {
                    Some(rest) => name.len() - rest.len() + rest.find('-').ok_or_else(unknown)?,
                    None => name.find('-').ok_or_else(unknown)?,
                };
                let (vendor, rest) = name.split_at_checked(at).ok_or_else(unknown)?;
                let numbers = strip_prefix(rest, "-Attr-").ok_or_else(unknown)?;
                let vendor = match strip_prefix(vendor, "Vendor-") {
                    Some(digits) => digits.parse().ok().filter(|n| (1..MAX_VENDOR).contains(n)),
                    None => self.vendor_named(vendor).map(|vendor| vendor.number),
                };
                (vendor.ok_or_else(unknown)?, numbers)
            }
        };
        let numbers: Option<SmallVec<[u32; 8]>> = numbers.split('.').map(number).collect();
        let place = match numbers {
            Some(numbers) if vendor == 0 => self.place(&numbers),
            Some(numbers) => self.vendor_place(vendor, &numbers),
            None => Err("not numbers and dots"),
        };
        place.map_err(|why| NameError::BadNumber { name: name.into(), why })
    }

    fn place(&self, numbers: &[u32]) -> Result<Place, &'static str> {
        match numbers {
            [number] => Ok(match u8::try_from(*number) {
                Ok(number) => Place::standard(number),
                Err(_) => Place::Internal(*number),
            }),
            [26, _] => Err("a vendor needs a number behind it"),
            [26, vendor, numbers @ ..] => self.vendor_place(*vendor, numbers),
            [first, rest @ ..] => {
                let parent = u8::try_from(*first).ok().and_then(|first| self.standard(first));
                match parent.map(|parent| parent.kind) {
                    Some(Kind::Extended | Kind::LongExtended) => extended_place(numbers, rest),
                    Some(Kind::Tlv) => deep_place(0, numbers),
                    _ => Err("only extended attributes and TLVs hold others"),
                }
            }
            [] => Err("no number"),
        }
    }

    fn vendor_place(&self, vendor: u32, numbers: &[u32]) -> Result<Place, &'static str> {
        if vendor == 0 || vendor >= MAX_VENDOR {
            return Err("a vendor's number is from 1 to 16777215");
        }
        let octets = self.vendor(vendor).map_or(1, |vendor| vendor.format.type_octets);
        match (octets, numbers) {
            (1, _) => deep_place(vendor, numbers),
            (2, [0..=0xffff]) | (4, [_]) => Ok(Place::wire(vendor, numbers)),
            _ => Err("out of the vendor's range"),
        }
    }
}

fn extended_place(numbers: &[u32], rest: &[u32]) -> Result<Place, &'static str> {
    match rest {
        [26] => Ok(Place::wire(0, numbers)),
        [26, vendor, below @ ..] if !below.is_empty() => {
            deep_place(*vendor, below)?;
            Ok(Place::wire(0, numbers))
        }
        [26, _] => Err("a vendor needs a number behind it"),
        _ => {
            deep_place(0, rest)?;
            Ok(Place::wire(0, numbers))
        }
    }
}

fn deep_place(vendor: u32, numbers: &[u32]) -> Result<Place, &'static str> {
    if numbers.len() > MAX_DEPTH {
        return Err("nested too deep");
    }
    if numbers.iter().any(|number| *number > 255) {
        return Err("a number is too large");
    }
    Ok(Place::wire(vendor, numbers))
}

/// Splits `Name:tag`. Tags go from 0 to 31, in C's notations; `*` is any.
fn split_tag(text: &str) -> Result<(&str, Option<u8>), NameError> {
    let Some((name, tag)) = text.rsplit_once(':') else { return Ok((text, None)) };
    if tag == "*" {
        return Ok((name, None));
    }
    if !tag.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(NameError::BadTag(text.into()));
    }
    let parsed = match strip_prefix(tag, "0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None if tag.starts_with('0') => u8::from_str_radix(tag, 8),
        None => tag.parse(),
    };
    match parsed {
        Ok(tag @ 0..=31) => Ok((name, Some(tag))),
        _ => Err(NameError::BadTag(text.into())),
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attribute and tag that a name stands for; `!` is an error.
    fn check(cases: &[(&str, &str)]) {
        let dictionary = Dictionary::shipped();
        for (text, expected) in cases {
            let found = match dictionary.named(text) {
                Ok((attribute, tag)) => {
                    format!("{attribute}{}", tag.map_or(String::new(), |tag| format!(" :{tag}")))
                }
                Err(error) => format!("! {error}"),
            };
            let matches = match expected.strip_prefix("! ") {
                Some(why) => found.starts_with('!') && found.contains(why),
                None => found == *expected,
            };
            assert!(matches, "{text}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn tags() {
        check(&[
            ("tunnel-TYPE", "Tunnel-Type 64 integer has_tag"),
            ("Tunnel-Type:1", "Tunnel-Type 64 integer has_tag :1"),
            ("Tunnel-Type:0", "Tunnel-Type 64 integer has_tag :0"),
            ("Tunnel-Type:010", "Tunnel-Type 64 integer has_tag :8"),
            ("Tunnel-Type:0x10", "Tunnel-Type 64 integer has_tag :16"),
            ("Tunnel-Type:*", "Tunnel-Type 64 integer has_tag"),
            ("User-Name:1", "User-Name 1 string"),
            ("Tunnel-Type:32", "! bad tag"),
            ("Tunnel-Type:1x", "! bad tag"),
            ("Tunnel-Type:", "! bad tag"),
            ("Tunnel-Type:x", "! bad tag"),
        ]);
    }

    #[test]
    fn names_that_are_numbers() {
        check(&[
            ("Attr-26.9.1", "Attr-26.9.1 26.9.1 octets"),
            ("vendor-9-attr-1", "Attr-26.9.1 26.9.1 octets"),
            ("Cisco-Attr-250", "Attr-26.9.250 26.9.250 octets"),
            ("Attr-1", "Attr-1 1 octets"),
            ("Attr-0", "Attr-0 0 octets"),
            ("Attr-0x1a", "Attr-26 26 octets"),
            ("Attr-300", "Attr-300 300 octets"),
            ("Attr-241.1", "Attr-241.1 241.1 octets"),
            ("Attr-241.26.9.1", "Attr-241.26.9.1 241.26.9.1 octets"),
            ("Attr-26.24757.1.2", "Attr-26.24757.1.2 26.24757.1.2 octets"),
            ("Attr-26.429.70000", "Attr-26.429.70000 26.429.70000 octets"),
            ("Attr-26.99999.1", "Attr-26.99999.1 26.99999.1 octets"),
            ("Attr-26.9.1:1", "Attr-26.9.1 26.9.1 octets"),
            ("Attr-26.9", "! a vendor needs a number behind it"),
            ("Attr-26.9.300", "! too large"),
            ("Attr-26.8164.70000", "! out of the vendor's range"),
            ("Attr-26.0.1", "! a vendor's number is"),
            ("Attr-1.2", "! only extended attributes and TLVs"),
            ("Attr-26.9.1.1.1.1.1.1", "! too deep"),
            ("Attr-", "! not numbers and dots"),
            ("Attr-x", "! not numbers and dots"),
            ("Vendor-0-Attr-1", "! unknown attribute"),
            ("Nobody-Attr-1", "! unknown attribute"),
            ("Not-Known", "! unknown attribute \"Not-Known\""),
            ("\u{e9}ttr-1", "! unknown attribute"),
            ("", "! unknown attribute"),
            (" User-Name", "! unknown attribute"),
        ]);
    }
}
