//! Who may send packets: FreeRADIUS's `nas`, our transport settings beside its rows, and NAS
//! known only by their NAS-Identifier.

use crate::store::unready;
use crate::{Error, Store};

/// A rule that may be left to what the NAS shows itself able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tri {
    #[default]
    Auto,
    Yes,
    No,
}

/// A row of `nas`, and what we keep beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NasRow {
    /// 0 for a row that is not in the table yet.
    pub id: i64,
    /// Address, prefix or host name.
    pub nasname: String,
    pub shortname: String,
    pub r#type: String,
    pub ports: Option<i64>,
    pub secret: String,
    pub server: Option<String>,
    pub community: Option<String>,
    pub description: Option<String>,
    /// Kept in our table; `Auto` where nothing is kept.
    pub require_message_authenticator: Tri,
    pub limit_proxy_state: Tri,
}

/// A NAS without a fixed address. It must always send Message-Authenticator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedNas {
    /// Its NAS-Identifier.
    pub identifier: String,
    pub shortname: String,
    pub r#type: String,
    pub secret: String,
    pub description: Option<String>,
    pub limit_proxy_state: Tri,
}

impl Store {
    /// All of `nas` in order of its ids. Rows without name or secret, which FreeRADIUS skips too,
    /// are not in it.
    pub async fn list_nas(&self) -> Result<Vec<NasRow>, Error> {
        unready()
    }

    /// The rows whose nasname or shortname it is.
    pub async fn find_nas(&self, _name: &str) -> Result<Vec<NasRow>, Error> {
        unready()
    }

    /// Returns the new row's id.
    pub async fn add_nas(&self, _nas: &NasRow) -> Result<i64, Error> {
        unready()
    }

    /// Writes the row with that id and its settings; false when it is gone.
    pub async fn update_nas(&self, _nas: &NasRow) -> Result<bool, Error> {
        unready()
    }

    pub async fn remove_nas(&self, _id: i64) -> Result<bool, Error> {
        unready()
    }

    /// Only the transport settings of a row: what `auto` has learned, or an operator's word.
    pub async fn set_nas_transport(
        &self,
        _id: i64,
        _require_message_authenticator: Tri,
        _limit_proxy_state: Tri,
    ) -> Result<(), Error> {
        unready()
    }

    /// The NAS known by NAS-Identifier only; empty without our tables.
    pub async fn list_named_nas(&self) -> Result<Vec<NamedNas>, Error> {
        unready()
    }

    pub async fn add_named_nas(&self, _nas: &NamedNas) -> Result<(), Error> {
        unready()
    }

    pub async fn remove_named_nas(&self, _identifier: &str) -> Result<bool, Error> {
        unready()
    }
}
