//! Usage as it happens is the accounting writer's; here is what the daemon does beside it: it has
//! the sessions counted that were there before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use schema::{Error, Filled, Store};

/// Sessions counted in one transaction, which keeps the writers waiting.
const STEP: usize = 1_000;
/// How often we look whether there is anything to count.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(5);

/// How far it has come, for metrics.
#[derive(Debug, Default)]
pub struct Backfill {
    left: AtomicI64,
}

impl Backfill {
    /// Sessions of before that are still to be counted, by their ids: some may not exist.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed).unsigned_abs()
    }

    fn note(&self, filled: &Filled) {
        self.left.store(filled.left(), Ordering::Relaxed);
    }
}

/// Begins to keep usage if it isn't kept, and counts what was there before; for ever, since a
/// person may have it all counted anew.
pub async fn keep(store: Store, begin: bool, backfill: Arc<Backfill>) {
    let mut said = String::new();
    loop {
        let rest = match look(&store, begin, &backfill).await {
            Ok(true) => LOOK_EVERY,
            Ok(false) => return,
            Err(error) => {
                let told = error.to_string();
                if told != said && !error.is_retryable() {
                    tracing::warn!(%error, "usage is not counted; trying again");
                }
                said = told;
                PAUSE
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
