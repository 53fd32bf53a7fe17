//! Tenants (resellers, sites), and who owns what of the tables that are FreeRADIUS's.
//!
//! A [`Scope`] goes into every function that lists, counts, reads or changes something owned.
//! What has no owner is for `Scope::Everything` only. Sessions and attempts have no owner of
//! their own: they follow their user's, and where the user has none, the NAS's. `follows` is
//! that rule in SQL, `Scope::admits_either` the same for rows that are in memory.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, Tx, both, each, statements, values};
use crate::operators::fold;
use crate::{Error, Store};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: Uuid,
    /// Told apart without regard to case.
    pub name: String,
    pub description: String,
}

/// What somebody sees and touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Everything,
    Tenant(Uuid),
}

/// Kinds of things that have an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owned {
    User,
    Group,
    /// A row of `nas`, by its id.
    Nas,
    /// A NAS by its NAS-Identifier.
    NamedNas,
    Pool,
}

statements! {
    ADD = both(
        "INSERT INTO mgmt_tenants (id, name, folded, description) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (folded) DO NOTHING",
    );
    FIND = both("SELECT id, name, description FROM mgmt_tenants WHERE id = $1");
    FIND_NAMED = both("SELECT id, name, description FROM mgmt_tenants WHERE folded = $1");
    LIST = both(
        "SELECT id, name, description FROM mgmt_tenants WHERE folded > $1 ORDER BY folded LIMIT $2",
    );
    TWIN = both("SELECT id FROM mgmt_tenants WHERE folded = $1 AND id <> $2");
    UPDATE = both(
        "UPDATE mgmt_tenants SET name = $2, folded = $3, description = $4 WHERE id = $1",
    );
    REMOVE = both("DELETE FROM mgmt_tenants WHERE id = $1");
    USED = both(
        "SELECT 1 FROM mgmt_operators WHERE tenant_id = $1 \
         UNION SELECT 1 FROM mgmt_owners WHERE tenant_id = $1 LIMIT 1",
    );
    OWN = both(
        "INSERT INTO mgmt_owners (kind, name, tenant_id) VALUES ($1, $2, $3) \
         ON CONFLICT (kind, name) DO UPDATE SET tenant_id = excluded.tenant_id",
    );
    DISOWN = both("DELETE FROM mgmt_owners WHERE kind = $1 AND name = $2");
    OWNERS = each(
        "SELECT name, tenant_id FROM mgmt_owners WHERE kind = $1 AND name = ANY($2)",
        "SELECT name, tenant_id FROM mgmt_owners \
         WHERE kind = $1 AND name IN (SELECT value FROM json_each($2))",
    );
    NAS_OWNED = both(
        "SELECT name FROM mgmt_owners WHERE kind = 'nas' AND tenant_id = $1",
    );
}

const TENANT: Map<Tenant> =
    |row| Ok(Tenant { id: crate::id(row, 0)?, name: row.text(1)?, description: row.text(2)? });

impl Scope {
    /// Of an operator of that tenant, or of none.
    #[must_use]
    pub fn of(tenant: Option<Uuid>) -> Scope {
        tenant.map_or(Scope::Everything, Scope::Tenant)
    }

    #[must_use]
    pub fn tenant(self) -> Option<Uuid> {
        match self {
            Scope::Everything => None,
            Scope::Tenant(id) => Some(id),
        }
    }

    /// Whether what has this owner is in it.
    #[must_use]
    pub fn admits(self, owner: Option<Uuid>) -> bool {
        self == Scope::Everything || self.tenant() == owner
    }

    /// The same for what follows its user, else its NAS.
    #[must_use]
    pub fn admits_either(self, of_user: Option<Uuid>, of_nas: Option<Uuid>) -> bool {
        self.admits(of_user.or(of_nas))
    }

    /// To bind; NULL is everything.
    pub(crate) fn value(self) -> Option<String> {
        self.tenant().map(|id| id.to_string())
    }
}

impl From<Option<Uuid>> for crate::engine::Value {
    fn from(id: Option<Uuid>) -> crate::engine::Value {
        crate::engine::Value::Text(id.map(|id| id.to_string()))
    }
}

