//! A person's data taken out of the log: a tombstone stays in its place, and the chain still holds.
//!
//! The seal of a row is over the hash of what it told, not over that itself. So an erased row keeps
//! its hash and its seal, says which later row erased it, and that row, sealed as any other, has
//! the hash of what is left.

use serde_json::{Value as Json, json};

use super::{ALONE, Actor, Deed, HEAD, SEALED, Sealed, commit};
use crate::engine::{Map, both, statements, values};
use crate::{Error, Store};

/// Rows that one row erases at most.
const CHUNK: usize = 500;
/// What such a row says was done.
pub(super) const ACTION: &str = "audit.erase";

statements! {
    OF_OBJECT = both(
        "SELECT sequence, at_ms, operator_id, operator_name, means, source, action, object_id, \
         object_name, detail, hash, key_id, seal FROM mgmt_audit \
         WHERE object_name = $1 AND substr(action, 1, length($2)) = $2 ORDER BY sequence LIMIT $3",
    );
    ENTOMB = both(
        "UPDATE mgmt_audit SET object_id = $2, object_name = $3, detail = $4 WHERE sequence = $1",
    );
}

impl Store {
    /// Takes out who or what the rows about one object were about, and what they said; who did
    /// something, what and when stays. `noun` is the first word of their actions: `user`. Returns
    /// how many they were.
    pub async fn erase_audit(
        &self,
        actor: &Actor,
        noun: &str,
        object_name: &str,
        reason: &str,
    ) -> Result<u64, Error> {
        let mut erased = 0;
        loop {
            let done = self.erase_some(actor, noun, object_name, reason).await?;
            erased += done as u64;
            if done < CHUNK {
                return Ok(erased);
            }
        }
    }

    async fn erase_some(
        &self,
        actor: &Actor,
        noun: &str,
        object_name: &str,
        reason: &str,
    ) -> Result<usize, Error> {
        let mut tx = self.begin().await?;
        tx.fetch(&ALONE, vec![], |_| Ok(())).await?;
        let values = values![object_name, format!("{noun}."), CHUNK];
        let rows = tx.fetch(&OF_OBJECT, values, SEALED).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        const SEQUENCE: Map<i64> = |row| row.int(0);
        let by =
            tx.fetch(&HEAD, vec![], SEQUENCE).await?.into_iter().next().unwrap_or_default() + 1;
        let mut tombstones = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row.entombed(by);
            tombstones.push(json!({ "sequence": row.sequence, "left": row.compute_hash() }));
            let values = values![row.sequence, row.object_id, row.object_name, row.detail];
            tx.execute(&ENTOMB, values).await?;
        }
        let done = tombstones.len();
        let after = Some(json!({ "reason": reason, "erased": tombstones }));
        let deed =
            Deed { action: ACTION, object_id: String::new(), object_name: "", before: None, after };
        commit(tx, actor, deed).await?;
        Ok(done)
    }
}

impl Sealed {
    fn entombed(self, by: i64) -> Sealed {
        let detail = json!({ "erased_by": by }).to_string();
        Sealed { object_id: String::new(), object_name: String::new(), detail, ..self }
    }

    /// Which row erased this one, as it says itself.
    pub(super) fn erased_by(&self) -> Option<i64> {
        let detail: Json = serde_json::from_str(&self.detail).ok()?;
        detail.get("erased_by")?.as_i64()
    }

    /// The rows that this one erased, each with the hash of what is left of it.
    pub(super) fn erased(&self) -> Vec<(i64, String)> {
        if self.action != ACTION {
            return Vec::new();
        }
        let detail: Json = serde_json::from_str(&self.detail).unwrap_or_default();
        let rows = detail["after"]["erased"].as_array().cloned().unwrap_or_default();
        let one = |row: &Json| Some((row["sequence"].as_i64()?, row["left"].as_str()?.to_owned()));
        rows.iter().filter_map(one).collect()
    }
}
