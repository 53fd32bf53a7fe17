//! Who changed what: one row in the transaction of each change by a person, sealed into a chain.

pub(crate) mod erase;
mod keys;
mod verify;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::engine::{Map, Row, Tx, both, each, statements, values};
use crate::migrations::now_ms;
use crate::{Error, Store};

pub use keys::AuditKeys;
pub use verify::{Break, Verified};

/// Who changes something, known how, and from where. Nobody changes anything without.
#[derive(Clone)]
pub struct Actor {
    pub operator: Option<Uuid>,
    pub name: String,
    /// `login`, `token NAME`, `command line`.
    pub means: String,
    /// An address.
    pub source: String,
    pub keys: Arc<AuditKeys>,
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub sequence: i64,
    pub at_ms: i64,
    pub operator: Option<Uuid>,
    pub operator_name: String,
    pub means: String,
    pub source: String,
    /// Noun and verb: `operator.add`.
    pub action: String,
    pub object_id: String,
    pub object_name: String,
    /// Before and after.
    pub detail: Json,
}

/// What to look for; nothing said is everything.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub operator_name: Option<String>,
    pub action: Option<String>,
    pub object: Option<String>,
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// Part of an operator's, an action's or an object's name.
    pub text: Option<String>,
}

/// What was done to what.
pub(crate) struct Deed<'d> {
    pub action: &'static str,
    pub object_id: String,
    pub object_name: &'d str,
    pub before: Option<Json>,
    pub after: Option<Json>,
}

