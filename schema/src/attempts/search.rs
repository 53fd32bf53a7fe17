//! Attempts as people look for them: the newest first, a page at a time, never further than a
//! bound; and how many there were, by reason.

use std::collections::{BTreeMap, HashMap};

use crate::engine::{Map, Sql, Tx, Value, both, statements, values};
use crate::layout::Layout;
use crate::tenants::{Owned, Scope, follows};
use crate::{Attempt, Error, Store};

/// Attempts that a look passes at most.
const LOOK: i64 = 5_000;
/// Attempts are written in batches: so many may stand out of order.
const SLACK: i64 = 4_000;
/// What is counted together.
const BUCKET_MS: i64 = 300_000;

/// What to look for; nothing said is everything.
#[derive(Clone, Debug, Default)]
pub struct AttemptFilter {
    pub user: Option<String>,
    /// The address that asked.
    pub nas: Option<String>,
    pub reason: Option<String>,
    pub accepted: Option<bool>,
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

/// A page of attempts, each with its row's id; `next` is where to go on.
#[derive(Clone, Debug, Default)]
pub struct AttemptPage {
    pub attempts: Vec<(i64, Attempt)>,
    pub next: Option<i64>,
}

/// How many there were in the five minutes from `bucket_ms` on; no reason: accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCount {
    pub bucket_ms: i64,
    pub reason: String,
    pub count: i64,
}

/// Statements made for what a store has; none without the table of owners.
pub(super) struct Search {
    all: Sql,
    of_user: Sql,
    one: Sql,
}

statements! {
    UNTIL = both("SELECT id FROM mgmt_attempts WHERE at_ms < $1 ORDER BY at_ms DESC LIMIT 1");
    SINCE = both("SELECT id FROM mgmt_attempts WHERE at_ms >= $1 ORDER BY at_ms LIMIT 1");
    TRACE = both(
        "SELECT trace FROM mgmt_traces WHERE username = $1 AND at_ms = $2 AND reason = $3 \
         ORDER BY id DESC LIMIT 1",
    );
    ACCEPT_TRACE = both(
        "SELECT trace FROM mgmt_last_accepts WHERE username = $1 AND at_ms = $2 \
         AND trace IS NOT NULL",
    );
    COUNT = both(
        "INSERT INTO mgmt_attempt_counts AS c (bucket_ms, tenant_id, reason, count) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (bucket_ms, tenant_id, reason) \
         DO UPDATE SET count = c.count + excluded.count",
    );
    COUNTS = both(
        "SELECT bucket_ms, reason, CAST(SUM(count) AS BIGINT) FROM mgmt_attempt_counts \
         WHERE bucket_ms >= $1 AND bucket_ms < $2 \
         AND (CAST($3 AS TEXT) IS NULL OR tenant_id = $3) \
         GROUP BY bucket_ms, reason ORDER BY bucket_ms, reason",
    );
    FORGET_COUNTS = both("DELETE FROM mgmt_attempt_counts WHERE bucket_ms < $1");
    OWNED_NAS = both(
        "SELECT n.nasname, o.tenant_id FROM mgmt_owners o \
         JOIN nas n ON o.name = CAST(n.id AS TEXT) WHERE o.kind = 'nas'",
    );
}

const COLUMNS: &str = "a.id, a.at_ms, a.username, a.accepted, a.reason, a.nas_ip, a.nas_name, \
                       a.nas_port, a.calling_station, a.called_station";

