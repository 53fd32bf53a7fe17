//! What limits are measured against: time and volume used, sessions open now.
//!
//! `names` is a user's name in every form radacct may hold it: raw, and as FreeRADIUS escapes it.

use crate::engine::{Map, Sql, each, statements, values};
use crate::layout::Layout;
use crate::{Error, Store};

/// Octets of a user's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    pub input: i64,
    pub output: i64,
}

/// A session that nobody closed and that began after its NAS's entry in nasreload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenSession {
    pub radacctid: i64,
    pub acctsessionid: String,
    pub acctuniqueid: String,
    pub nas_ip: String,
    pub nas_port_id: Option<String>,
    pub framed_ip: Option<String>,
    pub calling_station: Option<String>,
    pub framed_protocol: Option<String>,
    pub start: Option<i64>,
    pub update: Option<i64>,
}

/// An open session, as little of it as tells whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Online<'r> {
    pub acctuniqueid: &'r str,
    pub username: &'r str,
    pub nas_ip: &'r str,
    pub start: Option<i64>,
}

/// Statements made for what a store has.
pub(crate) struct Texts {
    open: Sql,
    online: Sql,
}

// The time of a session before `$2` is taken off; `end` is what FreeRADIUS takes for it.
statements! {
    SECONDS = each(
        "SELECT CAST(SUM(acctsessiontime - GREATEST($2 - start, 0)) AS BIGINT) FROM \
         (SELECT acctsessiontime, CAST(floor(date_part('epoch', acctstarttime)) AS BIGINT) AS start \
         FROM radacct WHERE username = ANY($1)) s WHERE start + acctsessiontime > $2",
        "SELECT SUM(acctsessiontime - max($2 - acctstarttime, 0)) FROM radacct \
         WHERE username IN (SELECT value FROM json_each($1)) \
         AND acctstarttime + acctsessiontime > $2",
    );
    SECONDS_EVER = each(
        "SELECT CAST(SUM(acctsessiontime) AS BIGINT) FROM radacct WHERE username = ANY($1)",
        "SELECT SUM(acctsessiontime) FROM radacct \
         WHERE username IN (SELECT value FROM json_each($1))",
    );
    VOLUME = each(
        "SELECT CAST(SUM(acctinputoctets) AS BIGINT), CAST(SUM(acctoutputoctets) AS BIGINT) \
         FROM radacct WHERE username = ANY($1) AND (CAST($2 AS BIGINT) IS NULL \
         OR date_part('epoch', acctstarttime) + COALESCE(acctsessiontime, 0) > $2)",
        "SELECT SUM(acctinputoctets), SUM(acctoutputoctets) FROM radacct \
         WHERE username IN (SELECT value FROM json_each($1)) AND ($2 IS NULL \
         OR acctstarttime + COALESCE(acctsessiontime, 0) > $2)",
    );
    FIRST_LOGIN = each(
        "SELECT CAST(MIN(acctstarttime) AS timestamptz) FROM radacct WHERE username = ANY($1)",
        "SELECT MIN(acctstarttime) FROM radacct \
         WHERE username IN (SELECT value FROM json_each($1))",
    );
}

/// More sessions than this of one user need not be told apart.
const OPEN_MAX: usize = 1_000;
/// Open sessions read at a time where an answer is held in memory whole.
const PAGE: usize = 10_000;

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let (join, since) = match layout.has("nasreload") {
            true => (
                "LEFT JOIN nasreload n ON n.nasipaddress = a.nasipaddress",
                "AND (n.reloadtime IS NULL OR a.acctstarttime > n.reloadtime)",
            ),
            false => ("", ""),
        };
        let or_null = |column| match layout.or_null("radacct", column) {
            "NULL" => "NULL".to_owned(),
            column => format!("a.{column}"),
        };
        let (port, protocol) = (or_null("nasportid"), or_null("framedprotocol"));
        let (address, time, among) = match layout.postgres {
            true => ("abbrev", "timestamptz", "= ANY($1)"),
            false => ("", "INTEGER", "IN (SELECT value FROM json_each($1))"),
        };
        let address = |column| match layout.column("radacct", column).map(|column| column.kind) {
            Some(crate::layout::Kind::Address) => format!("{address}(a.{column})"),
            _ => format!("a.{column}"),
        };
        let (nas, framed) = (address("nasipaddress"), address("framedipaddress"));
        // On SQLite all comes at once, and the index of all sessions must not be taken for it.
        let id = if layout.postgres { "a.acctuniqueid" } else { "+a.acctuniqueid" };
        Texts {
            open: Sql::built(format!(
                "SELECT a.radacctid, a.acctsessionid, a.acctuniqueid, {nas}, {port}, {framed}, \
                 a.callingstationid, {protocol}, CAST(a.acctstarttime AS {time}), \
                 CAST(a.acctupdatetime AS {time}) FROM radacct a {join} \
                 WHERE a.username {among} AND a.acctstoptime IS NULL {since} \
                 ORDER BY a.radacctid + 0 LIMIT $2"
            )),
            online: Sql::built(format!(
                "SELECT a.acctuniqueid, a.username, {nas}, CAST(a.acctstarttime AS {time}) \
                 FROM radacct a \
                 WHERE a.acctstoptime IS NULL AND {id} > $1 ORDER BY {id} LIMIT $2"
            )),
        }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        [("OPEN", &self.open), ("ONLINE", &self.online)].into_iter()
    }
}

