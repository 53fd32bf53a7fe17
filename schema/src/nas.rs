//! Who may send packets: FreeRADIUS's `nas`, our transport settings beside its rows, and NAS
//! known only by their NAS-Identifier.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Map, Sql, Tx, both, statements, values};
use crate::layout::Layout;
use crate::tenants::{self, Owned};
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
    pub fn as_str(self) -> &'static str {
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
    /// Where it takes Disconnect-Request; `None` is the usual port. Ours too.
    #[serde(default)]
    pub coa_port: Option<u16>,
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
         limit_proxy_state, coa_port) VALUES ($1, $2, $3, $4) ON CONFLICT (nas_id) DO UPDATE SET \
         require_message_authenticator = excluded.require_message_authenticator, \
         limit_proxy_state = excluded.limit_proxy_state, coa_port = excluded.coa_port",
    );
    TRANSPORT = both(
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
        let coa_port = layout.column("mgmt_nas_settings", "coa_port").is_some();
        let (settings, join) = match layout.has("mgmt_nas_settings") {
            true => (
                if coa_port {
                    "s.require_message_authenticator, s.limit_proxy_state, s.coa_port"
                } else {
                    "s.require_message_authenticator, s.limit_proxy_state, NULL"
                },
                "LEFT JOIN mgmt_nas_settings s ON s.nas_id = n.id",
            ),
            false => ("NULL, NULL, NULL", ""),
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

const ROW: Map<Option<NasRow>> = |row| {
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
        coa_port: row.int_or_null(11)?.and_then(|port| u16::try_from(port).ok()),
    }))
};

impl Store {
    /// All of `nas` in order of its ids. Rows without name or shortname, which FreeRADIUS skips, are
    /// not in it; one whose secret is NULL has an empty one, and nobody may serve either.
    pub async fn list_nas(&self) -> Result<Vec<NasRow>, Error> {
        let known = self.known()?;
        let Some(list) = &known.nas.list else { return Ok(Vec::new()) };
        Ok(self.engine()?.fetch(list, vec![], ROW).await?.into_iter().flatten().collect())
    }

    /// The rows whose nasname or shortname it is.
    pub async fn find_nas(&self, name: &str) -> Result<Vec<NasRow>, Error> {
        let mut rows = self.list_nas().await?;
        rows.retain(|nas| nas.nasname == name || nas.shortname == name);
        Ok(rows)
    }

