//! One queue on its way to the store: what was taken is written, or turns the way to the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::queue::Queue;
use super::spill::Spill;
use super::writer::Writer;
use super::{Outcome, Record};
use crate::accounting::Event;

/// A transaction costs as much as ten records: fewer than so many wait for the one that is under
/// way, and grow meanwhile.
const FEW: usize = 48;

pub struct Lane {
    pub writer: Arc<Writer>,
    pub queue: Arc<Queue<Record>>,
    pub spill: Arc<Spill>,
    pub batch_max: usize,
    pub spill_after: Duration,
    /// Of those lanes that have few.
    pub turn: Arc<Mutex<()>>,
}

impl Lane {
    /// Until the queue is closed and empty. A panic costs what it met a way round by the journal.
    pub async fn run(self) {
        let lane = Arc::new(self);
        while tokio::spawn(Arc::clone(&lane).serve()).await.is_err() {
            lane.spill.turn("a panic while writing to the store");
            lane.queue.land();
        }
    }

    async fn serve(self: Arc<Self>) {
        while self.queue.wait().await {
            let mut turn = match self.queue.len() < FEW {
                true => Some(self.turn.lock().await),
                false => None,
            };
            let Some(flight) = self.queue.take(self.batch_max) else { continue };
            let events: Vec<&Event> = flight.items.iter().map(|record| &record.event).collect();
            let deadline = tokio::time::Instant::from_std(flight.since + self.spill_after);
            let mut writing = std::pin::pin!(self.writer.write(&events));
            let written = tokio::select! {
                written = &mut writing => written,
                () = tokio::time::sleep_until(deadline) => {
                    // What flies is acknowledged from the journal. It may be written all the same;
                    // to be written twice changes nothing.
                    self.spill.turn("the store is slower than accounting.spill_after");
                    turn = None;
                    writing.await
                }
            };
            let (stored, rest): (Vec<_>, Vec<_>) = flight
                .items
                .iter()
                .zip(&written.outcomes)
                .partition(|(_, outcome)| **outcome == Outcome::Stored);
            if !rest.is_empty() {
                // If the way has turned since the take-off, whoever turned it took these along.
                let error = written.error.map_or_else(String::new, |error| error.to_string());
                self.spill.turn(&error);
            }
            self.queue.land();
            drop(turn);
            let records: Vec<Record> = stored.into_iter().map(|(one, _)| one.clone()).collect();
            self.spill.answers.tell(&records, &vec![Outcome::Stored; records.len()]);
        }
    }
}