impl Store {
    /// Seconds of the sessions that reach into the time since `since` (epoch seconds), without
    /// what lies before it; none when no session does. FreeRADIUS's daily, weekly and monthly
    /// counters.
    pub async fn session_seconds(&self, names: &[&str], since: i64) -> Result<Option<i64>, Error> {
        self.sum(&SECONDS, values![names, since]).await
    }

    /// Seconds of all sessions ever; none when there are none.
    pub async fn session_seconds_ever(&self, names: &[&str]) -> Result<Option<i64>, Error> {
        self.sum(&SECONDS_EVER, values![names]).await
    }

    async fn sum(
        &self,
        sql: &Sql,
        values: Vec<crate::engine::Value>,
    ) -> Result<Option<i64>, Error> {
        Ok(self.engine()?.find(sql, values, |row| row.int_or_null(0)).await?.flatten())
    }

    /// Octets of the sessions that reach into the time since `since`; of all for `None`.
    pub async fn volume(&self, names: &[&str], since: Option<i64>) -> Result<Volume, Error> {
        let map: Map<Volume> = |row| Ok(Volume { input: row.int(0)?, output: row.int(1)? });
        let found = self.engine()?.find(&VOLUME, values![names, since], map).await?;
        Ok(found.unwrap_or_default())
    }

    /// When the first session began, epoch seconds.
    pub async fn first_login(&self, names: &[&str]) -> Result<Option<i64>, Error> {
        let found = self.engine()?.find(&FIRST_LOGIN, values![names], |row| row.time(0)).await?;
        Ok(found.flatten())
    }

    pub async fn open_sessions(&self, names: &[&str]) -> Result<Vec<OpenSession>, Error> {
        let map: Map<OpenSession> = |row| {
            Ok(OpenSession {
                radacctid: row.int(0)?,
                acctsessionid: row.text(1)?,
                acctuniqueid: row.text(2)?,
                nas_ip: row.text(3)?,
                nas_port_id: row.text_or_empty(4)?,
                framed_ip: row.text_or_empty(5)?,
                calling_station: row.text_or_empty(6)?,
                framed_protocol: row.text_or_empty(7)?,
                start: row.time(8)?,
                update: row.time(9)?,
            })
        };
        let known = self.known()?;
        self.engine()?.fetch(&known.counters.open, values![names, OPEN_MAX], map).await
    }

    /// All open sessions, each as `map` makes it. Those that open or close meanwhile may be among
    /// them or not.
    pub async fn online<T: Send + 'static>(
        &self,
        map: impl Fn(Online<'_>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let known = self.known()?;
        let page = if self.engine_name() == "sqlite" { usize::MAX >> 1 } else { PAGE };
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let map = map.clone();
            let read = move |row: &crate::engine::Row<'_>| {
                let (id, user, nas) = (row.text(0)?, row.text(1)?, row.text(2)?);
                let online = Online {
                    acctuniqueid: &id,
                    username: &user,
                    nas_ip: &nas,
                    start: row.time(3)?,
                };
                Ok((map(online), id))
            };
            let found = self
                .engine()?
                .fetch(&known.counters.online, values![after.as_str(), page], read)
                .await?;
            let count = found.len();
            if let Some((_, last)) = found.last() {
                after.clone_from(last);
            }
            all.extend(found.into_iter().map(|(one, _)| one));
            if count < page {
                return Ok(all);
            }
        }
    }
}
