//! Groups as people edit them: rows of radgroupcheck and radgroupreply under one name, and who
//! is in it.

use crate::engine::{Tx, both, each, statements, values};
use crate::policy::{gather_groups, group_part};
use crate::rows::{self, Table};
use crate::{Change, Error, GroupRows, Store};

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
    MEMBERS = both("SELECT count(*) FROM radusergroup WHERE groupname = $1");
    DISBAND = both("DELETE FROM radusergroup WHERE groupname = $1");
    HOLD = each(
        "SELECT pg_advisory_xact_lock(1818452329, hashtext($1)) IS NULL",
        "SELECT $1 IS NULL",
    );
}

impl Store {
    /// A group exists when it has rows or members.
    pub async fn find_group(&self, name: &str) -> Result<Option<GroupRows>, Error> {
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
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<GroupRows>, Error> {
        let values = values![after.unwrap_or_default(), prefix, limit];
        let names = self.engine()?.fetch(&NAMES, values, |row| row.text(0)).await?;
        let mut groups = self.groups_rows(Some(&names)).await?;
        let mut of = |name: String| {
            let at = groups.iter().position(|group| group.name == name);
            at.map_or_else(|| named(name), |at| groups.swap_remove(at))
        };
        Ok(names.into_iter().map(&mut of).collect())
    }

    /// Fails with [`Error::Exists`] when any row bears that name.
    pub async fn add_group(&self, group: &GroupRows) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = read_group(&mut tx, &group.name).await?;
        let members = tx.fetch(&MEMBERS, values![&group.name], |row| row.int(0)).await?;
        if !now.check.is_empty() || !now.reply.is_empty() || members.first() != Some(&0) {
            return Err(Error::Exists(format!("group {}", group.name)));
        }
        self.change_group(tx, &now, group).await
    }

    /// As `update_user`.
    pub async fn update_group(&self, before: &GroupRows, after: &GroupRows) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = read_group(&mut tx, &after.name).await?;
        let same = rows::same(&before.check, &now.check) && rows::same(&before.reply, &now.reply);
        if before.name != after.name || !same {
            return Err(Error::Changed(format!("group {}", after.name)));
        }
        self.change_group(tx, before, after).await
    }

    /// Removes the group's rows and memberships. `None` when there were none, else how many
    /// memberships there were.
    pub async fn remove_group(&self, name: &str) -> Result<Option<u64>, Error> {
        let mut tx = self.begin().await?;
        let members = tx.execute(&DISBAND, values![name]).await?;
        let mut removed = members;
        for table in [Table::GroupCheck, Table::GroupReply] {
            removed += rows::remove_all(&mut tx, table, name).await?;
        }
        tx.commit().await?;
        self.publish(Change::Groups(vec![Store::change_key(name)]));
        if members > 0 {
            self.publish(Change::AllUsers);
        }
        Ok((removed > 0).then_some(members))
    }

    /// How many memberships name the group.
    pub async fn count_members(&self, name: &str) -> Result<u64, Error> {
        let count = self.engine()?.find(&MEMBERS, values![name], |row| row.int(0)).await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    async fn change_group(
        &self,
        mut tx: Tx,
        before: &GroupRows,
        after: &GroupRows,
    ) -> Result<(), Error> {
        let name = &after.name;
        rows::change(&mut tx, Table::GroupCheck, name, &before.check, &after.check).await?;
        rows::change(&mut tx, Table::GroupReply, name, &before.reply, &after.reply).await?;
        tx.commit().await?;
        self.publish(Change::Groups(vec![Store::change_key(name)]));
        Ok(())
    }
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
