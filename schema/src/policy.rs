//! FreeRADIUS's rows that decide: radcheck, radreply, radgroupcheck, radgroupreply,
//! radusergroup, and radhuntgroup where a site has it.

use std::collections::HashMap;

use crate::engine::{self, Sql, each, statements, values};
use crate::layout::Layout;
use crate::{Error, Membership, Store, User};

/// A row of one of the four attribute tables, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// 0 for a row that is not in the table yet.
    pub id: i64,
    pub attribute: String,
    pub op: String,
    pub value: String,
}

/// A user's own rows in order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRows {
    pub name: String,
    pub check: Vec<Row>,
    pub reply: Vec<Row>,
    /// In order of priority.
    pub groups: Vec<String>,
}

/// A group's rows in order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRows {
    pub name: String,
    pub check: Vec<Row>,
    pub reply: Vec<Row>,
}

/// A row of radhuntgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Huntgroup {
    pub group: String,
    pub nas_ip: String,
}

/// Statements made for what a store has.
pub(crate) struct Texts {
    pub users: Sql,
    huntgroups: Option<Sql>,
}

statements! {
    pub(crate) GROUPS = each(
        "SELECT 0, groupname, id, attribute, op, value FROM radgroupcheck \
         WHERE groupname = ANY($1) \
         UNION ALL SELECT 1, groupname, id, attribute, op, value FROM radgroupreply \
         WHERE groupname = ANY($1)",
        "SELECT 0, groupname, id, attribute, op, value FROM radgroupcheck \
         WHERE groupname IN (SELECT value FROM json_each($1)) \
         UNION ALL SELECT 1, groupname, id, attribute, op, value FROM radgroupreply \
         WHERE groupname IN (SELECT value FROM json_each($1))",
    );
    ALL_GROUPS = engine::both(
        "SELECT 0, groupname, id, attribute, op, value FROM radgroupcheck \
         UNION ALL SELECT 1, groupname, id, attribute, op, value FROM radgroupreply",
    );
}

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let among = match layout.postgres {
            true => "= ANY($1)",
            false => "IN (SELECT value FROM json_each($1))",
        };
        let id = match layout.column("radusergroup", "id") {
            Some(_) => "id",
            None => "0",
        };
        let users = format!(
            "SELECT 0, username, CAST(id AS BIGINT), attribute, op, value, CAST(0 AS BIGINT) \
             FROM radcheck WHERE username {among} \
             UNION ALL SELECT 1, username, CAST(id AS BIGINT), attribute, op, value, \
             CAST(0 AS BIGINT) FROM radreply WHERE username {among} \
             UNION ALL SELECT 2, username, CAST({id} AS BIGINT), groupname, NULL, NULL, \
             CAST(priority AS BIGINT) FROM radusergroup WHERE username {among}"
        );
        let order = layout.column("radhuntgroup", "id").map_or("1", |_| "id");
        let huntgroups = layout.has("radhuntgroup").then(|| {
            let text = "SELECT groupname, nasipaddress FROM radhuntgroup ORDER BY ";
            Sql::built(format!("{text}{order}"))
        });
        Texts { users: Sql::built(users), huntgroups }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        let huntgroups = self.huntgroups.iter().map(|sql| ("HUNTGROUPS", sql));
        huntgroups.chain([("USERS", &self.users)])
    }
}

impl Store {
    /// The rows of many users in one statement. A user without any row is not in the result.
    pub async fn users_rows(&self, names: &[&str]) -> Result<Vec<UserRows>, Error> {
        let rows = self.engine()?.fetch(&self.known()?.policy.users, values![names], part).await?;
        let users = gather(rows).into_iter().map(|user| UserRows {
            name: user.name,
            check: user.check,
            reply: user.reply,
            groups: user.groups.into_iter().map(|membership| membership.group).collect(),
        });
        Ok(users.collect())
    }

    /// The rows of the groups named, or of all; a group without any row is not in the result.
    pub async fn groups_rows(&self, only: Option<&[String]>) -> Result<Vec<GroupRows>, Error> {
        let rows = match only {
            Some(names) => self.engine()?.fetch(&GROUPS, values![names], group_part).await?,
            None => self.engine()?.fetch(&ALL_GROUPS, vec![], group_part).await?,
        };
        Ok(gather_groups(rows))
    }

    /// All of radhuntgroup in order of its ids; empty where there is no such table.
    pub async fn huntgroups(&self) -> Result<Vec<Huntgroup>, Error> {
        let known = self.known()?;
        let Some(sql) = &known.policy.huntgroups else { return Ok(Vec::new()) };
        let map: engine::Map<Huntgroup> =
            |row| Ok(Huntgroup { group: row.text(0)?, nas_ip: row.text(1)? });
        self.engine()?.fetch(sql, vec![], map).await
    }
}

/// A row of any of a user's three tables.
pub(crate) struct Part {
    table: i64,
    name: String,
    row: Row,
    priority: i64,
}

pub(crate) fn part(row: &engine::Row<'_>) -> Result<Part, Error> {
    Ok(Part { priority: row.int(6)?, ..group_part(row)? })
}

pub(crate) fn group_part(row: &engine::Row<'_>) -> Result<Part, Error> {
    Ok(Part {
        table: row.int(0)?,
        name: row.text(1)?,
        row: Row {
            id: row.int(2)?,
            attribute: row.text(3)?,
            // A char(2) column pads.
            op: row.text(4)?.trim_end().to_owned(),
            value: row.text(5)?,
        },
        priority: 0,
    })
}

/// Users in order of their first rows; the rows of each in FreeRADIUS's order.
pub(crate) fn gather(parts: Vec<Part>) -> Vec<User> {
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut users: Vec<User> = Vec::new();
    let mut groups: Vec<Vec<(i64, i64, String)>> = Vec::new();
    for Part { table, name, row, priority } in parts {
        let index = match at.get(&name) {
            Some(&index) => index,
            None => {
                users.push(User { name: name.clone(), ..User::default() });
                groups.push(Vec::new());
                at.insert(name, users.len() - 1);
                users.len() - 1
            }
        };
        match table {
            0 => users[index].check.push(row),
            1 => users[index].reply.push(row),
            _ => groups[index].push((priority, row.id, row.attribute)),
        }
    }
    for (user, mut groups) in users.iter_mut().zip(groups) {
        user.check.sort_by_key(|row| row.id);
        user.reply.sort_by_key(|row| row.id);
        groups.sort_by_key(|&(priority, id, _)| (priority, id));
        let membership = |(priority, _, group)| Membership { priority, group };
        user.groups = groups.into_iter().map(membership).collect();
    }
    users
}

pub(crate) fn gather_groups(parts: Vec<Part>) -> Vec<GroupRows> {
    let group = |user: User| {
        let User { name, check, reply, .. } = user;
        GroupRows { name, check, reply }
    };
    gather(parts).into_iter().map(group).collect()
}
