//! Accounting made durable before it is answered, and attempts written when there is time.
//!
//! Workers `record` into a bounded `queue`. A `writer` takes whatever has come, at most
//! `accounting.batch_max`, and commits it as one transaction; only then each worker is told, once
//! per batch, which of its tickets are durable. A conflict with another writer is tried again; a
//! value that the store refuses is found by halving the batch and goes to `quarantine`; a store
//! that is away leaves the tickets unanswered. `reboots` has its own lane, since an Accounting-On
//! may close many sessions. `attempts` are not waited for: what comes too fast is counted.

mod attempts;
mod counters;
mod quarantine;
mod queue;
mod reboots;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schema::{Attempt, Bounds, Store};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use counters::Counters;

use crate::accounting::Event;
use attempts::Attempts;
use quarantine::Quarantine;
use queue::Queue;
use reboots::Lane;
use writer::Writer;

/// Whatever the worker knows its request by; the journal only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// An event, and who waits for it.
#[derive(Debug)]
pub struct Record {
    pub event: Event,
    pub worker: usize,
    pub ticket: Ticket,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable: in the store, or in quarantine. To be acknowledged.
    Stored,
    /// Not now: to be forgotten without an answer, so that the NAS sends it again.
    NotStored,
}

/// The queue is full; the record is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the accounting queue is full")]
pub struct Full;

/// How workers are told: one call per batch and worker.
pub trait Completions: Send + Sync + 'static {
    fn tell(&self, worker: usize, outcomes: Vec<(Ticket, Outcome)>);
}

impl<F: Fn(usize, Vec<(Ticket, Outcome)>) + Send + Sync + 'static> Completions for F {
    fn tell(&self, worker: usize, outcomes: Vec<(Ticket, Outcome)>) {
        self(worker, outcomes);
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    /// Records in one transaction at most.
    pub batch_max: usize,
    /// Records waiting at most.
    pub queue_max: usize,
    /// `quarantine/` is made in here when it is needed.
    pub directory: PathBuf,
    /// Attempts written in a second at most; 0 is no bound.
    pub attempts_per_second: u32,
    /// Traces kept.
    pub traces: Bounds,
}

impl Config {
    pub fn of(config: &crate::config::Config) -> Config {
        Config {
            batch_max: config.accounting.batch_max.max(1),
            queue_max: config.accounting.queue_max,
            directory: config.data_dir.join("journal"),
            attempts_per_second: config.attempts.rate_max,
            traces: Bounds {
                per_user: config.attempts.traces_per_user,
                in_all: config.attempts.traces_max,
            },
        }
    }
}

/// The running writers. `drain` ends them.
pub struct Journal {
    /// An id is always written through the same queue, so that no two transactions of ours are
    /// at one session.
    queues: Vec<Arc<Queue<Record>>>,
    reboots: Arc<Queue<Record>>,
    attempts: Arc<Attempts>,
    counters: Arc<Counters>,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the writers on `runtime`.
    pub fn start(
        store: Store,
        config: Config,
        completions: Arc<dyn Completions>,
        runtime: &Handle,
    ) -> Journal {
        let counters = Arc::new(Counters::default());
        // SQLite has one writer anyway.
        let writers = if store.engine_name() == "sqlite" { 1 } else { 2 };
        let queue_max = config.queue_max.div_ceil(writers);
        let queues: Vec<_> = (0..writers).map(|_| Arc::new(Queue::new(queue_max))).collect();
        let reboots = Arc::new(Queue::new(config.queue_max));
        let attempts = Arc::new(Attempts::new(config.attempts_per_second, counters.clone()));
        let writer = Arc::new(Writer {
            store: store.clone(),
            completions,
            quarantine: Quarantine::new(config.directory.join("quarantine")),
            counters: counters.clone(),
            batch_max: config.batch_max,
            barrier: tokio::sync::RwLock::new(()),
        });
        let mut tasks: Vec<_> =
            queues.iter().map(|queue| runtime.spawn(writer.clone().run(queue.clone()))).collect();
        let lane = Lane { writer, queue: reboots.clone() };
        tasks.push(runtime.spawn(lane.run()));
        tasks.push(runtime.spawn(attempts.clone().run(store, config.traces)));
        Journal { queues, reboots, attempts, counters, tasks: parking_lot::Mutex::new(tasks) }
    }

    /// Takes a record; its worker is told later. Never waits for the store.
    pub fn record(&self, record: Record) -> Result<(), Full> {
        let queue = match &record.event {
            Event::Session(event) => &self.queues[shard(&event.unique_id, self.queues.len())],
            Event::Reboot(_) => &self.reboots,
        };
        queue.push(record).map_err(|_| {
            self.counters.queue_full.add(1);
            Full
        })
    }

    /// Whether an attempt would be taken now.
    pub fn wants_attempt(&self, accepted: bool) -> bool {
        self.attempts.wants(accepted)
    }

    /// Takes an attempt, or counts it when there are too many.
    pub fn attempt(&self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Records that wait for a transaction.
    pub fn queued(&self) -> usize {
        self.queues.iter().map(|queue| queue.len()).sum::<usize>() + self.reboots.len()
    }

    /// Takes nothing more, writes what is queued and tells the workers; at most for `patience`.
    pub async fn drain(&self, patience: Duration) {
        self.queues.iter().for_each(|queue| queue.close());
        self.reboots.close();
        self.attempts.close();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async {
            for task in tasks {
                // A writer that panicked has nothing more to write.
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
    }
}

/// Ids are hexadecimal digits of a hash already.
fn shard(unique_id: &str, shards: usize) -> usize {
    unique_id.bytes().last().map_or(0, |digit| usize::from(digit) % shards)
}
