//! The journal as a person finds it on disk, whether the daemon runs or not.

use std::io;

use serde::Serialize;

use super::folder::Folder;
use super::quarantine::{self, Kept};
use super::segment::Header;
use super::survey::Survey;
use super::{Config, now_ms};
use crate::exit::Failure;

/// A journal's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// A process holds the lock: the daemon, or a replay by hand.
    pub in_use: bool,
    /// That are not in the store yet.
    pub records: u64,
    pub octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_seconds: Option<u64>,
    pub segments: Vec<Segment>,
    /// Segments kept aside because of damage.
    pub damaged: u64,
    /// Records that the store refuses.
    pub quarantined: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    pub file: String,
    pub octets: u64,
    pub records: u64,
    /// Octets that can't be read, with records behind them.
    pub damaged_octets: u64,
    /// Octets that can't be read at the end.
    pub torn_octets: u64,
    /// The version of a radiusd that came after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_version: Option<u32>,
}

impl Status {
    /// Whether something is lost or can't be read. The end of the last segment may be on its way.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let inner = self.segments.split_last().map(|(_, inner)| inner).unwrap_or_default();
        self.segments.iter().any(|segment| segment.damaged_octets > 0)
            || inner.iter().any(|segment| segment.torn_octets > 0)
    }
}

/// Reads every record of every segment; changes nothing.
pub fn status(config: &Config) -> Result<Status, Failure> {
    let folder = Folder::new(config.directory.clone());
    let failed = |error: io::Error| Failure::io(folder.path().display(), &error);
    let position = folder.position();
    let mut status = Status {
        in_use: folder.is_locked(),
        octets: folder.octets(),
        damaged: folder.count_damaged(),
        quarantined: folder.count_quarantined(),
        ..Status::default()
    };
    for number in folder.segments().map_err(failed)? {
        let path = folder.segment(number);
        let from = position.filter(|at| at.segment == number).map_or(0, |at| at.offset);
        let found = match Survey::of(&path, from) {
            Ok(found) => found,
            // Replayed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        status.records += found.records;
        if let (None, Some(oldest)) = (status.oldest_age_seconds, found.oldest_ms) {
            let age = now_ms().saturating_sub(oldest).max(0) / 1_000;
            status.oldest_age_seconds = Some(age.unsigned_abs());
        }
        let newer_version = match found.header {
            Header::Newer(version) => Some(version),
            Header::Known | Header::Damaged => None,
        };
        status.segments.push(Segment {
            file: path.display().to_string(),
            octets: found.octets,
            records: found.records,
            damaged_octets: found.bad,
            torn_octets: found.tail,
            newer_version,
        });
    }
    Ok(status)
}

/// Every record in quarantine, and how many lines can't be read.
pub fn quarantined(config: &Config) -> Result<(Vec<Kept>, u64), Failure> {
    let folder = Folder::new(config.directory.clone());
    let failed = |error: io::Error| Failure::io(folder.quarantine().display(), &error);
    let (mut all, mut unreadable) = (Vec::new(), 0);
    for file in folder.quarantine_files().map_err(failed)? {
        let (kept, bad) = quarantine::read(&file).map_err(failed)?;
        all.extend(kept);
        unreadable += bad;
    }
    Ok((all, unreadable))
}