impl Search {
    pub fn of(layout: &Layout) -> Option<Search> {
        if !layout.has("mgmt_owners") {
            return None;
        }
        let fits = |scope: &str, nases: &str| {
            follows(layout.postgres, "a.username", "a.nas_ip", scope, nases)
        };
        let look = |along: &str| {
            Sql::built(format!(
                "SELECT {COLUMNS}, CASE WHEN (CAST($4 AS TEXT) IS NULL OR a.username = $4) \
                 AND (CAST($5 AS TEXT) IS NULL OR a.nas_ip = $5) \
                 AND (CAST($6 AS TEXT) IS NULL OR a.reason = $6) \
                 AND (CAST($7 AS BIGINT) IS NULL \
                 OR CASE WHEN a.accepted THEN 1 ELSE 0 END = CAST($7 AS BIGINT)) \
                 AND (CAST($8 AS BIGINT) IS NULL OR a.at_ms >= $8) \
                 AND (CAST($9 AS BIGINT) IS NULL OR a.at_ms < $9) \
                 AND {} THEN 1 ELSE 0 END FROM mgmt_attempts a \
                 WHERE a.id < $2 AND a.id >= $3 {along} ORDER BY a.id DESC LIMIT $1",
                fits("$10", "$11")
            ))
        };
        let one = format!(
            "SELECT {COLUMNS} FROM mgmt_attempts a WHERE a.id = $1 AND {}",
            fits("$2", "$3")
        );
        Some(Search {
            all: look(""),
            of_user: look("AND a.username = CAST($4 AS TEXT)"),
            one: Sql::built(one),
        })
    }

