//! One batch on PostgreSQL in two round trips: all is read without a lock, then one statement
//! writes all or nothing.
//!
//! A row is written only in the version that was read (its xmin), and a batch only if its NASes
//! have no reboot that was not read and its usage is counted as it was when last asked. Where that fails, another writer was at the same sessions,
//! and `write` takes locks. So it does for what needs an order among its statements: sessions
//! that change their id.

use std::collections::HashMap;

use super::columns::{Change, Digest, Place, Texts};
use super::{Ask, Known, Reboot, Session, Step, Writes, Written};
use crate::Error;
use crate::engine::postgres::{Arguments, Database};
use crate::engine::{Row, Sql, Value, values};
use crate::layout::Layout;
use crate::migrations::now_ms;
use crate::usage::{Counted, Keeper, Part};

/// Division by zero: what `write` ends with when it must not be.
const OUTDATED: &str = "22012";

pub(super) struct AtOnce {
    read: Sql,
    /// Without the parts that most batches don't need: each costs, empty too.
    usual: Sql,
    write: Sql,
    ours: bool,
}

/// The versions of the rows that were read, and what they held, by radacctid.
#[derive(Default)]
struct Versions {
    all: HashMap<i64, Version>,
    counted: HashMap<i64, Counted<'static>>,
}

/// The version of a row that was read, and what it looked like.
struct Version {
    xmin: String,
    digest: Digest,
}

impl AtOnce {
    /// Only where a session can't be twice.
    pub(super) fn of(layout: &Layout, select: &str, places: &[Place]) -> Option<AtOnce> {
        let ours = layout.ours();
        let write = |usual| Sql::built(write(places, ours, layout.keeps_usage(), usual));
        (layout.postgres && layout.unique_session).then(|| AtOnce {
            read: Sql::built(read(select, ours)),
            usual: write(true),
            write: write(false),
            ours,
        })
    }

