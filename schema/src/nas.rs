//! Who may send packets: FreeRADIUS's `nas`, our transport settings beside its rows, and NAS
//! known only by their NAS-Identifier.

use serde::{Deserialize, Serialize};

use crate::engine::{Map, Sql, Tx, both, statements, values};
use crate::layout::Layout;
use crate::{Change, Error, Store};

/// A rule that may be left to what the NAS shows itself able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tri {
    #[default]
    Auto,
    Yes,
    No,
}

impl Tri {
    fn as_str(self) -> &'static str {
        match self {
            Tri::Auto => "auto",
            Tri::Yes => "yes",
            Tri::No => "no",
        }
    }

    fn of(text: &str) -> Tri {
        match text {
            "yes" => Tri::Yes,
            "no" => Tri::No,
            _ => Tri::Auto,
        }
    }
}

/// A row of `nas`, and what we keep beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedNas {
    /// Its NAS-Identifier.
    pub identifier: String,
    pub shortname: String,
    pub r#type: String,
    pub secret: String,
    pub description: Option<String>,
    pub limit_proxy_state: Tri,
}

/// Statements made for what a store has.
pub(crate) struct Texts {
    /// `None` where the table is missing or may not be read.
    list: Option<Sql>,
}

statements! {
    ADD = both(
        "INSERT INTO nas (nasname, shortname, type, ports, secret, server, community, \
         description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
    );
    UPDATE = both(
        "UPDATE nas SET nasname = $1, shortname = $2, type = $3, ports = $4, secret = $5, \
         server = $6, community = $7, description = $8 WHERE id = $9",
    );
    REMOVE = both("DELETE FROM nas WHERE id = $1");
    SETTINGS = both(
        "INSERT INTO mgmt_nas_settings (nas_id, require_message_authenticator, \
         limit_proxy_state) VALUES ($1, $2, $3) ON CONFLICT (nas_id) DO UPDATE SET \
         require_message_authenticator = excluded.require_message_authenticator, \
         limit_proxy_state = excluded.limit_proxy_state",
    );
    NO_SETTINGS = both("DELETE FROM mgmt_nas_settings WHERE nas_id = $1");
    NAMED = both(
        "SELECT identifier, shortname, type, secret, description, limit_proxy_state \
         FROM mgmt_nas_named ORDER BY identifier",
    );
    ADD_NAMED = both(
        "INSERT INTO mgmt_nas_named (identifier, shortname, type, secret, description, \
         limit_proxy_state) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (identifier) DO NOTHING",
    );
    REMOVE_NAMED = both("DELETE FROM mgmt_nas_named WHERE identifier = $1");
}

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let [ports, server, community, description] =
            ["ports", "server", "community", "description"].map(|column| {
                match layout.or_null("nas", column) {
                    "NULL" => "NULL".to_owned(),
                    column => format!("n.{column}"),
                }
            });
        let (settings, join) = match layout.has("mgmt_nas_settings") {
            true => (
                "s.require_message_authenticator, s.limit_proxy_state",
                "LEFT JOIN mgmt_nas_settings s ON s.nas_id = n.id",
            ),
            false => ("NULL, NULL", ""),
        };
        let list = format!(
            "SELECT n.id, n.nasname, n.shortname, n.type, {ports}, n.secret, {server}, \
             {community}, {description}, {settings} FROM nas n {join} ORDER BY n.id"
        );
        Texts { list: layout.has("nas").then(|| Sql::built(list)) }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        self.list.iter().map(|sql| ("NAS", sql))
    }
}

impl Store {
    /// All of `nas` in order of its ids. Rows without name or shortname, which FreeRADIUS skips, are
    /// not in it; one whose secret is NULL has an empty one, and nobody may serve either.
    pub async fn list_nas(&self) -> Result<Vec<NasRow>, Error> {
        let map: Map<Option<NasRow>> = |row| {
            let needed = (row.text_or_null(1)?, row.text_or_null(2)?);
            let (Some(nasname), Some(shortname)) = needed else { return Ok(None) };
            Ok(Some(NasRow {
                id: row.int(0)?,
                nasname,
                shortname,
                r#type: row.text(3)?,
                ports: row.int_or_null(4)?,
                secret: row.text(5)?,
                server: row.text_or_null(6)?,
                community: row.text_or_null(7)?,
                description: row.text_or_null(8)?,
                require_message_authenticator: Tri::of(&row.text(9)?),
                limit_proxy_state: Tri::of(&row.text(10)?),
            }))
        };
        let known = self.known()?;
        let Some(list) = &known.nas.list else { return Ok(Vec::new()) };
        Ok(self.engine()?.fetch(list, vec![], map).await?.into_iter().flatten().collect())
    }

