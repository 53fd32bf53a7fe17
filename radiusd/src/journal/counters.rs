//! What the journal has done since the daemon began.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($name:ident: $help:literal)*) => {
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl Counters {
            /// Name, what it counts, and how many.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((concat!("journal_", stringify!($name)), $help, self.$name.get())),*].into_iter()
            }
        }
    };
}

counters! {
    stored: "Accounting records committed to the store"
    quarantined: "Accounting records that the store refused, kept in quarantine"
    not_stored: "Accounting records left unanswered because neither the store nor the journal took them"
    queue_full: "Accounting records dropped because the queue to the journal was full"
    repeated: "Accounting records dropped because many were waiting and this one among them"
    spills: "Times that accounting turned from the store to the journal"
    journalled: "Accounting records written to the journal, and acknowledged from there"
    journal_full: "Accounting records refused because of accounting.journal_max_bytes"
    journal_failed: "Accounting records that could not be written to the journal"
    torn: "Torn ends of segments cut at the start"
    replayed: "Accounting records written from the journal to the store"
    batches: "Transactions with accounting records"
    rows: "Rows of radacct written"
    retries: "Transactions repeated because another writer was at the same rows"
    bisected: "Batches halved to find a record that the store refuses"
    unchanged: "Accounting records that changed nothing: repeated, or late and known"
    counters_fell: "Later accounting records with smaller counters than earlier ones"
    sessions_reused: "Sessions begun under an Acct-Session-Id that another one had"
    reboots: "Accounting-On and Accounting-Off recorded"
    sessions_closed: "Sessions looked at because their NAS rebooted"
    sessions_gone: "Sessions closed because their NAS, when asked, did not have them"
    attempts_stored: "Attempts written"
    attempts_over_rate: "Attempts not written because there were more than attempts.rate_max"
    attempts_queue_full: "Attempts not written because too many were waiting"
    attempts_lost: "Attempts not written because the store was away or refused them"
}
