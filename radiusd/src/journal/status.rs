//! The journal as a person finds it on disk, whether the daemon runs or not; and its replay by hand.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schema::Store;
use serde::Serialize;

use super::answers::{Answers, Waiting};
use super::folder::{Files, Folder, Position};
use super::log::{Log, Order, State};
use super::replay;
use super::segment::Header;
use super::survey::Survey;
use super::writer::Writer;
use super::{Config, Counters, now_ms};
use crate::exit::{self, Failure};

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

/// Writes everything in the journal to the store, as the daemon would; returns how many records.
pub async fn replay_all(store: Store, config: &Config) -> Result<u64, Failure> {
    let folder = Folder::new(config.directory.clone());
    if folder.is_locked() {
        let why = "the daemon is running and replays the journal by itself";
        return Err(Failure::new(exit::UNAVAILABLE, why));
    }
    let lock = folder.lock()?;
    let failed = |error: io::Error| Failure::io(config.directory.display(), &error);
    let (state, _) = State::open(folder, config.octets_max).map_err(failed)?;
    let (state, counters) = (Arc::new(state), Arc::<Counters>::default());
    let writer = Arc::new(Writer::new(store, state.clone(), counters.clone()));
    let completions = Arc::new(|_: usize, _: Vec<_>| {});
    let answers = Arc::new(Answers { completions, counters, waiting: Waiting::new(0) });
    let (orders, received) = crossbeam_channel::unbounded();
    let thread = Log::new(state.clone(), answers, Files, lock).start(received)?;
    let mut count = 0;
    let done = loop {
        let batch = match state.read(config.batch_max, &orders) {
            Ok(Some(batch)) => batch,
            Ok(None) => break Ok(count),
            Err(error) => break Err(failed(error)),
        };
        let position = Position { segment: batch.segment, offset: batch.next };
        count += batch.events.len() as u64;
        if let Some(error) = replay::write(writer.clone(), Arc::new(batch.events), 1).await {
            break Err(error.into());
        }
        state.advance(position);
        // A thread that is gone is noticed when it is joined.
        let _ = orders.send(Order::Replayed(position));
    };
    let _ = orders.send(Order::Stop);
    let ended = tokio::task::spawn_blocking(move || thread.join());
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    if !matches!(ended, Ok(Ok(Ok(())))) {
        return Err(Failure::new(exit::SOFTWARE, "the journal's thread has failed"));
    }
    state.records.store(0, Ordering::Relaxed);
    done
}