    pub fn built(&self) -> [(&'static str, &Sql); 3] {
        let Search { all, of_user, one } = self;
        [("ATTEMPTS_ALL", all), ("ATTEMPTS_OF_USER", of_user), ("ATTEMPT_ONE", one)]
    }
}

const ROW: Map<(i64, Attempt)> = |row| {
    let attempt = Attempt {
        at_ms: row.int(1)?,
        username: row.text(2)?,
        accepted: row.flag(3)?,
        reason: row.text(4)?,
        nas_ip: row.text(5)?,
        nas_name: row.text(6)?,
        nas_port: row.text_or_null(7)?,
        calling_station: row.text_or_null(8)?,
        called_station: row.text_or_null(9)?,
        trace: None,
    };
    Ok((row.int(0)?, attempt))
};

impl Store {
    /// A page of at most `limit`, the newest first, those before the id `before`.
    pub async fn search_attempts(
        &self,
        scope: Scope,
        filter: &AttemptFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<AttemptPage, Error> {
        let known = self.known()?;
        let Some(search) = &known.attempts.search else { return Ok(AttemptPage::default()) };
        let mut before = before.unwrap_or(i64::MAX);
        if let Some(to) = filter.to_ms {
            let Some(id) = self.attempt_at(&UNTIL, to).await? else {
                return Ok(AttemptPage::default());
            };
            before = before.min(id + SLACK);
        }
        let mut since = 0;
        if let Some(from) = filter.from_ms {
            let Some(id) = self.attempt_at(&SINCE, from).await? else {
                return Ok(AttemptPage::default());
            };
            since = id - SLACK;
        }
        let plain = filter.user.is_none() && filter.nas.is_none() && filter.reason.is_none();
        let plain = plain && filter.accepted.is_none() && scope == Scope::Everything;
        let some = i64::try_from(limit).unwrap_or(LOOK);
        let rows = match filter.to_ms.is_none() && filter.from_ms.is_none() && plain {
            true => some + 1,
            false => LOOK.max(some + 1),
        };
        let bound = values![
            rows,
            before,
            since,
            &filter.user,
            &filter.nas,
            &filter.reason,
            filter.accepted.map(i64::from),
            filter.from_ms,
            filter.to_ms,
            scope.value(),
            self.nas_in_scope(scope).await?.as_slice(),
        ];
        let sql = if filter.user.is_some() { &search.of_user } else { &search.all };
        let map: Map<(i64, Option<Attempt>)> = |row| {
            let (id, attempt) = ROW(row)?;
            Ok((id, row.flag(10)?.then_some(attempt)))
        };
        let seen = self.engine()?.fetch(sql, bound, map).await?;
        let is_all = (seen.len() as i64) < rows;
        let (mut attempts, mut last) = (Vec::new(), None);
        for (id, fits) in seen {
            if fits.is_some() && attempts.len() == limit {
                return Ok(AttemptPage { attempts, next: last });
            }
            attempts.extend(fits.map(|attempt| (id, attempt)));
            last = Some(id);
        }
        Ok(AttemptPage { attempts, next: last.filter(|_| !is_all) })
    }

    async fn attempt_at(&self, sql: &'static Sql, at_ms: i64) -> Result<Option<i64>, Error> {
        self.engine()?.find(sql, values![at_ms], |row| row.int(0)).await
    }

    /// One, with its trace where that is kept.
    pub async fn attempt_by_id(&self, scope: Scope, id: i64) -> Result<Option<Attempt>, Error> {
        let known = self.known()?;
        let Some(search) = &known.attempts.search else { return Ok(None) };
        let bound = values![id, scope.value(), self.nas_in_scope(scope).await?.as_slice()];
        let found = self.engine()?.find(&search.one, bound, ROW).await?;
        let Some((_, mut attempt)) = found else { return Ok(None) };
        let (name, at_ms) = (&attempt.username, attempt.at_ms);
        let (sql, bound) = match attempt.accepted {
            true => (&ACCEPT_TRACE, values![name, at_ms]),
            false => (&TRACE, values![name, at_ms, &attempt.reason]),
        };
        let trace = self.engine()?.find(sql, bound, |row| row.text(0));
        attempt.trace = trace.await?;
        Ok(Some(attempt))
    }

    /// By five minutes and reason, from one time to before another.
    pub async fn count_attempts(
        &self,
        scope: Scope,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<AttemptCount>, Error> {
        if !self.known()?.layout.has("mgmt_attempt_counts") {
            return Ok(Vec::new());
        }
        let map: Map<AttemptCount> = |row| {
            Ok(AttemptCount { bucket_ms: row.int(0)?, reason: row.text(1)?, count: row.int(2)? })
        };
        let from_ms = from_ms - from_ms.rem_euclid(BUCKET_MS);
        self.engine()?.fetch(&COUNTS, values![from_ms, to_ms, scope.value()], map).await
    }

    /// Whom each attempt follows, read before the transaction that counts it.
    pub(super) async fn followed(&self, attempts: &[Attempt]) -> Result<Option<Followed>, Error> {
        let layout = &self.known()?.layout;
        if !layout.has("mgmt_owners") || !layout.rights("mgmt_attempt_counts").insert {
            return Ok(None);
        }
        let mut names: Vec<String> =
            attempts.iter().map(|one| super::tidied(&one.username)).collect();
        names.sort_unstable();
        names.dedup();
        let users = self.owners(Owned::User, &names).await?;
        let users = users.into_iter().map(|(name, id)| (name, id.to_string())).collect();
        let map: Map<(String, String)> = |row| Ok((row.text(0)?, row.text(1)?));
        let nases = match layout.has("nas") {
            true => self.engine()?.fetch(&OWNED_NAS, vec![], map).await?,
            false => Vec::new(),
        };
        Ok(Some(Followed { users, nases: nases.into_iter().collect() }))
    }
}

/// Owners of users by name and of NAS by address.
pub(super) struct Followed {
    users: HashMap<String, String>,
    nases: HashMap<String, String>,
}

impl Followed {
    /// In order of keys: two writers then can't wait for each other.
    pub async fn count(&self, tx: &mut Tx, attempts: &[Attempt]) -> Result<(), Error> {
        let mut counts = BTreeMap::<(i64, &str, &str), i64>::new();
        for attempt in attempts {
            let owner = self.users.get(&attempt.username).or(self.nases.get(&attempt.nas_ip));
            let bucket = attempt.at_ms - attempt.at_ms.rem_euclid(BUCKET_MS);
            let reason = if attempt.accepted { "" } else { attempt.reason.as_str() };
            let key = (bucket, owner.map_or("", String::as_str), reason);
            *counts.entry(key).or_default() += 1;
        }
        for ((bucket, tenant, reason), count) in counts {
            tx.execute(&COUNT, values![bucket, tenant, reason, count]).await?;
        }
        Ok(())
    }
}

/// Removes what is older.
pub(super) async fn forget(tx: &mut Tx, before_ms: i64) -> Result<u64, Error> {
    tx.execute(&FORGET_COUNTS, vec![Value::from(before_ms)]).await
}
