//! PostgreSQL: prepared statements on pooled connections, each with our schema at the end of its
//! search path.

mod failure;
mod listen;
mod pool;

use std::future::Future;
use std::str::FromStr as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, SqlSafeStr as _};

pub(crate) use self::listen::Listener;
use self::pool::{ANSWER, Loan, Pool, SLOW_ANSWER};
use super::statement::{Row, Sql, Value, both};
use crate::{Error, Options};

pub(crate) struct Database {
    pool: Pool,
    /// Where LISTEN goes.
    listen: PgConnectOptions,
    zone: Option<String>,
}

impl Database {
    pub(crate) async fn open(options: &Options) -> Result<Database, Error> {
        let connect = parse(&options.url)?;
        let listen = options.listen_url.as_deref().map(parse).transpose()?;
        let listen = listen.unwrap_or_else(|| connect.clone());
        let zone = zone_name(&options.timezone);
        let pool = Pool::new(connect, options.pool.max(1), zone.clone());
        drop(pool.acquire().await?);
        Ok(Database { pool, listen, zone })
    }

    /// Repeats on another connection when this one turns out to be dead or out of date.
    pub(super) async fn fetch<T>(
        &self,
        sql: &Sql,
        values: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.fetch_built(sql, || arguments(values), map).await
    }

    /// As `fetch`, for columns that are not copied first: `build` is asked again when the
    /// statement has to go to another connection.
    pub(crate) async fn fetch_built<T>(
        &self,
        sql: &Sql,
        build: impl Fn() -> Result<Arguments, Error>,
        map: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut tries = self.pool.size();
        loop {
            let mut loan = self.pool.acquire().await?;
            match loan.fetch(sql, build()?.0).await {
                Ok(rows) => return read(&rows, map),
                Err(_) if !loan.is_sound() && tries > 0 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let mut tries = self.pool.size();
        loop {
            let mut loan = self.pool.acquire().await?;
            match loan.script("BEGIN".into_sql_str(), ANSWER).await {
                Ok(()) => return Ok(Tx { loan: Some(loan) }),
                Err(_) if !loan.is_sound() && tries > 0 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// A connection outside of any transaction, for one user only.
    pub(crate) async fn session(&self) -> Result<Session, Error> {
        Ok(Session { loan: self.pool.acquire().await? })
    }

    pub(super) async fn prepare(&self, sql: &Sql) -> Result<(), Error> {
        self.pool.acquire().await?.prepare(sql).await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A transaction.
pub(crate) struct Tx {
    loan: Option<Loan>,
}

impl Tx {
    pub(super) async fn fetch<T>(
        &mut self,
        sql: &Sql,
        values: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.fetch_with(sql, arguments(values)?, map).await
    }

    pub(crate) async fn fetch_with<T>(
        &mut self,
        sql: &Sql,
        arguments: Arguments,
        map: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        read(&self.loan()?.fetch(sql, arguments.0).await?, map)
    }

    pub(super) async fn execute(&mut self, sql: &Sql, values: &[Value]) -> Result<u64, Error> {
        self.execute_with(sql, arguments(values)?).await
    }

    pub(crate) async fn execute_with(
        &mut self,
        sql: &Sql,
        arguments: Arguments,
    ) -> Result<u64, Error> {
        self.loan()?.execute(sql, arguments.0).await
    }

    /// A text of several statements, without values.
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), Error> {
        let text = AssertSqlSafe(text.to_owned()).into_sql_str();
        self.loan()?.script(text, ANSWER).await
    }

    pub(super) async fn lock_table(&mut self, table: &str) -> Result<(), Error> {
        let text = format!("LOCK TABLE {table} IN EXCLUSIVE MODE");
        self.script(&text).await
    }

    pub(super) async fn ensure_partition(
        &mut self,
        table: &str,
        (name, from, to): &(String, i64, i64),
    ) -> Result<(), Error> {
        static IS_THERE: Sql = both("SELECT to_regclass($1) IS NOT NULL");
        let name = format!("mgmt.{table}_{name}");
        let there = self.fetch(&IS_THERE, &[name.as_str().into()], |row| row.flag(0)).await?;
        if there == [true] {
            return Ok(());
        }
        let text = format!(
            "SET LOCAL lock_timeout = '2s'; \
             CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({to})"
        );
        self.script(&text).await
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        static COMMIT: Sql = both("COMMIT");
        self.loan()?.execute(&COMMIT, PgArguments::default()).await?;
        self.loan = None;
        Ok(())
    }

    fn loan(&mut self) -> Result<&mut Loan, Error> {
        self.loan.as_mut().ok_or_else(|| Error::Failed("the transaction has ended".into()))
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut loan) = self.loan.take().filter(Loan::is_sound) else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    loan.script("ROLLBACK".into_sql_str(), ANSWER).await.ok();
                });
            }
            Err(_) => loan.discard(),
        }
    }
}

/// A connection for what can't run in a transaction. It is closed in the end: what was set on
/// it, locks above all, ends with it.
pub(crate) struct Session {
    loan: Loan,
}

impl Session {
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), Error> {
        let text = AssertSqlSafe(text.to_owned()).into_sql_str();
        self.loan.script(text, SLOW_ANSWER).await
    }

    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &Sql,
        values: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        read(&self.loan.fetch_slowly(sql, arguments(values)?.0).await?, map)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.loan.discard();
    }
}

