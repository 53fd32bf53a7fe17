//! The headers around one value: attribute, vendor, extended type, TLVs; and their lengths.

use dictionaries::{Format, Place};
use smallvec::SmallVec;

use super::number::{EXTENDED, EXTENDED_VENDOR_SPECIFIC, LONG_EXTENDED, VENDOR_SPECIFIC};

const MORE: u8 = 0x80;

/// A length field to be filled in once the end is known: it counts from `from`.
#[derive(Clone, Copy)]
struct Length {
    at: usize,
    from: usize,
    octets: u8,
}

/// Headers that were written, waiting for their value.
#[derive(Clone)]
pub(crate) struct Frame {
    start: usize,
    /// Where the outermost value begins.
    body: usize,
    /// Where that begins which is split when it is too long; an extended vendor's number is in it.
    content: usize,
    /// What the outermost header says: its vendor, and the first numbers of the path.
    vendor: u32,
    head: SmallVec<[u32; 4]>,
    lengths: SmallVec<[Length; 3]>,
    /// The TLVs inside, outermost first, each with the numbers of its header; the last is the leaf.
    nested: SmallVec<[(u32, Length); 4]>,
    split: Option<Split>,
}

/// How a value that is too long for one attribute goes on in the next.
#[derive(Clone, Copy)]
pub(crate) enum Split {
    Plain(u8),
    /// RFC 6929's long extended attributes: number and extended type.
    Long(u8, u8),
    /// WiMAX: vendor and number.
    Continuation(u32, u8),
}

impl Frame {
    /// Writes the headers of an attribute at `place`. `None`: numbers that don't fit.
    pub(crate) fn open(place: &Place, format: Format, out: &mut Vec<u8>) -> Option<Frame> {
        let Place::Wire { vendor, path } = place else { return None };
        let start = out.len();
        let mut frame = Frame {
            start,
            body: start,
            content: start,
            vendor: *vendor,
            head: SmallVec::new(),
            lengths: SmallVec::new(),
            nested: SmallVec::new(),
            split: None,
        };
        let inner = match (vendor, path.as_slice()) {
            (0, [number, rest @ ..]) => frame.standard(*number, rest, out)?,
            (_, [number, rest @ ..]) => {
                frame.vendor_specific(*number, format, out)?;
                rest
            }
            _ => return None,
        };
        let head = path.len().checked_sub(inner.len())?;
        frame.head = SmallVec::from_slice(path.get(..head)?);
        frame.body = out.len();
        for number in inner {
            frame.nest(*number, out)?;
        }
        Some(frame)
    }

