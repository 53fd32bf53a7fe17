//! radacct's columns: how each is read and written on the store at hand, and the statements that
//! follow from it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::archive::Archive;
use super::at_once::AtOnce;
use super::search::Search;
use super::{SESSION_ID_REUSED, Session};
use crate::engine::postgres::Arguments;
use crate::engine::{Row, Sql};
use crate::layout::{Kind, Layout};
use crate::{Error, usage};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Text,
    Address,
    Int,
    Time,
}

/// How much of a row an event usually changes: the less, the fewer indexes are touched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Change {
    Progress,
    Ending,
    Whole,
}

/// In the order of [`Session`]'s fields.
const COLUMNS: [(&str, Form, Change); 27] = [
    ("acctsessionid", Form::Text, Change::Whole),
    ("acctuniqueid", Form::Text, Change::Whole),
    ("username", Form::Text, Change::Whole),
    ("realm", Form::Text, Change::Whole),
    ("nasipaddress", Form::Address, Change::Whole),
    ("nasportid", Form::Text, Change::Whole),
    ("nasporttype", Form::Text, Change::Whole),
    ("acctstarttime", Form::Time, Change::Whole),
    ("acctupdatetime", Form::Time, Change::Progress),
    ("acctstoptime", Form::Time, Change::Ending),
    ("acctinterval", Form::Int, Change::Progress),
    ("acctsessiontime", Form::Int, Change::Progress),
    ("acctauthentic", Form::Text, Change::Whole),
    ("connectinfo_start", Form::Text, Change::Whole),
    ("connectinfo_stop", Form::Text, Change::Ending),
    ("acctinputoctets", Form::Int, Change::Progress),
    ("acctoutputoctets", Form::Int, Change::Progress),
    ("calledstationid", Form::Text, Change::Whole),
    ("callingstationid", Form::Text, Change::Whole),
    ("acctterminatecause", Form::Text, Change::Ending),
    ("servicetype", Form::Text, Change::Whole),
    ("framedprotocol", Form::Text, Change::Whole),
    ("framedipaddress", Form::Address, Change::Whole),
    ("framedipv6address", Form::Address, Change::Whole),
    ("framedipv6prefix", Form::Address, Change::Whole),
    ("framedinterfaceid", Form::Text, Change::Whole),
    ("delegatedipv6prefix", Form::Address, Change::Whole),
];

pub(super) fn names() -> [&'static str; COLUMNS.len()] {
    COLUMNS.map(|(name, ..)| name)
}

pub(super) fn forms() -> [Form; COLUMNS.len()] {
    COLUMNS.map(|(_, form, _)| form)
}

/// What FreeRADIUS's statements for SQLite fill with '' although they could be NULL.
const EMPTY_ON_SQLITE: [&str; 4] = ["realm", "nasportid", "connectinfo_start", "connectinfo_stop"];

/// A column that the store has.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: &'static str,
    /// Its number among [`COLUMNS`].
    pub index: usize,
    pub form: Form,
    change: Change,
    kind: Kind,
    /// '' stands for none.
    pub empty: bool,
}

/// The value of a column.
pub(super) enum Cell<'s> {
    Text(Option<&'s str>),
    Int(Option<i64>),
}

