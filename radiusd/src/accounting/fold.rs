//! Which session an event belongs to, when a NAS gives one Acct-Session-Id to several one after
//! the other; and what is to be written for a batch of events.
//!
//! The current session holds FreeRADIUS's plain id, each earlier one md5("id,start"). An event
//! that dates the session's beginning (a Start by its own time, others by time - session time)
//! within a minute of a session's start belongs to that session. What dates it later is a new
//! session only if the current one can't have sent it; what dates it earlier goes to the earlier
//! session of that time, which is made if it isn't known: nothing is merged away.

use std::collections::HashMap;

use ahash::RandomState;
use md5::{Digest, Md5};
use schema::{Known, Reuse, Session, Step, Writes};

use super::event::{Kind, SessionEvent};
use super::newest::Position;
use super::reboots::Reboots;
use super::row::{Marks, REBOOTED};
use super::state::State;

/// Two starts so many seconds apart are one: clocks and session times are cut to seconds, and a
/// NAS that repeats its Start may date it anew.
const SAME_START_SECONDS: i64 = 60;

/// What a batch showed besides its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Counters of a later event below those of an earlier one.
    pub fallen: u64,
    /// Sessions that took over the Acct-Session-Id of another.
    pub reused: u64,
    /// Events that changed nothing: repeated, or late and known.
    pub unchanged: u64,
}

/// One session under a plain id.
#[derive(Debug)]
struct Incarnation {
    state: State,
    /// `None`: new.
    row: Option<Session>,
    marked: bool,
    touched: bool,
    unique_id: String,
}

/// All that is known of one plain id.
#[derive(Debug, Default)]
struct Sessions {
    current: Option<Incarnation>,
    older: Vec<Incarnation>,
}

enum Place {
    Current,
    /// The current session ended; this is the next.
    Next,
    Older(usize),
    NewOlder,
    /// Earlier sessions have to be read first.
    Unknown,
}

/// Folds `events`, in order of `in_order`, into what is known. `ids` may name sessions without an
/// event: they are looked at again in the light of `known.reboots`. `older_are_known`: this has
/// answered [`Step::Older`] already.
pub fn fold(
    known: Known,
    older_are_known: bool,
    ids: &[String],
    events: &[&SessionEvent],
) -> (Step, Findings) {
    let reboots = Reboots::new(known.reboots);
    let mut all: HashMap<&str, Sessions, RandomState> =
        ids.iter().map(|id| (id.as_str(), Sessions::default())).collect();
    for (row, marks) in known.rows {
        if let Some(sessions) = all.get_mut(row.acctuniqueid.as_str()) {
            sessions.current = Some(Incarnation::known(row, marks));
        }
    }
    for older in known.older {
        if let Some(sessions) = all.get_mut(older.plain_id.as_str()) {
            // Two events may have asked for one.
            let same = |one: &Incarnation| one.unique_id == older.session.acctuniqueid;
            if !sessions.older.iter().any(same) {
                sessions.add_older(Incarnation::known(older.session, older.marks));
            }
        }
    }
    let mut findings = Findings::default();
    let mut wanted = Vec::new();
    for &event in events {
        let Some(sessions) = all.get_mut(event.unique_id.as_str()) else { continue };
        match sessions.place(event, &reboots, older_are_known) {
            Place::Unknown => {
                let starts = [Some(event.start()), sessions.before_current()];
                let id = || event.unique_id.clone();
                wanted.extend(starts.into_iter().flatten().map(|start| (id(), start)));
            }
            place => sessions.put(place, event, &mut findings),
        }
    }
    if !wanted.is_empty() {
        return (Step::Older(wanted), Findings::default());
    }
    let mut writes = Writes::default();
    for id in ids {
        if let Some(sessions) = all.remove(id.as_str()) {
            sessions.write(id, &reboots, &mut writes);
        }
    }
    (Step::Write(writes), findings)
}

