//! FreeRADIUS's dictionary format, read into a draft of a dictionary.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::attribute::{Encrypt, Flags, Format, Kind, Place};
use crate::dictionary::Dictionary;
use crate::draft::{Draft, Entry, Spot};

/// Vendors have 24 bits.
pub(crate) const MAX_VENDOR: u32 = 1 << 24;
/// An attribute and four levels of TLVs in it.
pub(crate) const MAX_DEPTH: usize = 5;
/// Files that include files; each is read once, so this only guards the stack.
const MAX_INCLUDES: usize = 64;
const MAX_NAME: usize = 127;
/// The one vendor whose TLVs have types of two octets.
const DHCP: u32 = 54;

/// Why a dictionary could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {why}", file.display())]
pub struct ParseError {
    pub file: PathBuf,
    /// From 1; 0 when the whole file is meant.
    pub line: u32,
    pub why: Box<str>,
}

/// Finds the text of a file that is part of the program.
pub(crate) type Shipped = fn(&str) -> Option<&'static str>;

/// Reads files one after the other into one draft.
#[derive(Default)]
pub(crate) struct Reader {
    draft: Draft,
    seen: HashSet<PathBuf>,
}

/// The blocks that are open at a line.
struct Block<'r> {
    spot: Spot,
    /// Where `$INCLUDE` looks: the program's files, or the directory of this one.
    shipped: Option<&'r Shipped>,
    vendor: u32,
    /// An extended vendor space: the place of the attribute that holds it.
    extended: Option<Place>,
    tlvs: Vec<Place>,
    depth: usize,
}

impl Reader {
    pub(crate) fn finish(self) -> Result<Dictionary, ParseError> {
        self.draft.finish()
    }

    pub(crate) fn read_shipped(&mut self, name: &str, shipped: &Shipped) -> Result<(), ParseError> {
        let spot = Spot { file: Path::new(name).into(), line: 0 };
        self.include_shipped(name, shipped, &spot, 0)
    }

    /// Text that comes from nowhere; it cannot include files.
    pub(crate) fn read_text(&mut self, text: &str) -> Result<(), ParseError> {
        let nothing: Shipped = |_| None;
        self.text(text, Path::new("text").into(), Some(&nothing), 0)
    }

    pub(crate) fn read_file(&mut self, path: &Path) -> Result<(), ParseError> {
        let spot = Spot { file: path.into(), line: 0 };
        self.include_file(path, false, &spot, 0)
    }

    fn include_shipped(
        &mut self,
        name: &str,
        shipped: &Shipped,
        spot: &Spot,
        depth: usize,
    ) -> Result<(), ParseError> {
        let text = shipped(name).ok_or_else(|| spot.error(format!("no file {name}")))?;
        if !self.seen.insert(PathBuf::from(name)) {
            return Ok(());
        }
        self.text(text, Path::new(name).into(), Some(shipped), depth)
    }

    fn include_file(
        &mut self,
        path: &Path,
        optional: bool,
        spot: &Spot,
        depth: usize,
    ) -> Result<(), ParseError> {
        let failed = |error: std::io::Error| spot.error(format!("{}: {error}", path.display()));
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_file() {
            return Err(spot.error(format!("{} is not a regular file", path.display())));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(spot.error(format!("{} may be written by anyone", path.display())));
        }
        if !self.seen.insert(path.canonicalize().map_err(failed)?) {
            return Ok(());
        }
        if depth > MAX_INCLUDES {
            return Err(spot.error("files include each other too deep"));
        }
        let octets = std::fs::read(path).map_err(failed)?;
        self.text(&String::from_utf8_lossy(&octets), path.into(), None, depth)
    }

    fn text(
        &mut self,
        text: &str,
        file: Arc<Path>,
        shipped: Option<&Shipped>,
        depth: usize,
    ) -> Result<(), ParseError> {
        let mut block = Block {
            spot: Spot { file, line: 0 },
            shipped,
            vendor: 0,
            extended: None,
            tlvs: Vec::new(),
            depth,
        };
        for (line, text) in (1..).zip(text.lines()) {
            block.spot.line = line;
            let text = text.split('#').next().unwrap_or_default();
            let words: SmallVec<[&str; 8]> = text.split_ascii_whitespace().collect();
            if let [keyword, words @ ..] = words.as_slice() {
                self.statement(keyword, words, &mut block)?;
            }
        }
        Ok(())
    }

