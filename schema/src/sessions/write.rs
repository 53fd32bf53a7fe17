//! One transaction of many sessions: lock and read, fold, write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::{Cell, Change, Digest, Place, Texts};
use super::{Ask, Incarnation, Known, Reboot, Reuse, Session, Step, Writes, Written};
use crate::Error;
use crate::audit::{self, Actor, Deed};
use crate::engine::postgres::{self, Arguments};
use crate::engine::{Row, Tx, both, each, sqlite, statements, values};
use crate::migrations::now_ms;
use crate::usage::{Counted, Keeper};
use crate::{store, usage};

statements! {
    /// Marks and reboots in one. The clause that finds nothing holds reboots back until we have
    /// committed (see `record_reboots`): a session is then either seen by whoever closes the
    /// sessions of a reboot, or its writer has seen the reboot.
    BESIDE = each(
        "WITH held AS (SELECT at FROM mgmt_nas_reboots WHERE false FOR KEY SHARE) \
         SELECT 0, acctuniqueid, state, CAST(0 AS BIGINT), false FROM mgmt_session_marks \
         WHERE acctuniqueid = ANY($1) \
         UNION ALL SELECT 1, nasipaddress, cause, at, off FROM mgmt_nas_reboots \
         WHERE nasipaddress = ANY($2) AND at >= $3",
        "SELECT 0, acctuniqueid, state, 0, 0 FROM mgmt_session_marks \
         WHERE acctuniqueid IN (SELECT value FROM json_each($1)) \
         UNION ALL SELECT 1, nasipaddress, cause, at, off FROM mgmt_nas_reboots \
         WHERE nasipaddress IN (SELECT value FROM json_each($2)) AND at >= $3",
    );
    MARK = each(
        "INSERT INTO mgmt_session_marks (acctuniqueid, state, changed_at) \
         SELECT u.id, u.state, $3 FROM UNNEST($1::text[], $2::text[]) AS u(id, state) \
         ON CONFLICT (acctuniqueid) DO UPDATE \
         SET state = excluded.state, changed_at = excluded.changed_at",
        "INSERT INTO mgmt_session_marks (acctuniqueid, state, changed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (acctuniqueid) DO UPDATE \
         SET state = excluded.state, changed_at = excluded.changed_at",
    );
    UNMARK = each(
        "DELETE FROM mgmt_session_marks WHERE acctuniqueid = ANY($1)",
        "DELETE FROM mgmt_session_marks \
         WHERE acctuniqueid IN (SELECT value FROM json_each($1))",
    );
    REUSE = both(
        "INSERT INTO mgmt_session_reuse (acctuniqueid, plain_id, start) VALUES ($1, $2, $3) \
         ON CONFLICT (acctuniqueid) DO NOTHING",
    );
}

