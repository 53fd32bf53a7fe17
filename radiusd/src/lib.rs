//! The daemon: the network, and what ties the other crates together.
//!
//! `run` is the life of the process: open, bind, serve, drain; `reach` opens a store that may be
//! away, `handover` has sockets outlive the process. A datagram comes in by `server`, which finds
//! its NAS in `roster` and retransmissions in `duplicates`. `access` asks `policy` to
//! decide, and `fetch` for what a decision lacks; `checkrad` hears from NAS which sessions they
//! still have. `accounting` reads records, `journal` makes them
//! durable. Where requests have to wait, sources take `turns`. `usage` counts the sessions that were there before,
//! `online` the open ones. `coa` asks NAS to end sessions. `control` is what management may ask, `metrics` every counter, `people` the
//! management module on threads of its own.
//!
//! `config` says what may be set, `exit` how the process ends, `check_policy` which rows of a
//! store are not what their author thought, `rows` what may be written, `explain` a decision in words,
//! `simulate` one on a request that nobody sent; `pairs` are attributes as people write them.

pub mod config;
pub mod exit;
mod handover;
mod reach;
mod run;

mod server;

mod duplicates;
mod online;
mod roster;

mod access;
mod checkrad;
mod fetch;
pub mod policy;
mod turns;

pub mod accounting;
pub mod journal;
mod usage;

mod coa;
mod control;
mod metrics;
mod people;

pub mod check_policy;
pub mod explain;
pub mod pairs;
pub mod rows;
pub mod simulate;

pub use roster::network;
pub use run::run;
