//! Connections kept open. sqlx's own pool asks each connection whether it lives when it comes
//! back, a round trip per query, and hides why it can't connect.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqlStr};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::is_stale;
use super::within;
use crate::Error;
use crate::engine::Sql;

/// How long a connection may be waited for.
const CONNECT: Duration = Duration::from_secs(4);
/// How long an answer may be waited for before the connection counts as dead.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// The same for what may take long: an index, a table read whole.
pub(super) const SLOW_ANSWER: Duration = Duration::from_secs(86_400);
/// A connection unused for longer is asked whether it still lives.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    options: PgConnectOptions,
    zone: Option<String>,
    size: usize,
    permits: Arc<Semaphore>,
    /// The one used last comes first: it has its statements prepared.
    idle: Mutex<Vec<Idle>>,
    /// Where the store was opened. Connections live there, whoever asks for the first: packets
    /// must not wait for a thread of people's.
    runtime: Handle,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(options: PgConnectOptions, size: usize, zone: Option<String>) -> Pool {
        let permits = Arc::new(Semaphore::new(size));
        let idle = Mutex::new(Vec::with_capacity(size));
        let runtime = Handle::current();
        Pool { shared: Arc::new(Shared { options, zone, size, permits, idle, runtime }) }
    }

    pub(super) fn size(&self) -> usize {
        self.shared.size
    }

    pub(super) async fn acquire(&self) -> Result<Loan, Error> {
        let shared = &self.shared;
        let permit = within(CONNECT, shared.permits.clone().acquire_owned())
            .await?
            .map_err(|_| Error::Away("the store was closed".into()))?;
        let loan = |connection| Loan {
            connection: Some(connection),
            sound: true,
            shared: shared.clone(),
            permit,
        };
        while let Some(mut idle) = self.next_idle() {
            let lives = idle.since.elapsed() < IDLE
                || matches!(within(CONNECT, idle.connection.ping()).await, Ok(Ok(())));
            if lives {
                return Ok(loan(idle.connection));
            }
        }
        let here = shared.clone();
        let connecting = shared.runtime.spawn(async move {
            let mut connection = within(CONNECT, here.options.connect()).await??;
            enter(&mut connection, here.zone.as_deref()).await?;
            Ok::<_, Error>(connection)
        });
        let gone = |_| Error::Away("the store was closed".into());
        Ok(loan(connecting.await.map_err(gone)??))
    }

    fn next_idle(&self) -> Option<Idle> {
        self.shared.idle.lock().pop()
    }

    pub(super) async fn close(&self) {
        self.shared.permits.close();
        while let Some(idle) = self.next_idle() {
            idle.connection.close().await.ok();
        }
    }
}

/// A connection out of the pool; it goes back when dropped, if it is sound.
pub(super) struct Loan {
    connection: Option<PgConnection>,
    sound: bool,
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "its end is what counts")]
    permit: OwnedSemaphorePermit,
}

impl Loan {
    pub(super) async fn fetch(
        &mut self,
        sql: &Sql,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Error> {
        self.fetch_within(ANSWER, sql, arguments).await
    }

    /// What reads a whole table.
    pub(super) async fn fetch_slowly(
        &mut self,
        sql: &Sql,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Error> {
        self.fetch_within(SLOW_ANSWER, sql, arguments).await
    }

    async fn fetch_within(
        &mut self,
        limit: Duration,
        sql: &Sql,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Error> {
        let query = sqlx::query_with(sql.postgres(), arguments);
        let answer = within(limit, self.begin()?.fetch_all(query)).await?;
        self.end(answer)
    }

    /// Returns how many rows it touched.
    pub(super) async fn execute(
        &mut self,
        sql: &Sql,
        arguments: PgArguments,
    ) -> Result<u64, Error> {
        let query = sqlx::query_with(sql.postgres(), arguments);
        let answer = within(ANSWER, self.begin()?.execute(query)).await?;
        Ok(self.end(answer)?.rows_affected())
    }

    /// A text of several statements, without values.
    pub(super) async fn script(&mut self, text: SqlStr, limit: Duration) -> Result<(), Error> {
        let answer = within(limit, self.begin()?.execute(sqlx::raw_sql(text))).await?;
        self.end(answer)?;
        Ok(())
    }

    pub(super) async fn prepare(&mut self, sql: &Sql) -> Result<(), Error> {
        let answer = within(ANSWER, self.begin()?.prepare(sql.postgres())).await?;
        self.end(answer).map(drop)
    }

    /// False once the connection is dead, or holds a plan or an answer of the past.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// Never goes back.
    pub(super) fn discard(&mut self) {
        self.connection = None;
    }

    /// Unsound until `end`: a future that is dropped half-way leaves an answer unread.
    fn begin(&mut self) -> Result<&mut PgConnection, Error> {
        self.sound = false;
        self.connection.as_mut().ok_or_else(|| Error::Failed("the connection is gone".into()))
    }

    fn end<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, Error> {
        let stale = answer.as_ref().is_err_and(is_stale);
        let answer = answer.map_err(Error::from);
        self.sound = !stale && !matches!(answer, Err(Error::Away(_)));
        answer
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.sound && !self.shared.permits.is_closed() {
            self.shared.idle.lock().push(Idle { connection, since: Instant::now() });
        }
    }
}

/// FreeRADIUS's tables stay where the role finds them; ours come last. The zone matters only for
/// a column that is a timestamp without one. What is acknowledged is on disk, whatever the role's
/// habit; and a statement that has waited for a lock must see what it waited for.
///
/// A statement is planned once a connection: for a short list PostgreSQL would plan anew each
/// time, which costs more than running it. What is asked is asked by key, and a plan made while a
/// table was small must be right when it has grown: by index, never by reading it whole.
///
/// `mgmt.node` keeps the trigger on radacct silent, which tells of other programs.
pub(super) async fn enter(connection: &mut PgConnection, zone: Option<&str>) -> Result<(), Error> {
    const ENTER: &str = "SELECT set_config('search_path', CASE current_setting('search_path') \
         WHEN '' THEN 'mgmt' ELSE current_setting('search_path') || ', mgmt' END, false), \
         set_config('TimeZone', COALESCE($1, current_setting('TimeZone')), false), \
         set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
         WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false), \
         set_config('default_transaction_isolation', 'read committed', false), \
         set_config('mgmt.node', 'radiusd', false), \
         (SELECT count(set_config(name, value, false)) \
         FROM (VALUES ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off'), \
         ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), \
         ('enable_material', 'off')) AS planner(name, value) \
         WHERE current_setting(name, true) IS NOT NULL)";
    within(CONNECT, connection.execute(sqlx::query(ENTER).bind(zone))).await??;
    Ok(())
}