    /// The rows whose nasname or shortname it is.
    pub async fn find_nas(&self, name: &str) -> Result<Vec<NasRow>, Error> {
        let mut rows = self.list_nas().await?;
        rows.retain(|nas| nas.nasname == name || nas.shortname == name);
        Ok(rows)
    }

    /// Returns the new row's id.
    pub async fn add_nas(&self, nas: &NasRow) -> Result<i64, Error> {
        let mut tx = self.begin().await?;
        let added = tx.fetch(&ADD, row_values(nas), |row| row.int(0)).await?;
        let id = added.first().copied().unwrap_or_default();
        self.settle(&mut tx, id, nas).await?;
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(id)
    }

    /// Writes the row with that id and its settings; false when it is gone.
    pub async fn update_nas(&self, nas: &NasRow) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let mut values = row_values(nas);
        values.push(nas.id.into());
        if tx.execute(&UPDATE, values).await? == 0 {
            return Ok(false);
        }
        self.settle(&mut tx, nas.id, nas).await?;
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(true)
    }

    pub async fn remove_nas(&self, id: i64) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        if tx.execute(&REMOVE, values![id]).await? == 0 {
            return Ok(false);
        }
        if self.known()?.layout.ours() {
            tx.execute(&NO_SETTINGS, values![id]).await?;
        }
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(true)
    }

    /// Only the transport settings of a row: what `auto` has learned, or an operator's word.
    pub async fn set_nas_transport(
        &self,
        id: i64,
        require_message_authenticator: Tri,
        limit_proxy_state: Tri,
    ) -> Result<(), Error> {
        let nas = NasRow { require_message_authenticator, limit_proxy_state, ..NasRow::default() };
        let mut tx = self.begin().await?;
        self.settle(&mut tx, id, &nas).await?;
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(())
    }

    /// A row without settings leaves both to what the NAS shows.
    async fn settle(&self, tx: &mut Tx, id: i64, nas: &NasRow) -> Result<(), Error> {
        let (require, limit) = (nas.require_message_authenticator, nas.limit_proxy_state);
        let default = (require, limit) == (Tri::Auto, Tri::Auto);
        match (self.known()?.layout.ours(), default) {
            (true, false) => {
                tx.execute(&SETTINGS, values![id, require.as_str(), limit.as_str()]).await?;
            }
            (true, true) => {
                tx.execute(&NO_SETTINGS, values![id]).await?;
            }
            (false, true) => {}
            (false, false) => return Err(self.no_tables()),
        }
        Ok(())
    }

    /// The NAS known by NAS-Identifier only; empty without our tables.
    pub async fn list_named_nas(&self) -> Result<Vec<NamedNas>, Error> {
        if !self.known()?.layout.has("mgmt_nas_named") {
            return Ok(Vec::new());
        }
        let map: Map<NamedNas> = |row| {
            Ok(NamedNas {
                identifier: row.text(0)?,
                shortname: row.text(1)?,
                r#type: row.text(2)?,
                secret: row.text(3)?,
                description: row.text_or_null(4)?,
                limit_proxy_state: Tri::of(&row.text(5)?),
            })
        };
        self.engine()?.fetch(&NAMED, vec![], map).await
    }

    /// Fails with [`Error::Exists`] when that identifier is known.
    pub async fn add_named_nas(&self, nas: &NamedNas) -> Result<(), Error> {
        if !self.known()?.layout.ours() {
            return Err(self.no_tables());
        }
        let mut tx = self.begin().await?;
        let NamedNas { identifier, shortname, r#type, secret, description, limit_proxy_state } =
            nas;
        let limit = limit_proxy_state.as_str();
        let values = values![identifier, shortname, r#type, secret, description, limit];
        if tx.execute(&ADD_NAMED, values).await? == 0 {
            return Err(Error::Exists(format!("NAS-Identifier {identifier}")));
        }
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(())
    }

    pub async fn remove_named_nas(&self, identifier: &str) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let removed = tx.execute(&REMOVE_NAMED, values![identifier]).await? > 0;
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(removed)
    }

    fn no_tables(&self) -> Error {
        Error::Denied("this store has no tables of ours; see `radiusd migrate --print-sql`".into())
    }
}

fn row_values(nas: &NasRow) -> Vec<crate::engine::Value> {
    let NasRow {
        nasname, shortname, r#type, ports, secret, server, community, description, ..
    } = nas;
    values![nasname, shortname, r#type, *ports, secret, server, community, description]
}