    fn statement(
        &mut self,
        keyword: &str,
        words: &[&str],
        block: &mut Block<'_>,
    ) -> Result<(), ParseError> {
        let keyword = keyword.to_ascii_uppercase();
        let done = match (keyword.as_str(), words) {
            ("ATTRIBUTE", [name, number, kind]) => self.attribute(name, number, kind, "", block),
            ("ATTRIBUTE", [name, number, kind, flags]) => {
                self.attribute(name, number, kind, flags, block)
            }
            ("VALUE", [attribute, name, text]) => self.value(attribute, name, text, block),
            ("VALUE-ALIAS", [attribute, other]) => self.draft.add_alias(attribute, other),
            ("VENDOR", [name, number]) => self.vendor(name, number, None),
            ("VENDOR", [name, number, format]) => self.vendor(name, number, Some(format)),
            ("BEGIN-VENDOR", [name]) => self.begin_vendor(name, None, block),
            ("BEGIN-VENDOR", [name, holder]) => self.begin_vendor(name, Some(holder), block),
            ("END-VENDOR", [name]) => self.end_vendor(name, block),
            ("BEGIN-TLV", [name]) => self.begin_tlv(name, block),
            ("END-TLV", [name]) => self.end_tlv(name, block),
            ("$INCLUDE", [name]) => return self.include(name, false, block),
            ("$INCLUDE-" | "$-INCLUDE", [name]) => return self.include(name, true, block),
            (known, _) if KEYWORDS.contains(&known) => {
                Err(format!("{known} does not take {} words", words.len()))
            }
            _ => Err(format!("unknown keyword {keyword}")),
        };
        done.map_err(|why| block.spot.error(why))
    }

    fn include(&mut self, name: &str, optional: bool, block: &Block<'_>) -> Result<(), ParseError> {
        let depth = block.depth.saturating_add(1);
        match block.shipped {
            Some(shipped) if optional && shipped(name).is_none() => Ok(()),
            Some(shipped) => self.include_shipped(name, shipped, &block.spot, depth),
            None => {
                let directory = block.spot.file.parent().unwrap_or(Path::new(""));
                self.include_file(&directory.join(name), optional, &block.spot, depth)
            }
        }
    }

    fn attribute(
        &mut self,
        name: &str,
        number: &str,
        kind: &str,
        flags: &str,
        block: &Block<'_>,
    ) -> Result<(), String> {
        check_name(name)?;
        let (kind, length) = read_kind(kind)?;
        let (place, flags) = match self.old_vendor(flags, number, block)? {
            Some(vendor) => (self.vendor_place(vendor, &numbers(number)?)?, Flags::default()),
            None => (self.place(&numbers(number)?, block)?, read_flags(flags)?),
        };
        let flags = Flags { length, ..flags };
        check_flags(&place, kind, flags)?;
        self.check_kind(&place, kind)?;
        self.draft.add_attribute(Entry { name: name.into(), place, kind, flags })
    }

    /// The way of old: a vendor's name in the place of the flags.
    fn old_vendor(
        &self,
        flags: &str,
        number: &str,
        block: &Block<'_>,
    ) -> Result<Option<u32>, String> {
        let Some(vendor) = self.draft.vendor_named(flags) else { return Ok(None) };
        if block.vendor != 0 {
            return Err("a vendor's name inside of BEGIN-VENDOR".into());
        }
        if number.contains('.') {
            return Err("a vendor's name beside a number with dots".into());
        }
        Ok(Some(vendor))
    }

