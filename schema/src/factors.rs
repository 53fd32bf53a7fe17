//! Second factors: what an operator's app and we both know, encrypted, and codes for when it is lost.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, Tx, both, statements, values};
use crate::migrations::now_ms;
use crate::{Error, Operator, Store};

/// A one-time-password app of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The secret, encrypted.
    pub sealed: String,
    pub confirmed: bool,
    pub last_step: i64,
    /// Hashes of the recovery codes that are left.
    pub recovery: Vec<String>,
}

statements! {
    FIND = both(
        "SELECT sealed, confirmed, last_step, recovery FROM mgmt_factors WHERE operator_id = $1",
    );
    OFFER = both(
        "INSERT INTO mgmt_factors (operator_id, sealed, confirmed, last_step, recovery, \
         created_ms) VALUES ($1, $2, $3, 0, '[]', $4) ON CONFLICT (operator_id) DO UPDATE SET \
         sealed = excluded.sealed, created_ms = excluded.created_ms \
         WHERE NOT mgmt_factors.confirmed",
    );
    CONFIRM = both(
        "UPDATE mgmt_factors SET confirmed = $4, last_step = $2, recovery = $3 \
         WHERE operator_id = $1 AND NOT confirmed",
    );
    STEP = both(
        "UPDATE mgmt_factors SET last_step = $2 WHERE operator_id = $1 AND last_step < $2",
    );
    RECOVER = both(
        "UPDATE mgmt_factors SET recovery = $3 WHERE operator_id = $1 AND recovery = $2",
    );
    REMOVE = both("DELETE FROM mgmt_factors WHERE operator_id = $1");
}

const FACTOR: Map<Factor> = |row| {
    Ok(Factor {
        sealed: row.text(0)?,
        confirmed: row.flag(1)?,
        last_step: row.int(2)?,
        recovery: crate::names(row, 3)?.unwrap_or_default(),
    })
};

impl Store {
    pub async fn find_factor(&self, operator: Uuid) -> Result<Option<Factor>, Error> {
        self.engine()?.find(&FIND, values![operator.to_string()], FACTOR).await
    }

    /// One that is to be confirmed, in the place of one that never was; fails with
    /// [`Error::Exists`] when a confirmed one is there.
    pub async fn offer_factor(
        &self,
        actor: &Actor,
        operator: &Operator,
        sealed: &str,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let id = operator.id.to_string();
        if tx.execute(&OFFER, values![&id, sealed, false, now_ms()]).await? == 0 {
            return Err(Error::Exists("a second factor".into()));
        }
        tell(tx, actor, "factor.offer", operator, None).await
    }

    /// A code of it was right: from now on it is asked for. False when none is offered.
    pub async fn confirm_factor(
        &self,
        actor: &Actor,
        operator: &Operator,
        step: i64,
        recovery: &[String],
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let values = values![operator.id.to_string(), step, listed(recovery), true];
        if tx.execute(&CONFIRM, values).await? == 0 {
            return Ok(false);
        }
        let after = Some(json!({ "recovery_codes": recovery.len() }));
        tell(tx, actor, "factor.add", operator, after).await?;
        Ok(true)
    }

    /// A code of that step is used, once: false when it, or one after it, was used before. The
    /// sign-in that follows is what the log tells.
    pub async fn use_step(&self, operator: Uuid, step: i64) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let used = tx.execute(&STEP, values![operator.to_string(), step]).await? > 0;
        tx.commit().await?;
        Ok(used)
    }

    /// A recovery code is used, once: false when there is none of that hash.
    pub async fn use_recovery(
        &self,
        actor: &Actor,
        operator: &Operator,
        hash: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let id = operator.id.to_string();
        let found = tx.fetch(&FIND, values![&id], FACTOR).await?.into_iter().next();
        let Some(Factor { recovery, confirmed: true, .. }) = found else { return Ok(false) };
        let left: Vec<String> = recovery.iter().filter(|code| *code != hash).cloned().collect();
        if left.len() == recovery.len() {
            return Ok(false);
        }
        // Of two at once with the same code, one finds the list changed.
        if tx.execute(&RECOVER, values![&id, listed(&recovery), listed(&left)]).await? == 0 {
            return Ok(false);
        }
        let after = Some(json!({ "recovery_codes": left.len() }));
        tell(tx, actor, "factor.recover", operator, after).await?;
        Ok(true)
    }

    /// False when there was none.
    pub async fn remove_factor(&self, actor: &Actor, operator: &Operator) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        if tx.execute(&REMOVE, values![operator.id.to_string()]).await? == 0 {
            return Ok(false);
        }
        tell(tx, actor, "factor.remove", operator, None).await?;
        Ok(true)
    }
}

async fn tell(
    tx: Tx,
    actor: &Actor,
    action: &'static str,
    operator: &Operator,
    after: Option<Json>,
) -> Result<(), Error> {
    let (object_id, object_name) = (operator.id.to_string(), operator.name.as_str());
    audit::commit(tx, actor, Deed { action, object_id, object_name, before: None, after }).await
}

fn listed(names: &[String]) -> String {
    Json::from(names.to_vec()).to_string()
}
