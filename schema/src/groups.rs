//! Groups as people edit them: rows of radgroupcheck and radgroupreply under one name, and who
//! is in it.

use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Tx, both, each, statements, values};
use crate::policy::{gather_groups, group_part};
use crate::rows::{self, Table};
use crate::tenants::{own, owner};
use crate::users::told_rows;
use crate::{Change, Error, GroupRows, Owned, Scope, Store};

statements! {
    NAMES = both(
        "SELECT groupname FROM (SELECT DISTINCT groupname FROM radgroupcheck \
         WHERE groupname > $1 AND substr(groupname, 1, length($2)) = $2 \
         ORDER BY groupname LIMIT $3) c \
         UNION SELECT groupname FROM (SELECT DISTINCT groupname FROM radgroupreply \
         WHERE groupname > $1 AND substr(groupname, 1, length($2)) = $2 \
         ORDER BY groupname LIMIT $3) r \
         UNION SELECT groupname FROM (SELECT DISTINCT groupname FROM radusergroup \
         WHERE groupname > $1 AND substr(groupname, 1, length($2)) = $2 \
         ORDER BY groupname LIMIT $3) g ORDER BY groupname LIMIT $3",
    );
    /// Of one tenant, $4.
    OWNED_NAMES = both(
        "SELECT o.name FROM mgmt_owners o WHERE o.tenant_id = $4 AND o.kind = 'group' \
         AND o.name > $1 AND substr(o.name, 1, length($2)) = $2 \
         AND (EXISTS (SELECT 1 FROM radgroupcheck c WHERE c.groupname = o.name) \
         OR EXISTS (SELECT 1 FROM radgroupreply r WHERE r.groupname = o.name) \
         OR EXISTS (SELECT 1 FROM radusergroup g WHERE g.groupname = o.name)) \
         ORDER BY o.name LIMIT $3",
    );
    MEMBERS_OF = each(
        "SELECT groupname, count(*) FROM radusergroup WHERE groupname = ANY($1) GROUP BY groupname",
        "SELECT groupname, count(*) FROM radusergroup \
         WHERE groupname IN (SELECT value FROM json_each($1)) GROUP BY groupname",
    );
    MEMBERS = both("SELECT count(*) FROM radusergroup WHERE groupname = $1");
    DISBAND = both("DELETE FROM radusergroup WHERE groupname = $1");
    HOLD = each(
        "SELECT pg_advisory_xact_lock(1818452329, hashtext($1)) IS NULL",
        "SELECT $1 IS NULL",
    );
}

impl Store {
    /// A group exists when it has rows or members.
    pub async fn find_group(&self, scope: Scope, name: &str) -> Result<Option<GroupRows>, Error> {
        if !self.is_in_scope(scope, Owned::Group, name).await? {
            return Ok(None);
        }
        let found = self.groups_rows(Some(&[name.to_owned()])).await?.into_iter().next();
        match found {
            Some(group) => Ok(Some(group)),
            None if self.count_members(name).await? > 0 => Ok(Some(named(name.to_owned()))),
            None => Ok(None),
        }
    }

