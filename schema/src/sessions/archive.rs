//! Sessions that ended long ago, moved out of radacct, and back when a late record is about one.
//!
//! What was counted stays counted: a session in the archive holds what it held. `archived_to` in
//! mgmt_usage_state is the latest end in the archive; who would make a session that began by then
//! looks there first, so that none is ever in both.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::columns::{Cell, Form, Place, Texts, names};
use super::{Reuse, Session};
use crate::engine::{Row, Sql, Tx, Value, each, statements, values};
use crate::layout::{Kind, Layout};
use crate::{Error, Store, store};

statements! {
    REMOVE = each(
        "DELETE FROM radacct WHERE radacctid = ANY($1)",
        "DELETE FROM radacct WHERE radacctid IN (SELECT value FROM json_each($1))",
    );
    TAKE_MARKS = each(
        "DELETE FROM mgmt_session_marks WHERE acctuniqueid = ANY($1) \
         RETURNING acctuniqueid, state",
        "DELETE FROM mgmt_session_marks \
         WHERE acctuniqueid IN (SELECT value FROM json_each($1)) RETURNING acctuniqueid, state",
    );
    REUSED = each(
        "SELECT acctuniqueid FROM mgmt_session_reuse WHERE plain_id = ANY($1)",
        "SELECT acctuniqueid FROM mgmt_session_reuse \
         WHERE plain_id IN (SELECT value FROM json_each($1))",
    );
    ARCHIVED_TO = crate::engine::both("UPDATE mgmt_usage_state SET archived_to = $1");
}

/// Statements made for the columns that a store's radacct has.
pub(crate) struct Archive {
    /// Closed sessions, and their class.
    closed: Sql,
    put: Sql,
    take: Sql,
    back: Sql,
    /// In order of radacctid.
    pub(crate) to_count: Sql,
    class: bool,
}

/// A row of the archive.
struct Kept {
    session: Session,
    class: Option<String>,
    marks: Option<String>,
}

impl Archive {
    pub(super) fn of(layout: &Layout, select: &str, places: &[Place]) -> Archive {
        let postgres = layout.postgres;
        let class = layout.column("radacct", "class").is_some();
        let class_or_null = if class { "a.class" } else { "NULL" };
        let stop = match layout.column("radacct", "acctstoptime").map(|column| column.kind) {
            Some(Kind::Time) if postgres => "to_timestamp(CAST($1 AS float8))",
            _ => "$1",
        };
        let lock = if postgres { " FOR UPDATE" } else { "" };
        let ours = names().join(", ");
        let among = match postgres {
            true => "= ANY($1)",
            false => "IN (SELECT value FROM json_each($1))",
        };
        Archive {
            closed: Sql::built(format!(
                "SELECT {select}, {class_or_null} FROM radacct a WHERE a.acctstoptime < {stop} \
                 LIMIT $2{lock}"
            )),
            put: Sql::built(put(postgres)),
            take: Sql::built(format!(
                "DELETE FROM mgmt_radacct_archive WHERE acctuniqueid {among} \
                 RETURNING radacctid, {ours}, class, marks"
            )),
            back: Sql::built(back(places, postgres, class)),
            to_count: Sql::built(format!(
                "SELECT radacctid, {ours} FROM mgmt_radacct_archive \
                 WHERE radacctid > $1 AND radacctid <= $2 ORDER BY radacctid LIMIT $3"
            )),
            class,
        }
    }