impl From<Option<String>> for crate::engine::Value {
    fn from(text: Option<String>) -> crate::engine::Value {
        crate::engine::Value::Text(text)
    }
}

impl Owned {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Owned::User => "user",
            Owned::Group => "group",
            Owned::Nas => "nas",
            Owned::NamedNas => "named-nas",
            Owned::Pool => "pool",
        }
    }
}

/// The condition that a session or an attempt is in a scope. `user` and `nas` are SQL for its user's
/// name and its NAS's address as text (`host(nasipaddress)` on PostgreSQL); `scope` is the
/// parameter that `Scope::value` is bound to, `nases` the one of `Store::nas_in_scope`, a list. A
/// NAS written as a prefix or a host name owns no session: such a one is seen by its user's
/// tenant, or by nobody's.
pub(crate) fn follows(postgres: bool, user: &str, nas: &str, scope: &str, nases: &str) -> String {
    let among = match postgres {
        true => format!("= ANY({nases})"),
        false => format!("IN (SELECT value FROM json_each({nases}))"),
    };
    let owner = format!("SELECT tenant_id FROM mgmt_owners WHERE kind = 'user' AND name = {user}");
    format!(
        "(CAST({scope} AS TEXT) IS NULL OR CASE WHEN EXISTS ({owner}) \
         THEN ({owner}) = {scope} ELSE {nas} {among} END)"
    )
}

/// Whether a row of somebody in that scope may name it: [`Error::Missing`] where it is foreign, as
/// if it did not exist.
pub(crate) async fn refer(
    tx: &mut Tx,
    scope: Scope,
    owned: Owned,
    name: &str,
) -> Result<(), Error> {
    if scope == Scope::Everything || scope.admits(owner(tx, owned, name).await?) {
        return Ok(());
    }
    Err(Error::Missing(format!("{} {name}", owned.as_str())))
}

/// Gives what is named to a tenant, or to nobody. In the transaction that makes or changes it.
pub(crate) async fn own(
    tx: &mut Tx,
    owned: Owned,
    name: &str,
    tenant: Option<Uuid>,
) -> Result<(), Error> {
    let kind = owned.as_str();
    match tenant {
        Some(tenant) => tx.execute(&OWN, values![kind, name, tenant.to_string()]).await?,
        None => tx.execute(&DISOWN, values![kind, name]).await?,
    };
    Ok(())
}

/// The owner as the transaction sees it.
pub(crate) async fn owner(tx: &mut Tx, owned: Owned, name: &str) -> Result<Option<Uuid>, Error> {
    let names = [name];
    let found =
        tx.fetch(&OWNERS, values![owned.as_str(), names.as_slice()], |row| crate::id(row, 1));
    Ok(found.await?.into_iter().next())
}

impl Store {
    pub async fn find_tenant(&self, id: Uuid) -> Result<Option<Tenant>, Error> {
        self.engine()?.find(&FIND, values![id.to_string()], TENANT).await
    }

    pub async fn find_tenant_named(&self, name: &str) -> Result<Option<Tenant>, Error> {
        self.engine()?.find(&FIND_NAMED, values![fold(name)], TENANT).await
    }

    /// In order of their names, those after `after`.
    pub async fn list_tenants(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Tenant>, Error> {
        let values = values![fold(after.unwrap_or_default()), limit];
        self.engine()?.fetch(&LIST, values, TENANT).await
    }

    /// Fails with [`Error::Exists`] when that name is taken.
    pub async fn add_tenant(&self, actor: &Actor, tenant: &Tenant) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let Tenant { id, name, description } = tenant;
        let id = id.to_string();
        if tx.execute(&ADD, values![&id, name, fold(name), description]).await? == 0 {
            return Err(Error::Exists(format!("tenant {name}")));
        }
        let after = Some(tenant.edited());
        let deed =
            Deed { action: "tenant.add", object_id: id, object_name: name, before: None, after };
        audit::commit(tx, actor, deed).await
    }

