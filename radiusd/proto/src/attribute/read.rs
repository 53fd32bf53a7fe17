//! Octets to pairs.

use std::borrow::Cow;
use std::sync::Arc;

use dictionaries::{Attribute, Dictionary, Encrypt, Format, Kind, Pair, Place, Value};
use smallvec::SmallVec;

use super::number::{
    CHARGEABLE_USER_IDENTITY, EXTENDED, EXTENDED_VENDOR_SPECIFIC, LONG_EXTENDED, NAS_FILTER_RULE,
    VENDOR_SPECIFIC,
};
use super::vendor::{Item, Items, well_formed};
use crate::hide::{Clear, USER_PASSWORD_MAX};
use crate::packet::{Attributes, Packet};
use crate::secret::{Authenticator, Secret, hiding_authenticator};

/// The values of one attribute in a packet, each with its tag.
pub type Instances = SmallVec<[(Option<u8>, Value); 2]>;

impl Packet<'_> {
    /// All attributes of a request, decoded and revealed; of TLVs their leaves. What doesn't fit
    /// its kind comes as octets of an attribute without a name, never lost.
    pub fn pairs(&self, dictionary: &Dictionary, secret: &Secret) -> Vec<Pair> {
        self.pairs_of_reply(dictionary, secret, self.hiding())
    }

    /// All attributes of the answer to a request that carried `authenticator`.
    pub fn pairs_of_reply(
        &self,
        dictionary: &Dictionary,
        secret: &Secret,
        authenticator: &Authenticator,
    ) -> Vec<Pair> {
        let mut reader = Reader { dictionary, secret, authenticator, pairs: Vec::new() };
        reader.packet(self.attributes(), None);
        reader.pairs
    }

    /// The values of this attribute only; nothing else is decoded.
    pub fn instances(
        &self,
        attribute: &Attribute,
        dictionary: &Dictionary,
        secret: &Secret,
    ) -> Instances {
        let authenticator = self.hiding();
        let mut found = Instances::new();
        let Place::Wire { vendor, path } = &attribute.place else { return found };
        let top = match (vendor, path.as_slice()) {
            (0, [number, ..]) => u8::try_from(*number).ok(),
            _ => Some(VENDOR_SPECIFIC),
        };
        let Some(top) = top else { return found };
        match path.as_slice() {
            [number] if *vendor != 0 && is_plain(dictionary, *vendor, attribute) => {
                for octets in self.find_all(VENDOR_SPECIFIC) {
                    let of_vendor = octets.split_first_chunk::<4>();
                    let of_vendor =
                        of_vendor.filter(|(pen, _)| u32::from_be_bytes(**pen) == *vendor);
                    let Some((_, inside)) = of_vendor else { continue };
                    if well_formed(inside, Format::default()) {
                        let items = Items::new(inside, Format::default());
                        let of_number = items.filter(|item| item.number == *number);
                        let wanted = of_number.filter(|item| !item.value.is_empty());
                        found.extend(wanted.filter_map(|item| {
                            decode(attribute, item.value, secret, authenticator)
                        }));
                    }
                }
            }
            [_] if *vendor == 0 && is_single(attribute, top) => {
                let all = self.find_all(top);
                let wanted = all.filter(|v| !v.is_empty() || top == CHARGEABLE_USER_IDENTITY);
                found.extend(wanted.filter_map(|v| decode(attribute, v, secret, authenticator)));
            }
            _ => {
                let mut reader = Reader { dictionary, secret, authenticator, pairs: Vec::new() };
                reader.packet(self.attributes(), Some(top));
                let pairs = reader.pairs.into_iter();
                let same = pairs.filter(|pair| is_instance(&pair.attribute, attribute));
                found.extend(same.map(|pair| (pair.tag, pair.value)));
            }
        }
        found
    }

    fn hiding(&self) -> &Authenticator {
        hiding_authenticator(self.code(), self.authenticator())
    }
}

