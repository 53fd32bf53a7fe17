//! Authentications: radpostauth as FreeRADIUS fills it but without passwords, and beside it the
//! reason and the trace of each.

mod search;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::{Map, Sql, Tx, Value, both, each, statements, values};
use crate::layout::{Kind, Layout};
use crate::{Error, Store};
use search::Search;

pub use search::{AttemptCount, AttemptFilter, AttemptPage};

/// One authentication that ended in Accept or Reject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Epoch milliseconds.
    pub at_ms: i64,
    pub username: String,
    pub accepted: bool,
    /// Kebab-case; `accepted` for an accept.
    pub reason: String,
    /// The NAS's address, the name we have for it, and what it said of the user's place.
    pub nas_ip: String,
    pub nas_name: String,
    pub nas_port: Option<String>,
    pub calling_station: Option<String>,
    pub called_station: Option<String>,
    /// JSON; never holds a password. Of a reject it is kept within [`Bounds`]; of an accept
    /// each user's last is kept.
    pub trace: Option<String>,
}

/// How many traces of rejects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub per_user: usize,
    pub in_all: usize,
}

/// A kept trace of a reject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub at_ms: i64,
    pub username: String,
    pub reason: String,
    pub nas_ip: String,
    pub trace: String,
}

/// A user's last accept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastAccept {
    pub username: String,
    pub at_ms: i64,
    pub nas_ip: String,
    pub calling_station: Option<String>,
    pub trace: Option<String>,
}

/// How many rows `purge_attempts` took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub attempts: u64,
    pub traces: u64,
    pub postauth: u64,
}

/// Statements made for what a store has.
pub(crate) struct Texts {
    /// `None` where radpostauth is missing or may not be written.
    postauth: Option<Sql>,
    purge_postauth: Option<Sql>,
    /// `None` without the table of owners.
    search: Option<Search>,
}

/// Statements of `search`.
pub(crate) fn more_statements() -> Vec<(&'static str, &'static Sql)> {
    search::statements()
}

/// Counts traces, so that the bound on all of them is looked after now and then only.
#[derive(Default)]
pub(crate) struct Pruning(AtomicU64);

