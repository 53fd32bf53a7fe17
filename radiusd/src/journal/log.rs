//! The thread that writes records to segments: all that wait, one fdatasync, then the answers.
//!
//! A segment that could not be written is never written again: what it held before counts, its
//! rest is cut off, and the records go to a new one. `State` is what is on disk and not yet
//! replayed; it names only records whose fdatasync succeeded.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::{fs, io};

use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::answers::Answers;
use super::folder::{Folder, Lock, Medium, Position, Sink, read_pieces};
use super::segment::{self, Decoder, Found, HEADER, Header};
use super::survey::Survey;
use super::{Outcome, Record, now_ms};
use crate::accounting::Event;
use crate::exit::Failure;

/// Records in one write at most.
const GROUP_MAX: usize = 4_096;
/// A segment that is longer is not continued.
const SEGMENT_MAX: u64 = 16 << 20;

/// What the thread is told, in order.
pub enum Order {
    Append(Record),
    Replayed(Position),
    /// All of this segment is in the store.
    Finished(u64, Extent),
    Stop,
}

/// A segment, as far as it may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the replay has come to.
    pub offset: u64,
    /// Up to where it is on disk for certain.
    pub end: u64,
    /// To be kept aside when it has been replayed.
    pub damaged: bool,
}

/// What the thread and others know of the journal.
pub struct State {
    pub folder: Folder,
    pub limit: u64,
    /// Records handed over whose fate is open.
    pub pending: AtomicUsize,
    /// Records on disk and not yet in the store.
    pub records: AtomicU64,
    /// When the oldest of these came.
    pub oldest_ms: AtomicI64,
    /// Octets of everything in the folder.
    pub octets: AtomicU64,
    pub damaged: AtomicU64,
    /// Segments of a version that came after ours.
    pub newer: AtomicU64,
    pub quarantined: AtomicU64,
    /// Why the last write failed; empty since one succeeded.
    pub trouble: Mutex<String>,
    /// A group has been written.
    pub written: Notify,
    extents: Mutex<Extents>,
}

#[derive(Default)]
struct Extents {
    of: BTreeMap<u64, Extent>,
    /// The segment that is being written.
    current: Option<u64>,
}

/// Records of one segment, and how far they reach.
pub struct Batch {
    pub events: Vec<Event>,
    pub segment: u64,
    pub next: u64,
}

/// What opening a journal found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub torn: u64,
    pub damaged: u64,
}

impl State {
    /// Looks at what an earlier run has left. The folder is ours: a tail that a crash has torn is
    /// cut, a damaged segment gets its second name.
    pub fn open(folder: Folder, limit: u64) -> io::Result<(State, Opened)> {
        let (mut opened, mut extents, mut newer) = (Opened::default(), Extents::default(), 0);
        let (mut records, mut oldest_ms) = (0, None);
        let (segments, position) = (folder.segments()?, folder.position());
        for &number in &segments {
            let path = folder.segment(number);
            let from = position.filter(|at| at.segment == number).map_or(0, |at| at.offset);
            let found = Survey::of(&path, from)?;
            if let Header::Newer(version) = found.header {
                warn!(segment = %path.display(), version, "a newer radiusd wrote this; left alone");
                newer += 1;
                continue;
            }
            let last = segments.last() == Some(&number);
            let torn = last && found.bad == 0 && found.tail > 0;
            if torn {
                opened.torn += 1;
                warn!(segment = %path.display(), octets = found.tail, "a torn tail was cut");
                let file = fs::OpenOptions::new().write(true).open(&path)?;
                file.set_len(found.end)?;
                file.sync_all()?;
            }
            let damaged = !torn && found.bad + found.tail > 0;
            if damaged {
                opened.damaged += 1;
                error!(segment = %path.display(), octets = found.bad + found.tail,
                    "a damaged segment: what can be read is replayed, the segment is kept aside");
                folder.keep_aside(number)?;
            }
            let extent = Extent { offset: from.min(found.end), end: found.end, damaged };
            extents.of.insert(number, extent);
            records += found.records;
            oldest_ms = oldest_ms.or(found.oldest_ms);
        }
        let state = State {
            limit,
            pending: AtomicUsize::new(0),
            records: AtomicU64::new(records),
            oldest_ms: AtomicI64::new(oldest_ms.unwrap_or(0)),
            octets: AtomicU64::new(folder.octets()),
            damaged: AtomicU64::new(folder.count_damaged()),
            newer: AtomicU64::new(newer),
            quarantined: AtomicU64::new(folder.count_quarantined()),
            trouble: Mutex::default(),
            written: Notify::new(),
            extents: Mutex::new(extents),
            folder,
        };
        Ok((state, opened))
    }

