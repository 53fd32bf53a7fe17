//! Sessions as people look for them: a page at a time, along an index, never further than a bound.
//!
//! A look walks one index from where the page before ended and sees which rows fit; only those are
//! read. Where few fit it ends early: the page is short, or empty, and still has a next one.

use std::fmt;
use std::str::FromStr;

use crate::engine::{Map, Row, Sql, Value, values};
use crate::layout::{Kind, Layout};
use crate::tenants::{Scope, follows};
use crate::{Error, Session, Store};

/// Rows that a look passes at most.
const LOOK: i64 = 5_000;

/// Which sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    #[default]
    Open,
    Ended,
    All,
}

/// What to look for; nothing said is everything. Addresses are texts that can be read as such.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    pub which: Which,
    pub user: Option<String>,
    pub nas: Option<String>,
    pub address: Option<String>,
    pub station: Option<String>,
    /// Began at or after, and before; epoch seconds.
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// Where a page ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionMark {
    pub id: i64,
    /// Start, epoch seconds.
    pub start: i64,
    pub user: String,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    pub sessions: Vec<Session>,
    pub next: Option<SessionMark>,
}

impl fmt::Display for SessionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.start, self.user)
    }
}

impl FromStr for SessionMark {
    type Err = ();

    fn from_str(text: &str) -> Result<SessionMark, ()> {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().ok_or(());
        let id = next()?.parse().map_err(drop)?;
        let start = next()?.parse().map_err(drop)?;
        Ok(SessionMark { id, start, user: next()?.to_owned() })
    }
}

/// Along which index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Along {
    OpenAddress,
    OpenStation,
    OpenUser,
    OpenNas,
    OpenUsers,
    User,
    Start,
}

const EVERY: [(Along, &str); 7] = [
    (Along::OpenAddress, "SESSIONS_OPEN_ADDRESS"),
    (Along::OpenStation, "SESSIONS_OPEN_STATION"),
    (Along::OpenUser, "SESSIONS_OPEN_USER"),
    (Along::OpenNas, "SESSIONS_OPEN_NAS"),
    (Along::OpenUsers, "SESSIONS_OPEN_USERS"),
    (Along::User, "SESSIONS_OF_USER"),
    (Along::Start, "SESSIONS_BY_START"),
];

/// Statements made for a store's columns.
pub(crate) struct Search {
    looks: [Sql; EVERY.len()],
    by_ids: Sql,
    one: Sql,
}

impl Search {
    pub(super) fn of(layout: &Layout, select: &str) -> Option<Search> {
        if !layout.has("mgmt_owners") {
            return None;
        }
        let looks = EVERY.map(|(along, _)| Sql::built(along.text(layout)));
        let among = match layout.postgres {
            true => "= ANY($1)",
            false => "IN (SELECT value FROM json_each($1))",
        };
        let by_ids = format!("SELECT {select} FROM radacct a WHERE a.radacctid {among}");
        let scope = in_scope(layout, "$2", "$3");
        let one = format!("SELECT {select} FROM radacct a WHERE a.radacctid = $1 AND {scope}");
        Some(Search { looks, by_ids: Sql::built(by_ids), one: Sql::built(one) })
    }

    pub(super) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        let looks = self.looks.iter().zip(EVERY).map(|(sql, (_, name))| (name, sql));
        looks.chain([("SESSIONS_BY_IDS", &self.by_ids), ("SESSION_ONE", &self.one)])
    }
}

/// The user's owner, else the NAS's; what has none is for those of no tenant.
fn in_scope(layout: &Layout, scope: &str, nases: &str) -> String {
    let nas = match layout.column("radacct", "nasipaddress").map(|column| column.kind) {
        Some(Kind::Address) => "host(a.nasipaddress)",
        _ => "a.nasipaddress",
    };
    follows(layout.postgres, "a.username", nas, scope, nases)
}

/// What of a row is looked at.
fn fits(layout: &Layout, is: impl Fn(&str, u8) -> String, time: impl Fn(u8) -> String) -> String {
    let mut fits: Vec<String> =
        [("username", 5), ("nasipaddress", 6), ("framedipaddress", 7), ("callingstationid", 8)]
            .map(|(column, number)| {
                format!("(CAST(${number} AS TEXT) IS NULL OR {})", is(column, number))
            })
            .into();
    fits.push(format!("(CAST($9 AS BIGINT) IS NULL OR a.acctstarttime >= {})", time(9)));
    fits.push(format!("(CAST($10 AS BIGINT) IS NULL OR a.acctstarttime < {})", time(10)));
    fits.push("(CAST($11 AS BIGINT) = 0 OR a.acctstoptime IS NOT NULL)".to_owned());
    fits.push(in_scope(layout, "$12", "$13"));
    fits.join(" AND ")
}