statements! {
    ATTEMPTS = each(
        "INSERT INTO mgmt_attempts (at_ms, username, accepted, reason, nas_ip, nas_name, \
         nas_port, calling_station, called_station) \
         SELECT u.a, u.b, u.c <> 0, u.d, u.e, u.f, u.g, u.h, u.i FROM UNNEST($1::bigint[], \
         $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
         $9::text[]) AS u(a, b, c, d, e, f, g, h, i)",
        "INSERT INTO mgmt_attempts (at_ms, username, accepted, reason, nas_ip, nas_name, \
         nas_port, calling_station, called_station) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    );
    TRACES = each(
        "INSERT INTO mgmt_traces (at_ms, username, reason, nas_ip, trace) \
         SELECT u.a, u.b, u.c, u.d, u.e FROM UNNEST($1::bigint[], $2::text[], $3::text[], \
         $4::text[], $5::text[]) AS u(a, b, c, d, e)",
        "INSERT INTO mgmt_traces (at_ms, username, reason, nas_ip, trace) \
         VALUES ($1, $2, $3, $4, $5)",
    );
    ACCEPTS = each(
        "INSERT INTO mgmt_last_accepts AS l (at_ms, username, nas_ip, calling_station, trace) \
         SELECT u.a, u.b, u.c, u.d, u.e FROM UNNEST($1::bigint[], $2::text[], $3::text[], \
         $4::text[], $5::text[]) AS u(a, b, c, d, e) \
         ON CONFLICT (username) DO UPDATE SET at_ms = excluded.at_ms, nas_ip = excluded.nas_ip, \
         calling_station = excluded.calling_station, trace = excluded.trace \
         WHERE l.at_ms <= excluded.at_ms",
        "INSERT INTO mgmt_last_accepts AS l (at_ms, username, nas_ip, calling_station, trace) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (username) DO UPDATE SET at_ms = excluded.at_ms, nas_ip = excluded.nas_ip, \
         calling_station = excluded.calling_station, trace = excluded.trace \
         WHERE l.at_ms <= excluded.at_ms",
    );
    PRUNE_USERS = each(
        "DELETE FROM mgmt_traces WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
         (PARTITION BY username ORDER BY id DESC) AS n FROM mgmt_traces \
         WHERE username = ANY($1)) t WHERE n > $2)",
        "DELETE FROM mgmt_traces WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
         (PARTITION BY username ORDER BY id DESC) AS n FROM mgmt_traces \
         WHERE username IN (SELECT value FROM json_each($1))) t WHERE n > $2)",
    );
    PRUNE_ALL = both(
        "DELETE FROM mgmt_traces WHERE id <= \
         (SELECT id FROM mgmt_traces ORDER BY id DESC LIMIT 1 OFFSET $1)",
    );
    PURGE_ATTEMPTS = both(
        "DELETE FROM mgmt_attempts WHERE id IN \
         (SELECT id FROM mgmt_attempts WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
    );
    PURGE_TRACES = both(
        "DELETE FROM mgmt_traces WHERE id IN \
         (SELECT id FROM mgmt_traces WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
    );
    PURGE_ACCEPTS = both(
        "DELETE FROM mgmt_last_accepts WHERE username IN \
         (SELECT username FROM mgmt_last_accepts WHERE at_ms < $1 LIMIT $2)",
    );
    LIST = both(
        "SELECT at_ms, username, accepted, reason, nas_ip, nas_name, nas_port, calling_station, \
         called_station FROM mgmt_attempts ORDER BY id DESC LIMIT $1",
    );
    LIST_USER = both(
        "SELECT at_ms, username, accepted, reason, nas_ip, nas_name, nas_port, calling_station, \
         called_station FROM mgmt_attempts WHERE username = $2 ORDER BY id DESC LIMIT $1",
    );
    USER_TRACES = both(
        "SELECT at_ms, username, reason, nas_ip, trace FROM mgmt_traces WHERE username = $1 \
         ORDER BY id DESC LIMIT $2",
    );
    LAST_ACCEPT = both(
        "SELECT username, at_ms, nas_ip, calling_station, trace FROM mgmt_last_accepts \
         WHERE username = $1",
    );
}

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let rights = layout.rights("radpostauth");
        let column = |name| layout.column("radpostauth", name).is_some();
        let (pass, none) = if column("pass") { (", pass", ", ''") } else { ("", "") };
        let is_time = layout.column("radpostauth", "authdate").map(|column| column.kind);
        let (postauth, purge) = match layout.postgres {
            true => {
                let to_time = |ms: &str| match is_time {
                    Some(Kind::Time) => format!("to_timestamp(CAST({ms} AS float8) / 1000)"),
                    _ => format!("CAST(to_timestamp(CAST({ms} AS float8) / 1000) AS text)"),
                };
                let (at, before) = (to_time("u.at"), to_time("$1"));
                (
                    format!(
                        "INSERT INTO radpostauth (username{pass}, reply, authdate) \
                         SELECT u.name{none}, u.reply, {at} FROM UNNEST($1::bigint[], \
                         $2::text[], $3::text[]) AS u(at, name, reply)"
                    ),
                    format!("authdate < {before}"),
                )
            }
            false => (
                format!(
                    "INSERT INTO radpostauth (username{pass}, reply, authdate) \
                     VALUES ($2{none}, $3, $1)"
                ),
                "authdate < $1".to_owned(),
            ),
        };
        let purge = format!(
            "DELETE FROM radpostauth WHERE id IN \
             (SELECT id FROM radpostauth WHERE {purge} ORDER BY authdate LIMIT $2)"
        );
        let writable = rights.insert && column("reply") && column("authdate");
        Texts {
            postauth: writable.then(|| Sql::built(postauth)),
            purge_postauth: (writable && rights.delete && column("id")).then(|| Sql::built(purge)),
            search: Search::of(layout),
        }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        let purge = self.purge_postauth.iter().map(|sql| ("PURGE_POSTAUTH", sql));
        let search = self.search.iter().flat_map(Search::built);
        self.postauth.iter().map(|sql| ("POSTAUTH", sql)).chain(purge).chain(search)
    }
}

type Column<'a> = &'a (dyn Fn(&Attempt) -> Value + Sync);

