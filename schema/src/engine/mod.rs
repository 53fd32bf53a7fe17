//! The seam: PostgreSQL by sqlx or SQLite by rusqlite. Nothing outside names either, but for the
//! few functions where they truly differ, and those say so by a `match` on [`Engine`].

pub(crate) mod postgres;
pub(crate) mod sqlite;
mod statement;

pub(crate) use statement::{Row, Sql, Value, both, each, statements, values};

use crate::Error;

#[expect(clippy::large_enum_variant, reason = "a store has exactly one")]
pub(crate) enum Engine {
    Postgres(postgres::Database),
    Sqlite(sqlite::Database),
}

/// Reads one row of an answer; any closure that needs nothing but what it owns will do.
pub(crate) type Map<T> = fn(&Row<'_>) -> Result<T, Error>;

impl Engine {
    /// One statement that only reads.
    pub(crate) async fn fetch<T: Send + 'static>(
        &self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        match self {
            Engine::Postgres(database) => database.fetch(sql, &values, map).await,
            Engine::Sqlite(database) => database.fetch(sql, values, map).await,
        }
    }

    /// The first row of it.
    pub(crate) async fn find<T: Send + 'static>(
        &self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        Ok(self.fetch(sql, values, map).await?.into_iter().next())
    }

    /// One statement that reads a whole table.
    pub(crate) async fn fetch_slowly<T: Send + 'static>(
        &self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        match self {
            Engine::Postgres(database) => database.session().await?.fetch(sql, &values, map).await,
            Engine::Sqlite(database) => database.fetch(sql, values, map).await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        Ok(match self {
            Engine::Postgres(database) => Tx::Postgres(database.begin().await?),
            Engine::Sqlite(database) => Tx::Sqlite(database.begin().await?),
        })
    }

    pub(crate) async fn prepare(&self, sql: &Sql) -> Result<(), Error> {
        match self {
            Engine::Postgres(database) => database.prepare(sql).await,
            Engine::Sqlite(database) => database.prepare(sql).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Engine::Postgres(database) => database.close().await,
            Engine::Sqlite(database) => database.close().await,
        }
    }
}

/// A transaction that may write. Dropped without `commit`, it is undone.
pub(crate) enum Tx {
    Postgres(postgres::Tx),
    Sqlite(sqlite::Tx),
}

impl Tx {
    pub(crate) async fn fetch<T: Send + 'static>(
        &mut self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        match self {
            Tx::Postgres(tx) => tx.fetch(sql, &values, map).await,
            Tx::Sqlite(tx) => tx.fetch(sql, values, map).await,
        }
    }

    /// Returns how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: &Sql, values: Vec<Value>) -> Result<u64, Error> {
        match self {
            Tx::Postgres(tx) => tx.execute(sql, &values).await,
            Tx::Sqlite(tx) => tx.execute(sql, values).await,
        }
    }

    /// One statement for many rows, which it takes as arrays on PostgreSQL.
    pub(crate) async fn execute_rows(
        &mut self,
        sql: &Sql,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), Error> {
        match self {
            Tx::Postgres(tx) => tx.execute(sql, &Value::columns(rows)).await.map(drop),
            Tx::Sqlite(tx) => tx.execute_each(sql, rows).await,
        }
    }

    /// Makes the partition of a month (its name, from when to when) if it isn't there; SQLite
    /// has none.
    pub(crate) async fn ensure_partition(
        &mut self,
        table: &'static str,
        month: &(String, i64, i64),
    ) -> Result<(), Error> {
        match self {
            Tx::Postgres(tx) => tx.ensure_partition(table, month).await,
            Tx::Sqlite(_) => Ok(()),
        }
    }

    /// Keeps out all who have a lock on rows of `table`, or want one; on SQLite who writes is
    /// alone anyway.
    pub(crate) async fn lock_table(&mut self, table: &'static str) -> Result<(), Error> {
        match self {
            Tx::Postgres(tx) => tx.lock_table(table).await,
            Tx::Sqlite(_) => Ok(()),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
    }
}
