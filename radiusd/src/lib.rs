//! The daemon.

pub mod config;
pub mod exit;
mod run;

pub use run::run;
