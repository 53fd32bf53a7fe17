//! Accounting-On and Accounting-Off: remembered first, then acted on.

use std::sync::Arc;
use std::time::Duration;

use schema::{Ask, Error, Reboot, Step, Writes};
use tracing::warn;

use super::queue::Queue;
use super::writer::Writer;
use super::{Outcome, Record};
use crate::accounting::Event;

/// Sessions looked at in one transaction.
const CHUNK: usize = 500;
/// Another node may have been writing a session of that NAS when the reboot came, without
/// knowing of it. By then it is done.
const AGAIN: Duration = Duration::from_secs(10);

pub struct Lane {
    pub writer: Arc<Writer>,
    pub queue: Arc<Queue<Record>>,
}

impl Lane {
    pub async fn run(self) {
        while let Some(records) = self.queue.take(self.writer.batch_max).await {
            let reboots: Vec<Reboot> = records
                .iter()
                .filter_map(|record| match &record.event {
                    Event::Reboot(reboot) => Some(reboot.clone()),
                    Event::Session(_) => None,
                })
                .collect();
            let outcome = match self.act(&reboots).await {
                Ok(()) => {
                    self.writer.counters.reboots.add(reboots.len() as u64);
                    self.writer.counters.stored.add(reboots.len() as u64);
                    Outcome::Stored
                }
                Err(error) => {
                    warn!(%error, "an Accounting-On or Accounting-Off was not written");
                    Outcome::NotStored
                }
            };
            self.writer.tell(&records, &vec![outcome; records.len()]);
            if outcome == Outcome::Stored {
                self.again(reboots);
            }
        }
    }

    async fn act(&self, reboots: &[Reboot]) -> Result<(), Error> {
        self.writer.store.record_reboots(reboots).await?;
        // Transactions that began before may not know of it; those that begin now do.
        drop(self.writer.barrier.write().await);
        for reboot in reboots {
            close(&self.writer, reboot).await?;
        }
        Ok(())
    }

    fn again(&self, reboots: Vec<Reboot>) {
        let writer = Arc::downgrade(&self.writer);
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
        let ask = Ask { ids, nases: vec![nas.clone()], since: *at };
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
