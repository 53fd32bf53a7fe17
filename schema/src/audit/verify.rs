//! Whether the log is what was written: every row, in its place, none missing.

use std::collections::HashMap;

use serde::Serialize;

use super::{AuditKeys, FORWARD, SEALED, Sealed};
use crate::engine::values;
use crate::{Error, Store};

/// Rows read at once.
const CHUNK: usize = 1_000;
/// Breaks told at most; the first is what matters.
const BREAKS: usize = 100;

/// Where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    pub sequence: i64,
    pub why: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub rows: u64,
    /// Of these, whose body was taken out in favour of a tombstone.
    pub erased: u64,
    /// Number and seal of the newest row.
    pub head: Option<(i64, String)>,
    /// The first of them; none means that the log is whole.
    pub breaks: Vec<Break>,
    /// Rows that say that a later one erased them, with the hash of what is left.
    #[serde(skip)]
    tombs: HashMap<i64, (i64, String)>,
}

impl Verified {
    fn wrong(&mut self, sequence: i64, why: impl Into<String>) {
        if self.breaks.len() < BREAKS {
            self.breaks.push(Break { sequence, why: why.into() });
        }
    }

    /// One row after those seen before.
    fn look_at(&mut self, row: &Sealed, keys: &AuditKeys, heads: &HashMap<i64, &str>) {
        let (last, previous) = self.head.clone().unwrap_or_default();
        let sequence = row.sequence;
        match sequence.saturating_sub(last) {
            1 => {}
            ..=0 => self.wrong(sequence, "no row of ours has this number"),
            2 => self.wrong(last + 1, "this row is missing"),
            _ => self.wrong(last + 1, format!("rows {} to {} are missing", last + 1, sequence - 1)),
        }
        let hash = row.compute_hash();
        let is_whole = hash == row.hash;
        match row.erased_by().filter(|_| !is_whole) {
            Some(by) => drop(self.tombs.insert(sequence, (by, hash))),
            None if !is_whole => self.wrong(sequence, "this row was changed"),
            None => {}
        }
        match keys.seal(&row.key_id, sequence, &previous, &row.hash) {
            None => self.wrong(
                sequence,
                format!("sealed with key {}, which is not among this node's", row.key_id),
            ),
            Some(seal) if seal != row.seal => {
                self.wrong(sequence, "the seal does not fit this row and the one before it");
            }
            Some(_) if is_whole => self.open_tombs(row),
            Some(_) => {}
        }
        if heads.get(&sequence).is_some_and(|seal| *seal != row.seal) {
            self.wrong(sequence, "another row was written here, says the witness");
        }
        self.rows += 1;
        self.head = Some((sequence, row.seal.clone()));
    }
}

impl Verified {
    /// A row that is as it was written confirms what it erased.
    fn open_tombs(&mut self, row: &Sealed) {
        for (sequence, left) in row.erased() {
            if self.tombs.get(&sequence) == Some(&(row.sequence, left)) {
                self.tombs.remove(&sequence);
                self.erased += 1;
            }
        }
    }
}

impl Store {
    /// Reads the whole log and computes every seal again. `heads` are numbers and seals that were
    /// kept elsewhere.
    pub async fn verify_audit(
        &self,
        keys: &AuditKeys,
        heads: &[(i64, String)],
    ) -> Result<Verified, Error> {
        // Read first: rows that come meanwhile are no matter.
        let witness = keys.witnessed();
        let known = heads.iter().chain(&witness);
        let known: HashMap<i64, &str> =
            known.map(|(known, seal)| (*known, seal.as_str())).collect();
        let mut verified = Verified::default();
        loop {
            let last = verified.head.as_ref().map_or(i64::MIN, |(sequence, _)| *sequence);
            let rows = self.engine()?.fetch(&FORWARD, values![last, CHUNK], SEALED).await?;
            for row in &rows {
                verified.look_at(row, keys, &known);
            }
            if rows.len() < CHUNK {
                break;
            }
        }
        let last = verified.head.as_ref().map_or(0, |(sequence, _)| *sequence);
        let tombs = std::mem::take(&mut verified.tombs);
        for sequence in tombs.into_keys() {
            verified.wrong(sequence, "this row was changed, and no row of ours erased it");
        }
        verified.breaks.sort_by_key(|found| found.sequence);
        if let Some(known) = known.keys().copied().max().filter(|known| *known > last) {
            verified.wrong(last + 1, format!("rows up to {known} were written and are missing"));
        }
        Ok(verified)
    }
}