/// Statements made for the columns that a store's radacct has.
pub(crate) struct Texts {
    /// Whether marks, reboots and reuses can be kept.
    pub(super) ours: bool,
    /// Usage is kept beside the rows.
    pub(super) usage: bool,
    pub(crate) counted: usage::Columns,
    /// Rows by radacctid, in order.
    pub(crate) to_count: Sql,
    pub(crate) archive: Archive,
    /// `None` without the table of owners.
    pub(super) search: Option<Search>,
    pub(super) places: Vec<Place>,
    /// '' stands for none, by number among [`COLUMNS`].
    empty: [bool; COLUMNS.len()],
    /// Rows by acctuniqueid, locked: many on PostgreSQL, one on SQLite.
    pub(super) lock: Sql,
    pub(super) find: Sql,
    /// Earlier sessions by (plain id, start).
    pub(super) older: Option<Sql>,
    /// On PostgreSQL, where a session can't be twice.
    pub(super) at_once: Option<AtOnce>,
    pub(super) insert: Sql,
    updates: [Sql; 3],
    pub(super) to_close: Sql,
    pub(super) closed_at: Sql,
    /// Needs tables of ours.
    pub(super) closed_by_reuse: Option<Sql>,
}

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let postgres = layout.postgres;
        let ours = layout.ours();
        let mut empty = [false; COLUMNS.len()];
        let mut places = Vec::new();
        let mut select = "a.radacctid".to_owned();
        for (index, &(name, form, change)) in COLUMNS.iter().enumerate() {
            select.push_str(", ");
            let Some(column) = layout.column("radacct", name) else {
                select.push_str("NULL");
                continue;
            };
            let text = column.kind == Kind::Text;
            let by_habit = !postgres && EMPTY_ON_SQLITE.contains(&name);
            empty[index] = text && (column.not_null || by_habit);
            let (kind, empty) = (column.kind, empty[index]);
            let place = Place { name, index, form, change, kind, empty };
            select.push_str(&place.read(postgres));
            places.push(place);
        }
        let by_id = |among| format!("SELECT {select} FROM radacct a WHERE a.acctuniqueid {among}");
        let lock = match postgres {
            true => by_id("= ANY($1) ORDER BY a.acctuniqueid FOR UPDATE"),
            false => by_id("= $1"),
        };
        let older = match postgres {
            true => format!(
                "SELECT {select}, q.plain_id, e.start \
                 FROM UNNEST($1::text[], $2::bigint[]) AS q(plain_id, start) \
                 CROSS JOIN LATERAL (SELECT r.start, r.acctuniqueid FROM mgmt_session_reuse r \
                 WHERE r.plain_id = q.plain_id AND r.start <= q.start + 60 \
                 ORDER BY r.start DESC LIMIT 1) e \
                 JOIN radacct a ON a.acctuniqueid = e.acctuniqueid \
                 ORDER BY a.acctuniqueid FOR UPDATE OF a"
            ),
            false => format!(
                "SELECT {select}, e.plain_id, e.start FROM (SELECT * FROM mgmt_session_reuse \
                 WHERE plain_id = $1 AND start <= $2 + 60 ORDER BY start DESC LIMIT 1) e \
                 JOIN radacct a ON a.acctuniqueid = e.acctuniqueid"
            ),
        };
        let changes = [Change::Progress, Change::Ending, Change::Whole];
        let [to_close, closed_at, closed_by_reuse] = closing(layout);
        let to_count = format!(
            "SELECT {select} FROM radacct a WHERE a.radacctid > $1 AND a.radacctid <= $2 \
             ORDER BY a.radacctid LIMIT $3"
        );
        Texts {
            ours,
            usage: layout.keeps_usage(),
            counted: usage::Columns::of(layout),
            to_count: Sql::built(to_count),
            archive: Archive::of(layout, &select, &places),
            search: Search::of(layout, &select),
            empty,
            lock: Sql::built(lock),
            find: Sql::built(by_id("= $1")),
            older: ours.then(|| Sql::built(older)),
            insert: Sql::built(insert(&places, postgres, layout.unique_session)),
            updates: changes.map(|change| Sql::built(update(&places, change, postgres))),
            to_close: Sql::built(to_close),
            closed_at: Sql::built(closed_at),
            closed_by_reuse: ours.then(|| Sql::built(closed_by_reuse)),
            at_once: AtOnce::of(layout, &select, &places),
            places,
        }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        let Texts { lock, find, insert, updates, to_close, closed_at, older, at_once, .. } = self;
        let [progress, ending, whole] = updates;
        let all = [
            ("SESSION_LOCK", lock),
            ("SESSION_FIND", find),
            ("SESSION_INSERT", insert),
            ("SESSION_PROGRESS", progress),
            ("SESSION_ENDING", ending),
            ("SESSION_WHOLE", whole),
            ("SESSIONS_TO_CLOSE", to_close),
            ("SESSIONS_CLOSED_AT", closed_at),
            ("SESSIONS_TO_COUNT", &self.to_count),
        ];
        let at_once = at_once.iter().flat_map(AtOnce::built);
        let by_reuse = self.closed_by_reuse.iter().map(|sql| ("SESSIONS_CLOSED_BY_REUSE", sql));
        let archive = self.usage.then(|| self.archive.built()).into_iter().flatten();
        let search = self.search.iter().flat_map(Search::built);
        let all = all.into_iter().chain(archive).chain(by_reuse).chain(search);
        all.chain(older.iter().map(|sql| ("SESSION_OLDER", sql))).chain(at_once)
    }

    pub(super) fn update(&self, change: Change) -> &Sql {
        &self.updates[change as usize]
    }

    /// The columns of an update, after radacctid.
    pub(super) fn changed(&self, change: Change) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.changes_with(change))
    }

    /// The columns of an answer to one of the SELECTs above; what follows starts at
    /// [`Texts::WIDTH`].
    pub(crate) fn session(&self, row: &Row<'_>) -> Result<Session, Error> {
        let text = |index: usize| match self.empty[index] {
            true => row.text_or_empty(index + 1),
            false => row.text_or_null(index + 1),
        };
        Session::read(row, text, |index| row.time(index + 1))
    }

    pub(super) const WIDTH: usize = COLUMNS.len() + 1;
}