/// Is each instance a whole attribute 26's item of the usual format?
fn is_plain(dictionary: &Dictionary, vendor: u32, attribute: &Attribute) -> bool {
    let format = dictionary.vendor(vendor).map(|vendor| vendor.format).unwrap_or_default();
    format == Format::default() && !attribute.kind.is_container()
}

/// The same, and not the octets of one that was malformed.
fn is_instance(found: &Attribute, wanted: &Attribute) -> bool {
    found.same(wanted) && found.kind == wanted.kind && found.flags == wanted.flags
}

/// Is each instance one attribute of the packet?
fn is_single(attribute: &Attribute, number: u8) -> bool {
    !attribute.flags.concat && !attribute.kind.is_container() && number != NAS_FILTER_RULE
}

struct Reader<'a> {
    dictionary: &'a Dictionary,
    secret: &'a Secret,
    authenticator: &'a Authenticator,
    pairs: Vec<Pair>,
}

impl Reader<'_> {
    /// With `only`, other numbers are passed over.
    fn packet(&mut self, mut attributes: Attributes<'_>, only: Option<u8>) {
        while let Some((number, octets)) = attributes.next() {
            if only.is_some_and(|only| only != number) {
                continue;
            }
            match u32::from(number) {
                _ if octets.is_empty() && number != CHARGEABLE_USER_IDENTITY => {}
                _ if number == VENDOR_SPECIFIC => self.vendor_specific(octets, &mut attributes),
                wide if EXTENDED.contains(&wide) => match octets {
                    [kind, value @ ..] if !value.is_empty() => self.extended(number, *kind, value),
                    _ => self.raw(Place::standard(number), octets),
                },
                wide if LONG_EXTENDED.contains(&wide) => {
                    self.long_extended(number, octets, &mut attributes);
                }
                _ => self.standard(number, octets, &mut attributes),
            }
        }
    }

    fn standard<'p>(&mut self, number: u8, octets: &'p [u8], rest: &mut Attributes<'p>) {
        let known = self.dictionary.standard(number).cloned();
        let attribute = known.unwrap_or_else(|| Dictionary::unknown(Place::standard(number)));
        if number == NAS_FILTER_RULE {
            // RFC 4849: the rules are one stream over all attributes, with NULs between them.
            let joined = run(number, octets, rest);
            for rule in joined.split(|octet| *octet == 0) {
                self.value(&attribute, rule);
            }
        } else if attribute.flags.concat {
            let joined = run(number, octets, rest);
            self.value(&attribute, &joined);
        } else if octets.is_empty() {
            self.push(&attribute, None, Value::decode(&attribute, octets), octets);
        } else {
            self.value(&attribute, octets);
        }
    }

    fn vendor_specific<'p>(&mut self, octets: &'p [u8], rest: &mut Attributes<'p>) {
        let Some((vendor, inside)) = vendor_of(octets) else {
            return self.raw(Place::standard(VENDOR_SPECIFIC), octets);
        };
        let known = self.dictionary.vendor(vendor);
        let format = known.map(|vendor| vendor.format).unwrap_or_default();
        let mut items = Items::new(inside, format);
        if !well_formed(inside, format) {
            self.raw(Place::standard(VENDOR_SPECIFIC), octets);
        } else if items.any(|item| item.more) {
            match continued(vendor, inside, format, rest) {
                Some((number, joined)) => self.of_vendor(vendor, number, &joined),
                None => self.raw(Place::standard(VENDOR_SPECIFIC), octets),
            }
        } else {
            for item in Items::new(inside, format) {
                self.of_vendor(vendor, item.number, item.value);
            }
        }
    }

    fn of_vendor(&mut self, vendor: u32, number: u32, octets: &[u8]) {
        let known = self.dictionary.vendor_attribute(vendor, number).cloned();
        let place = || Place::wire(vendor, &[number]);
        let attribute = known.unwrap_or_else(|| self.dictionary.unknown_at(place()));
        self.value(&attribute, octets);
    }

    /// What stands behind the extended type, of short and long ones.
    fn extended(&mut self, number: u8, kind: u8, octets: &[u8]) {
        let (number, kind) = (u32::from(number), u32::from(kind));
        let place = match (kind, octets) {
            (EXTENDED_VENDOR_SPECIFIC, [0, a, b, c, of_vendor, value @ ..])
                if !value.is_empty() =>
            {
                let vendor = u32::from_be_bytes([0, *a, *b, *c]);
                let place = Place::wire(0, &[number, kind, vendor, u32::from(*of_vendor)]);
                return self.at(place, value);
            }
            (EXTENDED_VENDOR_SPECIFIC, _) => {
                return self.raw(Place::wire(0, &[number, kind]), octets);
            }
            _ => Place::wire(0, &[number, kind]),
        };
        self.at(place, octets);
    }

    /// RFC 6929 §2.2: fragments follow each other, each but the last saying that there is more.
    fn long_extended<'p>(&mut self, number: u8, octets: &'p [u8], rest: &mut Attributes<'p>) {
        let [kind, flags, value @ ..] = octets else {
            return self.raw(Place::standard(number), octets);
        };
        let mut joined = Cow::Borrowed(value);
        let mut more = flags & 0x80 != 0;
        let mut ahead = *rest;
        while more {
            match ahead.next() {
                Some((n, [k, flags, value @ ..])) if n == number && k == kind => {
                    joined.to_mut().extend_from_slice(value);
                    more = flags & 0x80 != 0;
                }
                _ => return self.raw(Place::standard(number), octets),
            }
        }
        if joined.is_empty() {
            return self.raw(Place::standard(number), octets);
        }
        *rest = ahead;
        self.extended(number, *kind, &joined);
    }

    fn at(&mut self, place: Place, octets: &[u8]) {
        let known = self.dictionary.at(&place).cloned();
        let attribute = known.unwrap_or_else(|| self.dictionary.unknown_at(place));
        self.value(&attribute, octets);
    }

    /// One value, or a TLV's leaves. Empty ones are passed over.
    fn value(&mut self, attribute: &Arc<Attribute>, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        if attribute.kind == Kind::Tlv && well_formed(octets, Format::default()) {
            for item in Items::new(octets, Format::default()) {
                let known = self.dictionary.child(attribute, item.number).cloned();
                let child = known.or_else(|| {
                    attribute
                        .place
                        .child(item.number)
                        .map(|place| self.dictionary.unknown_at(place))
                });
                if let Some(child) = child {
                    self.value(&child, item.value);
                }
            }
            return;
        }
        let decoded = decode(attribute, octets, self.secret, self.authenticator);
        let (tag, value) = decoded.map_or((None, None), |(tag, value)| (tag, Some(value)));
        self.push(attribute, tag, value, octets);
    }

    fn push(
        &mut self,
        attribute: &Arc<Attribute>,
        tag: Option<u8>,
        value: Option<Value>,
        octets: &[u8],
    ) {
        match value {
            Some(value) => self.pairs.push(Pair { attribute: attribute.clone(), tag, value }),
            None => self.raw(attribute.place.clone(), octets),
        }
    }

    fn raw(&mut self, place: Place, octets: &[u8]) {
        let attribute = self.dictionary.unknown_at(place);
        self.pairs.push(Pair { attribute, tag: None, value: Value::Octets(octets.into()) });
    }
}

