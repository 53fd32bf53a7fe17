//! The value of the latest event that carries one, whatever the order of arrival.

use serde::{Deserialize, Serialize};

use super::event::{Kind, SessionEvent};

/// Where in its session an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Position {
    Untimed { time: i64, kind: Kind },
    Timed { session_time: i64, time: i64, kind: Kind },
}

impl Position {
    pub fn of(event: &SessionEvent) -> Position {
        let (time, kind) = (event.time, event.kind);
        match event.session_time {
            Some(session_time) => Position::Timed { session_time, time, kind },
            None => Position::Untimed { time, kind },
        }
    }

    pub fn time(self) -> i64 {
        match self {
            Position::Timed { time, .. } | Position::Untimed { time, .. } => time,
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Position::Timed { kind, .. } | Position::Untimed { kind, .. } => kind,
        }
    }
}

/// Session times order events that have one, clocks order all others. "By session time where both
/// have it, else by clock" is no order (it has cycles), so the latest of each sort is kept, and
/// only these two are compared by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest<T> {
    pub timed: Option<(Position, T)>,
    pub untimed: Option<(Position, T)>,
}

impl<T> Default for Newest<T> {
    fn default() -> Newest<T> {
        Newest { timed: None, untimed: None }
    }
}

impl<T: Ord + Clone> Newest<T> {
    pub fn one(position: Position, value: T) -> Newest<T> {
        match position {
            Position::Timed { .. } => Newest { timed: Some((position, value)), untimed: None },
            Position::Untimed { .. } => Newest { timed: None, untimed: Some((position, value)) },
        }
    }

    /// The greater of two values at one position stays: any rule will do that knows no arrival.
    /// Says whether anything changed.
    pub fn put(&mut self, position: Position, value: &T) -> bool {
        let slot = match position {
            Position::Timed { .. } => &mut self.timed,
            Position::Untimed { .. } => &mut self.untimed,
        };
        match slot {
            Some((at, held)) if (&*at, &*held) >= (&position, value) => return false,
            Some((at, held)) if held == value => *at = position,
            _ => *slot = Some((position, value.clone())),
        }
        true
    }

    pub fn join(&mut self, other: &Newest<T>) -> bool {
        let mut changed = false;
        for (position, value) in other.timed.iter().chain(&other.untimed) {
            changed |= self.put(*position, value);
        }
        changed
    }

    pub fn get(&self) -> Option<&(Position, T)> {
        match (&self.timed, &self.untimed) {
            (Some(timed), Some(untimed)) => {
                let later = |at: &Position| (at.time(), at.kind());
                Some(if later(&untimed.0) > later(&timed.0) { untimed } else { timed })
            }
            (timed, untimed) => timed.as_ref().or(untimed.as_ref()),
        }
    }
}
