//! Who manages: operators, and with what they sign in. A change that takes something away ends
//! their logins in the same transaction.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, Row, Tx, both, statements, values};
use crate::migrations::now_ms;
use crate::{Error, Scope, Store};

/// The built-in role of which one enabled operator always stays.
pub const ADMINISTRATOR: &str = "administrator";

/// A person who manages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub id: Uuid,
    /// What is typed to sign in; told apart without regard to case.
    pub name: String,
    pub full_name: String,
    pub email: String,
    /// A built-in role's name or the id of one of the site's own.
    pub role: String,
    pub disabled: bool,
    /// Nothing but a new password is taken from this operator.
    pub must_change: bool,
    pub created_ms: i64,
    /// When the password was set.
    pub password_ms: i64,
    pub last_login_ms: Option<i64>,
    /// Only what this tenant owns is his to see; `None` is everything.
    pub tenant: Option<Uuid>,
}

/// What a sign-in is checked against.
#[derive(Clone)]
pub struct Credentials {
    pub operator: Operator,
    /// None opens no door.
    pub password_hash: Option<String>,
    /// Of one of the site's own roles; `None` where the role is a built-in one, or gone.
    pub permissions: Option<Vec<String>>,
}

statements! {
    ADD = both(
        "INSERT INTO mgmt_operators (id, name, folded, full_name, email, role, disabled, \
         must_change, password_hash, password_ms, created_ms, tenant_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11) ON CONFLICT (folded) DO NOTHING",
    );
    FIND = both(
        "SELECT id, name, full_name, email, role, disabled, must_change, created_ms, \
         password_ms, last_login_ms, tenant_id FROM mgmt_operators WHERE id = $1",
    );
    FIND_NAMED = both(
        "SELECT id, name, full_name, email, role, disabled, must_change, created_ms, \
         password_ms, last_login_ms, tenant_id FROM mgmt_operators WHERE folded = $1",
    );
    LIST = both(
        "SELECT id, name, full_name, email, role, disabled, must_change, created_ms, \
         password_ms, last_login_ms, tenant_id FROM mgmt_operators WHERE folded > $1 \
         AND (CAST($3 AS TEXT) IS NULL OR tenant_id = $3) \
         ORDER BY folded LIMIT $2",
    );
    CREDENTIALS = both(
        "SELECT o.id, o.name, o.full_name, o.email, o.role, o.disabled, o.must_change, \
         o.created_ms, o.password_ms, o.last_login_ms, o.tenant_id, o.password_hash, r.permissions \
         FROM mgmt_operators o LEFT JOIN mgmt_roles r ON r.id = o.role WHERE o.folded = $1",
    );
    COUNT = both("SELECT count(*) FROM mgmt_operators");
    ADMINISTRATORS = both(
        "SELECT count(*) FROM mgmt_operators WHERE role = 'administrator' AND NOT disabled \
         AND tenant_id IS NULL",
    );
    UPDATE = both(
        "UPDATE mgmt_operators SET name = $2, folded = $3, full_name = $4, email = $5, role = $6, \
         disabled = $7, must_change = $8, tenant_id = $9 WHERE id = $1",
    );
    TWIN = both("SELECT id FROM mgmt_operators WHERE folded = $1 AND id <> $2");
    PASSWORD = both(
        "UPDATE mgmt_operators SET password_hash = $2, password_ms = $3, must_change = $4 \
         WHERE id = $1",
    );
    REMOVE = both("DELETE FROM mgmt_operators WHERE id = $1");
    /// All logins but one.
    END_LOGINS = both("DELETE FROM mgmt_logins WHERE operator_id = $1 AND id <> $2");
}

/// The first eleven columns of each answer here.
pub(crate) fn operator(row: &Row<'_>) -> Result<Operator, Error> {
    Ok(Operator {
        id: crate::id(row, 0)?,
        name: row.text(1)?,
        full_name: row.text(2)?,
        email: row.text(3)?,
        role: row.text(4)?,
        disabled: row.flag(5)?,
        must_change: row.flag(6)?,
        created_ms: row.int(7)?,
        password_ms: row.int(8)?,
        last_login_ms: row.int_or_null(9)?,
        tenant: crate::id_or_null(row, 10)?,
    })
}

impl Store {
    pub async fn find_operator(&self, id: Uuid) -> Result<Option<Operator>, Error> {
        self.engine()?.find(&FIND, values![id.to_string()], operator).await
    }

    pub async fn find_operator_named(&self, name: &str) -> Result<Option<Operator>, Error> {
        self.engine()?.find(&FIND_NAMED, values![fold(name)], operator).await
    }

