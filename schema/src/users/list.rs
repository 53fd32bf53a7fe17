//! Finding users: pages by name or by age, each filter led by an index of its own.

use std::sync::LazyLock;

use uuid::Uuid;

use super::{Person, User};
use crate::engine::{self, Sql, both, statements, values};
use crate::operators::fold;
use crate::policy::{gather, part};
use crate::{Error, Scope, Store};

/// Which users; nothing said is all of the scope.
#[derive(Clone, Debug)]
pub struct UserFilter {
    pub scope: Scope,
    /// A part of the name, the full name, the company, the e-mail address or the telephone number;
    /// of fewer than three letters the beginning of the name.
    pub text: Option<String>,
    pub group: Option<String>,
    pub tag: Option<String>,
    pub disabled: Option<bool>,
    pub tenant: Option<Uuid>,
    /// The newest first. What is found by three letters or more always is; else in order of names.
    pub newest: bool,
}

/// From where a page goes on: a name, or an id of ours where the newest are first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub id: i64,
}

/// What leads; everything else that is asked is checked for each candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    Names,
    Tenant,
    Group,
    Tag,
    Disabled,
    Newest,
    /// Three letters or more.
    Part,
    /// Fewer.
    Beginning,
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
}

/// All that a filter may ask of `name`. $3 tenant, $4 group, $5 tag, $6 disabled.
fn conditions(name: &str) -> String {
    format!(
        "(CAST($3 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM mgmt_owners o \
         WHERE o.kind = 'user' AND o.name = {name} AND o.tenant_id = $3)) \
         AND (CAST($4 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM radusergroup m \
         WHERE m.username = {name} AND m.groupname = $4)) \
         AND (CAST($5 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM mgmt_user_tags t \
         WHERE t.tag = $5 AND t.username = {name})) \
         AND (CAST($6 AS BIGINT) IS NULL OR $6 = CASE WHEN EXISTS (SELECT 1 FROM radcheck d \
         WHERE d.username = {name} AND d.attribute = 'Auth-Type' AND d.op = ':=' \
         AND d.value = 'Reject') THEN 1 ELSE 0 END)"
    )
}

/// Our tables may name users whose rows another program has removed.
fn exists(name: &str) -> String {
    let table = |table: &str| format!("EXISTS (SELECT 1 FROM {table} e WHERE e.username = {name})");
    let [check, reply, groups] = ["radcheck", "radreply", "radusergroup"].map(table);
    format!("({check} OR {reply} OR {groups})")
}

impl Lead {
    const ALL: [Lead; 8] = [
        Lead::Names,
        Lead::Tenant,
        Lead::Group,
        Lead::Tag,
        Lead::Disabled,
        Lead::Newest,
        Lead::Part,
        Lead::Beginning,
    ];

    fn of(filter: &UserFilter) -> Lead {
        let letters = filter.text.as_deref().map(|text| text.chars().count());
        match letters {
            Some(3..) => Lead::Part,
            Some(1..) => Lead::Beginning,
            _ if filter.newest => Lead::Newest,
            _ if filter.disabled == Some(true) => Lead::Disabled,
            _ if filter.tag.is_some() => Lead::Tag,
            _ if filter.group.is_some() => Lead::Group,
            _ if filter.tenant().is_some() => Lead::Tenant,
            _ => Lead::Names,
        }
    }

    /// $1 the name or the id before, $2 the limit; $7 and $8 what is looked for.
    fn text(self, postgres: bool) -> String {
        let by_name = |table: &str, name: &str, which: &str| {
            let (all, there) = (conditions(&format!("s.{name}")), exists(&format!("s.{name}")));
            format!(
                "SELECT DISTINCT s.{name} FROM {table} s WHERE s.{name} > $1 AND {which} \
                 AND {all} AND {there} ORDER BY s.{name} LIMIT $2"
            )
        };
        let by_id = |which: &str, from: &str| {
            let (all, there) = (conditions("u.username"), exists("u.username"));
            format!(
                "SELECT u.username FROM {from} WHERE u.id < $1 AND {which} AND {all} AND {there} \
                 ORDER BY u.id DESC LIMIT $2"
            )
        };
        match self {
            Lead::Names => {
                let one = |table: &str| {
                    let all = conditions("s.username");
                    format!(
                        "SELECT username FROM (SELECT DISTINCT s.username FROM {table} s \
                         WHERE s.username > $1 AND {all} ORDER BY s.username LIMIT $2) {table}_"
                    )
                };
                let [check, reply, groups] = ["radcheck", "radreply", "radusergroup"].map(one);
                format!("{check} UNION {reply} UNION {groups} ORDER BY username LIMIT $2")
            }
            Lead::Tenant => by_name("mgmt_owners", "name", "s.tenant_id = $3 AND s.kind = 'user'"),
            Lead::Group => by_name("radusergroup", "username", "s.groupname = $4"),
            Lead::Tag => by_name("mgmt_user_tags", "username", "s.tag = $5"),
            Lead::Disabled => by_name(
                "radcheck",
                "username",
                "s.attribute = 'Auth-Type' AND s.op = ':=' AND s.value = 'Reject'",
            ),
            Lead::Newest => by_id("1 = 1", "mgmt_users u"),
            Lead::Part if postgres => by_id("u.searched LIKE $7", "mgmt_users u"),
            Lead::Part => {
                let (all, there) = (conditions("u.username"), exists("u.username"));
                format!(
                    "SELECT u.username FROM mgmt_users_searched f \
                     CROSS JOIN mgmt_users u ON u.id = f.rowid \
                     WHERE f.searched GLOB $7 AND f.rowid < $1 AND {all} AND {there} \
                     ORDER BY f.rowid DESC LIMIT $2"
                )
            }
            Lead::Beginning => {
                let (all, there) = (conditions("u.username"), exists("u.username"));
                format!(
                    "SELECT u.username FROM mgmt_users u WHERE u.folded >= $7 AND u.folded < $9 \
                     AND u.folded >= $8 AND (u.folded > $8 OR u.username > $1) \
                     AND {all} AND {there} ORDER BY u.folded, u.username LIMIT $2"
                )
            }
        }
    }