impl Along {
    fn of(filter: &SessionFilter) -> Along {
        match filter {
            SessionFilter { which: Which::Open, address: Some(_), .. } => Along::OpenAddress,
            SessionFilter { which: Which::Open, station: Some(_), .. } => Along::OpenStation,
            SessionFilter { which: Which::Open, user: Some(_), .. } => Along::OpenUser,
            SessionFilter { which: Which::Open, nas: Some(_), .. } => Along::OpenNas,
            SessionFilter { which: Which::Open, .. } => Along::OpenUsers,
            SessionFilter { user: Some(_), .. } => Along::User,
            _ => Along::Start,
        }
    }

    /// Parameters: 1 rows · 2 to 4 where the page before ended: id, start, user · 5 user · 6 NAS ·
    /// 7 address · 8 station · 9 from · 10 to · 11 ended only · 12 and 13 scope.
    fn text(self, layout: &Layout) -> String {
        let value = |column: &str, number: u8| match layout
            .column("radacct", column)
            .map(|column| column.kind)
        {
            Some(Kind::Address) => format!("CAST(CAST(${number} AS TEXT) AS inet)"),
            _ => format!("CAST(${number} AS TEXT)"),
        };
        let time = |number: u8| match layout.postgres {
            true => format!("to_timestamp(CAST(CAST(${number} AS BIGINT) AS float8))"),
            false => format!("${number}"),
        };
        let is = |column: &str, number: u8| format!("a.{column} = {}", value(column, number));
        let open = "a.acctstoptime IS NULL";
        let before = format!(
            "a.acctstarttime <= {at} AND (a.acctstarttime < {at} OR a.radacctid < $2)",
            at = time(3)
        );
        let since = format!(
            "a.acctstarttime >= {}",
            match layout.postgres {
                true => "to_timestamp(CAST(COALESCE(CAST($9 AS BIGINT), 0) AS float8))",
                false => "COALESCE($9, 0)",
            }
        );
        let newest = "a.acctstarttime DESC, a.radacctid DESC";
        // Sorting by an expression keeps the planner from walking the primary key.
        let by_id = "a.radacctid + 0 DESC";
        let (range, order) = match self {
            Along::OpenAddress => {
                (format!("{open} AND {} AND a.radacctid < $2", is("framedipaddress", 7)), by_id)
            }
            Along::OpenStation => {
                (format!("{open} AND {} AND a.radacctid < $2", is("callingstationid", 8)), by_id)
            }
            Along::OpenUser => {
                (format!("{open} AND {} AND a.radacctid < $2", is("username", 5)), by_id)
            }
            Along::OpenNas => {
                (format!("{open} AND {} AND {before}", is("nasipaddress", 6)), newest)
            }
            Along::OpenUsers => (
                format!("{open} AND (a.username, a.radacctid) > (CAST($4 AS TEXT), $2)"),
                "a.username, a.radacctid",
            ),
            Along::User => (format!("{} AND {before} AND {since}", is("username", 5)), newest),
            Along::Start => (format!("{before} AND {since}"), newest),
        };
        let start = match layout.postgres {
            true => "CAST(extract(epoch FROM a.acctstarttime) AS BIGINT)",
            false => "a.acctstarttime",
        };
        // What a look does not need has its place all the same: each is bound.
        let bound = "CAST($2 AS BIGINT) IS NOT NULL AND CAST($3 AS BIGINT) IS NOT NULL \
                     AND CAST($4 AS TEXT) IS NOT NULL";
        // Without statistics SQLite would read all that is open by FreeRADIUS's own index on
        // acctstoptime, and sort it.
        let by = match self == Along::OpenUsers && layout.open_user_index {
            true => " INDEXED BY mgmt_radacct_open_user",
            false => "",
        };
        format!(
            "SELECT a.radacctid, {start}, a.username, \
             CASE WHEN {bound} AND {} THEN 1 ELSE 0 END FROM radacct a{by} \
             WHERE {range} ORDER BY {order} LIMIT $1",
            fits(layout, is, time)
        )
    }

    fn first(self) -> SessionMark {
        match self {
            Along::OpenUsers => SessionMark::default(),
            // The year 9999, which both engines can hold.
            _ => SessionMark { id: i64::MAX, start: 253_402_300_799, user: String::new() },
        }
    }
}

impl SessionFilter {
    /// Every row along the index fits.
    fn is_plain(&self, along: Along, scope: Scope) -> bool {
        let kept = match along {
            Along::User => self.user.iter().count(),
            Along::OpenUsers | Along::Start => 0,
            _ => 1,
        };
        let asked = [&self.user, &self.nas, &self.address, &self.station];
        let asked = asked.into_iter().flatten().count();
        asked == kept && self.which != Which::Ended && scope == Scope::Everything && !self.is_late()
    }

    fn is_late(&self) -> bool {
        self.which == Which::Open && self.from.is_some()
    }
}

