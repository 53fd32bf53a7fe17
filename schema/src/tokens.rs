//! Programs' ways in: a token acts for its operator, within its scopes, until it expires.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, Row, both, statements, values};
use crate::operators::operator;
use crate::{Bearer, Error, Scope, Store};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    pub operator: Uuid,
    pub operator_name: String,
    /// Permissions; of these it has what its operator has.
    pub scopes: Vec<String>,
    pub created_ms: i64,
    pub expires_ms: i64,
    /// When it was last used, to the minute.
    pub used_ms: Option<i64>,
}

statements! {
    ADD = both(
        "INSERT INTO mgmt_tokens (id, operator_id, name, secret_hash, scopes, created_ms, \
         expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    FIND = both(
        "SELECT o.id, o.name, o.full_name, o.email, o.role, o.disabled, o.must_change, \
         o.created_ms, o.password_ms, o.last_login_ms, o.tenant_id, r.permissions, \
         t.id, t.name, t.operator_id, o.name, t.scopes, t.created_ms, t.expires_ms, t.used_ms \
         FROM mgmt_tokens t JOIN mgmt_operators o ON o.id = t.operator_id \
         LEFT JOIN mgmt_roles r ON r.id = o.role WHERE t.secret_hash = $1",
    );
    FIND_BY_ID = both(
        "SELECT o.id, o.name, o.full_name, o.email, o.role, o.disabled, o.must_change, \
         o.created_ms, o.password_ms, o.last_login_ms, o.tenant_id, r.permissions, \
         t.id, t.name, t.operator_id, o.name, t.scopes, t.created_ms, t.expires_ms, t.used_ms \
         FROM mgmt_tokens t JOIN mgmt_operators o ON o.id = t.operator_id \
         LEFT JOIN mgmt_roles r ON r.id = o.role WHERE t.id = $1",
    );
    USE = both("UPDATE mgmt_tokens SET used_ms = $2 WHERE id = $1");
    LIST = both(
        "SELECT t.id, t.name, t.operator_id, o.name, t.scopes, t.created_ms, t.expires_ms, \
         t.used_ms FROM mgmt_tokens t JOIN mgmt_operators o ON o.id = t.operator_id \
         WHERE t.id > $1 AND (CAST($3 AS TEXT) IS NULL OR o.tenant_id = $3) \
         ORDER BY t.id LIMIT $2",
    );
    ONE = both(
        "SELECT t.id, t.name, t.operator_id, o.name, t.scopes, t.created_ms, t.expires_ms, \
         t.used_ms FROM mgmt_tokens t JOIN mgmt_operators o ON o.id = t.operator_id \
         WHERE t.id = $1 AND (CAST($2 AS TEXT) IS NULL OR o.tenant_id = $2)",
    );
    REMOVE = both("DELETE FROM mgmt_tokens WHERE id = $1");
}

/// Eight columns, from `first` on.
fn token(row: &Row<'_>, first: usize) -> Result<Token, Error> {
    Ok(Token {
        id: crate::id(row, first)?,
        name: row.text(first + 1)?,
        operator: crate::id(row, first + 2)?,
        operator_name: row.text(first + 3)?,
        scopes: crate::names(row, first + 4)?.unwrap_or_default(),
        created_ms: row.int(first + 5)?,
        expires_ms: row.int(first + 6)?,
        used_ms: row.int_or_null(first + 7)?,
    })
}

const WITH_BEARER: Map<(Token, Bearer)> = |row| {
    let bearer = Bearer { operator: operator(row)?, permissions: crate::names(row, 11)? };
    Ok((token(row, 12)?, bearer))
};

impl Store {
    pub async fn add_token(
        &self,
        actor: &Actor,
        token: &Token,
        secret_hash: &str,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let Token { id, name, operator, scopes, created_ms, expires_ms, .. } = token;
        let id = id.to_string();
        let listed = Json::from(scopes.clone()).to_string();
        let operator = operator.to_string();
        let values = values![&id, operator, name, secret_hash, listed, *created_ms, *expires_ms];
        tx.execute(&ADD, values).await?;
        let after = Some(token.told());
        let deed =
            Deed { action: "token.add", object_id: id, object_name: name, before: None, after };
        audit::commit(tx, actor, deed).await
    }

    /// By the hash of its secret; whether it has expired is the caller's to see.
    pub async fn find_token(&self, secret_hash: &str) -> Result<Option<(Token, Bearer)>, Error> {
        self.engine()?.find(&FIND, values![secret_hash], WITH_BEARER).await
    }

    /// For somebody who has shown its secret before; whether it has expired is the caller's to see.
    pub async fn find_token_by_id(&self, id: Uuid) -> Result<Option<(Token, Bearer)>, Error> {
        self.engine()?.find(&FIND_BY_ID, values![id.to_string()], WITH_BEARER).await
    }

    /// It was used: no change by a person, so the log doesn't tell.
    pub async fn use_token(&self, id: Uuid, now_ms: i64) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.execute(&USE, values![id.to_string(), now_ms]).await?;
        tx.commit().await
    }

    /// The oldest first, those after `after`.
    pub async fn list_tokens(
        &self,
        scope: Scope,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Token>, Error> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.engine()?.fetch(&LIST, values![after, limit, scope.value()], |row| token(row, 0)).await
    }

    /// False when it is gone.
    pub async fn remove_token(&self, actor: &Actor, scope: Scope, id: Uuid) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let id = id.to_string();
        let found = tx.fetch(&ONE, values![&id, scope.value()], |row| token(row, 0)).await?;
        let Some(token) = found.first() else { return Ok(false) };
        tx.execute(&REMOVE, values![&id]).await?;
        let (action, object_name, before) = ("token.remove", &token.name, Some(token.told()));
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before, after: None })
            .await?;
        Ok(true)
    }
}

impl Token {
    /// What the log tells.
    fn told(&self) -> Json {
        json!({
            "operator": self.operator_name,
            "scopes": self.scopes,
            "expires_ms": self.expires_ms,
        })
    }
}
