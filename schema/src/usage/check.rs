//! Usage compared with radacct: the sums of each user, NAS and Called-Station-Id are the same, to
//! the octet, at every moment. What the back-fill has not reached counts on neither side.

use super::{Amount, COUNTED_MAX, Columns};
use crate::engine::{Map, Sql, values};
use crate::layout::Layout;
use crate::{Error, Store};

/// A user at a NAS whose usage is not what the sessions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub username: String,
    pub nasipaddress: String,
    pub calledstationid: String,
    pub usage: Amount,
    pub sessions: Amount,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Users, each at a NAS and Called-Station-Id.
    pub compared: i64,
    pub differing: i64,
    pub usage: Amount,
    pub sessions: Amount,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// One statement, so that both sides are of one moment; `tables` are those that hold sessions.
pub(super) fn statement(layout: &Layout, tables: &[&str]) -> Sql {
    // The archive holds the address as radacct's prints.
    let nas = |table: &str| match Columns::of(layout).inet && table == "radacct" {
        true => "abbrev(a.nasipaddress)",
        false => "COALESCE(a.nasipaddress, '')",
    };
    let (least, greatest) = match layout.postgres {
        true => ("LEAST", "GREATEST"),
        false => ("min", "max"),
    };
    let called = layout.or_null("radacct", "calledstationid");
    let count =
        |column: &str| format!("{least}({greatest}(COALESCE(a.{column}, 0), 0), {COUNTED_MAX})");
    let columns = ["acctinputoctets", "acctoutputoctets", "acctsessiontime"].map(count).join(", ");
    let zeros = "0, 0, 0, 0";
    let held: Vec<_> = tables
        .iter()
        .map(|table| {
            format!(
                "SELECT COALESCE(a.username, ''), {}, COALESCE({called}, ''), {zeros}, \
                 {columns}, 1 FROM {table} a CROSS JOIN mgmt_usage_state s \
                 WHERE a.radacctid > s.upto OR a.radacctid <= s.filled",
                nas(table)
            )
        })
        .collect();
    let sum = |of: &str| format!("CAST(SUM({of}) AS BIGINT) AS {of}");
    let names = ["k1", "k2", "k3", "k4", "h1", "h2", "h3", "h4"];
    let sums = names.map(sum).join(", ");
    let differ = "k1 <> h1 OR k2 <> h2 OR k3 <> h3 OR k4 <> h4";
    let all = names.join(", ");
    Sql::built(format!(
        "WITH each_one AS (SELECT username, nas, called, {sums} FROM (\
         SELECT username, nasipaddress AS nas, calledstationid AS called, input_octets AS k1, \
         output_octets AS k2, session_seconds AS k3, sessions AS k4, 0 AS h1, 0 AS h2, 0 AS h3, \
         0 AS h4 FROM mgmt_usage UNION ALL {}) AS both_sides GROUP BY 1, 2, 3) \
         SELECT NULL, NULL, NULL, {sums}, COUNT(*), \
         CAST(SUM(CASE WHEN {differ} THEN 1 ELSE 0 END) AS BIGINT) FROM each_one \
         UNION ALL SELECT * FROM (SELECT username, nas, called, {all}, 0, 0 FROM each_one \
         WHERE {differ} ORDER BY 1, 2, 3 LIMIT $1) AS differing",
        held.join(" UNION ALL ")
    ))
}

impl Store {
    /// Compares all; at most `limit` differences are named. Reads radacct whole: this may take
    /// minutes, and holds nobody up.
    pub async fn compare_usage(&self, limit: usize) -> Result<Compared, Error> {
        self.needs_usage()?;
        let known = self.known()?;
        type Found = (Option<Difference>, Compared);
        let map: Map<Found> = |row| {
            let amount = |first: usize| -> Result<Amount, Error> {
                Ok(Amount {
                    input_octets: row.int(first)?,
                    output_octets: row.int(first + 1)?,
                    session_seconds: row.int(first + 2)?,
                    sessions: row.int(first + 3)?,
                })
            };
            let (usage, sessions) = (amount(3)?, amount(7)?);
            let (compared, differing) = (row.int(11)?, row.int(12)?);
            let of = row.text_or_null(0)?.zip(row.text_or_null(1)?).zip(row.text_or_null(2)?);
            let difference = of.map(|((username, nasipaddress), calledstationid)| Difference {
                username,
                nasipaddress,
                calledstationid,
                usage,
                sessions,
            });
            let differences = Vec::new();
            Ok((difference, Compared { compared, differing, usage, sessions, differences }))
        };
        let found = self.engine()?.fetch_slowly(&known.usage.compare, values![limit], map);
        let mut all = Compared::default();
        for (difference, sums) in found.await? {
            match difference {
                Some(difference) => all.differences.push(difference),
                None => {
                    all = Compared { differences: std::mem::take(&mut all.differences), ..sums }
                }
            }
        }
        Ok(all)
    }
}
