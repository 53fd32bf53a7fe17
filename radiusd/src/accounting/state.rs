//! Everything that the set of a session's events determines, and nothing that depends on the order
//! in which they came: each field is a maximum or a minimum over the set.

use schema::Reboot;
use serde::{Deserialize, Serialize};

use super::event::{Kind, SessionEvent, Texts};
use super::newest::{Newest, Position};
use super::reboots::{Reboots, ends};

/// One session. `merge` takes an event in; merging it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub opening: Opening,
    pub progress: Progress,
    /// The first reboot of its NAS after the latest event, unless the NAS stopped it.
    pub reboot: Option<Reboot>,
}

/// The event that opens the session: its Start, else the one that dates its beginning earliest.
/// The least in this order is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// No Start was seen; the beginning is computed from another event.
    pub guessed: bool,
    pub start: i64,
    pub texts: Texts,
}

/// What the row can't always tell by itself; see `row`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The latest event.
    pub head: Newest<()>,
    pub times: Times,
    /// Set while only one event is known (its retransmissions aside).
    pub only: Option<Position>,
    pub session_time: Option<i64>,
    pub input_octets: i64,
    pub output_octets: i64,
    pub addresses: [Newest<String>; 5],
    /// The NAS's own Stop, which alone is final.
    pub stop: Newest<Ending>,
    /// Closed by someone else, as found in the row: an operator, another program.
    pub closed: Option<Closing>,
}

/// The two latest distinct times of events: their distance is `acctinterval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub last: i64,
    pub before: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ending {
    pub cause: String,
    pub connect_info: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Closing {
    pub at: i64,
    pub cause: Option<String>,
}

/// What a merge found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub changed: bool,
    /// A later event with smaller counters than an earlier one.
    pub fell: bool,
}

impl State {
    pub fn new(event: &SessionEvent) -> State {
        let position = Position::of(event);
        let mut state = State {
            opening: Opening {
                guessed: event.kind != Kind::Start,
                start: event.start(),
                texts: event.texts.clone(),
            },
            progress: Progress {
                head: Newest::one(position, ()),
                times: Times { last: event.time, before: None },
                only: Some(position),
                session_time: event.session_time,
                input_octets: event.input_octets,
                output_octets: event.output_octets,
                addresses: Default::default(),
                stop: Newest::default(),
                closed: None,
            },
            reboot: None,
        };
        state.progress.values(position, event);
        state
    }

    pub fn merge(&mut self, event: &SessionEvent) -> Merged {
        let (guessed, start) = (event.kind != Kind::Start, event.start());
        let opening = &self.opening;
        let opens =
            (guessed, start, &event.texts) < (opening.guessed, opening.start, &opening.texts);
        if opens {
            self.opening = Opening { guessed, start, texts: event.texts.clone() };
        }
        let merged = self.progress.merge(event);
        Merged { changed: merged.changed || opens, ..merged }
    }

    /// The state of both sets of events together.
    pub fn join(&mut self, other: &State) {
        if other.opening < self.opening {
            self.opening = other.opening.clone();
        }
        self.progress.join(&other.progress);
        self.reboot = self.reboot.take().into_iter().chain(other.reboot.clone()).min_by_key(order);
    }

    /// The reboot that ends the session: of those told now and the one remembered, which may be
    /// too long ago to be told again. One after the start of the `next` session under the same
    /// Acct-Session-Id ends that one.
    pub fn reboot<'a>(&'a self, reboots: &'a Reboots, next: Option<i64>) -> Option<&'a Reboot> {
        let head = self.head();
        let remembered = self.reboot.as_ref().filter(|reboot| ends(reboot, head));
        reboots
            .closing(&self.opening.texts.nas, head)
            .into_iter()
            .chain(remembered)
            .filter(|reboot| next.is_none_or(|next| reboot.at <= next))
            .min_by_key(order)
    }

    /// Remembers it.
    pub fn settle(&mut self, reboots: &Reboots, next: Option<i64>) {
        let stopped = self.progress.stop.get().is_some();
        self.reboot = if stopped { None } else { self.reboot(reboots, next).cloned() };
    }

    /// Closed by someone else at its latest event, until a later one.
    pub fn close(&mut self, cause: &str) {
        let at = self.head().time();
        self.progress.closed = Some(Closing { at, cause: Some(cause.to_owned()) });
    }

    /// The latest event.
    pub fn head(&self) -> Position {
        self.progress.head()
    }

    pub fn start(&self) -> i64 {
        self.opening.start
    }

    /// No event tells how long the session had lasted.
    pub fn is_undated(&self) -> bool {
        self.progress.head.timed.is_none()
    }

    /// Nothing but Starts: what a NAS leaves that repeats its Start.
    pub fn is_unused(&self) -> bool {
        let progress = &self.progress;
        self.head().kind() == Kind::Start
            && progress.session_time.unwrap_or(0) == 0
            && progress.input_octets == 0
            && progress.output_octets == 0
    }
}

impl Progress {
    pub fn head(&self) -> Position {
        match self.head.get() {
            Some((position, ())) => *position,
            // No state is without an event; the oldest position loses to any.
            None => Position::Untimed { time: i64::MIN, kind: Kind::Start },
        }
    }

    fn merge(&mut self, event: &SessionEvent) -> Merged {
        let position = Position::of(event);
        let fell = position > self.head()
            && (event.input_octets < self.input_octets || event.output_octets < self.output_octets);
        let mut changed = self.head.put(position, &());
        changed |= self.times.join(Times { last: event.time, before: None });
        if self.only.is_some_and(|only| only != position) {
            self.only = None;
            changed = true;
        }
        changed |= raise(&mut self.session_time, event.session_time);
        changed |= raise(&mut self.input_octets, event.input_octets);
        changed |= raise(&mut self.output_octets, event.output_octets);
        changed |= self.values(position, event);
        Merged { changed, fell }
    }

    fn values(&mut self, position: Position, event: &SessionEvent) -> bool {
        let mut changed = false;
        for (newest, address) in self.addresses.iter_mut().zip(&event.addresses) {
            if let Some(address) = address {
                changed |= newest.put(position, address);
            }
        }
        if event.kind == Kind::Stop {
            let connect_info = event.texts.connect_info.clone();
            changed |=
                self.stop.put(position, &Ending { cause: event.cause.clone(), connect_info });
        }
        changed
    }

    fn join(&mut self, other: &Progress) {
        self.head.join(&other.head);
        self.times.join(other.times);
        if self.only != other.only {
            self.only = None;
        }
        raise(&mut self.session_time, other.session_time);
        raise(&mut self.input_octets, other.input_octets);
        raise(&mut self.output_octets, other.output_octets);
        for (newest, other) in self.addresses.iter_mut().zip(&other.addresses) {
            newest.join(other);
        }
        self.stop.join(&other.stop);
        if other.closed > self.closed {
            self.closed.clone_from(&other.closed);
        }
    }
}

impl Times {
    fn join(&mut self, other: Times) -> bool {
        let times = [Some(self.last), self.before, Some(other.last), other.before];
        let last = self.last.max(other.last);
        let before = times.into_iter().flatten().filter(|&time| time < last).max();
        let changed = (last, before) != (self.last, self.before);
        *self = Times { last, before };
        changed
    }
}

fn order<R: std::borrow::Borrow<Reboot>>(reboot: &R) -> (i64, bool, Option<String>) {
    let Reboot { at, off, cause, .. } = reboot.borrow();
    (*at, *off, cause.clone())
}

fn raise<T: PartialOrd>(held: &mut T, value: T) -> bool {
    let rises = value > *held;
    if rises {
        *held = value;
    }
    rises
}