    fn place(&self, numbers: &[u32], block: &Block<'_>) -> Result<Place, String> {
        if let Some(tlv) = block.tlvs.last() {
            return self.below(tlv.clone(), numbers);
        }
        if let Some(holder) = &block.extended {
            let space = holder.child(block.vendor).ok_or("not on the wire")?;
            return match numbers {
                [first, rest @ ..] if *first <= 255 => {
                    let place = space.child(*first).ok_or("not on the wire")?;
                    self.below(place, rest)
                }
                _ => Err("a number over 255 in an extended vendor space".into()),
            };
        }
        match numbers {
            _ if block.vendor != 0 => self.vendor_place(block.vendor, numbers),
            [0] => Err("there is no attribute 0".into()),
            [number] => Ok(match u8::try_from(*number) {
                Ok(number) => Place::standard(number),
                Err(_) => Place::Internal(*number),
            }),
            [26, _] => Err("26 and a vendor without a number".into()),
            [26, vendor, rest @ ..] => self.vendor_place(*vendor, rest),
            [holder, 26, vendor, number, rest @ ..] if self.is_extended(*holder) => {
                let space = Place::wire(0, &[*holder, 26]);
                self.draft.at(&space).ok_or_else(|| format!("nothing is defined at {space}"))?;
                self.below(Place::wire(0, &[*holder, 26, *vendor, *number]), rest)
            }
            [first, rest @ ..] => self.below(Place::wire(0, &[*first]), rest),
            [] => Err("no number".into()),
        }
    }

    fn is_extended(&self, number: u32) -> bool {
        let holder = self.draft.at(&Place::wire(0, &[number]));
        holder.is_some_and(|entry| matches!(entry.kind, Kind::Extended | Kind::LongExtended))
    }

    fn vendor_place(&self, vendor: u32, numbers: &[u32]) -> Result<Place, String> {
        let format = match self.draft.vendor(vendor) {
            Some(vendor) => vendor.format,
            None => return Err(format!("unknown vendor {vendor}")),
        };
        let [first, rest @ ..] = numbers else { return Err("no number".into()) };
        let fits = match format.type_octets {
            1 => *first <= 255,
            2 => (1..=0xffff).contains(first),
            _ => *first > 0,
        };
        if !fits {
            return Err(format!("{first} does not fit the vendor's format"));
        }
        self.below(Place::wire(vendor, &[*first]), rest)
    }

    /// Goes down from `place` along `numbers`; every level must exist and hold others.
    fn below(&self, mut place: Place, numbers: &[u32]) -> Result<Place, String> {
        for number in numbers {
            let holder = self.draft.at(&place);
            let holder = holder.ok_or_else(|| format!("nothing is defined at {place}"))?;
            if !matches!(holder.kind, Kind::Tlv | Kind::Extended | Kind::LongExtended) {
                return Err(format!("{} is a {} and holds no others", holder.name, holder.kind));
            }
            if *number > 255 {
                return Err(format!("{number} is over 255"));
            }
            place = place.child(*number).ok_or("an internal attribute holds no others")?;
        }
        match &place {
            Place::Wire { path, .. } if path.len() > MAX_DEPTH + 3 => Err("nested too deep".into()),
            _ => Ok(place),
        }
    }

    fn check_kind(&self, place: &Place, kind: Kind) -> Result<(), String> {
        let path = match place {
            Place::Wire { vendor: 0, path } => path.as_slice(),
            _ => &[],
        };
        match (kind, place) {
            (Kind::Extended | Kind::LongExtended, _) if !matches!(path, [241..=255]) => {
                Err(format!("{kind} is for the attributes from 241 on"))
            }
            (Kind::Evs, _) if !matches!(path, [241..=255, 26]) => {
                Err("evs is for number 26 of an extended attribute".into())
            }
            (Kind::Tlv, Place::Wire { vendor, .. }) if *vendor != 0 && *vendor != DHCP => {
                match self.draft.vendor(*vendor).map(|vendor| vendor.format) {
                    Some(Format { type_octets: 1, length_octets: 1, .. }) => Ok(()),
                    _ => Err("tlv is for vendors of format=1,1".into()),
                }
            }
            _ => Ok(()),
        }
    }

    fn value(
        &mut self,
        attribute: &str,
        name: &str,
        text: &str,
        block: &Block<'_>,
    ) -> Result<(), String> {
        if attribute.eq_ignore_ascii_case("Server-Config") {
            return Ok(());
        }
        if name.len() > MAX_NAME {
            return Err("the value's name is too long".into());
        }
        let number = number(text).ok_or_else(|| format!("{text} is no number"))?;
        self.draft.add_value(attribute, name, number, &block.spot)
    }