/// Closes the sessions in `known`, because their NAS no longer has them or an operator says so.
/// Those that are not as they were when that was found stay open; returns their ids.
pub fn close(
    known: Known,
    cause: &str,
    is_as_it_was: impl Fn(&Session) -> bool,
) -> (Step, Vec<String>) {
    let reboots = Reboots::new(known.reboots);
    let (mut writes, mut live) = (Writes::default(), Vec::new());
    for (row, marks) in known.rows {
        if row.acctstoptime.is_some() {
            continue;
        }
        if !is_as_it_was(&row) {
            live.push(row.acctuniqueid);
            continue;
        }
        let mut session = Incarnation::known(row, marks);
        session.state.close(cause);
        session.touched = true;
        session.write(&reboots, None, &mut writes);
    }
    (Step::Write(writes), live)
}

/// The order of `fold`'s events: of several sessions under one id the first comes first.
pub fn in_order(event: &SessionEvent) -> (i64, i64, Kind) {
    (event.start(), event.time, event.kind)
}

/// The id of an earlier session under `plain_id`.
pub fn older_id(plain_id: &str, start: i64) -> String {
    hex::encode(Md5::digest(format!("{plain_id},{start}")))
}

impl Incarnation {
    fn known(row: Session, marks: Option<String>) -> Incarnation {
        let marked = marks.is_some();
        // Marks that can't be read are as good as none: the row tells nearly all.
        let marks = marks.and_then(|marks| Marks::parse(&marks));
        let unique_id = row.acctuniqueid.clone();
        let state = State::from_row(&row, marks);
        Incarnation { state, row: Some(row), marked, touched: false, unique_id }
    }

    fn new(event: &SessionEvent, unique_id: String) -> Incarnation {
        let state = State::new(event);
        Incarnation { state, row: None, marked: false, touched: true, unique_id }
    }

    fn merge(&mut self, event: &SessionEvent, findings: &mut Findings) {
        let merged = self.state.merge(event);
        self.touched |= merged.changed;
        findings.fallen += u64::from(merged.fell);
        findings.unchanged += u64::from(!merged.changed);
    }

    fn starts_near(&self, start: i64) -> bool {
        self.state.start().abs_diff(start) <= SAME_START_SECONDS.unsigned_abs()
    }

    fn is_open(&self, reboots: &Reboots) -> bool {
        self.ended_at(reboots).is_none()
    }

    /// The NAS rebooted after `event`, and this session began after that.
    fn follows_reboot(&self, event: &SessionEvent, reboots: &Reboots) -> bool {
        let reboot = reboots.closing(&event.texts.nas, Position::of(event));
        reboot.is_some_and(|reboot| reboot.at <= self.state.start())
    }

    /// By its NAS, or by a reboot of it.
    fn ended_at(&self, reboots: &Reboots) -> Option<i64> {
        let progress = &self.state.progress;
        if let Some((stop, _)) = progress.stop.get() {
            return Some(stop.time());
        }
        // A reboot that another program acted on.
        let closed = progress.closed.as_ref().filter(|closed| {
            closed.cause.as_deref() == Some(REBOOTED) && closed.at >= progress.head().time()
        });
        let reboot = self.state.reboot(reboots, None).map(|reboot| reboot.at);
        reboot.or(closed.map(|closed| closed.at))
    }

    /// `next`: the start of the session that took over its id.
    fn write(self, reboots: &Reboots, next: Option<i64>, writes: &mut Writes) {
        let Incarnation { mut state, row: held, marked, touched, unique_id } = self;
        let before = state.reboot.clone();
        state.settle(reboots, next);
        let row = state.row(unique_id, next.is_none());
        let closes = held.as_ref().is_none_or(|held| {
            (held.acctstoptime, held.acctupdatetime) != (row.acctstoptime, row.acctupdatetime)
                || held.acctuniqueid != row.acctuniqueid
        });
        // Of an Accounting-Off and an Accounting-On in one second the same one counts in the end.
        if !touched && !closes && before == state.reboot {
            return;
        }
        let marks = state.marks(&row).map(|marks| marks.to_text());
        if marked || marks.is_some() {
            writes.marks.push((row.acctuniqueid.clone(), marks));
        }
        let radacctid = held.and_then(|held| held.radacctid);
        writes.rows.push(Session { radacctid, ..row });
    }
}

