//! RADIUS as the RFCs define it: octets in, octets out.
//!
//! A datagram becomes a [`Packet`] or a [`Malformed`]; a [`Secret`] says whether it is authentic
//! and reveals what it hides; [`attribute`] names the numbers and turns octets into pairs and
//! back; [`Stored`], [`chap`], [`mschap`] and [`digest`] say whether a user's answer fits what is stored;
//! a [`Reply`] is written into a buffer that its caller keeps, a [`Request`] is what we ask.
//!
//! Nothing here reads a clock, does I/O, draws random numbers or logs, and no input panics:
//! the lints below and `.clippy.toml` refuse what could.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::string_slice,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod malformed;
mod packet;

mod hide;
mod secret;

pub mod attribute;

pub mod chap;
pub mod digest;
pub mod mschap;
mod password;

mod reply;
mod request;

pub use attribute::Refused;
pub use malformed::Malformed;
pub use packet::{Attributes, Code, Packet};
pub use password::{BadPassword, Stored};
pub use reply::Reply;
pub use request::{Request, verify_reply};
pub use secret::{Authenticator, Secret};
