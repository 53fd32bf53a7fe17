//! Accounting-Requests become events, and the events of a session its row: a row is a function of
//! the set of events, not of their order.
//!
//! `request` reads a packet into an `event`. A `state` is what a set of events determines; `row`
//! turns it into a row and back. `fold` knows which session an event belongs to when a NAS gives
//! one Acct-Session-Id to several.

pub mod event;
pub mod newest;
pub mod reboots;
pub mod row;
pub mod state;
