//! Usage read: a user's hours, and sums over any time by what is asked for.

use super::{Amount, Usage};
use crate::engine::{Map, Row, Sql, both, statements, values};
use crate::{Error, Store};

/// What counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Epoch seconds; hours that begin from then on.
    pub since: i64,
    /// Hours that begin before.
    pub until: i64,
    pub username: Option<String>,
    pub nasipaddress: Option<String>,
    pub calledstationid: Option<String>,
}

/// What it is added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    User,
    Nas,
    CalledStation,
    Hour,
}

/// The sum of one user, NAS, Called-Station-Id or hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// A name, an address, or epoch seconds.
    pub key: String,
    pub amount: Amount,
}

/// The hours in `[$1, $2)` that there are, one look into the index for each: with the hour first in
/// the key, a user's rows are then found by as many more.
macro_rules! hours {
    () => {
        "WITH RECURSIVE hours(hour) AS (\
         SELECT (SELECT MIN(hour) FROM mgmt_usage WHERE hour >= $1 AND hour < $2) UNION ALL \
         SELECT (SELECT MIN(m.hour) FROM mgmt_usage m WHERE m.hour > before.hour AND m.hour < $2) \
         FROM hours before WHERE before.hour IS NOT NULL) "
    };
}

statements! {
    OF_USER = both(concat!(
        hours!(),
        "SELECT u.input_octets, u.output_octets, u.session_seconds, u.sessions, u.username, \
         u.hour, u.nasipaddress, u.calledstationid \
         FROM hours h CROSS JOIN mgmt_usage u WHERE u.hour = h.hour AND u.username = $3 \
         ORDER BY u.hour, u.nasipaddress, u.calledstationid LIMIT $4",
    ));
}

const COLUMNS: [&str; 4] = ["username", "nasipaddress", "calledstationid", "hour"];

/// By each of [`By`]: of all users, then of one, whose rows are found by another way.
pub(super) fn built() -> [Sql; 8] {
    std::array::from_fn(|at| {
        let by = COLUMNS[at % COLUMNS.len()];
        let (with, rows) = match at < COLUMNS.len() {
            true => {
                ("", "mgmt_usage u WHERE u.hour >= $1 AND u.hour < $2 AND CAST($3 AS TEXT) IS NULL")
            }
            false => (
                hours!(),
                "hours h CROSS JOIN mgmt_usage u WHERE u.hour = h.hour AND u.username = $3",
            ),
        };
        let key = if by == "hour" { "CAST(u.hour AS TEXT)" } else { by };
        let order = if by == "hour" { "u.hour" } else { "5 DESC, 6" };
        let sums = ["input_octets", "output_octets", "session_seconds", "sessions"]
            .map(|name| format!("CAST(SUM(u.{name}) AS BIGINT)"))
            .join(", ");
        Sql::built(format!(
            "{with}SELECT {sums}, SUM(u.input_octets) + SUM(u.output_octets), {key} FROM {rows} \
             AND u.nasipaddress = COALESCE($4, u.nasipaddress) \
             AND u.calledstationid = COALESCE($5, u.calledstationid) \
             GROUP BY u.{by} ORDER BY {order} LIMIT $6"
        ))
    })
}

fn amount(row: &Row<'_>) -> Result<Amount, Error> {
    Ok(Amount {
        input_octets: row.int(0)?,
        output_octets: row.int(1)?,
        session_seconds: row.int(2)?,
        sessions: row.int(3)?,
    })
}

impl Store {
    /// A user's hours in `[since, until)`, in order.
    pub async fn usage_of_user(
        &self,
        username: &str,
        since: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Usage>, Error> {
        let map: Map<Usage> = |row| {
            Ok(Usage {
                amount: amount(row)?,
                username: row.text(4)?,
                hour: row.int(5)?,
                nasipaddress: row.text(6)?,
                calledstationid: row.text(7)?,
            })
        };
        self.needs_usage()?;
        self.engine()?.fetch(&OF_USER, values![since, until, username, limit], map).await
    }

    /// Sums, the largest first; hours in their order.
    pub async fn usage_totals(
        &self,
        filter: &UsageFilter,
        by: By,
        limit: usize,
    ) -> Result<Vec<Total>, Error> {
        self.needs_usage()?;
        let known = self.known()?;
        let of_one = if filter.username.is_some() { COLUMNS.len() } else { 0 };
        let Some(sql) = known.usage.totals.get(of_one + by as usize) else { return Ok(Vec::new()) };
        let UsageFilter { since, until, username, nasipaddress, calledstationid } = filter;
        let values = values![*since, *until, username, nasipaddress, calledstationid, limit];
        let map: Map<Total> = |row| Ok(Total { amount: amount(row)?, key: row.text(5)? });
        self.engine()?.fetch_slowly(sql, values, map).await
    }
}
