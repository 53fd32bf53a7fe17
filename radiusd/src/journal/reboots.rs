//! Accounting-On and Accounting-Off: remembered first, then acted on.

use std::sync::Arc;
use std::time::Duration;

use schema::{Ask, Error, Reboot, Step, Writes};
use tracing::warn;

use super::Outcome;
use super::writer::{REBOOTS_BEFORE_SECONDS, Writer};
use crate::accounting::Event;

/// Sessions looked at in one transaction.
const CHUNK: usize = 500;
/// Another node may have been writing a session of that NAS when the reboot came, without
/// knowing of it. By then it is done.
const AGAIN: Duration = Duration::from_secs(10);

/// Writes reboots; all of them, or none is said to be written.
pub async fn write(
    writer: &Arc<Writer>,
    events: &[&Event],
    outcomes: &mut [Outcome],
) -> Option<Error> {
    let of = |event: &&Event| match event {
        Event::Reboot(reboot) => Some(reboot.clone()),
        Event::Session(_) => None,
    };
    let reboots: Vec<Reboot> = events.iter().filter_map(of).collect();
    if let Err(error) = act(writer, &reboots).await {
        return Some(error);
    }
    writer.counters.reboots.add(reboots.len() as u64);
    writer.counters.stored.add(reboots.len() as u64);
    outcomes.fill(Outcome::Stored);
    again(writer, reboots);
    None
}

async fn act(writer: &Writer, reboots: &[Reboot]) -> Result<(), Error> {
    writer.store.record_reboots(reboots).await?;
    // Transactions that began before may not know of it; those that begin now do.
    drop(writer.barrier.write().await);
    for reboot in reboots {
        close(writer, reboot).await?;
    }
    Ok(())
}

fn again(writer: &Arc<Writer>, reboots: Vec<Reboot>) {
    let writer = Arc::downgrade(writer);
    tokio::spawn(async move {
        tokio::time::sleep(AGAIN).await;
        let Some(writer) = writer.upgrade() else { return };
        for reboot in &reboots {
            if let Err(error) = close(&writer, reboot).await {
                warn!(%error, "sessions of a NAS that rebooted were not looked at again");
            }
        }
    });
}

/// Looks again, by chunks, at the sessions that the reboot may have ended.
async fn close(writer: &Writer, reboot: &Reboot) -> Result<(), Error> {
    let Reboot { nasipaddress: nas, at, .. } = reboot;
    let next = next(writer, reboot).await?;
    let mut after = 0;
    loop {
        let found = writer.store.sessions_to_close(nas, *at, next, after, CHUNK).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = last.radacctid;
        let mut ids: Vec<String> = found.into_iter().map(|found| found.acctuniqueid).collect();
        ids.sort_unstable();
        writer.counters.sessions_closed.add(ids.len() as u64);
        // Also those before it: whoever is the last to write a session has to know all that are
        // known by then, whichever of them he is at.
        let since = at.saturating_sub(REBOOTS_BEFORE_SECONDS);
        let ask = Ask { ids, nases: vec![nas.clone()], since };
        writer.fold(&ask, &[]).await?;
    }
}

/// The reboot in this one's second or after it, which closed what this one, known only now, ended before.
async fn next(writer: &Writer, reboot: &Reboot) -> Result<Option<i64>, Error> {
    let ask = Ask { ids: Vec::new(), nases: vec![reboot.nasipaddress.clone()], since: reboot.at };
    let mut next = None;
    let read = |known: schema::Known| {
        let others = known.reboots.iter().filter(|other| {
            other.at >= reboot.at && (other.at, other.off) != (reboot.at, reboot.off)
        });
        next = others.map(|other| other.at).min();
        Step::Write(Writes::default())
    };
    writer.store.write_sessions(&ask, read).await?;
    Ok(next)
}
