//! The load, and what it measures.
//!
//! A request is made by `traffic` (logins) or `sessions` (accounting, with a ledger of what was acknowledged), in octets by
//! `wire`, which shares no code with `proto`; `generator` sends it over `lines`, in a closed or an open loop. `echo` and
//! `null` are the ceilings of the network side, `upsert` is the store's. `cluster` seeds PostgreSQL, `freeradius` and
//! `ours` run the two servers on it in turn; `compare` is the run, `report` and `plot` tell it.

mod batch;
mod cluster;
pub mod compare;
mod contest;
pub mod echo;
mod freeradius;
pub mod generator;
mod histogram;
mod lines;
mod machine;
mod mschap;
pub mod null;
mod ours;
pub mod plot;
mod process;
mod random;
pub mod report;
pub mod results;
pub mod sessions;
mod sql;
pub mod traffic;
mod upsert;
pub mod wire;
