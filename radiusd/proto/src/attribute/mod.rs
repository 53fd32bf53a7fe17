//! Attributes: the numbers that code names itself, and octets to pairs and back.
//!
//! Everything else about an attribute is the dictionary's to say. `read` decodes a packet,
//! `write` encodes a pair; both know vendors' formats, TLVs, RFC 6929's extended attributes, tags,
//! and what the secret hides.

mod frame;
mod number;
mod read;
mod vendor;
mod write;

pub use number::*;
pub use read::Instances;
pub use write::Refused;
pub(crate) use write::{Hiding, Writer};
