//! The daemon.

pub mod config;
pub mod exit;
pub mod policy;
mod run;

pub use run::run;
