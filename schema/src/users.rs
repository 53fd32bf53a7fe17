//! Users as people edit them: rows of radcheck, radreply and radusergroup under one name.

use crate::engine::{Tx, both, each, statements, values};
use crate::policy::{gather, part};
use crate::rows::{self, Table};
use crate::{Change, Error, Row, Store};

/// A row of radusergroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    pub priority: i64,
    pub group: String,
}

/// All rows of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub check: Vec<Row>,
    pub reply: Vec<Row>,
    /// In order of priority.
    pub groups: Vec<Membership>,
}

statements! {
    // Each table gives its next names by its own index; of a million users none is sorted.
    NAMES = both(
        "SELECT username FROM (SELECT DISTINCT username FROM radcheck WHERE username > $1 \
         AND substr(username, 1, length($2)) = $2 ORDER BY username LIMIT $3) c \
         UNION SELECT username FROM (SELECT DISTINCT username FROM radreply WHERE username > $1 \
         AND substr(username, 1, length($2)) = $2 ORDER BY username LIMIT $3) r \
         UNION SELECT username FROM (SELECT DISTINCT username FROM radusergroup \
         WHERE username > $1 AND substr(username, 1, length($2)) = $2 \
         ORDER BY username LIMIT $3) g ORDER BY username LIMIT $3",
    );
    JOIN = both("INSERT INTO radusergroup (username, groupname, priority) VALUES ($1, $2, $3)");
    LEAVE = both("DELETE FROM radusergroup WHERE username = $1 AND groupname = $2");
    LEAVE_ALL = both("DELETE FROM radusergroup WHERE username = $1");
    /// Two people at one user take turns.
    HOLD = each(
        "SELECT pg_advisory_xact_lock(1818452328, hashtext($1)) IS NULL",
        "SELECT $1 IS NULL",
    );
    FORGET_ACCEPT = both("DELETE FROM mgmt_last_accepts WHERE username = $1");
}

impl Store {
    pub async fn find_user(&self, name: &str) -> Result<Option<User>, Error> {
        let users = &self.known()?.policy.users;
        let rows = self.engine()?.fetch(users, values![[name].as_slice()], part).await?;
        Ok(gather(rows).into_iter().next())
    }

    /// Users in order of their names, those that begin with `prefix` and come after `after`.
    pub async fn list_users(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        let values = values![after.unwrap_or_default(), prefix, limit];
        let names = self.engine()?.fetch(&NAMES, values, |row| row.text(0)).await?;
        let users = &self.known()?.policy.users;
        let rows = self.engine()?.fetch(users, values![names.as_slice()], part).await?;
        let mut users = gather(rows);
        let order = |user: &User| names.iter().position(|name| *name == user.name);
        users.sort_by_cached_key(order);
        Ok(users)
    }

    /// Fails with [`Error::Exists`] when any row bears that name.
    pub async fn add_user(&self, user: &User) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        if self.read_user(&mut tx, &user.name).await?.is_some() {
            return Err(Error::Exists(format!("user {}", user.name)));
        }
        self.change_user(tx, &User::default(), user).await
    }

    /// Makes `before` into `after`, touching only rows that differ; the name stays. Fails with
    /// [`Error::Changed`] when the rows are no longer `before`.
    pub async fn update_user(&self, before: &User, after: &User) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = self.read_user(&mut tx, &after.name).await?.unwrap_or_default();
        let same = |a: &User, b: &User| {
            rows::same(&a.check, &b.check)
                && rows::same(&a.reply, &b.reply)
                && sorted(&a.groups) == sorted(&b.groups)
        };
        if before.name != after.name || !same(before, &now) {
            return Err(Error::Changed(format!("user {}", after.name)));
        }
        self.change_user(tx, before, after).await
    }

    /// Removes the user's rows, never the sessions; false when there were none.
    pub async fn remove_user(&self, name: &str) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let mut removed = tx.execute(&LEAVE_ALL, values![name]).await?;
        for table in [Table::Check, Table::Reply] {
            removed += rows::remove_all(&mut tx, table, name).await?;
        }
        if self.known()?.layout.ours() {
            tx.execute(&FORGET_ACCEPT, values![name]).await?;
        }
        tx.commit().await?;
        self.publish(Change::Users(vec![Store::change_key(name)]));
        Ok(removed > 0)
    }

    async fn read_user(&self, tx: &mut Tx, name: &str) -> Result<Option<User>, Error> {
        tx.fetch(&HOLD, values![name], |_| Ok(())).await?;
        let users = &self.known()?.policy.users;
        let rows = tx.fetch(users, values![[name].as_slice()], part).await?;
        Ok(gather(rows).into_iter().next())
    }

    async fn change_user(&self, mut tx: Tx, before: &User, after: &User) -> Result<(), Error> {
        let name = &after.name;
        rows::change(&mut tx, Table::Check, name, &before.check, &after.check).await?;
        rows::change(&mut tx, Table::Reply, name, &before.reply, &after.reply).await?;
        let groups = before.groups.iter().chain(&after.groups).map(|membership| &membership.group);
        let mut groups: Vec<_> = groups.collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let of = |user: &User| -> Vec<i64> {
                let of_it = user.groups.iter().filter(|membership| membership.group == *group);
                let mut priorities: Vec<_> = of_it.map(|membership| membership.priority).collect();
                priorities.sort_unstable();
                priorities
            };
            let (old, new) = (of(before), of(after));
            if old == new {
                continue;
            }
            if !old.is_empty() {
                tx.execute(&LEAVE, values![name, group]).await?;
            }
            for priority in new {
                tx.execute(&JOIN, values![name, group, priority]).await?;
            }
        }
        tx.commit().await?;
        self.publish(Change::Users(vec![Store::change_key(name)]));
        Ok(())
    }
}

fn sorted(groups: &[Membership]) -> Vec<&Membership> {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_unstable();
    groups
}
