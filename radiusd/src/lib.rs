//! The daemon.

mod access;
mod accounting;
pub mod check_policy;
pub mod config;
mod control;
mod duplicates;
pub mod exit;
mod fetch;
mod journal;
mod metrics;
pub mod policy;
mod roster;
mod run;
mod server;

pub use run::run;
