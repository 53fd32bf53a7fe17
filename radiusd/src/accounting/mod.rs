//! Accounting-Requests become events, and the events of a session its row: the row is a function of
//! the set of events, not of their order.
//!
//! `request` reads a packet into an `event`. A `state` is what a set of events determines, each
//! value that of the `newest` event that has one; `row` turns it into a row of radacct and back,
//! with marks for what the row can't tell. `fold` knows which session an event belongs to when a
//! NAS gives one Acct-Session-Id to several, and `reboots` which sessions ended with their NAS.

mod event;
mod fold;
mod newest;
mod reboots;
mod request;
mod row;
mod state;
mod text;

#[cfg(test)]
mod tests;

pub use event::{Addresses, Event, Kind, SessionEvent, Texts};
pub use fold::{Findings, close, fold, in_order, older_id};
pub use request::{Context, read};
pub use row::{CLOSED, GONE};
pub use text::column;
