//! The load, and what it measures.
//!
//! A request is made by `traffic` (logins) or `sessions` (accounting, with a ledger of what was acknowledged), in octets by
//! `wire`, which shares no code with `proto`; `generator` sends it over `lines`, in a closed or an open loop. `echo` and
//! `null` are the ceilings of the network side, `upsert` is the store's. `cluster` seeds PostgreSQL, `sqlite` makes a file,
//! `freeradius` and `ours` run the two servers on them in turn; `compare` is the run, `scale` what size does to ours,
//! `report` and `plot` tell it. EAP is to come in beside `traffic`, by eapol_test: its cases go behind the logins'.

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
mod scale;
pub mod sessions;
mod sql;
mod sqlite;
pub mod traffic;
mod upsert;
pub mod wire;