    /// Returns the new row's id; the row is `tenant`'s. Fails with [`Error::Exists`] where one has
    /// that address.
    pub async fn add_nas(
        &self,
        actor: &Actor,
        nas: &NasRow,
        tenant: Option<Uuid>,
    ) -> Result<i64, Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("nas").await?;
        if self.read_nas(&mut tx).await?.iter().any(|other| other.nasname == nas.nasname) {
            return Err(Error::Exists(format!("NAS {}", nas.nasname)));
        }
        let added = tx.fetch(&ADD, row_values(nas), |row| row.int(0)).await?;
        let id = added.first().copied().unwrap_or_default();
        self.settle(&mut tx, id, nas).await?;
        if tenant.is_some() {
            tenants::own(&mut tx, Owned::Nas, &id.to_string(), tenant).await?;
        }
        let mut after = nas.edited();
        after["tenant"] = json!(tenant);
        self.end_nas(tx, actor, "nas.add", (id, &nas.nasname), None, Some(after)).await?;
        Ok(id)
    }

    /// Makes the row `before` into `after`, which has its id. False when it is gone; fails with
    /// [`Error::Changed`] when it is no longer `before`, and as `add_nas`.
    pub async fn update_nas(
        &self,
        actor: &Actor,
        before: &NasRow,
        after: &NasRow,
    ) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("nas").await?;
        let all = self.read_nas(&mut tx).await?;
        let Some(now) = all.iter().find(|row| row.id == after.id) else { return Ok(false) };
        if now != before {
            return Err(Error::Changed(format!("NAS {}", before.nasname)));
        }
        let has = |row: &NasRow| row.id != after.id && row.nasname == after.nasname;
        if before.nasname != after.nasname && all.iter().any(has) {
            return Err(Error::Exists(format!("NAS {}", after.nasname)));
        }
        let mut values = row_values(after);
        values.push(after.id.into());
        tx.execute(&UPDATE, values).await?;
        self.settle(&mut tx, after.id, after).await?;
        let (old, mut new) = (before.edited(), after.edited());
        if before.secret != after.secret {
            new["secret"] = json!("changed");
        }
        let name = (after.id, after.nasname.as_str());
        self.end_nas(tx, actor, "nas.change", name, Some(old), Some(new)).await?;
        Ok(true)
    }

    /// With its settings; false when it is gone. Its sessions stay.
    pub async fn remove_nas(&self, actor: &Actor, id: i64) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let all = self.read_nas(&mut tx).await?;
        let Some(now) = all.into_iter().find(|row| row.id == id) else { return Ok(false) };
        tx.execute(&REMOVE, values![id]).await?;
        if self.known()?.layout.ours() {
            tx.execute(&NO_SETTINGS, values![id]).await?;
        }
        if self.known()?.layout.has("mgmt_owners") {
            tenants::own(&mut tx, Owned::Nas, &id.to_string(), None).await?;
        }
        self.end_nas(tx, actor, "nas.remove", (id, &now.nasname), Some(now.edited()), None).await?;
        Ok(true)
    }

    /// The secret, with a note of who has seen it; none when the row is gone.
    pub async fn reveal_nas_secret(&self, actor: &Actor, id: i64) -> Result<Option<String>, Error> {
        let mut tx = self.begin().await?;
        let all = self.read_nas(&mut tx).await?;
        let Some(now) = all.into_iter().find(|row| row.id == id) else { return Ok(None) };
        self.end_nas(tx, actor, "nas.reveal-secret", (id, &now.nasname), None, None).await?;
        Ok(Some(now.secret))
    }

    async fn read_nas(&self, tx: &mut Tx) -> Result<Vec<NasRow>, Error> {
        let known = self.known()?;
        let Some(list) = &known.nas.list else {
            return Err(Error::Denied("the table nas is missing or may not be read".into()));
        };
        Ok(tx.fetch(list, vec![], ROW).await?.into_iter().flatten().collect())
    }

    /// The last of a change by a person.
    async fn end_nas(
        &self,
        tx: Tx,
        actor: &Actor,
        action: &'static str,
        (id, object_name): (i64, &str),
        before: Option<Json>,
        after: Option<Json>,
    ) -> Result<(), Error> {
        let object_id = id.to_string();
        audit::commit(tx, actor, Deed { action, object_id, object_name, before, after }).await?;
        self.publish(Change::Nas);
        Ok(())
    }

    /// Only the transport settings of a row: what `auto` has learned, or an operator's word.
    pub async fn set_nas_transport(
        &self,
        id: i64,
        require_message_authenticator: Tri,
        limit_proxy_state: Tri,
    ) -> Result<(), Error> {
        if !self.known()?.layout.ours() {
            return Err(self.no_tables());
        }
        let mut tx = self.begin().await?;
        let (require, limit) = (require_message_authenticator.as_str(), limit_proxy_state.as_str());
        tx.execute(&TRANSPORT, values![id, require, limit]).await?;
        tx.commit().await?;
        self.publish(Change::Nas);
        Ok(())
    }

    /// A row without settings leaves all to what the NAS shows.
    async fn settle(&self, tx: &mut Tx, id: i64, nas: &NasRow) -> Result<(), Error> {
        let (require, limit) = (nas.require_message_authenticator, nas.limit_proxy_state);
        let default = (require, limit, nas.coa_port) == (Tri::Auto, Tri::Auto, None);
        match (self.known()?.layout.ours(), default) {
            (true, false) => {
                let port = nas.coa_port.map(i64::from);
                let values = values![id, require.as_str(), limit.as_str(), port];
                tx.execute(&SETTINGS, values).await?;
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
    pub async fn add_named_nas(&self, actor: &Actor, nas: &NamedNas) -> Result<(), Error> {
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
        let after = json!({
            "identifier": identifier, "shortname": shortname, "type": r#type,
            "description": description, "limit_proxy_state": limit,
        });
        self.end_nas(tx, actor, "nas.add", (0, identifier), None, Some(after)).await
    }

    pub async fn remove_named_nas(&self, actor: &Actor, identifier: &str) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        if tx.execute(&REMOVE_NAMED, values![identifier]).await? == 0 {
            return Ok(false);
        }
        if self.known()?.layout.has("mgmt_owners") {
            tenants::own(&mut tx, Owned::NamedNas, identifier, None).await?;
        }
        self.end_nas(tx, actor, "nas.remove", (0, identifier), None, None).await?;
        Ok(true)
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

impl NasRow {
    /// For the audit log: all but what is secret.
    fn edited(&self) -> Json {
        json!({
            "address": self.nasname,
            "shortname": self.shortname,
            "type": self.r#type,
            "ports": self.ports,
            "server": self.server,
            "description": self.description,
            "require_message_authenticator": self.require_message_authenticator.as_str(),
            "limit_proxy_state": self.limit_proxy_state.as_str(),
            "coa_port": self.coa_port,
        })
    }
}