impl Session {
    /// A row of the archive: every column is there, '' is '' and a time a number.
    pub(crate) fn archived(row: &Row<'_>) -> Result<Session, Error> {
        Session::read(row, |index| row.text_or_null(index + 1), |index| row.int_or_null(index + 1))
    }

    fn read(
        row: &Row<'_>,
        text: impl Fn(usize) -> Result<Option<String>, Error>,
        time: impl Fn(usize) -> Result<Option<i64>, Error>,
    ) -> Result<Session, Error> {
        let int = |index: usize| row.int_or_null(index + 1);
        Ok(Session {
            radacctid: row.int_or_null(0)?,
            acctsessionid: text(0)?.unwrap_or_default(),
            acctuniqueid: text(1)?.unwrap_or_default(),
            username: text(2)?,
            realm: text(3)?,
            nasipaddress: text(4)?.unwrap_or_default(),
            nasportid: text(5)?,
            nasporttype: text(6)?,
            acctstarttime: time(7)?,
            acctupdatetime: time(8)?,
            acctstoptime: time(9)?,
            acctinterval: int(10)?,
            acctsessiontime: int(11)?,
            acctauthentic: text(12)?,
            connectinfo_start: text(13)?,
            connectinfo_stop: text(14)?,
            acctinputoctets: int(15)?,
            acctoutputoctets: int(16)?,
            calledstationid: text(17)?,
            callingstationid: text(18)?,
            acctterminatecause: text(19)?,
            servicetype: text(20)?,
            framedprotocol: text(21)?,
            framedipaddress: text(22)?,
            framedipv6address: text(23)?,
            framedipv6prefix: text(24)?,
            framedinterfaceid: text(25)?,
            delegatedipv6prefix: text(26)?,
        })
    }
}

impl Place {
    fn read(&self, postgres: bool) -> String {
        let name = self.name;
        match (postgres, self.form, self.kind) {
            (true, Form::Address, Kind::Address) => format!("abbrev(a.{name})"),
            (true, Form::Time, Kind::Time) => format!("CAST(a.{name} AS timestamptz)"),
            (true, Form::Int, Kind::Int) | (false, ..) => format!("a.{name}"),
            (true, Form::Int, _) => format!("CAST(a.{name} AS bigint)"),
            (true, ..) => format!("a.{name}"),
        }
    }

