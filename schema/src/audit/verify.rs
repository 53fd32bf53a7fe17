//! Whether the log is what was written: every row, in its place, none missing.

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
    /// Number and seal of the newest row.
    pub head: Option<(i64, String)>,
    /// The first of them; none means that the log is whole.
    pub breaks: Vec<Break>,
}

impl Verified {
    fn wrong(&mut self, sequence: i64, why: impl Into<String>) {
        if self.breaks.len() < BREAKS {
            self.breaks.push(Break { sequence, why: why.into() });
        }
    }

    /// One row after those seen before.
    fn look_at(&mut self, row: &Sealed, keys: &AuditKeys, witness: Option<&(i64, String)>) {
        let (last, previous) = self.head.clone().unwrap_or_default();
        let sequence = row.sequence;
        match sequence.saturating_sub(last) {
            1 => {}
            ..=0 => self.wrong(sequence, "no row of ours has this number"),
            2 => self.wrong(last + 1, "this row is missing"),
            _ => self.wrong(last + 1, format!("rows {} to {} are missing", last + 1, sequence - 1)),
        }
        if row.compute_hash() != row.hash {
            self.wrong(sequence, "this row was changed");
        }
        match keys.seal(&row.key_id, sequence, &previous, &row.hash) {
            None => self.wrong(
                sequence,
                format!("sealed with key {}, which is not among this node's", row.key_id),
            ),
            Some(seal) if seal != row.seal => {
                self.wrong(sequence, "the seal does not fit this row and the one before it");
            }
            Some(_) => {}
        }
        if let Some((_, seal)) = witness.filter(|(known, _)| *known == sequence)
            && *seal != row.seal
        {
            self.wrong(sequence, "another row was written here, says the witness");
        }
        self.rows += 1;
        self.head = Some((sequence, row.seal.clone()));
    }
}

impl Store {
    /// Reads the whole log and computes every seal again.
    pub async fn verify_audit(&self, keys: &AuditKeys) -> Result<Verified, Error> {
        // Read first: rows that come meanwhile are no matter.
        let witness = keys.witnessed();
        let mut verified = Verified::default();
        loop {
            let last = verified.head.as_ref().map_or(i64::MIN, |(sequence, _)| *sequence);
            let rows = self.engine()?.fetch(&FORWARD, values![last, CHUNK], SEALED).await?;
            for row in &rows {
                verified.look_at(row, keys, witness.as_ref());
            }
            if rows.len() < CHUNK {
                break;
            }
        }
        let last = verified.head.as_ref().map_or(0, |(sequence, _)| *sequence);
        if let Some((known, _)) = witness.filter(|(known, _)| *known > last) {
            verified.wrong(last + 1, format!("rows up to {known} were written and are missing"));
        }
        Ok(verified)
    }
}
