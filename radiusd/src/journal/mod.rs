//! Accounting made durable before it is answered, and attempts written when there is time.
//!
//! `spill` says which way a record goes. Straight: into a bounded `queue`, in which sources take
//! turns, and whose `lane` gives whatever has come, at most `accounting.batch_max`, to the
//! `writer`, which commits it as one transaction. A conflict with another writer is tried again; a value that the store refuses is
//! found by halving the batch and goes to `quarantine`; `reboots` have a lane of their own, since
//! an Accounting-On may close many sessions, and `gone` closes what a NAS says it no longer has. Only then each worker is told (`answers`).
//!
//! Store away, or slower than `accounting.spill_after`: a record goes to the `log`, a thread that
//! appends all that wait to a `segment` in the journal's `folder`, calls fdatasync and answers.
//! `replay` brings the log to the store in order; until it is empty every new record goes behind
//! it. A crash repeats some of the replay, which changes no row. `survey` looks a segment over,
//! `status` the whole folder; `by_hand` is for a person. `attempts` are not waited for: what comes too fast is counted.

mod answers;
mod attempts;
mod by_hand;
mod counters;
mod folder;
mod gone;
mod lane;
mod log;
mod quarantine;
mod queue;
mod reboots;
mod replay;
pub mod segment;
mod spill;
mod status;
mod survey;
mod writer;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mgmt::Feed;
use schema::{Actor, Attempt, Bounds, Error, Session, Store};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use by_hand::{replay_all, retry_quarantine};
pub use counters::Counters;
pub use gone::Asked;
pub use quarantine::Kept;
pub use status::{Segment, Status, quarantined, status};

use crate::accounting::Event;
use crate::exit::Failure;
use crate::online::Online;
use answers::{Answers, Waiting};
use attempts::Attempts;
use folder::{Files, Folder};
use lane::Lane;
use log::{Log, Order, State};
use queue::Queue;
use replay::{Rate, Replay, Stop};
use spill::Spill;
use writer::Writer;

/// Whatever the worker knows its request by; the journal only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// An event, and who waits for it.
#[derive(Clone, Debug)]
pub struct Record {
    pub event: Event,
    /// Who sent it: sources take turns.
    pub source: IpAddr,
    pub worker: usize,
    pub ticket: Ticket,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable: in the store, in the journal or in quarantine. To be acknowledged.
    Stored,
    /// Not now: to be forgotten without an answer, so that the NAS sends it again.
    NotStored,
}

/// Why a record is dropped, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No room, or none for one that has three quarters of it already.
    Full,
    /// Many are waiting, and one that says the same among them.
    Repeated,
}

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
    /// Records waiting in memory at most.
    pub queue_max: usize,
    /// How long a record waits for the store before it goes to the log.
    pub spill_after: Duration,
    /// Of everything in `directory`.
    pub octets_max: u64,
    /// Segments, and what the store refuses.
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
            spill_after: config.accounting.spill_after,
            octets_max: config.accounting.journal_max_bytes as u64,
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
    spill: Arc<Spill>,
    writer: Arc<Writer>,
    attempts: Arc<Attempts>,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    rate: Arc<Rate>,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    thread: parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// How the journal is, for people and for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// New records go behind those of the log.
    pub spilling: bool,
    pub records: u64,
    /// Of everything in the folder.
    pub octets: u64,
    /// Of the oldest record in the log.
    pub age_seconds: u64,
    pub damaged: u64,
    pub newer: u64,
    pub quarantined: u64,
    pub replayed_per_second: u64,
    /// Why records stay unanswered.
    pub trouble: String,
}

