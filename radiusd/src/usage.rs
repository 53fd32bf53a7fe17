//! Usage as it happens is the accounting writer's; here is what the daemon does beside it: it has
//! the sessions counted that were there before, and moves old ones to the archive.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use schema::{Error, Filled, Store};

use crate::config;

/// Sessions counted, or archived, in one transaction, which keeps the writers waiting.
const STEP: usize = 200;
const ARCHIVE_STEP: usize = 500;
/// How often we look whether there is anything to count or to archive.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(5);

/// How far it has come, for metrics.
#[derive(Debug, Default)]
pub struct Backfill {
    left: AtomicI64,
    archived: AtomicU64,
}

impl Backfill {
    /// Sessions of before that are still to be counted, by their ids: some may not exist.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed).unsigned_abs()
    }

    /// Sessions moved to the archive since the daemon began.
    pub fn archived(&self) -> u64 {
        self.archived.load(Ordering::Relaxed)
    }

    fn note(&self, filled: &Filled) {
        self.left.store(filled.left(), Ordering::Relaxed);
    }
}

/// Begins to keep usage if it isn't kept, and counts what was there before; for ever, since a
/// person may have it all counted anew.
pub async fn keep(store: Store, options: config::Accounting, backfill: Arc<Backfill>) {
    let mut said = String::new();
    loop {
        let done = match look(&store, options.usage, &backfill).await {
            Ok(true) => archive(&store, options.archive_after_days, &backfill).await,
            Ok(false) => return,
            Err(error) => Err(error),
        };
        let rest = match done {
            Ok(()) => LOOK_EVERY,
            Err(error) if error.is_retryable() => PAUSE,
            Err(error) => {
                let told = error.to_string();
                if told != said {
                    tracing::warn!(%error, "sessions are not counted or not archived; trying again");
                }
                said = told;
                LOOK_EVERY
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// False when no usage can be kept here.
async fn look(store: &Store, begin: bool, backfill: &Backfill) -> Result<bool, Error> {
    if !store.keeps_usage()? {
        tracing::warn!(
            "usage is not kept: the store's role lacks tables of ours, which radiusd migrate \
             --print-sql prints"
        );
        return Ok(false);
    }
    let mut filled = match begin {
        true => store.begin_usage().await?,
        false => store.usage_filled().await?,
    };
    backfill.note(&filled);
    if filled.left() == 0 {
        return Ok(true);
    }
    tracing::info!(sessions = filled.left(), "counting the usage of sessions that were there");
    while filled.left() > 0 {
        let began = Instant::now();
        match store.fill_usage(STEP).await {
            Ok(more) => filled = more,
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        backfill.note(&filled);
        // Half of the time is the writers'.
        tokio::time::sleep(began.elapsed().min(PAUSE)).await;
    }
    tracing::info!("the usage of all sessions is counted");
    Ok(true)
}

/// Moves what ended more than `days` ago; 0 keeps all where it is.
async fn archive(store: &Store, days: u32, backfill: &Backfill) -> Result<(), Error> {
    if days == 0 {
        return Ok(());
    }
    let before = Timestamp::now() - SignedDuration::from_hours(i64::from(days) * 24);
    loop {
        let began = Instant::now();
        match store.archive_sessions(before.as_second(), ARCHIVE_STEP).await {
            Ok(0) => return Ok(()),
            Ok(count) => drop(backfill.archived.fetch_add(count as u64, Ordering::Relaxed)),
            Err(Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(began.elapsed().min(PAUSE)).await;
    }
}