    /// Nothing on disk waits for the store.
    pub fn is_empty(&self) -> bool {
        self.extents.lock().of.is_empty()
    }

    /// Of records that are on disk or on their way there.
    pub fn holds_at_most(&self, most: usize) -> bool {
        let records = self.records.load(Ordering::Relaxed);
        self.pending.load(Ordering::Relaxed) as u64 + records <= most as u64
    }

    /// The next records for the store, `most` at most; none when all have been read. Segments
    /// that are through are told to the thread.
    pub fn read(&self, most: usize, orders: &Sender<Order>) -> io::Result<Option<Batch>> {
        loop {
            let (segment, extent, is_current) = {
                let extents = self.extents.lock();
                let Some((&segment, &extent)) = extents.of.first_key_value() else {
                    return Ok(None);
                };
                (segment, extent, extents.current == Some(segment))
            };
            if extent.offset >= extent.end {
                if is_current {
                    return Ok(None);
                }
                self.finish(segment, extent, orders);
                continue;
            }
            let (events, next, bad) = self.read_segment(segment, extent, most)?;
            if next == extent.offset {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if bad > 0 {
                self.found_damage(segment);
            }
            if !events.is_empty() {
                return Ok(Some(Batch { events, segment, next }));
            }
            self.advance(Position { segment, offset: next });
        }
    }

    fn read_segment(
        &self,
        segment: u64,
        extent: Extent,
        most: usize,
    ) -> io::Result<(Vec<Event>, u64, usize)> {
        let (mut decoder, mut events, mut next) = (Decoder::default(), Vec::new(), extent.offset);
        let (mut bad, mut oldest) = (0, None);
        let mut decode = |decoder: &mut Decoder, ended| {
            while events.len() < most {
                match decoder.next(ended) {
                    None => break,
                    Some(Found::Bad { octets }) => {
                        bad += octets;
                        next += octets as u64;
                    }
                    Some(Found::Record { at_ms, event, octets }) => {
                        oldest.get_or_insert(at_ms);
                        next += octets as u64;
                        events.push(event);
                    }
                }
            }
            events.len() < most
        };
        let path = self.folder.segment(segment);
        // The header was looked at when the segment was opened.
        let skipped = if extent.offset == 0 { self.header_length(segment)? } else { 0 };
        read_pieces(&path, extent.offset + skipped, extent.end, |piece| {
            decoder.feed(piece);
            decode(&mut decoder, false)
        })?;
        decode(&mut decoder, true);
        if let Some(oldest) = oldest {
            self.oldest_ms.store(oldest, Ordering::Relaxed);
        }
        Ok((events, next + skipped, bad))
    }

    fn header_length(&self, segment: u64) -> io::Result<u64> {
        let mut head = Vec::new();
        read_pieces(&self.folder.segment(segment), 0, HEADER as u64, |piece| {
            head.extend_from_slice(piece);
            true
        })?;
        let known = segment::read_header(&head) == Header::Known;
        Ok(if known { HEADER as u64 } else { 0 })
    }

    /// Everything before `position` is in the store.
    pub fn advance(&self, position: Position) {
        if let Some(extent) = self.extents.lock().of.get_mut(&position.segment) {
            extent.offset = position.offset;
        }
    }

    fn finish(&self, segment: u64, extent: Extent, orders: &Sender<Order>) {
        self.extents.lock().of.remove(&segment);
        // A thread that is gone leaves the segment for the next start, where it changes nothing.
        let _ = orders.send(Order::Finished(segment, extent));
    }

    /// The segment that is being written, when all of it is in the store, is finished too. Nobody
    /// may append meanwhile.
    pub fn finish_current(&self, orders: &Sender<Order>) {
        let all: Vec<_> = self.extents.lock().of.iter().map(|(n, extent)| (*n, *extent)).collect();
        for (segment, extent) in all {
            self.finish(segment, extent, orders);
        }
    }

    /// A segment that can't be read at all is as good as lost: kept aside, and no longer waited for.
    pub fn give_up_first(&self, orders: &Sender<Order>) {
        let first = self.extents.lock().of.first_key_value().map(|(n, extent)| (*n, *extent));
        let Some((segment, extent)) = first else { return };
        self.found_damage(segment);
        self.finish(segment, Extent { damaged: true, ..extent }, orders);
    }

    fn found_damage(&self, segment: u64) {
        if let Some(extent) = self.extents.lock().of.get_mut(&segment) {
            if extent.damaged {
                return;
            }
            extent.damaged = true;
        }
        error!(segment, "a segment turned out to be damaged; it is kept aside");
        match self.folder.keep_aside(segment) {
            Ok(()) => self.damaged.store(self.folder.count_damaged(), Ordering::Relaxed),
            Err(error) => error!(segment, %error, "a damaged segment could not be kept aside"),
        }
    }
}

/// The thread's own.
pub struct Log<M> {
    state: Arc<State>,
    answers: Arc<Answers>,
    medium: M,
    current: Option<Current>,
    /// The last number that a segment was begun under. A position may name one that is gone and
    /// reach the disk only now: no other segment may have its number.
    begun: u64,
    buffer: Vec<u8>,
    /// The position can't be written; said once.
    forgets: bool,
    #[expect(dead_code, reason = "kept as long as anything may be written")]
    lock: Lock,
}

/// The segment that is being written.
struct Current {
    number: u64,
    sink: Box<dyn Sink>,
    end: u64,
}

impl<M: Medium> Log<M> {
    pub fn new(state: Arc<State>, answers: Arc<Answers>, medium: M, lock: Lock) -> Log<M> {
        let (current, buffer) = (None, Vec::new());
        // Nothing is begun yet, and what is there may be replayed and go.
        let begun = state.extents.lock().of.last_key_value().map_or(0, |(number, _)| *number);
        Log { state, answers, medium, current, begun, buffer, forgets: false, lock }
    }