    /// The standard space: returns what of the path is nested inside.
    fn standard<'p>(
        &mut self,
        number: u32,
        rest: &'p [u32],
        out: &mut Vec<u8>,
    ) -> Option<&'p [u32]> {
        let octet = u8::try_from(number).ok().filter(|number| *number != 0)?;
        self.lengths.push(Length { at: out.len().checked_add(1)?, from: out.len(), octets: 1 });
        out.extend_from_slice(&[octet, 0]);
        let long = LONG_EXTENDED.contains(&number);
        if !long && !EXTENDED.contains(&number) {
            return Some(rest);
        }
        // An extended attribute as a whole is raw octets: its type is among them.
        let Some((kind, rest)) = rest.split_first() else { return Some(rest) };
        let kind_octet = u8::try_from(*kind).ok()?;
        out.push(kind_octet);
        if long {
            self.split = Some(Split::Long(octet, kind_octet));
            out.push(0);
            self.content = out.len();
        }
        match rest {
            [vendor, number, rest @ ..] if *kind == EXTENDED_VENDOR_SPECIFIC => {
                out.extend_from_slice(&vendor.to_be_bytes());
                out.push(u8::try_from(*number).ok()?);
                Some(rest)
            }
            [_] if *kind == EXTENDED_VENDOR_SPECIFIC => None,
            rest => Some(rest),
        }
    }

    fn vendor_specific(&mut self, number: u32, format: Format, out: &mut Vec<u8>) -> Option<()> {
        self.lengths.push(Length { at: out.len().checked_add(1)?, from: out.len(), octets: 1 });
        out.extend_from_slice(&[VENDOR_SPECIFIC, 0]);
        out.extend_from_slice(&self.vendor.to_be_bytes());
        let from = out.len();
        let octets = number.to_be_bytes();
        let kept = usize::from(format.type_octets);
        let (dropped, kept) = octets.split_at_checked(octets.len().checked_sub(kept)?)?;
        if dropped.iter().any(|octet| *octet != 0) {
            return None;
        }
        out.extend_from_slice(kept);
        if format.length_octets > 0 {
            self.lengths.push(Length { at: out.len(), from, octets: format.length_octets });
            out.extend(std::iter::repeat_n(0, usize::from(format.length_octets)));
        }
        if format.continuation {
            out.push(0);
            self.split = Some(Split::Continuation(self.vendor, u8::try_from(number).ok()?));
            self.content = out.len();
        }
        Some(())
    }

    fn nest(&mut self, number: u32, out: &mut Vec<u8>) -> Option<()> {
        let octet = u8::try_from(number).ok()?;
        let length = Length { at: out.len().checked_add(1)?, from: out.len(), octets: 1 };
        self.nested.push((number, length));
        out.extend_from_slice(&[octet, 0]);
        Some(())
    }

    /// Is the value inside a TLV?
    pub(crate) fn is_nested(&self) -> bool {
        !self.nested.is_empty()
    }

    /// Where the value must end at the latest: of one that can be split the TLV around it counts.
    pub(crate) fn end_max(&self, split: bool) -> usize {
        match self.nested.first() {
            Some((_, length)) if split => length.from.saturating_add(usize::from(u8::MAX)),
            None if split => usize::MAX,
            _ => self.start.saturating_add(usize::from(u8::MAX)),
        }
    }

    /// How it goes on in the next attribute, if it can.
    pub(crate) fn split(&self) -> Option<Split> {
        self.split
    }

    /// Takes the headers away and leaves them to [`Split::write`].
    pub(crate) fn take_content(&self, out: &mut Vec<u8>) -> Vec<u8> {
        let at = if self.split.is_some() { self.content } else { self.body };
        let content = out.split_off(at.min(out.len()));
        out.truncate(self.start);
        content
    }

    /// Writes the lengths, now that `out` ends where the value does. False: one doesn't fit; of
    /// a value that can be split only TLVs inside must.
    pub(crate) fn close(&self, out: &mut [u8]) -> bool {
        let end = out.len();
        let nested = self.nested.iter().map(|(_, length)| length);
        nested.chain(&self.lengths).all(|length| {
            let counted = end.saturating_sub(length.from);
            let octets = match (length.octets, u8::try_from(counted), u16::try_from(counted)) {
                (1, Ok(octet), _) => SmallVec::<[u8; 2]>::from_slice(&[octet]),
                (2, _, Ok(wide)) => SmallVec::from_slice(&wide.to_be_bytes()),
                _ => return false,
            };
            let place = out.get_mut(length.at..).and_then(|rest| rest.get_mut(..octets.len()));
            place.is_some_and(|place| {
                place.copy_from_slice(&octets);
                true
            })
        })
    }

    /// The frame with another leaf's headers, when that leaf belongs into one of the TLVs that end
    /// here: FreeRADIUS puts neighbours into one TLV too, also when a number repeats.
    pub(crate) fn joined_by(&self, place: &Place, out: &mut Vec<u8>) -> Option<Frame> {
        let Place::Wire { vendor, path } = place else { return None };
        let inner = path.strip_prefix(self.head.as_slice()).filter(|_| *vendor == self.vendor)?;
        let (_, holders) = self.nested.split_last()?;
        let (_, wanted) = inner.split_last()?;
        let shared = holders.iter().zip(wanted).take_while(|((have, _), want)| have == *want);
        let depth = shared.count();
        let mut longer = self.clone();
        longer.nested.truncate(depth);
        for number in inner.get(depth..)? {
            longer.nest(*number, out)?;
        }
        Some(longer)
    }
}

impl Split {
    /// Writes `content` as attributes that follow each other.
    pub(crate) fn write(self, content: &[u8], out: &mut Vec<u8>) {
        let most: usize = match self {
            Split::Plain(_) => 253,
            Split::Long(..) => 251,
            Split::Continuation(..) => 246,
        };
        let mut parts = content.chunks(most).peekable();
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_some() { MORE } else { 0 };
            let length =
                |header| u8::try_from(part.len().saturating_add(header)).unwrap_or(u8::MAX);
            match self {
                Split::Plain(number) => out.extend_from_slice(&[number, length(2)]),
                Split::Long(number, kind) => {
                    out.extend_from_slice(&[number, length(4), kind, flags]);
                }
                Split::Continuation(vendor, number) => {
                    out.extend_from_slice(&[VENDOR_SPECIFIC, length(9)]);
                    out.extend_from_slice(&vendor.to_be_bytes());
                    out.extend_from_slice(&[number, length(3), flags]);
                }
            }
            out.extend_from_slice(part);
        }
    }
}
