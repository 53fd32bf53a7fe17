//! What a segment on disk holds, looked at from end to end.

use std::fs;
use std::io;
use std::path::Path;

use super::folder::read_pieces;
use super::segment::{self, Decoder, Found, HEADER, Header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    pub header: Header,
    pub octets: u64,
    /// Records at or behind the offset that was asked for.
    pub records: u64,
    /// When the first of these came, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Behind the last record that can be read.
    pub end: u64,
    /// Octets that can't be read, with records behind them.
    pub bad: u64,
    /// Octets that can't be read, with nothing behind them.
    pub tail: u64,
}

impl Survey {
    /// Looks at all of it; counts the records from `from` on.
    pub fn of(path: &Path, from: u64) -> io::Result<Survey> {
        let octets = fs::metadata(path)?.len();
        let mut head = Vec::new();
        read_pieces(path, 0, HEADER as u64, |piece| {
            head.extend_from_slice(piece);
            true
        })?;
        let header = segment::read_header(&head);
        let mut survey =
            Survey { header, octets, records: 0, oldest_ms: None, end: 0, bad: 0, tail: 0 };
        if matches!(header, Header::Newer(_)) {
            return Ok(survey);
        }
        if header == Header::Known {
            survey.end = HEADER as u64;
        }
        let mut decoder = Decoder::default();
        read_pieces(path, survey.end, octets, |piece| {
            decoder.feed(piece);
            survey.take(&mut decoder, false, from);
            true
        })?;
        survey.take(&mut decoder, true, from);
        Ok(survey)
    }

    fn take(&mut self, decoder: &mut Decoder, ended: bool, from: u64) {
        while let Some(found) = decoder.next(ended) {
            match found {
                Found::Bad { octets } => self.tail += octets as u64,
                Found::Record { at_ms, octets, .. } => {
                    let begin = self.end + self.tail;
                    self.bad += std::mem::take(&mut self.tail);
                    self.end = begin + octets as u64;
                    if begin >= from {
                        self.records += 1;
                        self.oldest_ms.get_or_insert(at_ms);
                    }
                }
            }
        }
    }
}