impl Journal {
    /// Opens the folder, which is ours alone from then on, and starts the writers on `runtime`.
    pub fn start(
        store: Store,
        config: Config,
        completions: Arc<dyn Completions>,
        (online, feed): (Arc<Online>, Arc<Feed>),
        runtime: &Handle,
    ) -> Result<Journal, Failure> {
        let counters = Arc::new(Counters::default());
        let folder = Folder::new(config.directory.clone());
        let lock = folder.lock()?;
        let (state, opened) = State::open(folder, config.octets_max)
            .map_err(|error| Failure::io(config.directory.display(), &error))?;
        counters.torn.add(opened.torn);
        let state = Arc::new(state);
        let waiting = Waiting::new(config.queue_max);
        let answers =
            Answers { completions, counters: counters.clone(), online: online.clone(), waiting };
        let answers = Arc::new(answers);
        // SQLite has one writer anyway. It writes whole pages: the more rows share them the better.
        let (writers, batch_max) = match store.engine_name() {
            "sqlite" => (1, config.batch_max.saturating_mul(4)),
            _ => (2, config.batch_max),
        };
        let mut lanes: Vec<_> = Vec::new();
        lanes.resize_with(writers, || Arc::new(Queue::new(config.queue_max.div_ceil(writers))));
        lanes.push(Arc::new(Queue::new(config.queue_max)));
        // A reboot may close many sessions: nobody waits for its lane.
        let shared = Arc::<tokio::sync::Mutex<()>>::default();
        let mut turns = vec![shared; writers];
        turns.push(Arc::default());
        let (orders, received) = crossbeam_channel::unbounded();
        let log = Log::new(state.clone(), answers.clone(), Files, lock);
        let thread = log.start(received)?;
        let spill = Spill::new(lanes.clone(), state.clone(), orders, answers, config.queue_max);
        let spill = Arc::new(spill);
        let writer = Arc::new(
            Writer::new(store.clone(), state, counters.clone(), online).told(Arc::clone(&feed)),
        );
        let mut tasks = Vec::new();
        for (queue, turn) in lanes.into_iter().zip(turns) {
            let lane = Lane {
                writer: writer.clone(),
                queue,
                spill: spill.clone(),
                batch_max,
                spill_after: config.spill_after,
                turn,
            };
            tasks.push(runtime.spawn(lane.run()));
        }
        let (stop, rate) = (Arc::<Stop>::default(), Arc::<Rate>::default());
        let replay = Replay {
            writer: writer.clone(),
            spill: spill.clone(),
            batch_max: config.batch_max,
            spill_after: config.spill_after,
            shards: writers,
            stop: stop.clone(),
            rate: rate.clone(),
        };
        tasks.push(runtime.spawn(replay.run()));
        let attempts = Arc::new(Attempts::new(config.attempts_per_second, counters.clone()));
        tasks.push(runtime.spawn(attempts.clone().run(store, config.traces, feed)));
        let (tasks, thread) = (tasks.into(), Some(thread).into());
        Ok(Journal { spill, writer, attempts, counters, stop, rate, tasks, thread })
    }

    /// Takes a record; its worker is told later. Never waits for the store.
    pub fn record(&self, record: Record) -> Result<(), Refused> {
        self.spill.take(record)
    }

    /// Whether an attempt would be taken now.
    pub fn wants_attempt(&self, accepted: bool, now: Instant) -> bool {
        self.attempts.wants(accepted, now)
    }

    /// Takes an attempt, or counts it when there are too many.
    pub fn attempt(&self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    /// Closes sessions that their NAS no longer has; returns the ids of those that spoke since it
    /// was asked.
    pub async fn close_gone(&self, asked: Vec<Asked>) -> Result<Vec<String>, Error> {
        gone::close_gone(&self.writer, &asked).await
    }

    /// Closes a session for an operator; false when it has spoken, or ended, since he saw it.
    pub async fn close_for(&self, actor: &Actor, session: &Session) -> Result<bool, Error> {
        gone::close_for(&self.writer, actor, session).await
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Records that wait in memory.
    pub fn queued(&self) -> usize {
        self.spill.queued()
    }

    /// Whether a record of now would be acknowledged, as far as is known.
    pub fn takes_records(&self) -> bool {
        self.spill.way() == spill::Way::Direct || self.spill.state.trouble.lock().is_empty()
    }

    pub fn health(&self) -> Health {
        let state = &self.spill.state;
        let records = state.records.load(Ordering::Relaxed);
        let oldest = state.oldest_ms.load(Ordering::Relaxed);
        let age = if records == 0 { 0 } else { now_ms().saturating_sub(oldest).max(0) / 1_000 };
        Health {
            spilling: self.spill.way() != spill::Way::Direct,
            records,
            octets: state.octets.load(Ordering::Relaxed),
            age_seconds: age.unsigned_abs(),
            damaged: state.damaged.load(Ordering::Relaxed),
            newer: state.newer.load(Ordering::Relaxed),
            quarantined: state.quarantined.load(Ordering::Relaxed),
            replayed_per_second: self.rate.per_second(),
            trouble: state.trouble.lock().clone(),
        }
    }

    /// Takes nothing more and writes what is queued: to the store, at most for `patience`, and
    /// what is left to the log. The log's own records wait for the next start.
    pub async fn drain(&self, patience: Duration) {
        self.spill.close();
        self.attempts.close();
        self.stop.say();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async {
            for task in tasks {
                // A writer that panicked has nothing more to write.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            self.spill.turn("the store is too slow for a daemon that stops");
        }
        // A thread that is gone has nothing more to write.
        let _ = self.spill.orders.send(Order::Stop);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let ended = tokio::task::spawn_blocking(move || thread.join());
            let _ = tokio::time::timeout(patience, ended).await;
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
