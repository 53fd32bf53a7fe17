//! radacct: one row per session, read, folded by the caller and written in one transaction.

mod archive;
mod at_once;
mod columns;
mod search;
mod write;

use crate::audit::{self, Actor, Deed};
use crate::engine::{Engine, both, statements, values};
use crate::{Error, Store};

pub(crate) use columns::Texts;
pub use search::{SessionFilter, SessionMark, SessionPage, Which};

/// Acct-Terminate-Cause of ours: the NAS began another session under the same Acct-Session-Id.
pub const SESSION_ID_REUSED: &str = "Session-Id-Reused";

/// A row of radacct. Times are seconds since 1970. Addresses are text as PostgreSQL prints an
/// inet; what a NOT NULL column holds as '' is `None` here. `class`, which FreeRADIUS leaves
/// empty, is never touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `None`: not in the table yet.
    pub radacctid: Option<i64>,
    pub acctsessionid: String,
    pub acctuniqueid: String,
    pub username: Option<String>,
    pub realm: Option<String>,
    pub nasipaddress: String,
    pub nasportid: Option<String>,
    pub nasporttype: Option<String>,
    pub acctstarttime: Option<i64>,
    pub acctupdatetime: Option<i64>,
    pub acctstoptime: Option<i64>,
    pub acctinterval: Option<i64>,
    pub acctsessiontime: Option<i64>,
    pub acctauthentic: Option<String>,
    pub connectinfo_start: Option<String>,
    pub connectinfo_stop: Option<String>,
    pub acctinputoctets: Option<i64>,
    pub acctoutputoctets: Option<i64>,
    pub calledstationid: Option<String>,
    pub callingstationid: Option<String>,
    pub acctterminatecause: Option<String>,
    pub servicetype: Option<String>,
    pub framedprotocol: Option<String>,
    pub framedipaddress: Option<String>,
    pub framedipv6address: Option<String>,
    pub framedipv6prefix: Option<String>,
    pub framedinterfaceid: Option<String>,
    pub delegatedipv6prefix: Option<String>,
}

/// An Accounting-On or Accounting-Off: sessions of that NAS ended by then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reboot {
    pub nasipaddress: String,
    /// Epoch seconds.
    pub at: i64,
    pub off: bool,
    pub cause: Option<String>,
}

/// An earlier session under an Acct-Session-Id that its NAS has used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// The id by FreeRADIUS's formula, which the current session holds.
    pub plain_id: String,
    /// Epoch seconds.
    pub start: i64,
    /// The id that the earlier session's row holds now.
    pub acctuniqueid: String,
}

/// What a fold needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// acctuniqueids, sorted.
    pub ids: Vec<String>,
    /// The NAS addresses whose reboots matter.
    pub nases: Vec<String>,
    /// Reboots before this time don't.
    pub since: i64,
}

/// What is in the store, and still is when what the fold wants is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The rows of `Ask::ids` that exist, sorted by acctuniqueid, each with its marks.
    pub rows: Vec<(Session, Option<String>)>,
    /// Filled when the fold has asked for `Step::Older`.
    pub older: Vec<Incarnation>,
    /// It has been asked for.
    pub older_are_known: bool,
    pub reboots: Vec<Reboot>,
}

/// An earlier session as `Step::Older` found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    pub plain_id: String,
    /// The start under which it is known.
    pub start: i64,
    pub session: Session,
    pub marks: Option<String>,
}

/// What the fold answers.
#[derive(Clone, Debug)]
pub enum Step {
    /// Asks once for the earlier sessions whose known start lies nearest below (start + 60) of
    /// each (plain id, start); the fold is then called again with all it knew and those.
    Older(Vec<(String, i64)>),
    Write(Writes),
}

/// What the fold wants written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// With radacctid: updated, whole, before anything is inserted; its acctuniqueid may change.
    /// Without: inserted; if another writer was first, all is undone as [`Error::Conflict`].
    pub rows: Vec<Session>,
    /// Marks by acctuniqueid; `None` deletes.
    pub marks: Vec<(String, Option<String>)>,
    pub reuses: Vec<Reuse>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub inserted: usize,
    pub updated: usize,
}

/// Which sessions a reboot may have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToClose {
    pub radacctid: i64,
    pub acctuniqueid: String,
}

statements! {
    /// The same reboot told with two causes keeps one of them, whichever came first.
    REBOOT = both(
        "INSERT INTO mgmt_nas_reboots (nasipaddress, at, off, cause) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (nasipaddress, at, off) DO UPDATE SET cause = excluded.cause \
         WHERE mgmt_nas_reboots.cause IS NULL OR mgmt_nas_reboots.cause < excluded.cause",
    );
}

/// Statements of `write`.
pub(crate) fn more_statements() -> Vec<(&'static str, &'static crate::engine::Sql)> {
    [write::statements(), archive::statements()].concat()
}

