//! Type, length, value inside Vendor-Specific and TLVs, in the widths that each vendor chose.

use dictionaries::Format;

/// One vendor's attribute inside attribute 26.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) number: u32,
    /// WiMAX's "more follows"; false in other formats.
    pub(crate) more: bool,
    pub(crate) value: &'a [u8],
}

/// The items in the octets behind a vendor's number, one after the other. Ends early where a
/// length doesn't fit: ask [`well_formed`] first.
#[derive(Clone, Copy)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
    format: Format,
}

impl<'a> Items<'a> {
    pub(crate) fn new(octets: &'a [u8], format: Format) -> Items<'a> {
        Items { rest: octets, format }
    }

    /// `None`: what is left is no item.
    fn split(&self) -> Option<(Item<'a>, &'a [u8])> {
        let format = self.format;
        let (number, after) = number(self.rest, format.type_octets)?;
        let header = usize::from(format.type_octets)
            .checked_add(usize::from(format.length_octets))?
            .checked_add(usize::from(format.continuation))?;
        let length = match (format.length_octets, after) {
            (0, _) => self.rest.len(),
            (1, [length, ..]) => usize::from(*length),
            (2, [high, low, ..]) => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return None,
        };
        let (item, rest) = self.rest.split_at_checked(length)?;
        let value = item.get(header..)?;
        let flags = header.checked_sub(1).and_then(|at| item.get(at));
        let more = format.continuation && flags.is_some_and(|flags| flags & 0x80 != 0);
        Some((Item { number, more, value }, rest))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (item, rest) = self.split()?;
        self.rest = rest;
        Some(item)
    }
}

/// Does every length fit, to the very end? Number 0 passes where types have one octet: there are
/// vendors who use it.
pub(crate) fn well_formed(octets: &[u8], format: Format) -> bool {
    let mut items = Items::new(octets, format);
    for item in items.by_ref() {
        if item.number == 0 && format.type_octets != 1 {
            return false;
        }
    }
    items.rest.is_empty()
}

/// A type field; of four octets the first must be 0.
fn number(octets: &[u8], width: u8) -> Option<(u32, &[u8])> {
    match (width, octets) {
        (1, [number, rest @ ..]) => Some((u32::from(*number), rest)),
        (2, [high, low, rest @ ..]) => Some((u32::from_be_bytes([0, 0, *high, *low]), rest)),
        (4, [0, a, b, c, rest @ ..]) => Some((u32::from_be_bytes([0, *a, *b, *c]), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use dictionaries::Format;

    use super::{Items, well_formed};

    fn check(format: (u8, u8, bool), octets: &[u8], want: Option<&[(u32, &[u8])]>) {
        let (type_octets, length_octets, continuation) = format;
        let format = Format { type_octets, length_octets, continuation };
        assert_eq!(well_formed(octets, format), want.is_some(), "{octets:?}");
        if let Some(want) = want {
            let got: Vec<_> = Items::new(octets, format).map(|i| (i.number, i.value)).collect();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn every_format() {
        check((1, 1, false), &[1, 3, 9, 2, 2], Some(&[(1, &[9]), (2, &[])]));
        check((1, 1, false), &[0, 3, 9], Some(&[(0, &[9])]));
        check((1, 1, false), &[1, 1], None);
        check((1, 1, false), &[1, 4, 9], None);
        check((2, 1, false), &[1, 2, 4, 9], Some(&[(258, &[9])]));
        check((2, 1, false), &[0, 0, 4, 9], None);
        check((2, 2, false), &[0, 7, 0, 5, 9], Some(&[(7, &[9])]));
        check((2, 2, false), &[0, 7, 1, 5, 9], None);
        check((4, 0, false), &[0, 0, 1, 0, 9, 8], Some(&[(256, &[9, 8])]));
        check((4, 0, false), &[1, 0, 1, 0, 9, 8], None);
        check((1, 1, true), &[1, 4, 0, 9], Some(&[(1, &[9])]));
        check((1, 1, true), &[1, 2], None);
    }
}
