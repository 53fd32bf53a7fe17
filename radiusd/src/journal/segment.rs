//! The octets of a segment: a header, then records in frames that are checked one by one.
//!
//! Nothing here opens a file. A frame is `mark, length, time, check of these, check of the content,
//! content`, numbers little-endian, checks the first octets of an MD5, the content an event as JSON.
//! The mark begins with an octet that no JSON has, so that what follows a damaged frame is found.

use md5::{Digest, Md5};

use crate::accounting::Event;

/// What is written now. Older ones stay readable.
pub const VERSION: u32 = 1;
pub const HEADER: usize = 16;
/// Before the content of a frame.
const HEAD: usize = 28;
/// Content longer than any event of a datagram.
const CONTENT_MAX: usize = 1 << 18;
const NAME: [u8; 8] = *b"radiusdJ";
const MARK: [u8; 4] = [0xf7, b'R', b'J', 0xf7];

/// What the first octets of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Known,
    /// Written by a version of the daemon that came after this one.
    Newer(u32),
    Damaged,
}

/// The first octets of a segment.
pub fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&NAME);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let check = check::<4>(&[&header[..12]]);
    header[12..].copy_from_slice(&check);
    header
}

pub fn read_header(octets: &[u8]) -> Header {
    let Some(header) = octets.first_chunk::<HEADER>() else { return Header::Damaged };
    if header[..8] != NAME || header[12..] != check::<4>(&[&header[..12]]) {
        return Header::Damaged;
    }
    match number(header, 8).unwrap_or_default() {
        version @ 1..=VERSION => {
            debug_assert_eq!(version, VERSION, "an older version is read here");
            Header::Known
        }
        version => Header::Newer(version),
    }
}

/// Appends an event's frame; false if it is too long to be read again.
pub fn append(out: &mut Vec<u8>, at_ms: i64, event: &Event) -> bool {
    let begin = out.len();
    out.resize(begin + HEAD, 0);
    let written = serde_json::to_writer(&mut *out, event).is_ok();
    let content = out.len() - begin - HEAD;
    if !written || content > CONTENT_MAX {
        out.truncate(begin);
        return false;
    }
    let body = check::<8>(&[&out[begin + HEAD..]]);
    let frame = &mut out[begin..];
    frame[..4].copy_from_slice(&MARK);
    frame[4..8].copy_from_slice(&(content as u32).to_le_bytes());
    frame[8..16].copy_from_slice(&at_ms.to_le_bytes());
    frame[20..28].copy_from_slice(&body);
    let head = check::<4>(&[&frame[..16], &body]);
    frame[16..20].copy_from_slice(&head);
    true
}

/// What comes next in a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// `octets` is the whole frame's length.
    Record { at_ms: i64, event: Event, octets: usize },
    /// What can't be read, up to the next frame that can or to the end.
    Bad { octets: usize },
}

/// Takes the octets behind the header as they come, gives records.
#[derive(Default)]
pub struct Decoder {
    held: Vec<u8>,
    at: usize,
}

enum Frame {
    Good(i64, Event, usize),
    Bad,
    /// There may be more to come.
    Cut,
}

impl Decoder {
    pub fn feed(&mut self, octets: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(octets);
    }

    /// `None`: more octets are needed. `ended`: there are no more.
    pub fn next(&mut self, ended: bool) -> Option<Found> {
        let rest = self.held.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        let mut skipped = 0;
        let found = loop {
            let candidate = rest.get(skipped..).unwrap_or_default();
            match frame(candidate) {
                Frame::Good(..) | Frame::Cut if skipped > 0 && !candidate.is_empty() && !ended => {
                    break Found::Bad { octets: skipped };
                }
                Frame::Good(..) if skipped > 0 => break Found::Bad { octets: skipped },
                Frame::Good(at_ms, event, octets) => break Found::Record { at_ms, event, octets },
                Frame::Cut if !ended => return None,
                Frame::Cut | Frame::Bad => {}
            }
            let after = candidate.get(1..).unwrap_or_default();
            match after.iter().position(|octet| *octet == MARK[0]) {
                Some(at) => skipped += at + 1,
                None => break Found::Bad { octets: rest.len() },
            }
        };
        let (Found::Record { octets, .. } | Found::Bad { octets }) = &found;
        self.at += octets;
        Some(found)
    }
}

