//! What happens, told to whoever listens: bounded, never waited for. Who reads too slowly loses the
//! oldest and is told how many.

use std::sync::Arc;

use schema::{Attempt, Session};
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Events that a listener may be behind.
const BEHIND_MAX: usize = 1_024;
/// Of one batch so many are told; whoever lists them reads them anyway.
const BATCH_MAX: usize = 200;

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Begun,
    Updated,
    Ended,
}

#[derive(Clone, Debug)]
pub enum Event {
    Session(Turn, Box<Session>),
    Attempt(Box<Attempt>),
    /// So many were not told.
    Lost(u64),
}

pub struct Feed(Sender<Arc<Event>>);

impl Default for Feed {
    fn default() -> Feed {
        Feed(channel(BEHIND_MAX).0)
    }
}

impl Feed {
    /// Without listeners there is nothing to tell; asked before anything is put together.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Rows of a transaction that has committed; `begun` are those it made.
    #[must_use]
    pub fn sessions<'s>(rows: impl ExactSizeIterator<Item = &'s Session>) -> Vec<Event> {
        let more = rows.len().saturating_sub(BATCH_MAX);
        let event = |row: &Session| {
            let turn = match (row.radacctid, row.acctstoptime) {
                (_, Some(_)) => Turn::Ended,
                (None, None) => Turn::Begun,
                (Some(_), None) => Turn::Updated,
            };
            Event::Session(turn, Box::new(row.clone()))
        };
        let lost = (more > 0).then_some(Event::Lost(more as u64));
        rows.take(BATCH_MAX).map(event).chain(lost).collect()
    }

    /// Attempts that were written.
    pub fn attempts(&self, attempts: &[Attempt]) {
        if !self.is_heard() {
            return;
        }
        let event = |attempt: &Attempt| {
            Event::Attempt(Box::new(Attempt { trace: None, ..attempt.clone() }))
        };
        let lost = attempts.len().saturating_sub(BATCH_MAX);
        let lost = (lost > 0).then_some(Event::Lost(lost as u64));
        self.tell(attempts.iter().take(BATCH_MAX).map(event).chain(lost));
    }

    pub fn tell(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            // Nobody listens any more.
            self.0.send(Arc::new(event)).ok();
        }
    }

    pub(crate) fn listen(&self) -> Receiver<Arc<Event>> {
        self.0.subscribe()
    }
}