    /// Groups in order of their names, those that begin with `prefix` and come after `after`.
    pub async fn list_groups(
        &self,
        scope: Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<GroupRows>, Error> {
        let mut values = values![after.unwrap_or_default(), prefix, limit];
        let sql = match scope {
            Scope::Everything => &NAMES,
            Scope::Tenant(tenant) => {
                values.push(Some(tenant).into());
                &OWNED_NAMES
            }
        };
        let names = self.engine()?.fetch(sql, values, |row| row.text(0)).await?;
        let mut groups = self.groups_rows(Some(&names)).await?;
        let mut of = |name: String| {
            let at = groups.iter().position(|group| group.name == name);
            at.map_or_else(|| named(name), |at| groups.swap_remove(at))
        };
        Ok(names.into_iter().map(&mut of).collect())
    }

    /// Fails with [`Error::Exists`] when any row bears that name.
    pub async fn add_group(
        &self,
        actor: &Actor,
        group: &GroupRows,
        tenant: Option<Uuid>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = read_group(&mut tx, &group.name).await?;
        let members = tx.fetch(&MEMBERS, values![&group.name], |row| row.int(0)).await?;
        if !now.check.is_empty() || !now.reply.is_empty() || members.first() != Some(&0) {
            return Err(Error::Exists(format!("group {}", group.name)));
        }
        change_rows(&mut tx, &now, group).await?;
        if self.layout()?.manages() {
            own(&mut tx, Owned::Group, &group.name, tenant).await?;
        }
        self.finish_group(tx, actor, "group.add", None, Some(group)).await
    }

    /// Makes `before` into `after`, touching only rows that differ; the name stays. Fails with
    /// [`Error::Changed`] when the rows are no longer `before`.
    pub async fn update_group(
        &self,
        actor: &Actor,
        scope: Scope,
        before: &GroupRows,
        after: &GroupRows,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = read_group(&mut tx, &after.name).await?;
        let same = rows::same(&before.check, &now.check) && rows::same(&before.reply, &now.reply);
        let in_scope = self.holds_group(&mut tx, scope, &after.name).await?;
        if before.name != after.name || !same || !in_scope {
            return Err(Error::Changed(format!("group {}", after.name)));
        }
        change_rows(&mut tx, before, after).await?;
        self.finish_group(tx, actor, "group.change", Some(before), Some(after)).await
    }

    /// Removes the group's rows and memberships. `None` when there were none in the scope, else
    /// how many memberships there were.
    pub async fn remove_group(
        &self,
        actor: &Actor,
        scope: Scope,
        name: &str,
    ) -> Result<Option<u64>, Error> {
        let mut tx = self.begin().await?;
        let before = read_group(&mut tx, name).await?;
        if !self.holds_group(&mut tx, scope, name).await? {
            return Ok(None);
        }
        let members = tx.execute(&DISBAND, values![name]).await?;
        let mut removed = members;
        for table in [Table::GroupCheck, Table::GroupReply] {
            removed += rows::remove_all(&mut tx, table, name).await?;
        }
        if removed == 0 {
            return Ok(None);
        }
        if self.layout()?.manages() {
            own(&mut tx, Owned::Group, name, None).await?;
        }
        self.finish_group(tx, actor, "group.remove", Some(&before), None).await?;
        if members > 0 {
            self.publish(Change::AllUsers);
        }
        Ok(Some(members))
    }

    /// How many memberships name the group.
    pub async fn count_members(&self, name: &str) -> Result<u64, Error> {
        let count = self.engine()?.find(&MEMBERS, values![name], |row| row.int(0)).await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// The same of many groups; one without members is not in the answer.
    pub async fn count_members_of(
        &self,
        names: &[String],
    ) -> Result<std::collections::HashMap<String, i64>, Error> {
        let map: crate::engine::Map<(String, i64)> = |row| Ok((row.text(0)?, row.int(1)?));
        Ok(self.engine()?.fetch(&MEMBERS_OF, values![names], map).await?.into_iter().collect())
    }

    async fn holds_group(&self, tx: &mut Tx, scope: Scope, name: &str) -> Result<bool, Error> {
        match scope {
            Scope::Everything => Ok(true),
            Scope::Tenant(_) => Ok(scope.admits(owner(tx, Owned::Group, name).await?)),
        }
    }

    async fn finish_group(
        &self,
        tx: Tx,
        actor: &Actor,
        action: &'static str,
        before: Option<&GroupRows>,
        after: Option<&GroupRows>,
    ) -> Result<(), Error> {
        let name = before.or(after).map(|group| group.name.as_str()).unwrap_or_default();
        if self.layout()?.manages() {
            let told = |group: &GroupRows, other: Option<&GroupRows>| {
                json!({
                    "check": told_rows(&group.check, other.map(|other| &other.check)),
                    "reply": told_rows(&group.reply, other.map(|other| &other.reply)),
                })
            };
            let deed = Deed {
                action,
                object_id: String::new(),
                object_name: name,
                before: before.map(|group| told(group, None)),
                after: after.map(|group| told(group, before)),
            };
            audit::commit(tx, actor, deed).await?;
        } else {
            tx.commit().await?;
        }
        self.publish(Change::Groups(vec![Store::change_key(name)]));
        Ok(())
    }
}

async fn change_rows(tx: &mut Tx, before: &GroupRows, after: &GroupRows) -> Result<(), Error> {
    let name = &after.name;
    rows::change(tx, Table::GroupCheck, name, &before.check, &after.check).await?;
    rows::change(tx, Table::GroupReply, name, &before.reply, &after.reply).await
}

async fn read_group(tx: &mut Tx, name: &str) -> Result<GroupRows, Error> {
    tx.fetch(&HOLD, values![name], |_| Ok(())).await?;
    let names = [name.to_owned()];
    let rows = tx.fetch(&crate::policy::GROUPS, values![names.as_slice()], group_part).await?;
    Ok(gather_groups(rows).into_iter().next().unwrap_or_else(|| named(name.to_owned())))
}

fn named(name: String) -> GroupRows {
    GroupRows { name, ..GroupRows::default() }
}