statements! {
    /// Who writes the next row writes it alone. Always the last lock of a transaction.
    ALONE = each("SELECT pg_advisory_xact_lock(1818452329, 1) IS NULL", "SELECT 1");
    HEAD = both("SELECT sequence, seal FROM mgmt_audit ORDER BY sequence DESC LIMIT 1");
    APPEND = both(
        "INSERT INTO mgmt_audit (sequence, at_ms, operator_id, operator_name, means, source, \
         action, object_id, object_name, detail, hash, key_id, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    );
    LIST = both(
        "SELECT sequence, at_ms, operator_id, operator_name, means, source, action, object_id, \
         object_name, detail, hash, key_id, seal FROM mgmt_audit \
         WHERE sequence < $1 \
         AND (CAST($3 AS TEXT) IS NULL OR operator_name = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR action = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR object_name = $5 OR object_id = $5) \
         AND (CAST($6 AS BIGINT) IS NULL OR at_ms >= $6) \
         AND (CAST($7 AS BIGINT) IS NULL OR at_ms < $7) \
         AND (CAST($8 AS TEXT) IS NULL OR lower(operator_name) LIKE lower($8) ESCAPE '!' \
         OR lower(action) LIKE lower($8) ESCAPE '!' OR lower(object_name) LIKE lower($8) ESCAPE '!') \
         ORDER BY sequence DESC LIMIT $2",
    );
    FORWARD = both(
        "SELECT sequence, at_ms, operator_id, operator_name, means, source, action, object_id, \
         object_name, detail, hash, key_id, seal FROM mgmt_audit \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    );
}

/// A row as it lies there.
#[derive(Clone, Debug)]
struct Sealed {
    sequence: i64,
    at_ms: i64,
    operator_id: Option<String>,
    operator_name: String,
    means: String,
    source: String,
    action: String,
    object_id: String,
    object_name: String,
    detail: String,
    hash: String,
    key_id: String,
    seal: String,
}

const SEALED: Map<Sealed> = |row: &Row<'_>| {
    Ok(Sealed {
        sequence: row.int(0)?,
        at_ms: row.int(1)?,
        operator_id: row.text_or_null(2)?,
        operator_name: row.text(3)?,
        means: row.text(4)?,
        source: row.text(5)?,
        action: row.text(6)?,
        object_id: row.text(7)?,
        object_name: row.text(8)?,
        detail: row.text(9)?,
        hash: row.text(10)?,
        key_id: row.text(11)?,
        seal: row.text(12)?,
    })
};

/// Ends a transaction: writes what was done as its last statement, and commits.
pub(crate) async fn commit(mut tx: Tx, actor: &Actor, deed: Deed<'_>) -> Result<(), Error> {
    tx.fetch(&ALONE, vec![], |_| Ok(())).await?;
    let head = tx.fetch(&HEAD, vec![], |row| Ok((row.int(0)?, row.text(1)?))).await?;
    let (last, previous) = head.into_iter().next().unwrap_or_default();
    let mut row = Sealed {
        sequence: last + 1,
        at_ms: now_ms(),
        operator_id: actor.operator.map(|id| id.to_string()),
        operator_name: actor.name.clone(),
        means: actor.means.clone(),
        source: actor.source.clone(),
        action: deed.action.to_owned(),
        object_id: deed.object_id,
        object_name: deed.object_name.to_owned(),
        detail: json!({ "before": deed.before, "after": deed.after }).to_string(),
        hash: String::new(),
        key_id: actor.keys.current_id(),
        seal: String::new(),
    };
    row.hash = row.compute_hash();
    row.seal = actor.keys.seal(&row.key_id, row.sequence, &previous, &row.hash).unwrap_or_default();
    let (sequence, seal) = (row.sequence, row.seal.clone());
    tx.execute(&APPEND, row.values()).await?;
    tx.commit().await?;
    actor.keys.witness(sequence, &seal);
    Ok(())
}

impl Sealed {
    fn values(self) -> Vec<crate::engine::Value> {
        values![
            self.sequence,
            self.at_ms,
            &self.operator_id,
            self.operator_name,
            self.means,
            self.source,
            self.action,
            self.object_id,
            self.object_name,
            self.detail,
            self.hash,
            self.key_id,
            self.seal,
        ]
    }

    /// Over all that the row tells; each part with its length, so that none can borrow from the next.
    fn compute_hash(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(self.at_ms.to_be_bytes());
        hasher.update([u8::from(self.operator_id.is_some())]);
        for part in [
            self.operator_id.as_deref().unwrap_or_default(),
            &self.operator_name,
            &self.means,
            &self.source,
            &self.action,
            &self.object_id,
            &self.object_name,
            &self.detail,
        ] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hex::encode(hasher.finalize())
    }

    fn entry(self) -> AuditEntry {
        AuditEntry {
            sequence: self.sequence,
            at_ms: self.at_ms,
            operator: self.operator_id.and_then(|id| id.parse().ok()),
            operator_name: self.operator_name,
            means: self.means,
            source: self.source,
            action: self.action,
            object_id: self.object_id,
            object_name: self.object_name,
            // What somebody wrote there who is not us is shown as it is.
            detail: serde_json::from_str(&self.detail).unwrap_or(Json::String(self.detail)),
        }
    }
}

impl Store {
    /// The newest first, those before `before`.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, Error> {
        let text = filter.text.as_ref().map(|text| {
            let text = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
            format!("%{text}%")
        });
        let values = values![
            before.unwrap_or(i64::MAX),
            limit,
            &filter.operator_name,
            &filter.action,
            &filter.object,
            filter.from_ms,
            filter.to_ms,
            &text,
        ];
        let rows = self.engine()?.fetch(&LIST, values, SEALED).await?;
        Ok(rows.into_iter().map(Sealed::entry).collect())
    }

    /// Number and seal of the newest row: kept elsewhere, they tell whether the log was written anew.
    pub async fn audit_head(&self) -> Result<Option<(i64, String)>, Error> {
        self.engine()?.find(&HEAD, vec![], |row| Ok((row.int(0)?, row.text(1)?))).await
    }

    /// The oldest first, those after `after`.
    pub async fn read_audit(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.engine()?.fetch(&FORWARD, values![after, limit], SEALED).await?;
        Ok(rows.into_iter().map(Sealed::entry).collect())
    }

    /// Something that happened and changed no row: a lock-out.
    pub async fn note_audit(
        &self,
        actor: &Actor,
        action: &'static str,
        object_name: &str,
        after: Json,
    ) -> Result<(), Error> {
        let tx = self.begin().await?;
        let (object_id, after) = (String::new(), Some(after));
        commit(tx, actor, Deed { action, object_id, object_name, before: None, after }).await
    }
}