fn frame(octets: &[u8]) -> Frame {
    let mark = octets.get(..4).unwrap_or(octets);
    if !MARK.starts_with(mark) {
        return Frame::Bad;
    }
    let Some((head, content)) = octets.split_at_checked(HEAD) else { return Frame::Cut };
    let (Some(length), Some(at_ms)) = (number(head, 4), head[8..16].first_chunk()) else {
        return Frame::Bad;
    };
    if head[16..20] != check::<4>(&[&head[..16], &head[20..28]]) || length as usize > CONTENT_MAX {
        return Frame::Bad;
    }
    let Some(content) = content.get(..length as usize) else { return Frame::Cut };
    if head[20..28] != check::<8>(&[content]) {
        return Frame::Bad;
    }
    match serde_json::from_slice(content) {
        Ok(event) => Frame::Good(i64::from_le_bytes(*at_ms), event, HEAD + content.len()),
        Err(_) => Frame::Bad,
    }
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

/// The first octets of an MD5: it guards against disks, not against people.
pub fn check<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    let digest = md5.finalize();
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schema::Reboot;

    use super::*;
    use crate::accounting::{Kind, SessionEvent, Texts};

    pub fn event(number: i64) -> Event {
        if number % 5 == 4 {
            let nasipaddress = "10.0.0.1".into();
            return Event::Reboot(Reboot { nasipaddress, at: number, off: true, cause: None });
        }
        Event::Session(Box::new(SessionEvent {
            kind: Kind::Interim,
            unique_id: format!("{number:032x}"),
            time: number,
            session_time: (number % 2 == 0).then_some(number),
            input_octets: i64::MAX,
            output_octets: 0,
            addresses: [Some("10.1.2.3".into()), None, None, None, None],
            cause: String::new(),
            texts: Texts { username: format!("us\u{7f}er\t\"{number}\u{f7}"), ..Texts::default() },
        }))
    }

    fn segment(count: i64) -> (Vec<u8>, Vec<usize>) {
        let (mut octets, mut ends) = (Vec::new(), Vec::new());
        for number in 0..count {
            assert!(append(&mut octets, number, &event(number)));
            ends.push(octets.len());
        }
        (octets, ends)
    }

    /// Fed in pieces of this size: what was found.
    fn decode(octets: &[u8], piece: usize) -> Vec<Found> {
        let mut decoder = Decoder::default();
        let mut found: Vec<Found> = Vec::new();
        let mut take = |decoder: &mut Decoder, ended| {
            while let Some(next) = decoder.next(ended) {
                match (found.last_mut(), next) {
                    (Some(Found::Bad { octets }), Found::Bad { octets: more }) => *octets += more,
                    (_, next) => found.push(next),
                }
            }
        };
        for piece in octets.chunks(piece) {
            decoder.feed(piece);
            take(&mut decoder, false);
        }
        take(&mut decoder, true);
        found
    }

    fn records(found: &[Found]) -> Vec<Event> {
        let event = |found: &Found| match found {
            Found::Record { event, .. } => Some(event.clone()),
            Found::Bad { .. } => None,
        };
        found.iter().filter_map(event).collect()
    }

    #[test]
    fn a_header_tells_its_version() {
        assert_eq!(read_header(&header()), Header::Known);
        let mut newer = header();
        newer[8] = 2;
        assert_eq!(read_header(&newer), Header::Damaged, "a flipped bit is no version");
        let sum = check::<4>(&[&newer[..12]]);
        newer[12..].copy_from_slice(&sum);
        assert_eq!(read_header(&newer), Header::Newer(2));
        assert_eq!(read_header(&header()[..15]), Header::Damaged);
    }

    /// Written by the first version there was.
    #[test]
    fn the_first_version_stays_readable() {
        let written = include_bytes!("version1.segment");
        assert_eq!(read_header(written), Header::Known);
        let expected: Vec<_> = (0..6).map(event).collect();
        assert_eq!(records(&decode(&written[HEADER..], usize::MAX)), expected);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(count in 0..20i64, piece in 1..700usize) {
            let found = decode(&segment(count).0, piece);
            prop_assert_eq!(records(&found), (0..count).map(event).collect::<Vec<_>>());
            prop_assert_eq!(found.len(), count as usize);
        }

        #[test]
        fn cut_anywhere_all_before_the_cut_is_read(cut in 0..10_000usize, piece in 1..700usize) {
            let (octets, ends) = segment(12);
            let cut = cut % (octets.len() + 1);
            let found = decode(&octets[..cut], piece);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(records(&found), (0..whole as i64).map(event).collect::<Vec<_>>());
            let torn = cut - whole.checked_sub(1).map_or(0, |last| ends[last]);
            let tail = (torn > 0).then_some(Found::Bad { octets: torn });
            prop_assert_eq!(found.get(whole).cloned(), tail);
        }

        /// One bad octet costs one record and no other.
        #[test]
        fn damage_costs_what_it_hits(at in 0..10_000usize, flip in 1..=255u8, piece in 1..700usize) {
            let (mut octets, ends) = segment(12);
            let at = at % octets.len();
            octets[at] ^= flip;
            let hit = ends.iter().filter(|end| **end <= at).count();
            let found = decode(&octets, piece);
            let expected: Vec<_> = (0..12).filter(|n| *n != hit as i64).map(event).collect();
            prop_assert_eq!(records(&found), expected);
            let length = ends[hit] - hit.checked_sub(1).map_or(0, |before| ends[before]);
            prop_assert_eq!(&found[hit], &Found::Bad { octets: length });
        }

        #[test]
        fn any_octets_are_accounted_for(
            octets in prop::collection::vec(prop_oneof![Just(0xf7u8), Just(b'R'), any::<u8>()], 0..2_000),
            piece in 1..700usize,
        ) {
            let length: usize = decode(&octets, piece).iter().map(|found| match found {
                Found::Record { octets, .. } | Found::Bad { octets } => *octets,
            }).sum();
            prop_assert_eq!(length, octets.len());
        }
    }
}
