//! Loads the table of who is online, and again when something may have been missed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schema::{Change, Error, Store};
use tokio::sync::mpsc::Receiver;

use super::{OTHERS, Online, Told};

/// Between two loads at least, and at least so many times what one took.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_OF_LOADS: u32 = 20;
/// What stayed behind here, though it is gone in the store, is gone after so long.
const AGAIN: Duration = Duration::from_secs(3_600);
const TICK: Duration = Duration::from_millis(250);

/// The task that keeps [`Online`] true.
pub struct Watch {
    store: Store,
    online: Arc<Online>,
    changes: Receiver<Change>,
    next: Instant,
    loaded: Option<Instant>,
}

impl Watch {
    pub fn new(store: Store, online: Arc<Online>) -> Watch {
        let changes = store.changes();
        Watch { store, online, changes, next: Instant::now(), loaded: None }
    }

    /// Runs until the store's announcements end.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.note(&change),
                    None => return,
                },
                _ = tick.tick() => if self.is_due(Instant::now()) && !self.load().await {
                    return;
                },
            }
        }
    }

    fn note(&self, change: &Change) {
        let mut trust = self.online.trust.lock();
        let now = Instant::now();
        trust.heard = Some(now);
        match change {
            Change::Everything => {
                (trust.sound, trust.missed) = (false, true);
                trust.listening = Some(now);
            }
            Change::OtherWriter => {
                (trust.sound, trust.missed) = (false, true);
                trust.others = Some(now);
            }
            _ => {}
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let trust = self.online.trust.lock();
        let alone = trust.others.is_none_or(|others| now.duration_since(others) >= OTHERS);
        let old = self.loaded.is_some_and(|loaded| now.duration_since(loaded) >= AGAIN);
        // What the journal holds the store lacks; a table made of the store would lack it too.
        trust.heard.is_some()
            && (self.loaded.is_none() || alone && (!trust.sound || old) && !self.online.is_ahead())
            && now >= self.next
    }

    /// False when the store's announcements have ended.
    async fn load(&mut self) -> bool {
        let begun = Instant::now();
        self.online.begin_load();
        let (store, online) = (self.store.clone(), Arc::clone(&self.online));
        let told = move |row: schema::Online<'_>| Told::Open {
            user: online.number(row.username),
            entry: online.entry(row.acctuniqueid, row.nas_ip, row.start),
        };
        let mut loading = std::pin::pin!(tokio::spawn(async move { store.online(told).await }));
        let loaded = loop {
            tokio::select! {
                loaded = &mut loading => break loaded,
                // Heard while it loads, or it would miss what it is told.
                change = self.changes.recv() => match change {
                    Some(change) => self.note(&change),
                    None => return false,
                },
            }
        };
        let loaded = loaded.unwrap_or_else(|panicked| Err(Error::Failed(panicked.to_string())));
        let kept = match loaded {
            Ok(open) => self.online.end_load(open),
            Err(error) => {
                tracing::debug!(%error, "open sessions could not be read");
                false
            }
        };
        match kept {
            true => self.loaded = Some(begun),
            false => self.online.break_load(),
        }
        self.next = Instant::now() + PAUSE.max(begun.elapsed() * PAUSE_OF_LOADS);
        true
    }
}