    pub fn start(self, orders: Receiver<Order>) -> Result<std::thread::JoinHandle<()>, Failure> {
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || self.run(&orders))
            .map_err(|error| Failure::io("cannot start a thread", &error))
    }

    /// Until it is told to stop. A panic costs what it met, no more: that is sent again.
    fn run(mut self, orders: &Receiver<Order>) {
        let mut records = Vec::new();
        loop {
            let serve = AssertUnwindSafe(|| self.serve(orders, &mut records));
            if panic::catch_unwind(serve).is_ok() {
                return;
            }
            self.abandon();
            self.tell(&mut records, &[]);
        }
    }

    fn serve(&mut self, orders: &Receiver<Order>, records: &mut Vec<Record>) {
        while let Ok(first) = orders.recv() {
            let (mut position, mut stopping) = (None, false);
            for order in std::iter::once(first).chain(orders.try_iter().take(GROUP_MAX)) {
                match order {
                    Order::Append(record) => records.push(record),
                    Order::Replayed(at) => position = Some(at),
                    Order::Finished(segment, extent) => {
                        self.commit(records);
                        self.finish(segment, extent);
                    }
                    Order::Stop => stopping = true,
                }
            }
            self.commit(records);
            if let Some(position) = position {
                self.keep(position);
            }
            if stopping {
                return;
            }
        }
    }

    fn keep(&mut self, position: Position) {
        let kept = self.state.folder.keep_position(position);
        if let (Err(error), false) = (&kept, self.forgets) {
            warn!(%error, "the position of the replay is not kept; a restart repeats some of it");
        }
        self.forgets = kept.is_err();
    }

    /// Writes what has come and answers it.
    fn commit(&mut self, records: &mut Vec<Record>) {
        if records.is_empty() {
            return;
        }
        self.buffer.clear();
        let counters = Arc::clone(&self.answers.counters);
        let now = now_ms();
        let room = self.state.limit.saturating_sub(self.state.octets.load(Ordering::Relaxed));
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records.iter() {
            let begin = self.buffer.len();
            let fits = segment::append(&mut self.buffer, now, &record.event)
                && self.buffer.len() + HEADER <= usize::try_from(room).unwrap_or(usize::MAX);
            if !fits {
                self.buffer.truncate(begin);
                counters.journal_full.add(1);
            }
            outcomes.push(if fits { Outcome::Stored } else { Outcome::NotStored });
        }
        let kept = outcomes.iter().filter(|outcome| **outcome == Outcome::Stored).count() as u64;
        if kept > 0 {
            match self.write(kept, now) {
                Ok(()) => {
                    counters.journalled.add(kept);
                    let stored = records.iter().zip(&outcomes);
                    let stored = stored.filter(|(_, outcome)| **outcome == Outcome::Stored);
                    let events = stored.map(|(record, _)| &record.event);
                    self.answers.online.journalled(events);
                    self.state.trouble.lock().clear();
                }
                Err(error) => {
                    counters.journal_failed.add(kept);
                    self.tell_trouble(&error.to_string());
                    outcomes.fill(Outcome::NotStored);
                }
            }
        } else {
            self.tell_trouble("full: accounting.journal_max_bytes");
        }
        self.tell(records, &outcomes);
    }

