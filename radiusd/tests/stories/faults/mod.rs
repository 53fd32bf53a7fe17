//! Whatever goes wrong, what was acknowledged is in radacct: once, with the right totals.
//!
//! A `fleet` of NASes reports sessions, amid faults of one kind or of all; in the end the table is
//! held against the `ledger` of what was sent and acknowledged. The `stage` has the store, one or
//! two daemons, and what lies between them. `make test` runs seconds of each, `make faults` minutes:
//! FAULT_SECONDS, FAULT_MIXED_SECONDS; FAULT_SEED repeats a choice of faults.

mod fleet;
mod ledger;
mod stage;

mod daemon;
mod disk;
mod mixed;
mod network;
mod store;
