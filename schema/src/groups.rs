//! Groups as people edit them: rows of radgroupcheck and radgroupreply under one name, and who
//! is in it.

use crate::store::unready;
use crate::{Error, GroupRows, Store};

impl Store {
    /// A group exists when it has rows or members.
    pub async fn find_group(&self, _name: &str) -> Result<Option<GroupRows>, Error> {
        unready()
    }

    /// Groups in order of their names, those that begin with `prefix` and come after `after`.
    pub async fn list_groups(
        &self,
        _prefix: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<GroupRows>, Error> {
        unready()
    }

    /// Fails with [`Error::Exists`] when any row bears that name.
    pub async fn add_group(&self, _group: &GroupRows) -> Result<(), Error> {
        unready()
    }

    /// As `update_user`.
    pub async fn update_group(&self, _before: &GroupRows, _after: &GroupRows) -> Result<(), Error> {
        unready()
    }

    /// Removes the group's rows and memberships. `None` when there were none, else how many
    /// users were in it.
    pub async fn remove_group(&self, _name: &str) -> Result<Option<u64>, Error> {
        unready()
    }

    /// How many memberships name the group.
    pub async fn count_members(&self, _name: &str) -> Result<u64, Error> {
        unready()
    }
}