fn read<T>(rows: &[PgRow], map: impl Fn(&Row<'_>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(|row| map(&Row::Postgres(row))).collect()
}

/// The values of one statement, whole columns among them, in the order of its parameters.
#[derive(Default)]
pub(crate) struct Arguments(PgArguments);

impl Arguments {
    pub(crate) fn texts<'t>(
        &mut self,
        texts: impl Iterator<Item = Option<&'t str>>,
    ) -> Result<(), Error> {
        self.0.add(texts.collect::<Vec<Option<&str>>>()).map_err(unencodable)
    }

    pub(crate) fn ints(&mut self, ints: impl Iterator<Item = Option<i64>>) -> Result<(), Error> {
        self.0.add(ints.collect::<Vec<Option<i64>>>()).map_err(unencodable)
    }

    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Int(value) => self.0.add(*value),
            Value::Text(value) => self.0.add(value.as_deref()),
            Value::Flag(value) => self.0.add(*value),
            Value::Ints(values) => self.0.add(values),
            Value::OptionalInts(values) => self.0.add(values),
            Value::Texts(values) => self.0.add(values),
            Value::OptionalTexts(values) => self.0.add(values),
        }
        .map_err(unencodable)
    }
}

fn arguments(values: &[Value]) -> Result<Arguments, Error> {
    let mut arguments = Arguments::default();
    values.iter().try_for_each(|value| arguments.value(value))?;
    Ok(arguments)
}

fn unencodable(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Error> {
    let late = |_| Error::Away(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.map_err(late)
}

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| Error::Options(format!("not a PostgreSQL URL: {error}")))?
        .disable_statement_logging();
    Ok(match options.get_application_name() {
        None => options.application_name("radiusd"),
        Some(_) => options,
    })
}

/// The name under which PostgreSQL may know a zone.
fn zone_name(zone: &TimeZone) -> Option<String> {
    zone.iana_name().filter(|&name| name != "Etc/Unknown").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_libpq_understands_them() {
        let socket = |url| parse(url).unwrap().get_socket().cloned();
        assert_eq!(socket("postgres:///radius?host=/run/pg"), Some("/run/pg".into()));
        assert_eq!(socket("postgresql://u@%2Frun%2Fpg:5433/radius"), Some("/run/pg".into()));
        let tcp = parse("postgres://u:p@db.example:5433/radius?sslmode=require").unwrap();
        assert_eq!((tcp.get_host(), tcp.get_port()), ("db.example", 5433));
        assert_eq!(tcp.get_database(), Some("radius"));
        assert!(matches!(parse("postgres://[x"), Err(Error::Options(_))));
    }
}