impl Store {
    /// One transaction for many attempts. Without our tables only radpostauth is written.
    pub async fn write_attempts(&self, attempts: &[Attempt], bounds: Bounds) -> Result<(), Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        let known = self.known()?;
        let followed = self.followed(attempts).await?;
        let mut tx = self.begin().await?;
        if let Some(sql) = &known.attempts.postauth {
            let at: Column<'_> = match tx {
                Tx::Postgres(_) => &|attempt| attempt.at_ms.into(),
                Tx::Sqlite(_) => &|attempt| local(attempt.at_ms, self.timezone()).into(),
            };
            let columns: [Column<'_>; 3] =
                [at, &|attempt| clean(&attempt.username), &|attempt| match attempt.accepted {
                    true => "Access-Accept".into(),
                    false => "Access-Reject".into(),
                }];
            insert(&mut tx, sql, attempts, &columns).await?;
        }
        if known.layout.ours() {
            let all: Vec<_> = attempts.iter().collect();
            insert_attempts(&mut tx, &all).await?;
            self.insert_traces(&mut tx, attempts, bounds).await?;
            insert_accepts(&mut tx, attempts).await?;
        }
        if let Some(followed) = followed {
            followed.count(&mut tx, attempts).await?;
        }
        tx.commit().await
    }

    async fn insert_traces(
        &self,
        tx: &mut Tx,
        attempts: &[Attempt],
        bounds: Bounds,
    ) -> Result<(), Error> {
        let mut of_user: HashMap<&str, usize> = HashMap::new();
        let mut kept: Vec<_> = attempts
            .iter()
            .rev()
            .filter(|attempt| !attempt.accepted && attempt.trace.is_some())
            .filter(|attempt| {
                let count = of_user.entry(&attempt.username).or_default();
                *count += 1;
                *count <= bounds.per_user
            })
            .collect();
        kept.reverse();
        if kept.is_empty() {
            return Ok(());
        }
        let columns: [Column<'_>; 5] = [
            &|attempt| attempt.at_ms.into(),
            &|attempt| clean(&attempt.username),
            &|attempt| clean(&attempt.reason),
            &|attempt| clean(&attempt.nas_ip),
            &|attempt| clean_or_null(&attempt.trace),
        ];
        insert(tx, &TRACES, kept.iter().copied(), &columns).await?;
        let mut users: Vec<_> = kept.iter().map(|attempt| tidied(&attempt.username)).collect();
        users.sort_unstable();
        users.dedup();
        tx.execute(&PRUNE_USERS, values![users, bounds.per_user]).await?;
        let (new, step) = (kept.len() as u64, (bounds.in_all as u64 / 10).max(1));
        let before = self.inner.traces.0.fetch_add(new, Ordering::Relaxed);
        if before == 0 || before / step != (before + new) / step {
            tx.execute(&PRUNE_ALL, values![bounds.in_all]).await?;
        }
        Ok(())
    }

    /// Removes what is older, at most `limit` rows of each table: call it again until all counts
    /// are below. radpostauth is purged only where we made it; a site's own is left alone.
    pub async fn purge_attempts(&self, before_ms: i64, limit: usize) -> Result<Purged, Error> {
        let known = self.known()?;
        let mut purged = Purged::default();
        let mut tx = self.begin().await?;
        if known.layout.ours() {
            let values = values![before_ms, limit];
            purged.attempts = tx.execute(&PURGE_ATTEMPTS, values.clone()).await?;
            purged.traces = tx.execute(&PURGE_TRACES, values.clone()).await?;
            purged.traces += tx.execute(&PURGE_ACCEPTS, values).await?;
            if known.layout.rights("mgmt_attempt_counts").delete {
                search::forget(&mut tx, before_ms).await?;
            }
        }
        if let (Some(sql), true) = (&known.attempts.purge_postauth, known.history.is_ours()) {
            let before: Value = match tx {
                Tx::Postgres(_) => before_ms.into(),
                Tx::Sqlite(_) => local(before_ms, self.timezone()).into(),
            };
            purged.postauth = tx.execute(sql, vec![before, limit.into()]).await?;
        }
        tx.commit().await?;
        Ok(purged)
    }

    /// The newest attempts of a user, or of all.
    pub async fn list_attempts(
        &self,
        username: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Attempt>, Error> {
        if !self.known()?.layout.ours() {
            return Ok(Vec::new());
        }
        let map: Map<Attempt> = |row| {
            Ok(Attempt {
                at_ms: row.int(0)?,
                username: row.text(1)?,
                accepted: row.flag(2)?,
                reason: row.text(3)?,
                nas_ip: row.text(4)?,
                nas_name: row.text(5)?,
                nas_port: row.text_or_null(6)?,
                calling_station: row.text_or_null(7)?,
                called_station: row.text_or_null(8)?,
                trace: None,
            })
        };
        match username {
            Some(name) => self.engine()?.fetch(&LIST_USER, values![limit, name], map).await,
            None => self.engine()?.fetch(&LIST, values![limit], map).await,
        }
    }

    /// The kept traces of a user's rejects, newest first.
    pub async fn list_traces(&self, username: &str, limit: usize) -> Result<Vec<Trace>, Error> {
        if !self.known()?.layout.ours() {
            return Ok(Vec::new());
        }
        let map: Map<Trace> = |row| {
            let (at_ms, username, reason) = (row.int(0)?, row.text(1)?, row.text(2)?);
            Ok(Trace { at_ms, username, reason, nas_ip: row.text(3)?, trace: row.text(4)? })
        };
        self.engine()?.fetch(&USER_TRACES, values![username, limit], map).await
    }

    pub async fn last_accept(&self, username: &str) -> Result<Option<LastAccept>, Error> {
        if !self.known()?.layout.ours() {
            return Ok(None);
        }
        let map: Map<LastAccept> = |row| {
            Ok(LastAccept {
                username: row.text(0)?,
                at_ms: row.int(1)?,
                nas_ip: row.text(2)?,
                calling_station: row.text_or_null(3)?,
                trace: row.text_or_null(4)?,
            })
        };
        self.engine()?.find(&LAST_ACCEPT, values![username], map).await
    }
}