/// Tag off, revealed, read by kind. `None`: it isn't what the dictionary says.
fn decode(
    attribute: &Attribute,
    octets: &[u8],
    secret: &Secret,
    authenticator: &Authenticator,
) -> Option<(Option<u8>, Value)> {
    if attribute.kind.is_container() {
        return None;
    }
    let flags = &attribute.flags;
    let (tag, octets) = match octets {
        _ if !flags.has_tag => (0, Cow::Borrowed(octets)),
        [tag, a, b, c] if attribute.kind == Kind::Integer && *tag < 0x20 => {
            (*tag, Cow::Owned(vec![0, *a, *b, *c]))
        }
        [tag, rest @ ..] if flags.encrypt == Encrypt::Tunnel => (*tag, Cow::Borrowed(rest)),
        // RFC 2868 §3.3: a first octet above 0x1f belongs to the value.
        [tag, rest @ ..] if attribute.kind != Kind::Integer && *tag < 0x20 && !rest.is_empty() => {
            (*tag, Cow::Borrowed(rest))
        }
        _ => (0, Cow::Borrowed(octets)),
    };
    let clear = reveal(attribute, &octets, secret, authenticator)?;
    let value = Value::decode(attribute, clear.as_deref().unwrap_or(&octets))?;
    Some((Some(tag).filter(|tag| *tag != 0), value))
}

