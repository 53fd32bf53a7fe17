//! The daemon.

pub mod check_policy;
pub mod config;
pub mod exit;
pub mod policy;
mod run;

pub use run::run;
