//! FreeRADIUS's decision on a request: pure, time and what the store said are arguments.
//!
//! Rows are compiled once, when they are fetched (`rows`, `op`, `role`, `template`; `inspect` says
//! what is worth a second look in one); a [`Request`]
//! is then decided by [`decide`], whose steps are FreeRADIUS's modules in their order: `gate`
//! refuses names, `authorize` reads the user's rows and groups (`check` compares, `list` merges),
//! `limits` holds ends and quotas against the clock, `authenticate`, `ms_chap` and `digest` look at
//! the password, `sessions` counts. What it lacks it asks for ([`Need`]), to be called again with the
//! [`Answers`]. With a [`Recorder`] the same call explains itself.

mod decision;
mod need;
mod reason;
mod trace;

mod huntgroups;
mod methods;
mod names;
mod view;

mod inspect;
mod op;
mod role;
mod rows;
mod template;

mod gate;

mod authorize;
mod check;
mod compare;
mod list;

mod counters;
mod limits;
mod login_time;

mod authenticate;
mod digest;
mod ms_chap;
mod sessions;

pub use decision::{Decision, Facts, Options, Request, Step, Verdict, decide};
pub use huntgroups::Huntgroups;
pub use inspect::{Remark, inspect};
pub use list::Effect;
pub use methods::Methods;
pub use names::lookup_names;
pub use need::{Answers, Ask, Counted, Direction, NEEDS_MAX, Need, OpenSessions, SlowPassword};
pub use op::Op;
pub use reason::Reason;
pub use rows::{
    BadPattern, BadRow, GroupNames, GroupPolicy, Groups, Mistake, UserPolicy, compile_group,
    compile_user,
};
pub use template::Unsupported;
pub use trace::{Lacks, NoRecorder, Recorder, Shown, Table, Trace, TraceStep, is_secret};
