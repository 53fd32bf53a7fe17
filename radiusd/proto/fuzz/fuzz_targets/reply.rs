//! `cargo +nightly fuzz run reply`
#![no_main]

#[path = "../targets.rs"]
#[expect(dead_code, reason = "each target is its own program")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::reply(octets);
});