pub(super) async fn write(
    mut tx: Tx,
    known: &Arc<store::Known>,
    ask: &Ask,
    keeper: &Keeper,
    deed: Option<(&Actor, Deed<'_>)>,
    mut fold: impl FnMut(Known) -> Step + Send,
) -> Result<Written, Error> {
    let texts = &known.sessions;
    let state = if texts.usage { Some(keeper.read(&mut tx).await?) } else { None };
    let archived_to = state.map_or(0, |state| state.archived_to);
    let mut held = Held::default();
    let writes = loop {
        let writes = decide(&mut tx, known, ask, archived_to, &mut held, &mut fold).await?;
        let late = writes.rows.iter().filter(|row| row.is_new_by(archived_to));
        let late: Vec<String> = late.map(|row| row.acctuniqueid.clone()).collect();
        let archive = &texts.archive;
        if late.is_empty() || archive.restore(&mut tx, texts, late, true).await? == 0 {
            break writes;
        }
    };
    let mut rows = Vec::new();
    if let Some(state) = state {
        let changes = keeper.changes(state, texts.counted, &held.counted, writes.rows.iter())?;
        rows = usage::rows(changes);
    }
    let written = put(&mut tx, known, &held.digests, writes).await?;
    usage::add(&mut tx, rows).await?;
    match deed {
        // Nothing was done.
        Some(_) if written == Written::default() => {}
        Some((actor, deed)) => audit::commit(tx, actor, deed).await?,
        None => tx.commit().await?,
    }
    Ok(written)
}

async fn decide(
    tx: &mut Tx,
    known: &Arc<store::Known>,
    ask: &Ask,
    archived_to: i64,
    held: &mut Held,
    fold: &mut (impl FnMut(Known) -> Step + Send),
) -> Result<Writes, Error> {
    let texts = &known.sessions;
    let found = read(tx, known, ask).await?;
    held.remember(texts, found.rows.iter().map(|(session, _)| session));
    let wanted = match fold(found) {
        Step::Write(writes) => return Ok(writes),
        Step::Older(wanted) => wanted,
    };
    if wanted.iter().any(|(_, start)| *start <= archived_to) {
        let ids = wanted.iter().map(|(id, _)| id.clone()).collect();
        texts.archive.restore_older(tx, texts, ids).await?;
    }
    // What is locked reads the same again; cloning it each time would cost every batch.
    let mut found = read(tx, known, ask).await?;
    found.older = older(tx, known, &wanted).await?;
    found.older_are_known = true;
    held.remember(texts, found.older.iter().map(|older| &older.session));
    match fold(found) {
        Step::Write(writes) => Ok(writes),
        Step::Older(_) => Err(Error::Failed("the fold asked for earlier sessions twice".into())),
    }
}

impl Session {
    /// It is to be made, and may be in an archive that reaches to that time.
    pub(super) fn is_new_by(&self, archived_to: i64) -> bool {
        archived_to > 0 && self.radacctid.is_none() && self.acctstarttime <= Some(archived_to)
    }
}

/// What the rows that were read held, by radacctid.
#[derive(Default)]
struct Held {
    digests: Digests,
    counted: HashMap<i64, Counted<'static>>,
}

type Digests = HashMap<i64, Digest>;

impl Held {
    fn remember<'s>(&mut self, texts: &Texts, sessions: impl Iterator<Item = &'s Session>) {
        for session in sessions {
            let id = session.radacctid.unwrap_or_default();
            self.digests.insert(id, session.digest(texts));
            if texts.usage {
                self.counted.insert(id, texts.counted.counted(session).into_owned());
            }
        }
    }
}

async fn read(tx: &mut Tx, known: &Arc<store::Known>, ask: &Ask) -> Result<Known, Error> {
    let mut sessions = match tx {
        Tx::Postgres(tx) => {
            let mut arguments = Arguments::default();
            arguments.texts(ask.ids.iter().map(|id| Some(id.as_str())))?;
            let texts = &known.sessions;
            tx.fetch_with(&texts.lock, arguments, |row| texts.session(row)).await?
        }
        Tx::Sqlite(tx) => {
            let (known, ids) = (known.clone(), ask.ids.clone());
            tx.work(move |connection| {
                let texts = &known.sessions;
                let mut statement = connection.prepare_cached(&texts.lock.sqlite())?;
                let mut sessions = Vec::new();
                for id in &ids {
                    statement.raw_bind_parameter(1, id)?;
                    sessions.extend(sqlite::collect(&mut statement, |row| texts.session(row))?);
                }
                Ok(sessions)
            })
            .await?
        }
    };
    sessions.sort_unstable_by(|a, b| a.acctuniqueid.cmp(&b.acctuniqueid));
    let ids = sessions.iter().map(|session| session.acctuniqueid.clone()).collect();
    let (mut marks, reboots) = beside(tx, known, ids, ask).await?;
    let with_marks = |session: Session| {
        let marks = marks.remove(&session.acctuniqueid);
        (session, marks)
    };
    let rows = sessions.into_iter().map(with_marks).collect();
    Ok(Known { rows, reboots, ..Known::default() })
}

type Beside = (HashMap<String, String>, Vec<Reboot>);