    /// The value of the unnested column `u.name` on PostgreSQL.
    pub(super) fn write(&self) -> String {
        let name = self.name;
        match (self.form, self.kind) {
            (Form::Address, Kind::Address) => format!("CAST(u.{name} AS inet)"),
            (Form::Time, Kind::Time) => format!("to_timestamp(CAST(u.{name} AS float8))"),
            _ => format!("u.{name}"),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn changes_with(&self, change: Change) -> bool {
        self.change <= change
    }

    pub(super) fn array(&self) -> &'static str {
        match self.form {
            Form::Text | Form::Address => "text[]",
            Form::Int | Form::Time => "bigint[]",
        }
    }
}

fn joined<'p>(places: impl Iterator<Item = &'p Place>, each: impl Fn(&Place) -> String) -> String {
    places.map(each).collect::<Vec<_>>().join(", ")
}

fn insert(places: &[Place], postgres: bool, unique: bool) -> String {
    let names = joined(places.iter(), |place| place.name.to_owned());
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let mut text = format!("INSERT INTO radacct ({names}) ");
    if postgres {
        let values = joined(places.iter(), Place::write);
        let arrays: Vec<_> =
            places.iter().map(|place| format!("${}::{}", next(), place.array())).collect();
        let arrays = arrays.join(", ");
        text.push_str(&format!("SELECT {values} FROM UNNEST({arrays}) AS u({names})"));
    } else {
        let values: Vec<_> = places.iter().map(|_| format!("?{}", next())).collect();
        text.push_str(&format!("VALUES ({})", values.join(", ")));
    }
    if unique {
        text.push_str(" ON CONFLICT (acctuniqueid) DO NOTHING");
    }
    text
}

fn update(places: &[Place], change: Change, postgres: bool) -> String {
    let places = || places.iter().filter(|place| place.change <= change);
    if !postgres {
        let set: Vec<_> =
            places().zip(2..).map(|(place, at)| format!("{} = ?{at}", place.name)).collect();
        return format!("UPDATE radacct SET {} WHERE radacctid = ?1", set.join(", "));
    }
    let set = joined(places(), |place| format!("{} = {}", place.name, place.write()));
    let names = joined(places(), |place| place.name.to_owned());
    let arrays: Vec<_> =
        places().zip(2..).map(|(place, at)| format!("${at}::{}", place.array())).collect();
    format!(
        "UPDATE radacct AS a SET {set} FROM UNNEST($1::bigint[], {}) AS u(radacctid, {names}) \
         WHERE a.radacctid = u.radacctid",
        arrays.join(", ")
    )
}

/// Sessions that a reboot may have ended: those open, those that the next one ended, and those of
/// its last day that ended because their id was used again, after it.
fn closing(layout: &Layout) -> [String; 3] {
    let nas = match layout.column("radacct", "nasipaddress").map(|column| column.kind) {
        Some(Kind::Address) => "CAST($1 AS inet)",
        _ => "$1",
    };
    let time = |value: &str| match layout.postgres {
        true => format!("to_timestamp(CAST({value} AS float8))"),
        false => value.to_owned(),
    };
    let at = time("$2");
    // Sorting by an expression keeps the planner from walking the primary key.
    let of = |from: &str, which: String| {
        format!(
            "SELECT a.radacctid, a.acctuniqueid FROM {from} WHERE a.nasipaddress = {nas} \
             AND a.acctstarttime <= {at} AND {which} AND a.radacctid > $3 \
             ORDER BY a.radacctid + 0 LIMIT $4"
        )
    };
    let open = format!(
        "a.acctstoptime IS NULL AND (a.acctupdatetime IS NULL OR a.acctupdatetime <= {at})"
    );
    let reused = format!(
        "r.start BETWEEN $2 - 86400 AND $2 AND a.acctterminatecause = '{SESSION_ID_REUSED}' \
         AND a.acctstoptime <= {at} AND (EXISTS (SELECT 1 FROM mgmt_session_reuse n \
         WHERE n.plain_id = r.plain_id AND n.start > r.start AND n.start >= $2) \
         OR EXISTS (SELECT 1 FROM radacct n \
         WHERE n.acctuniqueid = r.plain_id AND n.acctstarttime >= {at})) \
         AND NOT EXISTS (SELECT 1 FROM mgmt_session_reuse n \
         WHERE n.plain_id = r.plain_id AND n.start > r.start AND n.start < $2)"
    );
    [
        of("radacct a", open),
        of("radacct a", format!("a.acctstoptime = {}", time("$5"))),
        of("mgmt_session_reuse r JOIN radacct a ON a.acctuniqueid = r.acctuniqueid", reused),
    ]
}

