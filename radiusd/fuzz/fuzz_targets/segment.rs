//! `cargo +nightly fuzz run segment`
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::segment(octets);
});
