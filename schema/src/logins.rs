//! Browsers that have signed in. A login is known by the hash of what its cookie holds.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, both, statements, values};
use crate::operators::operator;
use crate::{Error, Operator, Store};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    pub id: Uuid,
    pub operator: Uuid,
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub seen_ms: i64,
    /// It ends then, however much it is used.
    pub expires_ms: i64,
    /// The address it came from.
    pub source: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// Who is behind a login or a token, as the store has it now.
#[derive(Clone, Debug)]
pub struct Bearer {
    pub operator: Operator,
    /// Of one of the site's own roles; `None` where the role is a built-in one, or gone.
    pub permissions: Option<Vec<String>>,
}

statements! {
    ADD = both(
        "INSERT INTO mgmt_logins (id, operator_id, secret_hash, created_ms, seen_ms, expires_ms, \
         source, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    ENTERED = both("UPDATE mgmt_operators SET last_login_ms = $2 WHERE id = $1");
    /// The oldest logins of an operator who has many.
    TOO_MANY = both(
        "DELETE FROM mgmt_logins WHERE operator_id = $1 AND id NOT IN \
         (SELECT id FROM mgmt_logins WHERE operator_id = $1 ORDER BY id DESC LIMIT $2)",
    );
    FIND = both(
        "SELECT o.id, o.name, o.full_name, o.email, o.role, o.disabled, o.must_change, \
         o.created_ms, o.password_ms, o.last_login_ms, o.tenant_id, r.permissions, \
         l.id, l.created_ms, l.seen_ms, l.expires_ms, l.source, l.agent \
         FROM mgmt_logins l JOIN mgmt_operators o ON o.id = l.operator_id \
         LEFT JOIN mgmt_roles r ON r.id = o.role WHERE l.secret_hash = $1",
    );
    SEE = both("UPDATE mgmt_logins SET seen_ms = $2 WHERE id = $1");
    LIST = both(
        "SELECT id, operator_id, created_ms, seen_ms, expires_ms, source, agent \
         FROM mgmt_logins WHERE operator_id = $1 ORDER BY id DESC",
    );
    REMOVE = both("DELETE FROM mgmt_logins WHERE id = $1 AND operator_id = $2");
    REMOVE_EXPIRED = both("DELETE FROM mgmt_logins WHERE expires_ms <= $1 OR seen_ms <= $2");
}

/// Logins that one operator may have at once.
const LOGINS_MAX: usize = 50;

impl Store {
    /// A sign-in.
    pub async fn add_login(
        &self,
        actor: &Actor,
        login: &Login,
        secret_hash: &str,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let Login { id, operator, created_ms, seen_ms, expires_ms, source, agent } = login;
        let (id, operator) = (id.to_string(), operator.to_string());
        let values = values![
            &id,
            &operator,
            secret_hash,
            *created_ms,
            *seen_ms,
            *expires_ms,
            source,
            agent,
        ];
        tx.execute(&ENTERED, values![&operator, *created_ms]).await?;
        tx.execute(&ADD, values).await?;
        tx.execute(&TOO_MANY, values![&operator, LOGINS_MAX]).await?;
        let after = Some(json!({ "agent": agent }));
        let (action, object_name) = ("login.add", actor.name.as_str());
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before: None, after })
            .await
    }

    /// By the hash of its cookie; whether it has expired is the caller's to see.
    pub async fn find_login(&self, secret_hash: &str) -> Result<Option<(Login, Bearer)>, Error> {
        let map: Map<(Login, Bearer)> = |row| {
            let operator = operator(row)?;
            let login = Login {
                id: crate::id(row, 12)?,
                operator: operator.id,
                created_ms: row.int(13)?,
                seen_ms: row.int(14)?,
                expires_ms: row.int(15)?,
                source: row.text(16)?,
                agent: row.text(17)?,
            };
            Ok((login, Bearer { operator, permissions: crate::names(row, 11)? }))
        };
        self.engine()?.find(&FIND, values![secret_hash], map).await
    }

    /// It was used: no change by a person, so the log doesn't tell.
    pub async fn see_login(&self, id: Uuid, now_ms: i64) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.execute(&SEE, values![id.to_string(), now_ms]).await?;
        tx.commit().await
    }

    /// The newest first.
    pub async fn list_logins(&self, operator: Uuid) -> Result<Vec<Login>, Error> {
        let map: Map<Login> = |row| {
            Ok(Login {
                id: crate::id(row, 0)?,
                operator: crate::id(row, 1)?,
                created_ms: row.int(2)?,
                seen_ms: row.int(3)?,
                expires_ms: row.int(4)?,
                source: row.text(5)?,
                agent: row.text(6)?,
            })
        };
        self.engine()?.fetch(&LIST, values![operator.to_string()], map).await
    }

    /// Signs out; false when that operator has no such login.
    pub async fn remove_login(
        &self,
        actor: &Actor,
        id: Uuid,
        operator: Uuid,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let id = id.to_string();
        if tx.execute(&REMOVE, values![&id, operator.to_string()]).await? == 0 {
            return Ok(false);
        }
        let (action, object_name) = ("login.remove", actor.name.as_str());
        let deed = Deed { action, object_id: id, object_name, before: None, after: None };
        audit::commit(tx, actor, deed).await?;
        Ok(true)
    }

    /// Forgets logins that have expired, and those not used since.
    pub async fn purge_logins(&self, now_ms: i64, unused_since_ms: i64) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let removed = tx.execute(&REMOVE_EXPIRED, values![now_ms, unused_since_ms]).await?;
        tx.commit().await?;
        Ok(removed)
    }
}