/// `Some(None)`: nothing was hidden.
fn reveal(
    attribute: &Attribute,
    octets: &[u8],
    secret: &Secret,
    authenticator: &Authenticator,
) -> Option<Option<Clear>> {
    let mut clear = match attribute.flags.encrypt {
        Encrypt::No => return Some(None),
        Encrypt::User => {
            let hidden = octets.get(..USER_PASSWORD_MAX).unwrap_or(octets);
            secret.reveal_user(hidden, authenticator)
        }
        Encrypt::Tunnel => return Some(Some(secret.reveal_tunnel(octets, authenticator)?)),
        Encrypt::Ascend => Clear::from_slice(&secret.ascend(octets, authenticator)),
    };
    let end = match (attribute.kind, attribute.flags.length) {
        (Kind::String, _) => clear.iter().position(|octet| *octet == 0),
        (_, Some(length)) => Some(usize::from(length)),
        _ => None,
    };
    clear.truncate(end.unwrap_or(clear.len()));
    Some(Some(clear))
}

/// A vendor's number and what is behind it. 0 and what doesn't fit 24 bits are nobody's.
fn vendor_of(octets: &[u8]) -> Option<(u32, &[u8])> {
    match octets {
        [0, a, b, c, inside @ ..] if !inside.is_empty() => {
            Some((u32::from_be_bytes([0, *a, *b, *c]), inside)).filter(|(vendor, _)| *vendor != 0)
        }
        _ => None,
    }
}

/// The value of `first` and of all attributes of that number that follow directly.
fn run<'p>(number: u8, first: &'p [u8], rest: &mut Attributes<'p>) -> Cow<'p, [u8]> {
    let mut joined = Cow::Borrowed(first);
    let mut ahead = *rest;
    while let Some((next, octets)) = ahead.next() {
        if next != number {
            break;
        }
        joined.to_mut().extend_from_slice(octets);
        *rest = ahead;
    }
    joined
}

/// A value that goes on in the attributes 26 behind this one: each holds one item of the same
/// vendor and number. `None`, and nothing consumed: they don't.
fn continued<'p>(
    vendor: u32,
    inside: &'p [u8],
    format: Format,
    rest: &mut Attributes<'p>,
) -> Option<(u32, Vec<u8>)> {
    let single = |octets: &'p [u8]| -> Option<Item<'p>> {
        let mut items = Items::new(octets, format);
        items.next().filter(|_| well_formed(octets, format) && items.next().is_none())
    };
    let first = single(inside)?;
    let mut joined = first.value.to_vec();
    let mut more = first.more;
    let mut ahead = *rest;
    while more {
        let (number, octets) = ahead.next()?;
        let (pen, inside) = vendor_of(octets).filter(|_| number == VENDOR_SPECIFIC)?;
        let item = single(inside).filter(|item| pen == vendor && item.number == first.number)?;
        joined.extend_from_slice(item.value);
        more = item.more;
    }
    *rest = ahead;
    Some((first.number, joined))
}
