//! What a person has written to the store while the daemon is stopped: the journal, or the
//! quarantine once more.

use std::fs;
use std::io;
use std::sync::Arc;

use crossbeam_channel::Sender;
use schema::Store;

use super::answers::{Answers, Waiting};
use super::folder::{Files, Folder, Lock, Position};
use super::log::{Log, Order, State};
use super::writer::Writer;
use super::{Config, Counters, quarantine, replay};
use crate::accounting::Event;
use crate::exit::{self, Failure};
use crate::online::Online;

/// Refuses while another process has the journal.
fn lock(folder: &Folder) -> Result<Lock, Failure> {
    if folder.is_locked() {
        let why = "the daemon is running: it replays the journal by itself; stop it for the rest";
        return Err(Failure::new(exit::UNAVAILABLE, why));
    }
    folder.lock()
}

/// Writes everything in the journal to the store, as the daemon would; returns how many records.
pub async fn replay_all(store: Store, config: &Config) -> Result<u64, Failure> {
    let folder = Folder::new(config.directory.clone());
    let lock = lock(&folder)?;
    let failed = |error: io::Error| Failure::io(config.directory.display(), &error);
    let (state, _) = State::open(folder, config.octets_max).map_err(failed)?;
    let (state, counters) = (Arc::new(state), Arc::<Counters>::default());
    // Nobody is served.
    let online = Arc::<Online>::default();
    let writer = Arc::new(Writer::new(store, state.clone(), counters.clone(), online.clone()));
    let completions = Arc::new(|_: usize, _: Vec<_>| {});
    let answers = Arc::new(Answers { completions, counters, online, waiting: Waiting::new(0) });
    let (orders, received) = crossbeam_channel::unbounded();
    let thread = Log::new(state.clone(), answers, Files, lock).start(received)?;
    let done = write_all(&state, &writer, config.batch_max, &orders).await;
    // A thread that is gone is noticed when it is joined.
    let _ = orders.send(Order::Stop);
    match tokio::task::spawn_blocking(move || thread.join()).await {
        Ok(Ok(())) => done,
        _ => Err(Failure::new(exit::SOFTWARE, "the journal's thread has failed")),
    }
}

async fn write_all(
    state: &State,
    writer: &Arc<Writer>,
    batch_max: usize,
    orders: &Sender<Order>,
) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let read = state.read(batch_max, orders);
        let read = read.map_err(|error| Failure::io(state.folder.path().display(), &error))?;
        let Some(batch) = read else { return Ok(count) };
        let position = Position { segment: batch.segment, offset: batch.next };
        let more = batch.events.len() as u64;
        if let Some(error) = replay::write(writer.clone(), Arc::new(batch.events), 1).await {
            return Err(error.into());
        }
        count += more;
        state.advance(position);
        // As above.
        let _ = orders.send(Order::Replayed(position));
    }
}

/// Tries the records in quarantine again; returns how many the store took and how many it still
/// refuses. A file is removed when each of its records is in the store or in a new file.
pub async fn retry_quarantine(store: Store, config: &Config) -> Result<(u64, u64), Failure> {
    let folder = Folder::new(config.directory.clone());
    let _lock = lock(&folder)?;
    let failed = |error: io::Error| Failure::io(folder.quarantine().display(), &error);
    let (state, _) = State::open(folder.clone(), u64::MAX).map_err(failed)?;
    let counters = Arc::<Counters>::default();
    let writer = Arc::new(Writer::new(store, Arc::new(state), counters.clone(), Arc::default()));
    for file in folder.quarantine_files().map_err(failed)? {
        let (kept, unreadable) = quarantine::read(&file).map_err(failed)?;
        let events: Vec<&Event> = kept.iter().map(|kept| &kept.event).collect();
        for part in events.chunks(config.batch_max) {
            if let Some(error) = writer.write(part).await.error {
                return Err(error.into());
            }
        }
        if unreadable == 0 {
            fs::remove_file(&file).map_err(failed)?;
        }
    }
    Ok((counters.stored.get(), counters.quarantined.get()))
}
