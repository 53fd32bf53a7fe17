//! Users as people edit them: rows of radcheck, radreply and radusergroup under one name, with what
//! is known of the person beside them.
//!
//! `list` finds them, `details` keeps what is ours, `told` is what the audit log says of a change.

mod details;
mod list;
mod told;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Tx, both, each, statements, values};
use crate::policy::{gather, part};
use crate::rows::{self, Table};
use crate::tenants::{self, own, owner};
use crate::{Change, Error, Owned, Row, Scope, Store};

pub use details::Once;
pub(crate) use list::built;
pub use list::{Place, UserFilter};
pub(crate) use told::told_rows;

/// The row of a user who may not come in, as every tool of FreeRADIUS's world writes it.
const DISABLED: (&str, &str, &str) = ("Auth-Type", ":=", "Reject");

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

/// What is known of a user that decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub full_name: String,
    pub company: String,
    pub email: String,
    pub phone: String,
    /// The site's own fields.
    pub custom: BTreeMap<String, String>,
    pub tags: Vec<String>,
    /// Sealed by the caller with a key that is not in the store.
    pub notes: Option<String>,
    pub address: Option<String>,
}

/// A user, the person behind it, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub user: User,
    pub details: Details,
    pub tenant: Option<Uuid>,
    /// Of our row; 0 while there is none.
    pub id: i64,
    /// When we first saw it.
    pub created_ms: Option<i64>,
}

statements! {
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

pub(crate) fn all_statements() -> impl Iterator<Item = (&'static str, &'static crate::engine::Sql)>
{
    statements().into_iter().chain(details::statements()).chain(list::statements())
}

impl User {
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.check.iter().any(disables)
    }

    /// Turns every login away, or no more. The site's own rows stay as they are: of several
    /// Auth-Type the last one counts, and any Reject at once.
    pub fn set_disabled(&mut self, disabled: bool) {
        if !disabled {
            self.check.retain(|row| !disables(row));
        } else if !self.is_disabled() {
            let (attribute, op, value) = DISABLED;
            let (attribute, op, value) = (attribute.into(), op.into(), value.into());
            self.check.push(Row { id: 0, attribute, op, value });
        }
    }

    fn is_empty(&self) -> bool {
        self.check.is_empty() && self.reply.is_empty() && self.groups.is_empty()
    }
}

impl From<User> for Person {
    fn from(user: User) -> Person {
        Person { user, ..Person::default() }
    }
}

fn disables(row: &Row) -> bool {
    let (attribute, op, value) = DISABLED;
    row.attribute.eq_ignore_ascii_case(attribute)
        && row.op == op
        && row.value.eq_ignore_ascii_case(value)
}

impl Store {
    pub async fn find_user(&self, scope: Scope, name: &str) -> Result<Option<User>, Error> {
        if !self.is_in_scope(scope, Owned::User, name).await? {
            return Ok(None);
        }
        let users = &self.known()?.policy.users;
        let rows = self.engine()?.fetch(users, values![[name].as_slice()], part).await?;
        Ok(gather(rows).into_iter().next())
    }

    /// With what is known of the person; none without a row of FreeRADIUS's.
    pub async fn find_person(&self, scope: Scope, name: &str) -> Result<Option<Person>, Error> {
        let Some(user) = self.find_user(scope, name).await? else { return Ok(None) };
        Ok(self.people(vec![user]).await?.into_iter().next())
    }

    /// Fails with [`Error::Exists`] when any row bears that name, with [`Error::Missing`] when a
    /// group is not in the scope. `once` makes a repeated request fail with `Exists`, too.
    pub async fn add_user(
        &self,
        actor: &Actor,
        scope: Scope,
        new: &Person,
        once: Option<&Once>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let name = &new.user.name;
        if self.read_user(&mut tx, name).await?.is_some() {
            return Err(Error::Exists(format!("user {name}")));
        }
        if let Some(once) = once {
            details::keep_request(&mut tx, once, name).await?;
        }
        let nothing =
            Person { user: User { name: name.clone(), ..User::default() }, ..Person::default() };
        self.change_user(&mut tx, scope, &nothing, new).await?;
        self.finish(tx, actor, "user.add", None, Some(new)).await
    }

    /// Makes `before` into `after`, touching only rows that differ; the name stays. Fails with
    /// [`Error::Changed`] when it is no longer `before`, else as `add_user`.
    pub async fn update_user(
        &self,
        actor: &Actor,
        scope: Scope,
        before: &Person,
        after: &Person,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let name = &after.user.name;
        let now = self.read_user(&mut tx, name).await?.unwrap_or_default();
        let details = self.read_details(&mut tx, name).await?;
        let tenant = self.read_owner(&mut tx, name).await?;
        let same = before.user.name == *name
            && is_same(&before.user, &now)
            && details == before.details
            && tenant == before.tenant;
        if !same || !scope.admits(tenant) {
            return Err(Error::Changed(format!("user {name}")));
        }
        self.change_user(&mut tx, scope, before, after).await?;
        let action = match (before.user.is_disabled(), after.user.is_disabled()) {
            (false, true) => "user.disable",
            (true, false) => "user.enable",
            _ => "user.change",
        };
        self.finish(tx, actor, action, Some(before), Some(after)).await
    }

