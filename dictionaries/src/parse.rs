//! FreeRADIUS's dictionary format, read into a draft of a dictionary.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::attribute::{Flags, Format, Kind, Place};
use crate::dictionary::Dictionary;
use crate::draft::{Draft, Entry, Spot};
use crate::words::{
    MAX_NAME, check_flags, check_name, number, numbers, read_flags, read_format, read_kind,
    strip_option,
};

/// Vendors have 24 bits.
pub(crate) const MAX_VENDOR: u32 = 1 << 24;
/// An attribute and four levels of TLVs in it.
pub(crate) const MAX_DEPTH: usize = 5;
/// Files that include files; each is read once, so this only guards the stack.
const MAX_INCLUDES: usize = 64;
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

#[cfg(test)]
mod tests {
    use super::*;

    const VENDOR: &str = "VENDOR v 9\nBEGIN-VENDOR v\n";
    const EXTENDED: &str = "VENDOR v 9\nATTRIBUTE e 241 extended\nATTRIBUTE x 241.26 evs\n";

    /// Reads a text; `!` stands for an error, whatever else for the last attribute's line.
    fn check(before: &str, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            let text = format!("{before}{text}\n");
            let found = match Dictionary::from_text(&text) {
                Ok(dictionary) => match dictionary.attributes().last() {
                    Some(attribute) => attribute.to_string(),
                    None => "nothing".into(),
                },
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
    fn lines() {
        check(
            "",
            &[
                ("", "nothing"),
                ("# a comment", "nothing"),
                ("  \t attribute a 1 STRING # a comment\r", "a 1 string"),
                ("ATTRIBUTE a 1 string#x", "a 1 string"),
                ("FOO x", "! text:1: unknown keyword FOO"),
                ("\n\nATTRIBUTE a 1", "! text:3: ATTRIBUTE does not take 2 words"),
                ("ATTRIBUTE a 1 string x y", "! does not take 5 words"),
                ("$INCLUDE other", "! text:1: no file other"),
                ("$INCLUDE- other", "nothing"),
                ("$-INCLUDE other", "nothing"),
            ],
        );
    }

    #[test]
    fn attributes() {
        check(
            "",
            &[
                ("ATTRIBUTE 3-a/b.c_ 0x12c string", "3-a/b.c_ 300 string"),
                ("ATTRIBUTE a:b 1 string", "! ':' may not be part"),
                ("ATTRIBUTE Attr-1 1 string", "! stand for numbers"),
                (&format!("ATTRIBUTE {} 1 string", "a".repeat(128)), "! too long"),
                ("ATTRIBUTE a 0 string", "! no attribute 0"),
                ("ATTRIBUTE a -1 string", "! -1 is no number"),
                ("ATTRIBUTE a 1x string", "! 1x is no number"),
                ("ATTRIBUTE a 1 nosuch", "! unknown type nosuch"),
                ("ATTRIBUTE a 1 uint32", "a 1 integer"),
                ("ATTRIBUTE a 1 cidr", "a 1 ipv4prefix"),
                ("ATTRIBUTE a 1 octets[16]", "a 1 octets[16]"),
                ("ATTRIBUTE a 1 octets[0]", "! do not fit"),
                ("ATTRIBUTE a 1 octets[254]", "! do not fit"),
                ("ATTRIBUTE a 1 octets[16", "! unknown type"),
                ("ATTRIBUTE a 1 string\nATTRIBUTE a 2 string", "! a has the number 1 already"),
                ("ATTRIBUTE a 1 string\nATTRIBUTE A 1 integer", "A 1 integer"),
                ("ATTRIBUTE a 70000 string\nATTRIBUTE a 3000 integer", "a 3000 integer"),
            ],
        );
    }

    #[test]
    fn flags() {
        check(
            "",
            &[
                ("ATTRIBUTE a 1 string has_tag,encrypt=2", "a 1 string has_tag,encrypt=2"),
                ("ATTRIBUTE a 1 integer has_tag=1,", "a 1 integer has_tag"),
                ("ATTRIBUTE a 1 octets has_tag", "! has_tag does not go with octets"),
                ("ATTRIBUTE a 1 string has_tag=2", "! unknown flag or vendor has_tag=2"),
                ("ATTRIBUTE a 1 string ,has_tag", "! unknown flag"),
                ("ATTRIBUTE a 1 string bogus", "! unknown flag or vendor bogus"),
                ("ATTRIBUTE a 1 octets[24] encrypt=1", "a 1 octets[24] encrypt=1"),
                ("ATTRIBUTE a 1 octets encrypt=1", "! encrypt=1 needs octets[n]"),
                ("ATTRIBUTE a 1 integer encrypt=1", "! encrypt=1 does not go"),
                ("ATTRIBUTE a 1 integer encrypt=2", "a 1 integer encrypt=2"),
                ("ATTRIBUTE a 1 integer encrypt=3", "! encrypt=3 does not go"),
                ("ATTRIBUTE a 1 string encrypt=x", "! unknown flag"),
                ("ATTRIBUTE a 1 octets concat", "a 1 octets concat"),
                ("ATTRIBUTE a 1 string concat", "! concat is for octets"),
                ("ATTRIBUTE a 1 ipaddr array", "a 1 ipaddr array"),
                ("ATTRIBUTE a 1 octets array", "! array does not go"),
                ("ATTRIBUTE a 300 string virtual", "a 300 string virtual"),
                ("ATTRIBUTE a 1 string virtual", "! virtual is for internal"),
                ("ATTRIBUTE a 1 string secret", "a 1 string secret"),
            ],
        );
    }

    #[test]
    fn vendors() {
        check(
            "",
            &[
                ("VENDOR v 9 format=3,1", "! no format"),
                ("VENDOR v 9 format=1,3", "! no format"),
                ("VENDOR v 9 format=2,1,c", "! only format=1,1"),
                ("VENDOR v 9 x", "! no format"),
                ("VENDOR v 16777216", "! too large"),
                ("VENDOR v 9\nVENDOR v 10", "! has the number 9 already"),
                ("VENDOR v 9\nVENDOR v 9\nVENDOR w 9", "nothing"),
                ("BEGIN-VENDOR v", "! unknown vendor v"),
                ("VENDOR v 9\nEND-VENDOR v", "! no BEGIN-VENDOR v is open"),
                ("VENDOR v 9\nVENDOR w 9\nBEGIN-VENDOR v\nEND-VENDOR w", "nothing"),
                ("VENDOR v 9\nATTRIBUTE a 1 string v", "a 26.9.1 string"),
                ("VENDOR v 9\nATTRIBUTE a 26.9.1 string", "a 26.9.1 string"),
                ("VENDOR v 9\nATTRIBUTE a 1 string has_tag,v", "! unknown flag or vendor v"),
                ("ATTRIBUTE a 26.9.1 string", "! unknown vendor 9"),
            ],
        );
        check(
            VENDOR,
            &[
                ("ATTRIBUTE a 255 string", "a 26.9.255 string"),
                ("ATTRIBUTE a 256 string", "! does not fit the vendor's format"),
                ("ATTRIBUTE a 1 string v", "! inside of BEGIN-VENDOR"),
                ("ATTRIBUTE a 1 octets concat", "! concat is for standard"),
            ],
        );
        let usr = "VENDOR USR 429\nBEGIN-VENDOR USR\n";
        check(usr, &[("ATTRIBUTE a 0x9000 string", "a 26.429.36864 string")]);
        let lucent = "VENDOR Lucent 4846\nBEGIN-VENDOR Lucent\n";
        check(
            lucent,
            &[
                ("ATTRIBUTE a 65535 string", "a 26.4846.65535 string"),
                ("ATTRIBUTE a 65536 string", "! does not fit"),
                ("ATTRIBUTE a 0 string", "! does not fit"),
                ("ATTRIBUTE a 1 tlv", "! tlv is for vendors of format=1,1"),
            ],
        );
        let wimax = Dictionary::from_text("VENDOR w 24757 format=1,1,c").unwrap();
        assert!(wimax.vendor(24757).unwrap().format.continuation);
    }

    #[test]
    fn tlvs() {
        check(
            VENDOR,
            &[
                (
                    "ATTRIBUTE a 1 tlv\nATTRIBUTE b 1.2 tlv\nATTRIBUTE c 1.2.3 byte",
                    "c 26.9.1.2.3 byte",
                ),
                (
                    "ATTRIBUTE a 1 tlv\nBEGIN-TLV a\nATTRIBUTE b 2 tlv\nBEGIN-TLV b\n\
                 ATTRIBUTE c 3 byte\nEND-TLV b\nEND-TLV a\nATTRIBUTE d 4 byte",
                    "d 26.9.4 byte",
                ),
                ("ATTRIBUTE a 1 tlv\nBEGIN-TLV a\nATTRIBUTE b 2 byte", "b 26.9.1.2 byte"),
                ("ATTRIBUTE a 1 tlv\nATTRIBUTE b 1.256 byte", "! 256 is over 255"),
                ("ATTRIBUTE a 1 byte\nATTRIBUTE b 1.2 byte", "! a is a byte and holds no others"),
                ("ATTRIBUTE b 1.2 byte", "! nothing is defined at 26.9.1"),
                ("ATTRIBUTE a 1 byte\nBEGIN-TLV a", "! a is a byte, not a tlv"),
                ("BEGIN-TLV a", "! unknown attribute a"),
                ("END-TLV a", "! no BEGIN-TLV a is open"),
                ("ATTRIBUTE a 1 tlv has_tag", "! has_tag does not go with tlv"),
                ("ATTRIBUTE a 1 tlv encrypt=2", "! encrypt=2 does not go with tlv"),
            ],
        );
        check("ATTRIBUTE a 173 tlv\n", &[("ATTRIBUTE b 173.1 string", "b 173.1 string")]);
    }

    #[test]
    fn extended() {
        check(
            EXTENDED,
            &[
                ("ATTRIBUTE a 241.1 string", "a 241.1 string"),
                ("ATTRIBUTE a 241.1 tlv\nATTRIBUTE b 241.1.2 byte", "b 241.1.2 byte"),
                ("ATTRIBUTE a 241.1 string has_tag", "! has_tag does not go"),
                ("BEGIN-VENDOR v format=x\nATTRIBUTE a 1 string", "a 241.26.9.1 string"),
                ("BEGIN-VENDOR v parent=x\nATTRIBUTE a 1 string", "a 241.26.9.1 string"),
                ("BEGIN-VENDOR v format=x\nATTRIBUTE a 256 string", "! over 255"),
                ("BEGIN-VENDOR v format=e", "! e is a extended, not an evs"),
                ("BEGIN-VENDOR v x", "! unknown option x"),
                ("ATTRIBUTE a 241.26.9.1 string", "a 241.26.9.1 string"),
                ("ATTRIBUTE a 241.25 evs", "! evs is for number 26"),
                ("ATTRIBUTE a 240 extended", "! from 241 on"),
                ("ATTRIBUTE a 1 string\nATTRIBUTE b 1.2 string", "! holds no others"),
            ],
        );
    }

    #[test]
    fn values() {
        /// What the last attribute's names are, and what its numbers print as.
        fn names(text: &str) -> String {
            match Dictionary::from_text(text) {
                Ok(dictionary) => {
                    let attribute = dictionary.attributes().last().unwrap();
                    format!(
                        "{:?} {:?}",
                        attribute.value_names().collect::<Vec<_>>(),
                        attribute.values().collect::<Vec<_>>(),
                    )
                }
                Err(error) => format!("! {error}"),
            }
        }
        let a = "ATTRIBUTE a 300 integer\n";
        let two = "[(\"x\", 1), (\"Y\", 1)] [(1, \"Y\")]";
        assert_eq!(names(&format!("{a}VALUE a x 1\nVALUE A Y 0x1")), two);
        assert_eq!(names(&format!("{a}VALUE a x 1\nVALUE a X 1\nVALUE a Y 1")), two);
        // Before its attribute a value may be changed, and does not print if another can.
        let early = names(&format!("VALUE a Y 1\n{a}VALUE a x 1\nVALUE a Y 2"));
        assert_eq!(early, "[(\"x\", 1), (\"Y\", 1)] [(1, \"x\")]");
        let alias = "VALUE a x 1\nATTRIBUTE b 301 integer\nVALUE-ALIAS b a";
        assert_eq!(names(&format!("{a}{alias}")), "[(\"x\", 1)] [(1, \"x\")]");
        assert_eq!(names(&format!("{a}VALUE Server-Config x 1")), "[] []");
        let cases = [
            ("VALUE a x 1\nVALUE a X 2", "value X is 1 already"),
            ("VALUE b x 1", "unknown attribute b"),
            ("VALUE a x y", "y is no number"),
            ("ATTRIBUTE b 301 byte\nVALUE b x 256", "256 is too large for b, a byte"),
            ("ATTRIBUTE b 301 string\nVALUE b x 1", "of type string, which has no values"),
            ("ATTRIBUTE b 301 short\nVALUE-ALIAS b a", "different types"),
            ("VALUE-ALIAS b a", "unknown attribute b"),
        ];
        for (text, why) in cases {
            let found = names(&format!("{a}{text}"));
            assert!(found.starts_with('!') && found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn the_newest_name_answers_to_a_number_and_old_ones_still_parse() {
        let text = "ATTRIBUTE old 6 integer\nATTRIBUTE new 6 integer\nVALUE old x 1";
        let dictionary = Dictionary::from_text(text).unwrap();
        assert_eq!(&*dictionary.standard(6).unwrap().name, "new");
        let old = dictionary.attribute("OLD").unwrap();
        assert!(old.same(dictionary.standard(6).unwrap()));
        assert_eq!(dictionary.attribute("new").unwrap().value_named("X"), Some(1));
        assert!(dictionary.describe(old).contains("now called new"));
    }

    #[test]
    fn a_name_that_was_only_renamed_goes_along_with_its_number() {
        let kinds = |text: &str| {
            let dictionary = Dictionary::from_text(text).unwrap();
            ["a", "b", "c"].map(|name| dictionary.attribute(name).map(|found| found.kind))
        };
        let [a, b] = ["ATTRIBUTE a 6 integer\n", "ATTRIBUTE b 6 integer\n"];
        let (integer, string) = (Some(Kind::Integer), Some(Kind::String));
        let c = "ATTRIBUTE c 6 string";
        assert_eq!(kinds(&format!("{a}{b}{c}")), [string, integer, string]);
        assert_eq!(kinds(&format!("{a}{c}")), [integer, None, string]);
        assert_eq!(kinds(&format!("{a}{b}")), [integer, integer, None]);
    }
}
