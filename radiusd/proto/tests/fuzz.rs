//! The fuzz targets as plain tests: the stored corpus, then seeded mutations of it for as long as
//! `FUZZ_SECONDS` says (5 by default).
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test has a clock")]
#![expect(clippy::disallowed_macros, reason = "a test may say which input it was")]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../fuzz/targets.rs"]
mod targets;

/// How many inputs a run remembers for having gone a new way.
const POOL_MAX: usize = 4096;
const INPUT_MAX: usize = 5000;

/// A small generator with a seed of its own: every run begins with the same inputs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() >> 11) as usize % limit.max(1)
    }

    fn octet(&mut self) -> u8 {
        const LIKELY: [u8; 16] = [0, 1, 2, 3, 6, 16, 18, 26, 31, 32, 80, 127, 128, 241, 253, 255];
        if self.below(2) == 0 { LIKELY[self.below(16)] } else { self.roll() as u8 }
    }
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        let at = dice.below(input.len() + 1);
        let length = 1 + dice.below(8);
        let end = (at + length).min(input.len());
        match dice.below(9) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.octet(),
            2 if at < input.len() => {
                input[at] = input[at].wrapping_add(dice.below(9) as u8).wrapping_sub(4)
            }
            3 => {
                let octets: Vec<u8> = (0..length).map(|_| dice.octet()).collect();
                input.splice(at..at, octets);
            }
            4 => drop(input.drain(at..end)),
            5 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            6 => {
                let other = &pool[dice.below(pool.len())];
                let from = dice.below(other.len() + 1);
                let to = (from + 1 + dice.below(64)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            7 => {
                let other = &pool[dice.below(pool.len())];
                input.truncate(at);
                input.extend(&other[dice.below(other.len() + 1)..]);
            }
            _ if dice.below(8) == 0 => input.truncate(at),
            _ => {}
        }
    }
    input.truncate(INPUT_MAX);
}

/// Makes the length field right, as it almost always should be to get any further.
fn with_length(input: &mut [u8], dice: &mut Dice) {
    if dice.below(8) > 0 && input.len() >= 4 {
        let length = (input.len().min(4096) as u16).to_be_bytes();
        input[2..4].copy_from_slice(&length);
    }
}

fn no_change(_: &mut [u8], _: &mut Dice) {}

fn run(name: &str, target: fn(&[u8]) -> u64, repair: fn(&mut [u8], &mut Dice)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        folder.read_dir().expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut pool: Vec<Vec<u8>> =
        files.iter().map(|path| std::fs::read(path).expect("a file")).collect();
    assert!(!pool.is_empty(), "{name} has no corpus");
    let step = |input: &[u8]| match catch_unwind(AssertUnwindSafe(|| target(input))) {
        Ok(way) => way,
        Err(panic) => {
            eprintln!("{name}: {}", hex::encode(input));
            resume_unwind(panic)
        }
    };
    let mut ways: HashSet<u64> = pool.iter().map(|input| step(input)).collect();
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs_f64(seconds.unwrap_or(5.0));
    let mut dice =
        Dice(name.bytes().fold(0x9e37_79b9, |seed: u64, b| seed.wrapping_mul(31) ^ u64::from(b)));
    let mut count = 0_u64;
    while !count.is_multiple_of(64) || Instant::now() < end {
        count += 1;
        let mut input = pool[dice.below(pool.len())].clone();
        mutate(&mut input, &pool, &mut dice);
        repair(&mut input, &mut dice);
        if ways.insert(step(&input)) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    println!("{name}: {} stored, {count} made, {} ways", files.len(), ways.len());
}

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