    pub(super) fn built(&self) -> [(&'static str, &Sql); 5] {
        [
            ("ARCHIVE_CLOSED", &self.closed),
            ("ARCHIVE_PUT", &self.put),
            ("ARCHIVE_TAKE", &self.take),
            ("ARCHIVE_BACK", &self.back),
            ("ARCHIVE_TO_COUNT", &self.to_count),
        ]
    }

    async fn move_there(&self, tx: &mut Tx, mut kept: Vec<Kept>) -> Result<(), Error> {
        let of = |kept: &Kept| kept.session.acctuniqueid.clone();
        let ids: Vec<String> = kept.iter().map(of).collect();
        let marks = tx.fetch(&TAKE_MARKS, values![ids], |row| Ok((row.text(0)?, row.text(1)?)));
        let mut marks: HashMap<_, _> = marks.await?.into_iter().collect();
        for kept in &mut kept {
            kept.marks = marks.remove(&kept.session.acctuniqueid);
        }
        let ids: Vec<i64> = kept.iter().filter_map(|kept| kept.session.radacctid).collect();
        if ids.is_empty() {
            return Ok(());
        }
        tx.execute_rows(&self.put, kept.into_iter().map(Kept::into_row).collect()).await?;
        tx.execute(&REMOVE, values![ids]).await?;
        Ok(())
    }

    /// Moves sessions back that a late record may be about; says how many. `current`: the last
    /// under each id is the current one, else all are earlier ones.
    pub(super) async fn restore(
        &self,
        tx: &mut Tx,
        texts: &Texts,
        ids: Vec<String>,
        current: bool,
    ) -> Result<usize, Error> {
        let mut found = tx.fetch(&self.take, values![ids], Kept::read).await?;
        found.sort_by(|one, other| {
            let key = |kept: &Kept| (kept.session.acctuniqueid.clone(), kept.session.acctstarttime);
            key(one).cmp(&key(other))
        });
        let mut rows = Vec::with_capacity(found.len());
        let (mut marks, mut reuses) = (Vec::new(), Vec::new());
        let mut kept = found.into_iter().peekable();
        while let Some(Kept { mut session, class, marks: state }) = kept.next() {
            let plain_id = session.acctuniqueid.clone();
            let last = kept.peek().is_none_or(|next| next.session.acctuniqueid != plain_id);
            if !(last && current) {
                let start = session.acctstarttime.unwrap_or_default();
                session.acctuniqueid = hex::encode(Md5::digest(format!("{plain_id},{start}")));
                let acctuniqueid = session.acctuniqueid.clone();
                reuses.push(Reuse { plain_id, start, acctuniqueid });
            }
            marks.extend(state.map(|state| (session.acctuniqueid.clone(), Some(state))));
            rows.push(self.row_back(texts, &session, class));
        }
        let count = rows.len();
        if count > 0 {
            tx.execute_rows(&self.back, rows).await?;
            super::write::put_beside(tx, marks, reuses).await?;
        }
        Ok(count)
    }

    /// The same for the earlier sessions under these plain ids.
    pub(super) async fn restore_older(
        &self,
        tx: &mut Tx,
        texts: &Texts,
        plain_ids: Vec<String>,
    ) -> Result<(), Error> {
        let reused = tx.fetch(&REUSED, values![plain_ids.as_slice()], |row| row.text(0)).await?;
        self.restore(tx, texts, reused, true).await?;
        self.restore(tx, texts, plain_ids, false).await?;
        Ok(())
    }

    fn row_back(&self, texts: &Texts, session: &Session, class: Option<String>) -> Vec<Value> {
        let mut row = vec![Value::from(session.radacctid)];
        row.extend(texts.places.iter().map(|place| match session.cell(place.index) {
            Cell::Text(text) => Value::from(place.shown(text)),
            Cell::Int(number) => Value::from(number),
        }));
        if self.class {
            row.push(Value::Text(class));
        }
        row
    }
}

impl Kept {
    fn read(row: &Row<'_>) -> Result<Kept, Error> {
        Ok(Kept {
            session: Session::archived(row)?,
            class: row.text_or_null(Texts::WIDTH)?,
            marks: row.text_or_null(Texts::WIDTH + 1)?,
        })
    }

    fn month(&self) -> Option<(String, i64, i64)> {
        month(self.session.acctstoptime?)
    }

