//! The daemon as the world meets it: real clients, real stores, FreeRADIUS beside it.
//!
//! One binary, because linking is what costs: `cargo test -p radiusd --test stories differential`
//! runs one part.

mod harness;

mod access;
mod accounting;
mod away;
mod checkrad;
mod deviations;
mod differential;
mod faults;
mod floods;
mod fuzz;
mod handover;
mod live;
mod management;
mod network;
mod online;
mod outage;
mod restart;
mod sequences;
mod usage;
mod wire;
