//! `$md5$`: Sun's rounds of MD5, half of which take in a speech of Hamlet's.

use md5::{Digest, Md5};

use super::BadPassword;
use super::crypt::{encode, fits, is_alphabet, is_digest};

const BASE_ROUNDS: u32 = 4096;
/// Some ten seconds of one core.
const ROUNDS_MAX: u32 = 5_000_000;
/// The end of string is part of it.
const SPEECH: &[u8] = include_bytes!("sun_md5.txt");
const ORDER: [u8; 16] = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, 11];

pub(super) struct SunMd5<'a> {
    /// Salt and all before it, as it is hashed.
    setting: &'a str,
    digest: &'a str,
    pub(super) rounds: u32,
}

impl<'a> SunMd5<'a> {
    /// `$md5$salt$hash`, `$md5$salt$$hash`, both also with `,rounds=N`.
    pub(super) fn read(text: &'a str) -> Result<SunMd5<'a>, BadPassword> {
        let (setting, digest) = text.rsplit_once('$').ok_or(BadPassword::Form)?;
        let mut parts = setting.split('$').skip(1);
        let (scheme, salt) = (parts.next(), parts.next());
        let rounds = match scheme.and_then(|scheme| scheme.strip_prefix("md5")) {
            Some("") => 0,
            Some(more) => {
                let rounds = more.strip_prefix(",rounds=").ok_or(BadPassword::Form)?;
                fits(!rounds.starts_with(['0', '+']))?;
                rounds.parse().map_err(|_| BadPassword::Form)?
            }
            None => return Err(BadPassword::Form),
        };
        let ends = matches!((parts.next(), parts.next()), (None | Some(""), None));
        fits(ends && salt.is_some_and(is_alphabet) && is_digest(digest, 22))?;
        if rounds > ROUNDS_MAX {
            return Err(BadPassword::Cost);
        }
        Ok(SunMd5 { setting, digest, rounds: rounds.saturating_add(BASE_ROUNDS) })
    }

    pub(super) fn digest_of(&self, clear: &[u8]) -> (Vec<u8>, &'a str) {
        let mut state: [u8; 16] = Md5::digest([clear, self.setting.as_bytes()].concat()).into();
        for round in 0..self.rounds {
            let mut next = Md5::new_with_prefix(state);
            if coin(&state, round) {
                next.update(SPEECH);
                next.update([0]);
            }
            next.update(round.to_string());
            state = next.finalize().into();
        }
        (encode(&state, &ORDER), self.digest)
    }
}

/// Two of the state's bits, found by way of others.
fn coin(state: &[u8; 16], round: u32) -> bool {
    let left = index(state, u32::from(bit(state, round)));
    let right = index(state, u32::from(bit(state, round.wrapping_add(64))).wrapping_add(8));
    bit(state, left) != bit(state, right)
}

fn index(state: &[u8; 16], offset: u32) -> u32 {
    (0..7_u32).fold(0, |index, at| {
        let first = octet(state, at.wrapping_add(offset));
        let second = octet(state, at.wrapping_add(offset).wrapping_add(3));
        let which = octet(state, first >> (second % 5)) >> ((second >> (first & 7)) & 1);
        index | (u32::from(bit(state, which & 127)) << at)
    })
}

fn octet(state: &[u8; 16], at: u32) -> u32 {
    let at = usize::try_from(at & 15).unwrap_or_default();
    state.get(at).copied().map_or(0, u32::from)
}

fn bit(state: &[u8; 16], at: u32) -> bool {
    let at = at & 127;
    (octet(state, at >> 3) >> (at & 7)) & 1 == 1
}
