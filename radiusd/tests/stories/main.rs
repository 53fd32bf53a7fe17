//! The daemon as the world meets it: real clients, real stores, FreeRADIUS beside it.
//!
//! One binary, because linking is what costs: `cargo test -p radiusd --test stories differential`
//! runs one part.

#![expect(dead_code, reason = "the harness is ahead of its stories, which wait for the daemon")]

mod harness;

mod differential;
