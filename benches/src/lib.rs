//! The load, and what it measures.
//!
//! A request is made by `traffic` (logins) or `sessions` (accounting, with a ledger of what was acknowledged), in octets by
//! `wire`, which shares no code with `proto`; `generator` sends it over `lines`, in a closed or an open loop. `echo` and
//! `null` are the ceilings of the network side, `upsert` is the store's. `cluster` seeds PostgreSQL, `freeradius` and
//! `ours` run the two servers on it in turn; `compare` is the run, `report` and `plot` tell it.

pub mod wire;
mod mschap;
pub mod traffic;
pub mod sessions;
mod random;
mod histogram;
mod batch;
mod lines;
pub mod generator;
pub mod echo;
pub mod process;
mod sql;
pub mod cluster;
pub mod upsert;
pub mod freeradius;