    /// Removes the user's rows and what is known of the person, never the sessions; false when
    /// there was none in the scope.
    pub async fn remove_user(
        &self,
        actor: &Actor,
        scope: Scope,
        name: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let Some(user) = self.read_user(&mut tx, name).await? else { return Ok(false) };
        let tenant = self.read_owner(&mut tx, name).await?;
        if !scope.admits(tenant) {
            return Ok(false);
        }
        let details = self.read_details(&mut tx, name).await?;
        tx.execute(&LEAVE_ALL, values![name]).await?;
        for table in [Table::Check, Table::Reply] {
            rows::remove_all(&mut tx, table, name).await?;
        }
        let layout = self.layout()?;
        if layout.ours() {
            tx.execute(&FORGET_ACCEPT, values![name]).await?;
        }
        if layout.manages() {
            details::forget(&mut tx, name).await?;
            own(&mut tx, Owned::User, name, None).await?;
        }
        let gone = Person { user, details, tenant, ..Person::default() };
        self.finish(tx, actor, "user.remove", Some(&gone), None).await?;
        Ok(true)
    }

    /// Somebody saw a user's password in clear.
    pub async fn note_reveal(&self, actor: &Actor, person: &Person) -> Result<(), Error> {
        let after = serde_json::json!({ "tenant": person.tenant });
        self.note_audit(actor, "user.reveal-password", &person.user.name, after).await
    }

    async fn read_user(&self, tx: &mut Tx, name: &str) -> Result<Option<User>, Error> {
        tx.fetch(&HOLD, values![name], |_| Ok(())).await?;
        let users = &self.known()?.policy.users;
        let rows = tx.fetch(users, values![[name].as_slice()], part).await?;
        Ok(gather(rows).into_iter().next())
    }

    async fn read_owner(&self, tx: &mut Tx, name: &str) -> Result<Option<Uuid>, Error> {
        match self.layout()?.manages() {
            true => owner(tx, Owned::User, name).await,
            false => Ok(None),
        }
    }

    async fn read_details(&self, tx: &mut Tx, name: &str) -> Result<Details, Error> {
        match self.layout()?.manages() {
            true => details::read(tx, name).await,
            false => Ok(Details::default()),
        }
    }

    async fn change_user(
        &self,
        tx: &mut Tx,
        scope: Scope,
        before: &Person,
        after: &Person,
    ) -> Result<(), Error> {
        let (name, manages) = (&after.user.name, self.layout()?.manages());
        let groups = memberships_that_differ(&before.user, &after.user);
        let new = groups.iter().filter(|(group, ..)| {
            !before.user.groups.iter().any(|membership| membership.group == *group)
        });
        for (group, ..) in new {
            tenants::refer(tx, scope, Owned::Group, group).await?;
        }
        rows::change(tx, Table::Check, name, &before.user.check, &after.user.check).await?;
        rows::change(tx, Table::Reply, name, &before.user.reply, &after.user.reply).await?;
        for (group, old, new) in groups {
            if !old.is_empty() {
                tx.execute(&LEAVE, values![name, group]).await?;
            }
            for priority in new {
                tx.execute(&JOIN, values![name, group, priority]).await?;
            }
        }
        if manages {
            // Without a row of FreeRADIUS's there is no user.
            if after.user.is_empty() {
                return Err(Error::Empty(format!("user {name}")));
            }
            details::write(tx, name, &after.details).await?;
            // Also for a new one: whom another program removed may have left an owner behind.
            if before.id == 0 || before.tenant != after.tenant {
                own(tx, Owned::User, name, after.tenant).await?;
            }
        }
        Ok(())
    }

    /// The log's row, where there is a log, is the transaction's last statement.
    async fn finish(
        &self,
        tx: Tx,
        actor: &Actor,
        action: &'static str,
        before: Option<&Person>,
        after: Option<&Person>,
    ) -> Result<(), Error> {
        let name = before.or(after).map(|person| person.user.name.as_str()).unwrap_or_default();
        if self.layout()?.manages() {
            let (told_before, told_after) = told::told(before, after);
            let deed = Deed {
                action,
                object_id: String::new(),
                object_name: name,
                before: told_before,
                after: told_after,
            };
            audit::commit(tx, actor, deed).await?;
        } else {
            tx.commit().await?;
        }
        self.publish(Change::Users(vec![Store::change_key(name)]));
        Ok(())
    }
}

fn is_same(a: &User, b: &User) -> bool {
    rows::same(&a.check, &b.check)
        && rows::same(&a.reply, &b.reply)
        && sorted(&a.groups) == sorted(&b.groups)
}

/// Groups whose priorities differ, with the old ones and the new.
fn memberships_that_differ<'u>(
    before: &'u User,
    after: &'u User,
) -> Vec<(&'u str, Vec<i64>, Vec<i64>)> {
    let groups = before.groups.iter().chain(&after.groups).map(|one| one.group.as_str());
    let groups: std::collections::BTreeSet<&str> = groups.collect();
    let of = |user: &User, group: &str| -> Vec<i64> {
        let of_it = user.groups.iter().filter(|membership| membership.group == group);
        let mut priorities: Vec<_> = of_it.map(|membership| membership.priority).collect();
        priorities.sort_unstable();
        priorities
    };
    let all = groups.into_iter().map(|group| (group, of(before, group), of(after, group)));
    all.filter(|(_, old, new)| old != new).collect()
}

fn sorted(groups: &[Membership]) -> Vec<&Membership> {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_unstable();
    groups
}
