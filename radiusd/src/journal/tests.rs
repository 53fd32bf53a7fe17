//! The log and its replay without a store: disks that fail, ways that turn.

use super::*;
use crate::accounting::{Kind, SessionEvent, Texts};

/// A Start that begins session `number`.
pub fn start(number: u64) -> Event {
    Event::Session(Box::new(SessionEvent {
        kind: Kind::Start,
        unique_id: format!("{number:032x}"),
        time: 1_700_000_000,
        session_time: Some(0),
        input_octets: 0,
        output_octets: 0,
        addresses: Default::default(),
        cause: String::new(),
        texts: Texts { session_id: number.to_string(), ..Texts::default() },
    }))
}