/// Marks are read after their rows are locked: a statement that waits for a lock would see the
/// new row beside the old marks.
async fn beside(
    tx: &mut Tx,
    known: &store::Known,
    ids: Vec<String>,
    ask: &Ask,
) -> Result<Beside, Error> {
    if !known.sessions.ours || (ids.is_empty() && ask.nases.is_empty()) {
        return Ok(Beside::default());
    }
    let values = values![ids, ask.nases.as_slice(), ask.since];
    let rows = tx.fetch(&BESIDE, values, |row| {
        Ok((row.flag(0)?, row.text(1)?, row.text_or_null(2)?, row.int(3)?, row.flag(4)?))
    });
    let mut marks = HashMap::new();
    let mut reboots = Vec::new();
    for (is_reboot, key, text, at, off) in rows.await? {
        match is_reboot {
            false => drop(marks.insert(key, text.unwrap_or_default())),
            true => reboots.push(Reboot { nasipaddress: key, at, off, cause: text }),
        }
    }
    reboots.sort_unstable();
    Ok((marks, reboots))
}

async fn older(
    tx: &mut Tx,
    known: &Arc<store::Known>,
    wanted: &[(String, i64)],
) -> Result<Vec<Incarnation>, Error> {
    let Some(sql) = &known.sessions.older else { return Ok(Vec::new()) };
    let incarnation = |texts: &Texts, row: &Row<'_>| {
        let (plain_id, start) = (row.text(Texts::WIDTH)?, row.int(Texts::WIDTH + 1)?);
        Ok(Incarnation { plain_id, start, session: texts.session(row)?, marks: None })
    };
    let mut found = match tx {
        Tx::Postgres(tx) => {
            let mut arguments = Arguments::default();
            arguments.texts(wanted.iter().map(|(id, _)| Some(id.as_str())))?;
            arguments.ints(wanted.iter().map(|(_, start)| Some(*start)))?;
            tx.fetch_with(sql, arguments, |row| incarnation(&known.sessions, row)).await?
        }
        Tx::Sqlite(tx) => {
            let (known, wanted, text) = (known.clone(), wanted.to_vec(), sql.sqlite());
            tx.work(move |connection| {
                let mut found = Vec::new();
                for (id, start) in wanted {
                    let values = values![id, start];
                    let map = |row: &Row<'_>| incarnation(&known.sessions, row);
                    found.extend(sqlite::fetch(connection, &text, &values, map)?);
                }
                Ok(found)
            })
            .await?
        }
    };
    // Several events of one session ask for it several times; only the first would have its marks.
    let mut seen = HashSet::new();
    found.retain(|older| seen.insert(older.session.radacctid));
    let ids = found.iter().map(|older| older.session.acctuniqueid.clone()).collect();
    let (mut marks, _) = beside(tx, known, ids, &Ask::default()).await?;
    for older in &mut found {
        older.marks = marks.remove(&older.session.acctuniqueid);
    }
    Ok(found)
}

async fn put(
    tx: &mut Tx,
    known: &Arc<store::Known>,
    digests: &Digests,
    writes: Writes,
) -> Result<Written, Error> {
    let texts = &known.sessions;
    let (mut new, old): (Vec<_>, Vec<_>) =
        writes.rows.into_iter().partition(|session| session.radacctid.is_none());
    // Two writers that insert in one order can't wait for each other.
    new.sort_unstable_by(|a, b| a.acctuniqueid.cmp(&b.acctuniqueid));
    let change = |session: &Session| {
        let known = session.radacctid.and_then(|id| digests.get(&id));
        known.map_or(Change::Whole, |digest| digest.change_to(session.digest(texts)))
    };
    let old: Vec<_> = old.into_iter().map(|session| (change(&session), session)).collect();
    let written = Written { inserted: new.len(), updated: old.len() };
    let (inserted, updated) = match tx {
        Tx::Postgres(tx) => put_arrays(tx, texts, &new, &old).await?,
        Tx::Sqlite(tx) => {
            let known = known.clone();
            tx.work(move |connection| put_one_by_one(connection, &known.sessions, &new, &old))
                .await?
        }
    };
    if (inserted, updated) != (written.inserted, written.updated) {
        return Err(Error::Conflict);
    }
    if texts.ours {
        put_beside(tx, writes.marks, writes.reuses).await?;
    }
    Ok(written)
}