    fn vendor(&mut self, name: &str, text: &str, format: Option<&str>) -> Result<(), String> {
        let number = number(text).ok_or_else(|| format!("{text} is no number"))?;
        if number >= MAX_VENDOR {
            return Err(format!("{number} is too large for a vendor"));
        }
        if name.len() > MAX_NAME {
            return Err("the vendor's name is too long".into());
        }
        let format = match (format, number) {
            (Some(format), _) => read_format(format)?,
            (None, 429) => Format { type_octets: 4, length_octets: 0, continuation: false },
            (None, 4846) => Format { type_octets: 2, length_octets: 1, continuation: false },
            (None, 8164) => Format { type_octets: 2, length_octets: 2, continuation: false },
            _ => Format::default(),
        };
        self.draft.add_vendor(name, number, format)
    }

    fn begin_vendor(
        &mut self,
        name: &str,
        holder: Option<&str>,
        block: &mut Block<'_>,
    ) -> Result<(), String> {
        let vendor = self.draft.vendor_named(name);
        let vendor = vendor.ok_or_else(|| format!("unknown vendor {name}"))?;
        let holder = match holder {
            None => None,
            Some(word) => {
                let attribute = strip_option(word, "format").or(strip_option(word, "parent"));
                let attribute = attribute.ok_or_else(|| format!("unknown option {word}"))?;
                let holder = self.draft.attribute(attribute);
                let holder = holder.ok_or_else(|| format!("unknown attribute {attribute}"))?;
                if holder.kind != Kind::Evs {
                    return Err(format!("{attribute} is a {}, not an evs", holder.kind));
                }
                Some(holder.place.clone())
            }
        };
        block.vendor = vendor;
        block.extended = holder;
        Ok(())
    }

    fn end_vendor(&mut self, name: &str, block: &mut Block<'_>) -> Result<(), String> {
        if block.vendor == 0 || self.draft.vendor_named(name) != Some(block.vendor) {
            return Err(format!("no BEGIN-VENDOR {name} is open"));
        }
        block.vendor = 0;
        block.extended = None;
        Ok(())
    }

    fn begin_tlv(&mut self, name: &str, block: &mut Block<'_>) -> Result<(), String> {
        let tlv = self.draft.attribute(name);
        let tlv = tlv.ok_or_else(|| format!("unknown attribute {name}"))?;
        if tlv.kind != Kind::Tlv {
            return Err(format!("{name} is a {}, not a tlv", tlv.kind));
        }
        if block.tlvs.len() >= MAX_DEPTH {
            return Err("TLVs are nested too deep".into());
        }
        block.tlvs.push(tlv.place.clone());
        Ok(())
    }

    fn end_tlv(&mut self, name: &str, block: &mut Block<'_>) -> Result<(), String> {
        let place = self.draft.attribute(name).map(|tlv| &tlv.place);
        if place.is_none() || place != block.tlvs.last() {
            return Err(format!("no BEGIN-TLV {name} is open"));
        }
        block.tlvs.pop();
        Ok(())
    }
}

const KEYWORDS: [&str; 11] = [
    "ATTRIBUTE",
    "VALUE",
    "VALUE-ALIAS",
    "VENDOR",
    "BEGIN-VENDOR",
    "END-VENDOR",
    "BEGIN-TLV",
    "END-TLV",
    "$INCLUDE",
    "$INCLUDE-",
    "$-INCLUDE",
];

fn check_name(name: &str) -> Result<(), String> {
    if name.starts_with("Attr-") {
        return Err(format!("{name}: names that begin with Attr- stand for numbers"));
    }
    if name.len() > MAX_NAME {
        return Err("the attribute's name is too long".into());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("{c:?} may not be part of an attribute's name")),
        None => Ok(()),
    }
}

/// Decimal or 0x.
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.get(..2) {
        Some("0x" | "0X") => u32::from_str_radix(text.get(2..)?, 16).ok(),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok(),
    }
}

fn numbers(text: &str) -> Result<SmallVec<[u32; 4]>, String> {
    let numbers: Option<SmallVec<[u32; 4]>> = text.split('.').map(number).collect();
    numbers.ok_or_else(|| format!("{text} is no number"))
}

