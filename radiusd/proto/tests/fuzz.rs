//! The fuzz targets as plain tests: the stored corpus, then seeded mutations of it for as long as
//! `FUZZ_SECONDS` says (5 by default).
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test has a clock")]
#![expect(clippy::disallowed_macros, reason = "a test may say which input it was")]

#[path = "../fuzz/mutations.rs"]
mod mutations;
#[path = "../fuzz/targets.rs"]
mod targets;

use mutations::{Dice, run};

/// Makes the length field right, as it almost always should be to get any further.
fn with_length(input: &mut [u8], dice: &mut Dice) {
    if dice.below(8) > 0 && input.len() >= 4 {
        let length = (input.len().min(4096) as u16).to_be_bytes();
        input[2..4].copy_from_slice(&length);
    }
}

fn no_change(_: &mut [u8], _: &mut Dice) {}

#[test]
fn fuzz_packet() {
    run("packet", targets::packet, with_length);
}

#[test]
fn fuzz_pairs() {
    run("pairs", targets::pairs, no_change);
}

#[test]
fn fuzz_reply() {
    run("reply", targets::reply, no_change);
}

#[test]
fn fuzz_password() {
    run("password", targets::password, no_change);
}

#[test]
fn fuzz_dictionary() {
    run("dictionary", targets::dictionary, no_change);
}

#[test]
fn fuzz_value() {
    run("value", targets::value, no_change);
}
