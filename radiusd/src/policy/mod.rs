//! FreeRADIUS's decision on a request: pure, time and what the store said are arguments.
//!
//! Rows are compiled once, when they are fetched (`compile`, `row`, `op`); a [`Request`] is then
//! decided by [`decide`], which reads as FreeRADIUS's sections run: names that never reach the
//! store, the user's rows and groups, what limits the user, the password, sessions open already.
//! What it lacks it asks for ([`Need`]), to be called again with the [`Answers`]. With a
//! [`Recorder`] the same call explains itself.

mod decision;
mod huntgroups;
mod names;
mod need;
mod reason;
mod rows;
mod trace;

pub use decision::{Decision, Facts, Options, Request, Step, Verdict, decide};
pub use huntgroups::Huntgroups;
pub use names::lookup_names;
pub use need::{Answers, Ask, Direction, Need, OpenSessions, SlowPassword};
pub use reason::Reason;
pub use rows::{GroupPolicy, Groups, UserPolicy, compile_group, compile_user};
pub use trace::{NoRecorder, Note, Recorder, Trace};