    /// Those without an outcome are not stored.
    fn tell(&self, records: &mut Vec<Record>, outcomes: &[Outcome]) {
        let mut outcomes = outcomes.to_vec();
        outcomes.resize(records.len(), Outcome::NotStored);
        self.answers.tell(records, &outcomes);
        self.state.pending.fetch_sub(records.len(), Ordering::Release);
        records.clear();
        self.state.written.notify_one();
    }

    fn tell_trouble(&self, why: &str) {
        let mut trouble = self.state.trouble.lock();
        if *trouble != why {
            error!(why, "the journal takes no records: they stay unanswered");
            why.clone_into(&mut trouble);
        }
    }

    /// On disk when it returns; after a failure once more, in a new segment.
    fn write(&mut self, records: u64, now_ms: i64) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|current| current.end >= self.segment_max()) {
            self.leave();
        }
        let had = self.current.is_some();
        match self.write_once(records, now_ms) {
            Err(error) if had => {
                warn!(%error, "a segment could not be written; a new one begins");
                self.write_once(records, now_ms)
            }
            other => other,
        }
    }

    fn segment_max(&self) -> u64 {
        SEGMENT_MAX.min(self.state.limit / 8)
    }

    fn write_once(&mut self, records: u64, now_ms: i64) -> io::Result<()> {
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let current = begin(&self.state, &mut self.medium, self.begun)?;
                self.begun = current.number;
                self.current.insert(current)
            }
        };
        if let Err(error) = current.sink.append(&self.buffer) {
            self.abandon();
            return Err(error);
        }
        current.end += self.buffer.len() as u64;
        let (number, end) = (current.number, current.end);
        self.state.octets.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        if self.state.records.fetch_add(records, Ordering::Relaxed) == 0 {
            self.state.oldest_ms.store(now_ms, Ordering::Relaxed);
        }
        let mut extents = self.state.extents.lock();
        let new = Extent { offset: HEADER as u64, end, damaged: false };
        extents.of.entry(number).or_insert(new).end = end;
        extents.current = Some(number);
        Ok(())
    }

    fn leave(&mut self) {
        self.current = None;
        self.state.extents.lock().current = None;
    }

    /// What a failed write or fdatasync has left behind the last good record is worth nothing.
    fn abandon(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        self.state.extents.lock().current = None;
        let cut = if current.end == HEADER as u64 {
            fs::remove_file(self.state.folder.segment(current.number))
        } else {
            current.sink.cut(current.end)
        };
        if let Err(error) = cut {
            warn!(segment = current.number, %error, "a failed segment could not be cut");
        }
        self.state.octets.store(self.state.folder.octets(), Ordering::Relaxed);
    }

    fn finish(&mut self, segment: u64, extent: Extent) {
        if self.current.as_ref().is_some_and(|current| current.number == segment) {
            self.leave();
        }
        let folder = &self.state.folder;
        let removed = match extent.damaged.then(|| folder.keep_aside(segment)) {
            Some(Err(error)) => Err(error),
            _ => fs::remove_file(folder.segment(segment)),
        };
        match removed {
            Ok(()) => info!(segment, "a segment of the journal is in the store"),
            Err(error) => warn!(segment, %error, "a replayed segment could not be removed"),
        }
        self.state.octets.store(folder.octets(), Ordering::Relaxed);
    }
}

/// A new segment, of a higher number than `last`.
fn begin(state: &State, medium: &mut impl Medium, last: u64) -> io::Result<Current> {
    let number = state.folder.unused()?.max(last.saturating_add(1));
    let path = state.folder.segment(number);
    let sink = medium.create(&path).inspect_err(|_| {
        // What there may be of it holds no record.
        fs::remove_file(&path).ok();
    })?;
    state.octets.fetch_add(HEADER as u64, Ordering::Relaxed);
    Ok(Current { number, sink, end: HEADER as u64 })
}
