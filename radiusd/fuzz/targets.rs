//! What is done with any octets that a disk may hold, and what must hold; returns a number that says
//! which way they went.

use radiusd::journal::segment::{Decoder, Found, HEADER, Header, append, read_header};

/// A segment: whatever its pieces, the same is found, and every octet belongs to a record or to
/// something bad. A record is written again as one that reads the same.
pub fn segment(octets: &[u8]) -> u64 {
    let header = read_header(octets);
    let from = if header == Header::Known { HEADER } else { 0 };
    let rest = octets.get(from..).unwrap_or_default();
    let whole = decode(rest, usize::MAX);
    assert_eq!(whole, decode(rest, 61));
    let mut length = 0;
    let mut way = u64::from(header == Header::Known);
    for found in &whole {
        match found {
            Found::Bad { octets } => {
                length += octets;
                way = way.wrapping_mul(3).wrapping_add(1);
            }
            Found::Record { at_ms, event, octets } => {
                length += octets;
                way = way.wrapping_mul(3).wrapping_add(2 + event_way(*octets));
                let mut again = Vec::new();
                assert!(append(&mut again, *at_ms, event));
                let read = decode(&again, usize::MAX);
                let octets = again.len();
                let record = Found::Record { at_ms: *at_ms, event: event.clone(), octets };
                assert_eq!(read, [record]);
            }
        }
    }
    assert_eq!(length, rest.len());
    way
}

/// Long and short ones are two ways.
fn event_way(octets: usize) -> u64 {
    octets.ilog2().into()
}

fn decode(octets: &[u8], piece: usize) -> Vec<Found> {
    let mut decoder = Decoder::default();
    let mut found: Vec<Found> = Vec::new();
    let mut take = |decoder: &mut Decoder, ended: bool| {
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