impl Session {
    pub(super) fn cell(&self, column: usize) -> Cell<'_> {
        fn text(text: &Option<String>) -> Cell<'_> {
            Cell::Text(text.as_deref())
        }
        match column {
            0 => Cell::Text(Some(&self.acctsessionid)),
            1 => Cell::Text(Some(&self.acctuniqueid)),
            2 => text(&self.username),
            3 => text(&self.realm),
            4 => Cell::Text(Some(&self.nasipaddress)),
            5 => text(&self.nasportid),
            6 => text(&self.nasporttype),
            7 => Cell::Int(self.acctstarttime),
            8 => Cell::Int(self.acctupdatetime),
            9 => Cell::Int(self.acctstoptime),
            10 => Cell::Int(self.acctinterval),
            11 => Cell::Int(self.acctsessiontime),
            12 => text(&self.acctauthentic),
            13 => text(&self.connectinfo_start),
            14 => text(&self.connectinfo_stop),
            15 => Cell::Int(self.acctinputoctets),
            16 => Cell::Int(self.acctoutputoctets),
            17 => text(&self.calledstationid),
            18 => text(&self.callingstationid),
            19 => text(&self.acctterminatecause),
            20 => text(&self.servicetype),
            21 => text(&self.framedprotocol),
            22 => text(&self.framedipaddress),
            23 => text(&self.framedipv6address),
            24 => text(&self.framedipv6prefix),
            25 => text(&self.framedinterfaceid),
            _ => text(&self.delegatedipv6prefix),
        }
    }

    /// Tells rows apart that differ in columns which an event seldom changes.
    pub(super) fn digest(&self, texts: &Texts) -> Digest {
        let of = |change: Change| {
            let mut hasher = DefaultHasher::new();
            for place in texts.places.iter().filter(|place| place.change == change) {
                match self.cell(place.index) {
                    Cell::Text(text) => place.shown(text).hash(&mut hasher),
                    Cell::Int(value) => value.hash(&mut hasher),
                }
            }
            hasher.finish()
        };
        Digest { ending: of(Change::Ending), whole: of(Change::Whole) }
    }
}

impl Place {
    /// What the column will hold in each of `sessions`.
    pub(super) fn add_column<'s>(
        &self,
        arguments: &mut Arguments,
        sessions: impl Iterator<Item = &'s Session>,
    ) -> Result<(), Error> {
        match self.form {
            Form::Text | Form::Address => {
                arguments.texts(sessions.map(|session| match session.cell(self.index) {
                    Cell::Text(text) => self.shown(text),
                    Cell::Int(_) => None,
                }))
            }
            Form::Int | Form::Time => {
                arguments.ints(sessions.map(|session| match session.cell(self.index) {
                    Cell::Int(number) => number,
                    Cell::Text(_) => None,
                }))
            }
        }
    }

    /// What the column will hold.
    pub(super) fn shown<'t>(&self, text: Option<&'t str>) -> Option<&'t str> {
        match text {
            None if self.empty => Some(""),
            text => text,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    ending: u64,
    whole: u64,
}

impl Digest {
    pub(super) fn change_to(self, new: Digest) -> Change {
        match (self.whole == new.whole, self.ending == new.ending) {
            (true, true) => Change::Progress,
            (true, false) => Change::Ending,
            (false, _) => Change::Whole,
        }
    }
}
