//! What the fuzz targets as plain tests have in common: the stored corpus, then seeded mutations of
//! it for as long as `FUZZ_SECONDS` says (5 by default).

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many inputs a run remembers for having gone a new way.
const POOL_MAX: usize = 4096;
const INPUT_MAX: usize = 5000;

/// A small generator with a seed of its own: every run begins with the same inputs.
pub struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
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

/// Feeds the corpus of that name, which lies beside the crate's targets, and what comes of it.
pub fn run(name: &str, target: fn(&[u8]) -> u64, repair: fn(&mut [u8], &mut Dice)) {
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