impl Store {
    /// A page of at most `limit` sessions, from where the page before ended. What is open comes by
    /// user, or the newest first; all else the newest first.
    pub async fn search_sessions(
        &self,
        scope: Scope,
        filter: &SessionFilter,
        after: Option<&SessionMark>,
        limit: usize,
    ) -> Result<SessionPage, Error> {
        let known = self.known()?;
        let Some(search) = &known.sessions.search else { return Ok(SessionPage::default()) };
        let along = Along::of(filter);
        let some = i64::try_from(limit).unwrap_or(LOOK);
        let rows = if filter.is_plain(along, scope) { some + 1 } else { LOOK.max(some + 1) };
        let bound = self.bound(scope, filter, after, rows).await?;
        let map: Map<(SessionMark, bool)> = |row| {
            let (id, start) = (row.int(0)?, row.int(1)?);
            Ok((SessionMark { id, start, user: row.text(2)? }, row.flag(3)?))
        };
        let seen = self.engine()?.fetch(&search.looks[along as usize], bound, map).await?;
        let is_all = (seen.len() as i64) < rows;
        let (ids, next) = cut(seen, limit, is_all);
        let sessions = self.sessions_of(ids).await?;
        Ok(SessionPage { sessions, next })
    }

    async fn bound(
        &self,
        scope: Scope,
        filter: &SessionFilter,
        after: Option<&SessionMark>,
        rows: i64,
    ) -> Result<Vec<Value>, Error> {
        let along = Along::of(filter);
        let mut from = after.cloned().unwrap_or_else(|| along.first());
        if along != Along::OpenUsers
            && let Some(to) = filter.to
        {
            from.start = from.start.min(to);
        }
        let nases = self.nas_in_scope(scope).await?;
        Ok(values![
            rows,
            from.id,
            from.start,
            from.user,
            &filter.user,
            &filter.nas,
            &filter.address,
            &filter.station,
            filter.from,
            filter.to,
            i64::from(filter.which == Which::Ended),
            scope.value(),
            nases.as_slice(),
        ])
    }

    /// How the engine would look; a test reads it.
    #[doc(hidden)]
    pub async fn plan_of_search(
        &self,
        scope: Scope,
        filter: &SessionFilter,
    ) -> Result<String, Error> {
        let known = self.known()?;
        let Some(search) = &known.sessions.search else { return Ok(String::new()) };
        let Sql::Built(text) = &search.looks[Along::of(filter) as usize] else {
            return Ok(String::new());
        };
        let (word, column) = match self.engine_name() {
            "sqlite" => ("EXPLAIN QUERY PLAN", 3),
            _ => ("EXPLAIN", 0),
        };
        let sql = Sql::built(format!("{word} {text}"));
        let bound = self.bound(scope, filter, None, 51).await?;
        Ok(self.engine()?.fetch(&sql, bound, move |row| row.text(column)).await?.join("\n"))
    }

    /// In that order; those that are gone are left out.
    async fn sessions_of(&self, ids: Vec<i64>) -> Result<Vec<Session>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known()?;
        let map = {
            let known = known.clone();
            move |row: &Row<'_>| known.sessions.session(row)
        };
        let values = vec![Value::Ints(ids.clone())];
        let Some(search) = &known.sessions.search else { return Ok(Vec::new()) };
        let mut rows = self.engine()?.fetch(&search.by_ids, values, map).await?;
        let place = |row: &Session| ids.iter().position(|id| Some(*id) == row.radacctid);
        rows.sort_by_cached_key(place);
        Ok(rows)
    }

    /// By its row's id, if it is in scope.
    pub async fn session_by_id(&self, scope: Scope, id: i64) -> Result<Option<Session>, Error> {
        let known = self.known()?;
        let map = {
            let known = known.clone();
            move |row: &Row<'_>| known.sessions.session(row)
        };
        let Some(search) = &known.sessions.search else { return Ok(None) };
        let values = values![id, scope.value(), self.nas_in_scope(scope).await?.as_slice()];
        self.engine()?.find(&search.one, values, map).await
    }
}

/// The ids that fit, so many at most, and where to go on.
fn cut(
    seen: Vec<(SessionMark, bool)>,
    limit: usize,
    is_all: bool,
) -> (Vec<i64>, Option<SessionMark>) {
    let (mut ids, mut last) = (Vec::new(), None);
    for (mark, fits) in seen {
        if fits && ids.len() == limit {
            return (ids, last);
        }
        if fits {
            ids.push(mark.id);
        }
        last = Some(mark);
    }
    (ids, last.filter(|_| !is_all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_next_one_begins() {
        let mark = |id| SessionMark { id, start: -id, user: format!("u {id}") };
        let seen = |fits: &[i64]| (1..=6).map(|id| (mark(id), fits.contains(&id))).collect();
        assert_eq!(cut(seen(&[1, 3, 5]), 2, true), (vec![1, 3], Some(mark(4))));
        assert_eq!(cut(seen(&[1, 3, 5]), 3, true), (vec![1, 3, 5], None));
        assert_eq!(cut(seen(&[]), 2, false), (vec![], Some(mark(6))), "an empty page that goes on");
        assert_eq!(mark(7).to_string().parse(), Ok(mark(7)));
        assert_eq!("1 2".parse::<SessionMark>(), Err(()));
    }
}