    fn into_row(self) -> Vec<Value> {
        let mut row = vec![Value::from(self.session.radacctid)];
        row.extend((0..names().len()).map(|column| match self.session.cell(column) {
            Cell::Text(text) => Value::from(text),
            Cell::Int(number) => Value::from(number),
        }));
        row.extend([Value::Text(self.class), Value::Text(self.marks)]);
        row
    }
}

fn put(postgres: bool) -> String {
    let forms = super::columns::forms().into_iter().map(|form| match form {
        Form::Text | Form::Address => "text[]",
        Form::Int | Form::Time => "bigint[]",
    });
    let forms = ["bigint[]"].into_iter().chain(forms).chain(["text[]", "text[]"]);
    let parameters: Vec<_> = (1..)
        .zip(forms)
        .map(|(at, form)| if postgres { format!("${at}::{form}") } else { format!("${at}") })
        .collect();
    let parameters = parameters.join(", ");
    let values = match postgres {
        true => format!("SELECT * FROM UNNEST({parameters})"),
        false => format!("VALUES ({parameters})"),
    };
    let ours = names().join(", ");
    format!("INSERT INTO mgmt_radacct_archive (radacctid, {ours}, class, marks) {values}")
}

fn back(places: &[Place], postgres: bool, class: bool) -> String {
    let class = class.then_some("class");
    let names: Vec<_> = places.iter().map(Place::name).chain(class).collect();
    let names = names.join(", ");
    let forms = places.iter().map(Place::array).chain(class.map(|_| "text[]"));
    let forms = ["bigint[]"].into_iter().chain(forms);
    let parameters: Vec<_> = (1..)
        .zip(forms)
        .map(|(at, form)| if postgres { format!("${at}::{form}") } else { format!("${at}") })
        .collect();
    let parameters = parameters.join(", ");
    if !postgres {
        return format!("INSERT INTO radacct (radacctid, {names}) VALUES ({parameters})");
    }
    let values = places.iter().map(Place::write).chain(class.map(|_| "u.class".to_owned()));
    let values = values.collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO radacct (radacctid, {names}) SELECT u.radacctid, {values} \
         FROM UNNEST({parameters}) AS u(radacctid, {names})"
    )
}

impl Store {
    /// Moves up to `limit` sessions that ended before `before` (epoch seconds) to the archive;
    /// none while sessions of before are still to be counted. Says how many.
    pub async fn archive_sessions(&self, before: i64, limit: usize) -> Result<usize, Error> {
        self.needs_usage()?;
        let known = self.known()?;
        if !known.layout.rights("radacct").delete {
            return Err(Error::Denied("DELETE on radacct, which the archive needs".into()));
        }
        let closed = &known.sessions.archive.closed;
        let map = {
            let known: Arc<store::Known> = known.clone();
            move |row: &Row<'_>| {
                let session = known.sessions.session(row)?;
                Ok(Kept { session, class: row.text_or_null(Texts::WIDTH)?, marks: None })
            }
        };
        // Whoever reads the archive holds a new partition up, which must not hold writers up.
        let mut tx = self.begin().await?;
        let found = tx.fetch(closed, values![before, limit], map.clone()).await?;
        let months: BTreeSet<_> = found.iter().filter_map(Kept::month).collect();
        for month in &months {
            tx.ensure_partition("mgmt_radacct_archive", month).await?;
        }
        tx.commit().await?;
        if found.is_empty() {
            return Ok(0);
        }
        let (mut tx, state) = self.alone().await?;
        if !state.is_filled() {
            return Ok(0);
        }
        let mut found = tx.fetch(closed, values![before, limit], map).await?;
        found.retain(|kept| kept.month().is_some_and(|month| months.contains(&month)));
        let count = found.len();
        let last = found.iter().filter_map(|kept| kept.session.acctstoptime).max();
        let archived_to = state.archived_to.max(last.unwrap_or_default());
        known.sessions.archive.move_there(&mut tx, found).await?;
        tx.execute(&ARCHIVED_TO, values![archived_to]).await?;
        self.end(tx, crate::usage::State { archived_to, ..state }).await?;
        Ok(count)
    }
}

/// The month (UTC) in which a time lies: its name, and from when to when it is.
fn month(time: i64) -> Option<(String, i64, i64)> {
    let day = jiff::Timestamp::from_second(time).ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let first = day.date().first_of_month();
    let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
    let second = |date: jiff::civil::Date| {
        Some(date.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    };
    Some((first.strftime("%Y%m").to_string(), second(first)?, second(next)?))
}
