//! Users as people edit them: rows of radcheck, radreply and radusergroup under one name.

use crate::store::unready;
use crate::{Error, Row, Store};

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

impl Store {
    pub async fn find_user(&self, _name: &str) -> Result<Option<User>, Error> {
        unready()
    }

    /// Users in order of their names, those that begin with `prefix` and come after `after`.
    pub async fn list_users(
        &self,
        _prefix: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<User>, Error> {
        unready()
    }

    /// Fails with [`Error::Exists`] when any row bears that name.
    pub async fn add_user(&self, _user: &User) -> Result<(), Error> {
        unready()
    }

    /// Makes `before` into `after`, touching only rows that differ. Fails with
    /// [`Error::Changed`] when the rows are no longer `before`.
    pub async fn update_user(&self, _before: &User, _after: &User) -> Result<(), Error> {
        unready()
    }

    /// Removes the user's rows, never the sessions; false when there were none.
    pub async fn remove_user(&self, _name: &str) -> Result<bool, Error> {
        unready()
    }
}