impl Sessions {
    fn place(&self, event: &SessionEvent, reboots: &Reboots, older_are_known: bool) -> Place {
        let Some(current) = &self.current else { return Place::Next };
        let start = event.start();
        if current.starts_near(start) {
            return Place::Current;
        }
        let dated = event.kind == Kind::Start || event.session_time.is_some();
        if start > current.state.start() {
            return if dated { later(current, event, reboots) } else { Place::Current };
        }
        if !older_are_known {
            return Place::Unknown;
        }
        let before = self
            .older
            .iter()
            .rposition(|older| older.state.start() <= start.saturating_add(SAME_START_SECONDS));
        if let Some(index) = before {
            let older = &self.older[index];
            let over = older.ended_at(reboots).is_some_and(|ended| ended <= start);
            // This NAS does reuse its ids: what is dated after the last word of an earlier
            // session is another one's, whose Start is late.
            let apart = dated && start > older.state.head().time();
            if older.starts_near(start) || (event.kind != Kind::Start && !over && !apart) {
                return Place::Older(index);
            }
        }
        match event.kind {
            // Only clocks have dated the current session so far, and never its beginning.
            _ if current.state.is_undated() => Place::Current,
            // Repeated, with nothing in between.
            Kind::Start
                if current.is_open(reboots)
                    && current.state.is_unused()
                    && !current.follows_reboot(event, reboots) =>
            {
                Place::Current
            }
            Kind::Start => Place::NewOlder,
            // Its session time is odd, or its clock: it comes from the current session's time.
            _ if event.time >= current.state.start() => Place::Current,
            _ => Place::NewOlder,
        }
    }

    fn put(&mut self, place: Place, event: &SessionEvent, findings: &mut Findings) {
        match place {
            Place::Current => {
                if let Some(current) = &mut self.current {
                    current.merge(event, findings);
                }
            }
            Place::Next => {
                let next = Incarnation::new(event, event.unique_id.clone());
                if let Some(mut last) = self.current.replace(next) {
                    findings.reused += 1;
                    last.unique_id = older_id(&event.unique_id, last.state.start());
                    last.touched = true;
                    self.add_older(last);
                }
            }
            Place::Older(index) => self.older[index].merge(event, findings),
            Place::NewOlder => {
                findings.reused += 1;
                let unique_id = older_id(&event.unique_id, event.start());
                self.add_older(Incarnation::new(event, unique_id));
            }
            Place::Unknown => {}
        }
    }

    /// Where the latest earlier session may have begun.
    fn before_current(&self) -> Option<i64> {
        let start = self.current.as_ref()?.state.start();
        Some(start.saturating_sub(SAME_START_SECONDS + 1))
    }

    fn add_older(&mut self, older: Incarnation) {
        self.older.push(older);
        self.older.sort_by_key(|older| older.state.start());
    }

    fn write(mut self, plain_id: &str, reboots: &Reboots, writes: &mut Writes) {
        let current = self.current.as_ref().map(|current| current.state.start());
        let starts = self.older.iter().map(|older| older.state.start());
        let next: Vec<i64> = starts.skip(1).chain(current).collect();
        for (older, next) in self.older.into_iter().zip(next) {
            let renamed = older.row.as_ref().is_none_or(|row| row.acctuniqueid != older.unique_id);
            if renamed {
                writes.reuses.push(Reuse {
                    plain_id: plain_id.to_owned(),
                    start: older.state.start(),
                    acctuniqueid: older.unique_id.clone(),
                });
                // The marks under the plain id were the older session's.
                if let (true, Some(current)) = (older.marked, &mut self.current) {
                    current.marked = true;
                }
            }
            older.write(reboots, Some(next), writes);
        }
        if let Some(current) = self.current {
            current.write(reboots, None, writes);
        }
    }
}

/// An event that dates the beginning later than the current session's start.
fn later(current: &Incarnation, event: &SessionEvent, reboots: &Reboots) -> Place {
    let (state, start) = (&current.state, event.start());
    let over = current.ended_at(reboots).is_some_and(|ended| ended <= start);
    let after = start > state.head().time();
    let next = over
        || (after
            && match event.kind {
                Kind::Start => !state.is_unused(),
                _ => event.session_time < state.progress.session_time,
            });
    if next { Place::Next } else { Place::Current }
}
