//! Rows compiled once: attributes found, values read, operators known, mistakes kept.

use std::sync::Arc;

use dictionaries::Dictionary;
use hashbrown::HashMap;
use jiff::tz::TimeZone;

/// A user's rows, ready to decide with.
#[derive(Debug)]
pub struct UserPolicy {
    pub(super) name: Box<str>,
    pub(super) groups: Box<[Box<str>]>,
}

/// A group's.
#[derive(Debug)]
pub struct GroupPolicy {
    pub(super) name: Box<str>,
}

impl UserPolicy {
    /// As it stands in the tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In order of priority.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| &**group)
    }

    /// Octets of memory, roughly.
    pub fn size(&self) -> usize {
        size_of::<UserPolicy>() + self.name.len()
    }
}

impl GroupPolicy {
    pub fn name(&self) -> &str {
        &self.name
    }
}

pub fn compile_user(
    rows: &schema::UserRows,
    _dictionary: &Dictionary,
    _zone: &TimeZone,
) -> UserPolicy {
    UserPolicy {
        name: rows.name.as_str().into(),
        groups: rows.groups.iter().map(|group| group.as_str().into()).collect(),
    }
}

pub fn compile_group(
    rows: &schema::GroupRows,
    _dictionary: &Dictionary,
    _zone: &TimeZone,
) -> GroupPolicy {
    GroupPolicy { name: rows.name.as_str().into() }
}

/// All groups; cheap to copy with a few of them replaced.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    by_name: HashMap<Box<str>, Arc<GroupPolicy>, ahash::RandomState>,
}

impl Groups {
    pub fn insert(&mut self, group: GroupPolicy) {
        self.by_name.insert(group.name.clone(), Arc::new(group));
    }

    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub fn get(&self, name: &str) -> Option<&GroupPolicy> {
        self.by_name.get(name).map(|group| &**group)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl FromIterator<GroupPolicy> for Groups {
    fn from_iter<I: IntoIterator<Item = GroupPolicy>>(groups: I) -> Groups {
        let mut all = Groups::default();
        groups.into_iter().for_each(|group| all.insert(group));
        all
    }
}