    /// Makes `before` into `after`. Fails as `update_role`.
    pub async fn update_tenant(
        &self,
        actor: &Actor,
        before: &Tenant,
        after: &Tenant,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_tenants").await?;
        let id = before.id.to_string();
        let now = tx.fetch(&FIND, values![&id], TENANT).await?;
        if now.first() != Some(before) {
            return Err(Error::Changed(format!("tenant {}", before.name)));
        }
        if !tx.fetch(&TWIN, values![fold(&after.name), &id], |_| Ok(())).await?.is_empty() {
            return Err(Error::Exists(format!("tenant {}", after.name)));
        }
        let Tenant { name, description, .. } = after;
        tx.execute(&UPDATE, values![&id, name, fold(name), description]).await?;
        let (before, after) = (Some(before.edited()), Some(after.edited()));
        let deed =
            Deed { action: "tenant.change", object_id: id, object_name: name, before, after };
        audit::commit(tx, actor, deed).await
    }

    /// False when it is gone; fails with [`Error::InUse`] while it has operators or owns
    /// anything.
    pub async fn remove_tenant(&self, actor: &Actor, before: &Tenant) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        // Nobody is put into it, and nothing is given to it, meanwhile.
        tx.lock_table("mgmt_operators").await?;
        tx.lock_table("mgmt_owners").await?;
        tx.lock_table("mgmt_tenants").await?;
        let id = before.id.to_string();
        let now = tx.fetch(&FIND, values![&id], TENANT).await?;
        let Some(now) = now.first() else { return Ok(false) };
        if now != before {
            return Err(Error::Changed(format!("tenant {}", before.name)));
        }
        if !tx.fetch(&USED, values![&id], |_| Ok(())).await?.is_empty() {
            return Err(Error::InUse(format!("tenant {}", before.name)));
        }
        tx.execute(&REMOVE, values![&id]).await?;
        let (object_name, before) = (&now.name, Some(now.edited()));
        let action = "tenant.remove";
        audit::commit(tx, actor, Deed { action, object_id: id, object_name, before, after: None })
            .await?;
        Ok(true)
    }

    /// Gives something to a tenant, or to nobody, by itself; who makes it does so in one
    /// transaction with that.
    pub async fn set_owner(
        &self,
        actor: &Actor,
        owned: Owned,
        name: &str,
        tenant: Option<Uuid>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let before = owner(&mut tx, owned, name).await?;
        own(&mut tx, owned, name, tenant).await?;
        let action = match owned {
            Owned::User => "user.owner",
            Owned::Group => "group.owner",
            Owned::Nas | Owned::NamedNas => "nas.owner",
            Owned::Pool => "pool.owner",
        };
        let deed = Deed {
            action,
            object_id: String::new(),
            object_name: name,
            before: Some(json!({ "tenant": before })),
            after: Some(json!({ "tenant": tenant })),
        };
        audit::commit(tx, actor, deed).await
    }

    /// The owner of each that has one.
    pub async fn owners(
        &self,
        owned: Owned,
        names: &[String],
    ) -> Result<std::collections::HashMap<String, Uuid>, Error> {
        let map: Map<(String, Uuid)> = |row| Ok((row.text(0)?, crate::id(row, 1)?));
        let rows = self.engine()?.fetch(&OWNERS, values![owned.as_str(), names], map).await?;
        Ok(rows.into_iter().collect())
    }

    /// Whether what is named is in the scope. It may not exist at all in `Everything`.
    pub async fn is_in_scope(&self, scope: Scope, owned: Owned, name: &str) -> Result<bool, Error> {
        if scope == Scope::Everything {
            return Ok(true);
        }
        let owners = self.owners(owned, &[name.to_owned()]).await?;
        Ok(scope.admits(owners.get(name).copied()))
    }

    /// Addresses, as `nas` writes them, of the NAS that a scope's tenant owns; none for everything,
    /// where no condition needs them.
    pub async fn nas_in_scope(&self, scope: Scope) -> Result<Vec<String>, Error> {
        let Some(tenant) = scope.value() else { return Ok(Vec::new()) };
        let ids = self.engine()?.fetch(&NAS_OWNED, values![tenant], |row| row.text(0)).await?;
        let all = self.list_nas().await?;
        let own = all.into_iter().filter(|nas| ids.contains(&nas.id.to_string()));
        Ok(own.map(|nas| nas.nasname).collect())
    }
}

impl Tenant {
    fn edited(&self) -> Json {
        json!({ "name": self.name, "description": self.description })
    }
}