    pub(super) fn built(&self) -> [(&'static str, &Sql); 3] {
        let AtOnce { read, usual, write, .. } = self;
        [("SESSIONS_READ", read), ("SESSIONS_WRITE_USUAL", usual), ("SESSIONS_WRITE", write)]
    }

    /// `None`: nothing is written, and it has to be done with locks.
    pub(super) async fn write(
        &self,
        database: &Database,
        texts: &Texts,
        ask: &Ask,
        keeper: &Keeper,
        fold: &mut (impl FnMut(Known) -> Step + Send),
    ) -> Result<Option<Written>, Error> {
        let state = keeper.remembered();
        if texts.usage && state.is_none() {
            return Ok(None);
        }
        let (known, versions) = self.read(database, texts, ask).await?;
        let reboots = known.reboots.len();
        let writes = match fold(known) {
            Step::Write(writes) if writes.reuses.is_empty() => writes,
            _ => return Ok(None),
        };
        if writes == Writes::default() {
            return Ok(Some(Written::default()));
        }
        let batch = Batch::of(&writes, &versions.all, texts);
        let archived_to = state.filter(|_| texts.usage).map_or(0, |state| state.archived_to);
        if batch.new.iter().any(|session| session.is_new_by(archived_to)) {
            return Ok(None);
        }
        let rows = writes.rows.iter();
        let usage = match state.filter(|_| texts.usage) {
            Some(state) => {
                Some((state, keeper.changes(state, texts.counted, &versions.counted, rows)?))
            }
            None => None,
        };
        let build = || {
            let mut arguments = self.arguments(&batch, texts, ask, reboots)?;
            if let Some((state, changes)) = &usage {
                Part::arguments(&mut arguments, changes, *state, batch.oldest() <= state.upto)?;
            }
            Ok(arguments)
        };
        let write = if batch.is_usual() { &self.usual } else { &self.write };
        match database.fetch_built(write, build, |_| Ok(())).await {
            Ok(_) => {
                let updated = batch.narrow.len() + batch.whole.len();
                Ok(Some(Written { inserted: batch.new.len(), updated }))
            }
            Err(Error::Data { code, .. }) if code == OUTDATED => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(
        &self,
        database: &Database,
        texts: &Texts,
        ask: &Ask,
    ) -> Result<(Known, Versions), Error> {
        let build = || {
            let mut arguments = Arguments::default();
            arguments.texts(ask.ids.iter().map(|id| Some(id.as_str())))?;
            if self.ours {
                arguments.texts(ask.nases.iter().map(|nas| Some(nas.as_str())))?;
                arguments.value(&ask.since.into())?;
            }
            Ok(arguments)
        };
        let found = database.fetch_built(&self.read, build, |row| Found::read(row, texts)).await?;
        let mut known = Known::default();
        let mut versions = Versions::default();
        for found in found {
            match found {
                Found::Session { session, xmin, marks } => {
                    let id = session.radacctid.unwrap_or_default();
                    versions.all.insert(id, Version { xmin, digest: session.digest(texts) });
                    if texts.usage {
                        let counted = texts.counted.counted(&session).into_owned();
                        versions.counted.insert(id, counted);
                    }
                    known.rows.push((*session, marks));
                }
                Found::Reboot(reboot) => known.reboots.push(reboot),
            }
        }
        known.rows.sort_unstable_by(|(a, _), (b, _)| a.acctuniqueid.cmp(&b.acctuniqueid));
        known.reboots.sort_unstable();
        Ok((known, versions))
    }

    fn arguments(
        &self,
        batch: &Batch<'_>,
        texts: &Texts,
        ask: &Ask,
        reboots: usize,
    ) -> Result<Arguments, Error> {
        let mut arguments = Arguments::default();
        let usual = batch.is_usual();
        let narrow = Some((Change::Ending, &batch.narrow));
        let whole = (!usual).then_some((Change::Whole, &batch.whole));
        for (change, old) in narrow.into_iter().chain(whole) {
            arguments.ints(old.iter().map(|(session, _)| session.radacctid))?;
            arguments.texts(old.iter().map(|(_, xmin)| Some(*xmin)))?;
            for place in texts.changed(change) {
                place.add_column(&mut arguments, old.iter().map(|(session, _)| *session))?;
            }
        }
        for place in &texts.places {
            place.add_column(&mut arguments, batch.new.iter().copied())?;
        }
        let wanted = batch.narrow.len() + batch.whole.len() + batch.new.len();
        arguments.value(&Value::from(wanted))?;
        if self.ours {
            let (kept, gone): (Vec<_>, Vec<_>) =
                batch.marks.iter().copied().partition(|(_, state)| state.is_some());
            arguments.texts(kept.iter().map(|(id, _)| Some(*id)))?;
            arguments.texts(kept.iter().map(|(_, state)| *state))?;
            if !usual {
                arguments.texts(gone.iter().map(|(id, _)| Some(*id)))?;
            }
            for value in values![now_ms() / 1_000, ask.nases.as_slice(), ask.since, reboots] {
                arguments.value(&value)?;
            }
        }
        Ok(arguments)
    }
}

/// What is to be written, as the statement takes it.
struct Batch<'w> {
    /// With the version that was read. Progress and ends only.
    narrow: Vec<(&'w Session, &'w str)>,
    /// More than that.
    whole: Vec<(&'w Session, &'w str)>,
    new: Vec<&'w Session>,
    marks: Vec<(&'w str, Option<&'w str>)>,
}

impl<'w> Batch<'w> {
    fn of(writes: &'w Writes, versions: &'w HashMap<i64, Version>, texts: &Texts) -> Batch<'w> {
        let marks = writes.marks.iter().map(|(id, state)| (id.as_str(), state.as_deref()));
        let (narrow, whole, new) = (Vec::new(), Vec::new(), Vec::new());
        let mut batch = Batch { narrow, whole, new, marks: marks.collect() };
        for session in &writes.rows {
            let Some(id) = session.radacctid else {
                batch.new.push(session);
                continue;
            };
            // A row that was not read has no version to be written in.
            let (change, xmin) = match versions.get(&id) {
                Some(version) => {
                    (version.digest.change_to(session.digest(texts)), version.xmin.as_str())
                }
                None => (Change::Whole, "0"),
            };
            match change {
                Change::Whole => batch.whole.push((session, xmin)),
                Change::Progress | Change::Ending => batch.narrow.push((session, xmin)),
            }
        }
        // Two writers that insert in one order can't wait for each other.
        batch.new.sort_unstable_by(|a, b| a.acctuniqueid.cmp(&b.acctuniqueid));
        batch.marks.sort_unstable();
        batch
    }

    /// Nothing of it needs what [`AtOnce::usual`] leaves out.
    fn is_usual(&self) -> bool {
        self.whole.is_empty() && self.marks.iter().all(|(_, state)| state.is_some())
    }

    /// The least radacctid among those that are changed.
    fn oldest(&self) -> i64 {
        let old = self.narrow.iter().chain(&self.whole);
        old.filter_map(|(session, _)| session.radacctid).min().unwrap_or(i64::MAX)
    }
}

enum Found {
    Session { session: Box<Session>, xmin: String, marks: Option<String> },
    Reboot(Reboot),
}

impl Found {
    /// A reboot stands in the columns of a session, without a radacctid.
    fn read(row: &Row<'_>, texts: &Texts) -> Result<Found, Error> {
        if row.int_or_null(0)?.is_some() {
            let session = Box::new(texts.session(row)?);
            let (xmin, marks) = (row.text(Texts::WIDTH)?, row.text_or_null(Texts::WIDTH + 1)?);
            return Ok(Found::Session { session, xmin, marks });
        }
        let at = row.text(Texts::WIDTH)?;
        Ok(Found::Reboot(Reboot {
            nasipaddress: row.text(1)?,
            cause: row.text_or_null(2)?,
            at: at.parse().map_err(|_| Error::Failed(format!("a reboot at {at}")))?,
            off: row.text(Texts::WIDTH + 1)? == "off",
        }))
    }
}

fn read(select: &str, ours: bool) -> String {
    if !ours {
        return format!(
            "SELECT {select}, CAST(a.xmin AS text), NULL FROM radacct a \
             WHERE a.acctuniqueid = ANY($1)"
        );
    }
    let nothing = vec!["NULL"; Texts::WIDTH - 3].join(", ");
    format!(
        "SELECT {select}, CAST(a.xmin AS text), m.state FROM radacct a \
         LEFT JOIN mgmt_session_marks m ON m.acctuniqueid = a.acctuniqueid \
         WHERE a.acctuniqueid = ANY($1) \
         UNION ALL SELECT NULL, r.nasipaddress, r.cause, {nothing}, CAST(r.at AS text), \
         CASE WHEN r.off THEN 'off' ELSE 'on' END FROM mgmt_nas_reboots r \
         WHERE r.nasipaddress = ANY($2) AND r.at >= $3"
    )
}

/// The clause that finds nothing is the one of `write::BESIDE`: it waits for a reboot that is
/// being recorded, and holds the next one back.
fn write(places: &[Place], ours: bool, usage: bool, usual: bool) -> String {
    let mut number = 0;
    let mut parameter = |form: &str| {
        number += 1;
        format!("${number}::{form}")
    };
    let mut parts = Vec::new();
    let whole = (!usual).then_some(("whole", Change::Whole));
    let old: Vec<_> = [("narrow", Change::Ending)].into_iter().chain(whole).collect();
    for (name, change) in &old {
        let change = *change;
        let changed: Vec<_> = places.iter().filter(|place| place.changes_with(change)).collect();
        let set = joined(&changed, |place| format!("{} = {}", place.name(), place.write()));
        let names = joined(&changed, |place| place.name().to_owned());
        let mut arrays = vec![parameter("bigint[]"), parameter("text[]")];
        arrays.extend(changed.iter().map(|place| parameter(place.array())));
        parts.push(format!(
            "{name} AS (UPDATE radacct AS a SET {set} \
             FROM UNNEST({}) AS u(radacctid, version, {names}) \
             WHERE a.radacctid = u.radacctid AND a.xmin = CAST(u.version AS xid) RETURNING 1)",
            arrays.join(", ")
        ));
    }
    let all: Vec<_> = places.iter().collect();
    let names = joined(&all, |place| place.name().to_owned());
    let set = joined(&all, Place::write);
    let arrays = joined(&all, |place| parameter(place.array()));
    parts.push(format!(
        "added AS (INSERT INTO radacct ({names}) SELECT {set} FROM UNNEST({arrays}) AS u({names}) \
         ON CONFLICT (acctuniqueid) DO NOTHING RETURNING 1)"
    ));
    let counts = old.iter().map(|(name, _)| *name).chain(["added"]);
    let counts: Vec<_> = counts.map(|name| format!("(SELECT count(*) FROM {name})")).collect();
    let mut right = format!("{} = {}", counts.join(" + "), parameter("bigint"));
    if ours {
        let (ids, states) = (parameter("text[]"), parameter("text[]"));
        if !usual {
            let gone = parameter("text[]");
            parts.push(format!(
                "gone AS (DELETE FROM mgmt_session_marks WHERE acctuniqueid = ANY({gone}))"
            ));
        }
        let (now, nases, since) = (parameter("bigint"), parameter("text[]"), parameter("bigint"));
        parts.push(format!(
            "kept AS (INSERT INTO mgmt_session_marks (acctuniqueid, state, changed_at) \
             SELECT u.id, u.state, {now} FROM UNNEST({ids}, {states}) AS u(id, state) \
             ON CONFLICT (acctuniqueid) DO UPDATE \
             SET state = excluded.state, changed_at = excluded.changed_at), \
             held AS (SELECT at FROM mgmt_nas_reboots WHERE false FOR KEY SHARE)"
        ));
        right.push_str(&format!(
            " AND (SELECT count(*) FROM mgmt_nas_reboots WHERE nasipaddress = ANY({nases}) \
             AND at >= {since}) = {}",
            parameter("bigint")
        ));
    }
    if usage {
        let Part { expression, condition } = Part::new(&mut parameter);
        parts.push(expression);
        right.push_str(&format!(" AND {condition}"));
    }
    format!(
        "WITH {} SELECT 1 / CASE WHEN {right} THEN 1 ELSE 0 END \
         /* division by zero: another writer was first, and it is tried again */",
        parts.join(", ")
    )
}

fn joined(places: &[&Place], each: impl FnMut(&Place) -> String) -> String {
    let mut each = each;
    places.iter().map(|place| each(place)).collect::<Vec<_>>().join(", ")
}
