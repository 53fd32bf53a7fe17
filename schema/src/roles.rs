//! Roles of a site's own. The built-in ones are code: after an upgrade nobody lacks a row.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, both, statements, values};
use crate::operators::fold;
use crate::{Error, Store};

/// A named set of permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub permissions: Vec<String>,
}

statements! {
    ADD = both(
        "INSERT INTO mgmt_roles (id, name, folded, description, permissions) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (folded) DO NOTHING",
    );
    FIND = both("SELECT id, name, description, permissions FROM mgmt_roles WHERE id = $1");
    LIST = both("SELECT id, name, description, permissions FROM mgmt_roles ORDER BY folded");
    TWIN = both("SELECT id FROM mgmt_roles WHERE folded = $1 AND id <> $2");
    UPDATE = both(
        "UPDATE mgmt_roles SET name = $2, folded = $3, description = $4, permissions = $5 \
         WHERE id = $1",
    );
    REMOVE = both("DELETE FROM mgmt_roles WHERE id = $1");
    BEARERS = both("SELECT count(*) FROM mgmt_operators WHERE role = $1");
}

const ROLE: Map<Role> = |row| {
    Ok(Role {
        id: crate::id(row, 0)?,
        name: row.text(1)?,
        description: row.text(2)?,
        permissions: crate::names(row, 3)?.unwrap_or_default(),
    })
};

impl Store {
    pub async fn find_role(&self, id: Uuid) -> Result<Option<Role>, Error> {
        self.engine()?.find(&FIND, values![id.to_string()], ROLE).await
    }

    /// All of them: a site has a handful.
    pub async fn list_roles(&self) -> Result<Vec<Role>, Error> {
        self.engine()?.fetch(&LIST, vec![], ROLE).await
    }

    /// Fails with [`Error::Exists`] when that name is taken.
    pub async fn add_role(&self, actor: &Actor, role: &Role) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let Role { id, name, description, .. } = role;
        let id = id.to_string();
        let values = values![&id, name, fold(name), description, role.listed()];
        if tx.execute(&ADD, values).await? == 0 {
            return Err(Error::Exists(format!("role {name}")));
        }
        let after = Some(role.edited());
        let deed =
            Deed { action: "role.add", object_id: id, object_name: name, before: None, after };
        audit::commit(tx, actor, deed).await
    }

    /// Makes `before` into `after`; acts on the next request of everybody who has it.
    pub async fn update_role(
        &self,
        actor: &Actor,
        before: &Role,
        after: &Role,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_roles").await?;
        let id = before.id.to_string();
        let now = tx.fetch(&FIND, values![&id], ROLE).await?;
        if now.first() != Some(before) {
            return Err(Error::Changed(format!("role {}", before.name)));
        }
        if !tx.fetch(&TWIN, values![fold(&after.name), &id], |_| Ok(())).await?.is_empty() {
            return Err(Error::Exists(format!("role {}", after.name)));
        }
        let Role { name, description, .. } = after;
        let values = values![&id, name, fold(name), description, after.listed()];
        tx.execute(&UPDATE, values).await?;
        let (before, after) = (Some(before.edited()), Some(after.edited()));
        let deed = Deed { action: "role.change", object_id: id, object_name: name, before, after };
        audit::commit(tx, actor, deed).await
    }

    /// False when it is gone; fails with [`Error::InUse`] while an operator has it.
    pub async fn remove_role(&self, actor: &Actor, before: &Role) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        // No operator gets it meanwhile.
        tx.lock_table("mgmt_operators").await?;
        tx.lock_table("mgmt_roles").await?;
        let id = before.id.to_string();
        let now = tx.fetch(&FIND, values![&id], ROLE).await?;
        let Some(now) = now.first() else { return Ok(false) };
        if now != before {
            return Err(Error::Changed(format!("role {}", before.name)));
        }
        if tx.fetch(&BEARERS, values![&id], |row| row.int(0)).await? != [0] {
            return Err(Error::InUse(format!("role {}", before.name)));
        }
        tx.execute(&REMOVE, values![&id]).await?;
        let (object_name, before) = (&now.name, Some(now.edited()));
        let action = "role.remove";
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before, after: None })
            .await?;
        Ok(true)
    }
}

impl Role {
    fn listed(&self) -> String {
        Json::from(self.permissions.clone()).to_string()
    }

    fn edited(&self) -> Json {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": self.permissions,
        })
    }
}