fn read_kind(word: &str) -> Result<(Kind, Option<u8>), String> {
    let unknown = || format!("unknown type {word}");
    let Some(length) = word.strip_prefix("octets[") else {
        return Kind::named(word).map(|kind| (kind, None)).ok_or_else(unknown);
    };
    let length = length.strip_suffix(']').and_then(number).ok_or_else(unknown)?;
    match u8::try_from(length) {
        Ok(length @ 1..=253) => Ok((Kind::Octets, Some(length))),
        _ => Err(format!("{length} octets do not fit an attribute")),
    }
}

fn read_flags(words: &str) -> Result<Flags, String> {
    let mut flags = Flags::default();
    for word in words.trim_end_matches(',').split(',').filter(|_| !words.is_empty()) {
        match word {
            "has_tag" | "has_tag=1" => flags.has_tag = true,
            "encrypt=0" => flags.encrypt = Encrypt::No,
            "encrypt=1" => flags.encrypt = Encrypt::User,
            "encrypt=2" => flags.encrypt = Encrypt::Tunnel,
            "encrypt=3" => flags.encrypt = Encrypt::Ascend,
            "concat" => flags.concat = true,
            "array" => flags.array = true,
            "virtual" => flags.virtual_ = true,
            "secret" => flags.secret = true,
            _ => return Err(format!("unknown flag or vendor {word}")),
        }
    }
    Ok(flags)
}

fn check_flags(place: &Place, kind: Kind, flags: Flags) -> Result<(), String> {
    let Flags { has_tag, encrypt, concat, array, virtual_, length, .. } = flags;
    let hidden = encrypt != Encrypt::No;
    let wrong = |flag: &str| Err(format!("{flag} does not go with {kind}"));
    if has_tag && !matches!(kind, Kind::String | Kind::Integer) {
        return wrong("has_tag");
    }
    match (encrypt, kind) {
        (Encrypt::User, Kind::String) => {}
        (Encrypt::User, Kind::Octets) if length.is_some() => {}
        (Encrypt::User, Kind::Octets) => return Err("encrypt=1 needs octets[n]".into()),
        (Encrypt::User, _) => return wrong("encrypt=1"),
        (Encrypt::Ascend, kind) if kind != Kind::String => return wrong("encrypt=3"),
        (Encrypt::Tunnel, kind) if kind.is_container() => return wrong("encrypt=2"),
        _ => {}
    }
    let packs = matches!(
        kind,
        Kind::Ipaddr | Kind::Ipv6addr | Kind::Byte | Kind::Short | Kind::Integer | Kind::Date
    );
    if array && !packs && kind != Kind::String {
        return wrong("array");
    }
    if concat && (kind != Kind::Octets || has_tag || array || hidden || length.is_some()) {
        return Err("concat is for octets without other flags".into());
    }
    if length.is_some() && (has_tag || array || !matches!(encrypt, Encrypt::No | Encrypt::User)) {
        return Err("octets[n] does not go with other flags".into());
    }
    match place {
        Place::Wire { vendor, path } => {
            if virtual_ {
                return Err("virtual is for internal attributes".into());
            }
            if concat && (*vendor != 0 || path.len() > 1) {
                return Err("concat is for standard attributes".into());
            }
            if has_tag && path.len() > 1 {
                return Err("has_tag does not go with what lives inside another".into());
            }
            Ok(())
        }
        Place::Internal(_) => Ok(()),
    }
}

fn read_format(word: &str) -> Result<Format, String> {
    let wrong = || format!("{word} is no format like format=1,1");
    let (widths, continuation) = match strip_option(word, "format").ok_or_else(wrong)? {
        "1,1,c" => ("1,1", true),
        other if other.ends_with(",c") => return Err("only format=1,1 has continuations".into()),
        other => (other, false),
    };
    let (type_octets, length_octets) = widths.split_once(',').ok_or_else(wrong)?;
    match (type_octets.parse(), length_octets.parse()) {
        (Ok(type_octets @ (1 | 2 | 4)), Ok(length_octets @ 0..=2)) => {
            Ok(Format { type_octets, length_octets, continuation })
        }
        _ => Err(wrong()),
    }
}

fn strip_option<'a>(word: &'a str, option: &str) -> Option<&'a str> {
    let (key, value) = word.split_once('=')?;
    key.eq_ignore_ascii_case(option).then_some(value)
}