    /// In order of their names, those after `after`.
    pub async fn list_operators(
        &self,
        scope: Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Operator>, Error> {
        let values = values![fold(after.unwrap_or_default()), limit, scope.value()];
        self.engine()?.fetch(&LIST, values, operator).await
    }

    /// What a sign-in under that name is checked against.
    pub async fn credentials(&self, name: &str) -> Result<Option<Credentials>, Error> {
        let map: Map<Credentials> = |row| {
            Ok(Credentials {
                operator: operator(row)?,
                password_hash: row.text_or_null(11)?,
                permissions: crate::names(row, 12)?,
            })
        };
        self.engine()?.find(&CREDENTIALS, values![fold(name)], map).await
    }

    pub async fn count_operators(&self) -> Result<i64, Error> {
        let count = self.engine()?.find(&COUNT, vec![], |row| row.int(0)).await?;
        Ok(count.unwrap_or_default())
    }

    /// Fails with [`Error::Exists`] when that name is taken.
    pub async fn add_operator(
        &self,
        actor: &Actor,
        new: &Operator,
        password_hash: Option<&str>,
    ) -> Result<(), Error> {
        let tx = self.begin().await?;
        add(tx, actor, new, password_hash).await
    }

    /// The first operator of a store that has none; false when it has one.
    pub async fn add_first_operator(
        &self,
        actor: &Actor,
        new: &Operator,
        password_hash: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_operators").await?;
        if tx.fetch(&COUNT, vec![], |row| row.int(0)).await? != [0] {
            return Ok(false);
        }
        add(tx, actor, new, Some(password_hash)).await?;
        Ok(true)
    }

    /// Makes `before` into `after`. Fails with [`Error::Changed`] when the row is no longer
    /// `before`, [`Error::Exists`] when the new name is taken, [`Error::Last`] when nobody could
    /// administer any more. Who is disabled or gets another role or tenant is signed out.
    pub async fn update_operator(
        &self,
        actor: &Actor,
        before: &Operator,
        after: &Operator,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_operators").await?;
        let id = before.id.to_string();
        let now = tx.fetch(&FIND, values![&id], operator).await?.into_iter().next();
        if now.is_none_or(|now| now.edited() != before.edited()) {
            return Err(Error::Changed(format!("operator {}", before.name)));
        }
        if !tx.fetch(&TWIN, values![fold(&after.name), &id], |_| Ok(())).await?.is_empty() {
            return Err(Error::Exists(format!("operator {}", after.name)));
        }
        let Operator { name, full_name, email, role, disabled, must_change, .. } = after;
        let (disabled, must_change) = (*disabled, *must_change);
        let values = values![
            &id,
            name,
            fold(name),
            full_name,
            email,
            role,
            disabled,
            must_change,
            &after.tenant.map(|id| id.to_string()),
        ];
        tx.execute(&UPDATE, values).await?;
        one_administrator_stays(&mut tx).await?;
        if after.disabled || after.role != before.role || after.tenant != before.tenant {
            tx.execute(&END_LOGINS, values![&id, ""]).await?;
        }
        let (before, after) = (Some(before.edited()), Some(after.edited()));
        let deed =
            Deed { action: "operator.change", object_id: id, object_name: name, before, after };
        audit::commit(tx, actor, deed).await
    }

    /// Sets a password, and signs the operator out everywhere but in the login `keep`; false when
    /// the operator is gone.
    pub async fn set_password(
        &self,
        actor: &Actor,
        id: Uuid,
        password_hash: &str,
        must_change: bool,
        keep: Option<Uuid>,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let id = id.to_string();
        let found = tx.fetch(&FIND, values![&id], operator).await?;
        let Some(operator) = found.first() else { return Ok(false) };
        tx.execute(&PASSWORD, values![&id, password_hash, now_ms(), must_change]).await?;
        let keep = keep.map(|id| id.to_string()).unwrap_or_default();
        tx.execute(&END_LOGINS, values![&id, keep]).await?;
        let after = Some(json!({ "password": "changed", "must_change": must_change }));
        let action = if must_change { "operator.reset" } else { "operator.password" };
        let object_name = &operator.name;
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before: None, after })
            .await?;
        Ok(true)
    }

    /// With logins and tokens; false when there was none. Fails as `update_operator`.
    pub async fn remove_operator(&self, actor: &Actor, before: &Operator) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_operators").await?;
        let id = before.id.to_string();
        let found = tx.fetch(&FIND, values![&id], operator).await?.into_iter().next();
        let Some(now) = found else { return Ok(false) };
        if now.edited() != before.edited() {
            return Err(Error::Changed(format!("operator {}", before.name)));
        }
        tx.execute(&REMOVE, values![&id]).await?;
        one_administrator_stays(&mut tx).await?;
        let (object_name, before) = (&now.name, Some(now.edited()));
        let action = "operator.remove";
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before, after: None })
            .await?;
        Ok(true)
    }
}

impl Operator {
    /// What people edit of it, and the log tells.
    fn edited(&self) -> Json {
        json!({
            "name": self.name,
            "full_name": self.full_name,
            "email": self.email,
            "role": self.role,
            "disabled": self.disabled,
            "must_change": self.must_change,
            "tenant": self.tenant,
        })
    }
}

async fn add(
    mut tx: Tx,
    actor: &Actor,
    new: &Operator,
    password_hash: Option<&str>,
) -> Result<(), Error> {
    let Operator { name, full_name, email, role, disabled, must_change, .. } = new;
    let id = new.id.to_string();
    let (disabled, must_change) = (*disabled, *must_change);
    let folded = fold(name);
    let values = values![
        &id,
        name,
        folded,
        full_name,
        email,
        role,
        disabled,
        must_change,
        password_hash,
        now_ms(),
        &new.tenant.map(|id| id.to_string()),
    ];
    if tx.execute(&ADD, values).await? == 0 {
        return Err(Error::Exists(format!("operator {name}")));
    }
    let after = Some(new.edited());
    let deed =
        Deed { action: "operator.add", object_id: id, object_name: name, before: None, after };
    audit::commit(tx, actor, deed).await
}

async fn one_administrator_stays(tx: &mut Tx) -> Result<(), Error> {
    match tx.fetch(&ADMINISTRATORS, vec![], |row| row.int(0)).await?.as_slice() {
        [0] => Err(Error::Last("administrator".into())),
        _ => Ok(()),
    }
}

/// The same on both engines, whatever they think of letters beyond ASCII.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}