async fn put_arrays(
    tx: &mut postgres::Tx,
    texts: &Texts,
    new: &[Session],
    old: &[(Change, Session)],
) -> Result<(usize, usize), Error> {
    let ending = old.iter().any(|(change, _)| *change == Change::Ending);
    let narrow = if ending { Change::Ending } else { Change::Progress };
    let (mut inserted, mut updated) = (0, 0);
    for change in [narrow, Change::Whole] {
        let is_whole = change == Change::Whole;
        let of_it = old.iter().filter(|(change, _)| (*change == Change::Whole) == is_whole);
        let sessions: Vec<_> = of_it.map(|(_, session)| session).collect();
        if sessions.is_empty() {
            continue;
        }
        let mut arguments = Arguments::default();
        arguments.ints(sessions.iter().map(|session| session.radacctid))?;
        for place in texts.changed(change) {
            place.add_column(&mut arguments, sessions.iter().copied())?;
        }
        updated += tx.execute_with(texts.update(change), arguments).await?;
    }
    if !new.is_empty() {
        let mut arguments = Arguments::default();
        for place in &texts.places {
            place.add_column(&mut arguments, new.iter())?;
        }
        inserted = tx.execute_with(&texts.insert, arguments).await?;
    }
    Ok((inserted as usize, updated as usize))
}

fn put_one_by_one(
    connection: &sqlite::Connection,
    texts: &Texts,
    new: &[Session],
    old: &[(Change, Session)],
) -> Result<(usize, usize), Error> {
    let (mut inserted, mut updated) = (0, 0);
    for (change, session) in old {
        let mut statement = connection.prepare_cached(&texts.update(*change).sqlite())?;
        statement.raw_bind_parameter(1, session.radacctid)?;
        bind(&mut statement, 2, texts.changed(*change), session)?;
        updated += statement.raw_execute()?;
    }
    let mut statement = connection.prepare_cached(&texts.insert.sqlite())?;
    for session in new {
        bind(&mut statement, 1, texts.places.iter(), session)?;
        inserted += statement.raw_execute()?;
    }
    Ok((inserted, updated))
}

/// These texts count their parameters `?1`, `?2` …: binding by position is right.
fn bind<'p>(
    statement: &mut sqlite::CachedStatement<'_>,
    first: usize,
    places: impl Iterator<Item = &'p Place>,
    session: &Session,
) -> Result<(), Error> {
    for (place, at) in places.zip(first..) {
        match session.cell(place.index) {
            Cell::Text(text) => statement.raw_bind_parameter(at, place.shown(text))?,
            Cell::Int(number) => statement.raw_bind_parameter(at, number)?,
        }
    }
    Ok(())
}

pub(super) async fn put_beside(
    tx: &mut Tx,
    mut marks: Vec<(String, Option<String>)>,
    reuses: Vec<Reuse>,
) -> Result<(), Error> {
    marks.sort_unstable();
    let (kept, gone): (Vec<_>, Vec<_>) = marks.into_iter().partition(|(_, state)| state.is_some());
    if !gone.is_empty() {
        let gone: Vec<String> = gone.into_iter().map(|(id, _)| id).collect();
        tx.execute(&UNMARK, values![gone]).await?;
    }
    if !kept.is_empty() {
        let now = now_ms() / 1_000;
        match tx {
            Tx::Postgres(_) => {
                let (ids, states): (Vec<String>, Vec<Option<String>>) = kept.into_iter().unzip();
                tx.execute(&MARK, values![ids, states, now]).await?;
            }
            Tx::Sqlite(tx) => {
                let rows = kept.into_iter().map(|(id, state)| values![id, &state, now]);
                tx.execute_each(&MARK, rows.collect()).await?;
            }
        }
    }
    for Reuse { plain_id, start, acctuniqueid } in reuses {
        tx.execute(&REUSE, values![acctuniqueid, plain_id, start]).await?;
    }
    Ok(())
}