async fn insert_attempts(tx: &mut Tx, attempts: &[&Attempt]) -> Result<(), Error> {
    let columns: [Column<'_>; 9] = [
        &|attempt| attempt.at_ms.into(),
        &|attempt| clean(&attempt.username),
        &|attempt| i64::from(attempt.accepted).into(),
        &|attempt| clean(&attempt.reason),
        &|attempt| clean(&attempt.nas_ip),
        &|attempt| clean(&attempt.nas_name),
        &|attempt| clean_or_null(&attempt.nas_port),
        &|attempt| clean_or_null(&attempt.calling_station),
        &|attempt| clean_or_null(&attempt.called_station),
    ];
    insert(tx, &ATTEMPTS, attempts.iter().copied(), &columns).await
}

/// Each user's last one, in order of names: two writers then can't wait for each other.
async fn insert_accepts(tx: &mut Tx, attempts: &[Attempt]) -> Result<(), Error> {
    let accepted = attempts.iter().filter(|attempt| attempt.accepted);
    let last: HashMap<&str, &Attempt> =
        accepted.map(|attempt| (attempt.username.as_str(), attempt)).collect();
    let mut last: Vec<_> = last.into_values().collect();
    if last.is_empty() {
        return Ok(());
    }
    last.sort_unstable_by_key(|attempt| tidied(&attempt.username));
    last.dedup_by_key(|attempt| tidied(&attempt.username));
    let columns: [Column<'_>; 5] = [
        &|attempt| attempt.at_ms.into(),
        &|attempt| clean(&attempt.username),
        &|attempt| clean(&attempt.nas_ip),
        &|attempt| clean_or_null(&attempt.calling_station),
        &|attempt| clean_or_null(&attempt.trace),
    ];
    insert(tx, &ACCEPTS, last, &columns).await
}

/// Columns as arrays on PostgreSQL, row by row on SQLite.
async fn insert<'a>(
    tx: &mut Tx,
    sql: &Sql,
    attempts: impl IntoIterator<Item = &'a Attempt>,
    columns: &[Column<'_>],
) -> Result<(), Error> {
    let row = |attempt: &Attempt| columns.iter().map(|column| column(attempt)).collect();
    let rows: Vec<Vec<Value>> = attempts.into_iter().map(row).collect();
    match tx {
        Tx::Postgres(_) => {
            tx.execute(sql, Value::columns(rows)).await?;
        }
        Tx::Sqlite(tx) => {
            tx.execute_each(sql, rows).await?;
        }
    }
    Ok(())
}

/// PostgreSQL has no NUL in a text.
fn tidied(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn clean(text: &str) -> Value {
    tidied(text).into()
}

fn clean_or_null(text: &Option<String>) -> Value {
    Value::Text(text.as_deref().map(tidied))
}

/// As FreeRADIUS writes it on SQLite.
fn local(at_ms: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authdate_is_local_time_with_microseconds() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(local(1_700_000_000_005, &berlin), "2023-11-14 23:13:20.005000");
    }
}