/// What people did to a session: its row's id, and whose it was.
fn deed<'d>(
    action: &'static str,
    session: &'d Session,
    answer: Option<serde_json::Value>,
) -> Deed<'d> {
    let before = serde_json::json!({
        "nas": session.nasipaddress,
        "session": session.acctsessionid,
        "started": session.acctstarttime,
        "address": session.framedipaddress,
        "calling_station": session.callingstationid,
    });
    Deed {
        action,
        object_id: session.radacctid.unwrap_or_default().to_string(),
        object_name: session.username.as_deref().unwrap_or_default(),
        before: Some(before),
        after: answer,
    }
}

impl Store {
    /// One transaction: reads and locks what `ask` names, lets `fold` decide, writes what it
    /// says. `fold` is pure and may be asked again from the beginning; nothing is written before
    /// its last answer.
    pub async fn write_sessions<F>(&self, ask: &Ask, mut fold: F) -> Result<Written, Error>
    where
        F: FnMut(Known) -> Step + Send,
    {
        let known = self.known()?;
        if let (Engine::Postgres(database), Some(at_once)) =
            (self.engine()?, &known.sessions.at_once)
            && let Some(written) =
                at_once.write(database, &known.sessions, ask, self.keeper(), &mut fold).await?
        {
            return Ok(written);
        }
        write::write(self.begin().await?, &known, ask, self.keeper(), None, fold).await
    }

    /// As `write_sessions`, for a person who closes `session`; nothing is noted where nothing is
    /// written.
    pub async fn close_session<F>(
        &self,
        actor: &Actor,
        session: &Session,
        ask: &Ask,
        fold: F,
    ) -> Result<Written, Error>
    where
        F: FnMut(Known) -> Step + Send,
    {
        let known = self.known()?;
        let deed = deed("session.close", session, None);
        let tx = self.begin().await?;
        write::write(tx, &known, ask, self.keeper(), Some((actor, deed)), fold).await
    }

    /// That a person had a NAS asked to end `session`, and what it said.
    pub async fn note_disconnect(
        &self,
        actor: &Actor,
        session: &Session,
        answer: serde_json::Value,
    ) -> Result<(), Error> {
        let deed = deed("session.disconnect", session, Some(answer));
        audit::commit(self.begin().await?, actor, deed).await
    }

    /// Keeps the times at which NASes began or ended; nothing without our tables. When it
    /// returns, every session is either to be seen by `sessions_to_close` or its writer will see
    /// the reboot.
    pub async fn record_reboots(&self, reboots: &[Reboot]) -> Result<(), Error> {
        if !self.known()?.layout.ours() || reboots.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // Waits for the writers that have read without it.
        tx.lock_table("mgmt_nas_reboots").await?;
        for Reboot { nasipaddress, at, off, cause } in reboots {
            tx.execute(&REBOOT, values![nasipaddress, *at, *off, cause]).await?;
        }
        tx.commit().await
    }

    /// Sessions of `nas` that began by `at` and are open and last heard of by `at`; or were closed
    /// at `next`, the reboot after it; or, in the last day, because a session that began at `at`
    /// or later took over their id. In order of radacctid, those above `after`.
    pub async fn sessions_to_close(
        &self,
        nas: &str,
        at: i64,
        next: Option<i64>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ToClose>, Error> {
        let known = self.known()?;
        let texts = &known.sessions;
        let open = values![nas, at, after, limit];
        let mut found = self.fetch_to_close(&texts.to_close, open.clone()).await?;
        if let Some(next) = next {
            let values = values![nas, at, after, limit, next];
            found.extend(self.fetch_to_close(&texts.closed_at, values).await?);
        }
        if let Some(by_reuse) = &texts.closed_by_reuse {
            found.extend(self.fetch_to_close(by_reuse, open).await?);
        }
        found.sort_unstable_by_key(|session| session.radacctid);
        found.truncate(limit);
        Ok(found)
    }

    async fn fetch_to_close(
        &self,
        sql: &crate::engine::Sql,
        values: Vec<crate::engine::Value>,
    ) -> Result<Vec<ToClose>, Error> {
        let map: crate::engine::Map<ToClose> =
            |row| Ok(ToClose { radacctid: row.int(0)?, acctuniqueid: row.text(1)? });
        self.engine()?.fetch(sql, values, map).await
    }

    /// The row of a session.
    pub async fn find_session(&self, acctuniqueid: &str) -> Result<Option<Session>, Error> {
        let known = self.known()?;
        let map = {
            let known = known.clone();
            move |row: &crate::engine::Row<'_>| known.sessions.session(row)
        };
        self.engine()?.find(&known.sessions.find, values![acctuniqueid], map).await
    }
}