    fn is_by_id(self) -> bool {
        matches!(self, Lead::Newest | Lead::Part)
    }

    fn sql(self, postgres: bool) -> &'static Sql {
        static ALL: [LazyLock<Vec<Sql>>; 2] = [
            LazyLock::new(|| Lead::ALL.map(|lead| Sql::built(lead.text(false))).into()),
            LazyLock::new(|| Lead::ALL.map(|lead| Sql::built(lead.text(true))).into()),
        ];
        &ALL[usize::from(postgres)][self as usize]
    }
}

/// For the test that prepares every statement.
pub(crate) fn built(postgres: bool) -> impl Iterator<Item = (&'static str, &'static Sql)> {
    Lead::ALL.into_iter().map(move |lead| ("USERS BY …", lead.sql(postgres)))
}

impl UserFilter {
    #[must_use]
    pub fn of(scope: Scope) -> UserFilter {
        let (text, group, tag, disabled, tenant) = (None, None, None, None, None);
        UserFilter { scope, text, group, tag, disabled, tenant, newest: false }
    }

    /// Whether pages go on from an id; else from a name.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        Lead::of(self).is_by_id()
    }

    /// The one that both the scope and the filter admit.
    fn tenant(&self) -> Option<Uuid> {
        self.scope.tenant().or(self.tenant)
    }

    fn is_contradiction(&self) -> bool {
        self.tenant.is_some_and(|tenant| !self.scope.admits(Some(tenant)))
    }
}

impl Place {
    /// Of the last of a page.
    #[must_use]
    pub fn of(person: &Person) -> Place {
        Place { name: person.user.name.clone(), id: person.id }
    }
}

impl Store {
    /// Users in order of their names, those that begin with `prefix` and come after `after`; for
    /// those who see everything, also on a store without tables of ours.
    pub async fn list_users(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        let values = values![after.unwrap_or_default(), prefix, limit];
        let names = self.engine()?.fetch(&NAMES, values, |row| row.text(0)).await?;
        self.users_named(&names).await
    }

    /// A page of those whom the filter admits, after `after`.
    pub async fn list_people(
        &self,
        filter: &UserFilter,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Person>, Error> {
        if filter.is_contradiction() {
            return Ok(Vec::new());
        }
        let lead = Lead::of(filter);
        let postgres = self.layout()?.postgres;
        let text = filter.text.as_deref().map(fold).unwrap_or_default();
        let looked_for = match (lead, postgres) {
            (Lead::Part, true) => like(&text),
            (Lead::Part, false) => glob(&text),
            _ => text.clone(),
        };
        let name = after.map(|place| place.name.clone()).unwrap_or_default();
        let first: engine::Value = match lead.is_by_id() {
            true => after.map_or(i64::MAX, |place| place.id).into(),
            false => name.clone().into(),
        };
        let mut values = vec![first];
        values.extend(values![
            limit,
            filter.tenant(),
            &filter.group,
            &filter.tag,
            filter.disabled.map(i64::from),
        ]);
        if matches!(lead, Lead::Part | Lead::Beginning) {
            values.extend(values![looked_for]);
        }
        if lead == Lead::Beginning {
            values.extend(values![fold(&name), format!("{text}\u{10FFFF}")]);
        }
        let names = self.engine()?.fetch(lead.sql(postgres), values, |row| row.text(0)).await?;
        let users = self.users_named(&names).await?;
        self.people(users).await
    }

    /// In the order of the names.
    async fn users_named(&self, names: &[String]) -> Result<Vec<User>, Error> {
        let users = &self.known()?.policy.users;
        let rows = self.engine()?.fetch(users, values![names], part).await?;
        let mut users = gather(rows);
        users.sort_by_cached_key(|user| names.iter().position(|name| *name == user.name));
        Ok(users)
    }
}

/// A part, for PostgreSQL's LIKE.
fn like(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{text}%")
}

/// A part, for SQLite's GLOB.
fn glob(text: &str) -> String {
    let mut pattern = String::from("*");
    for c in text.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            other => pattern.push(other),
        }
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_no_pattern() {
        assert_eq!(like("a%b_c\\"), "%a\\%b\\_c\\\\%");
        assert_eq!(glob("a*b?c[d]"), "*a[*]b[?]c[[]d]*");
    }
}
