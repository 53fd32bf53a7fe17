//! FreeRADIUS's rows that decide: radcheck, radreply, radgroupcheck, radgroupreply,
//! radusergroup, and radhuntgroup where a site has it.

use crate::store::unready;
use crate::{Error, Store};

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
    pub port: Option<String>,
}

impl Store {
    /// The rows of many users in one statement. A user without any row is not in the result.
    pub async fn users_rows(&self, _names: &[&str]) -> Result<Vec<UserRows>, Error> {
        unready()
    }

    /// The rows of the groups named, or of all; a group without any row is not in the result.
    pub async fn groups_rows(&self, _only: Option<&[String]>) -> Result<Vec<GroupRows>, Error> {
        unready()
    }

    /// All of radhuntgroup in order of its ids; empty where there is no such table.
    pub async fn huntgroups(&self) -> Result<Vec<Huntgroup>, Error> {
        unready()
    }
}
