//! One story on both engines: a store made from nothing, and another program's hand in it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::OnceLock;

use rusqlite::fallible_iterator::FallibleIterator as _;
use schema::{Options, Store};

use crate::postgres::Cluster;

/// A store of one engine.
pub struct Place {
    pub store: Store,
    pub url: String,
    hand: Hand,
}

/// What another program sees.
enum Hand {
    Postgres(String),
    Sqlite(tempfile::TempDir),
}

impl Place {
    /// Migrated on both engines.
    pub async fn both() -> [Place; 2] {
        [Place::postgres().await, Place::sqlite().await]
    }

    pub async fn postgres() -> Place {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        let cluster = Cluster::shared();
        let template = TEMPLATE.get_or_init(|| {
            let name = cluster.database("template1");
            let url = cluster.url(&name);
            // Its own runtime: the first test to come here may not lend its own.
            let migrate = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let store = Store::open(&options(&url)).await.unwrap();
                    let report = store.migrate().await.unwrap();
                    assert_eq!(report.lacking, Vec::<String>::new());
                    store.close().await;
                });
            });
            migrate.join().unwrap();
            name
        });
        Place::on_postgres(cluster.database(template)).await
    }

    pub async fn on_postgres(database: String) -> Place {
        let url = Cluster::shared().url(&database);
        let store = Store::open(&options(&url)).await.unwrap();
        Place { store, url, hand: Hand::Postgres(database) }
    }

    pub async fn sqlite() -> Place {
        let place = Place::empty_sqlite().await;
        place.store.migrate().await.unwrap();
        place
    }

    pub async fn empty_sqlite() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("radiusd.db").display());
        let store = Store::open(&options(&url)).await.unwrap();
        Place { store, url, hand: Hand::Sqlite(folder) }
    }

    /// Not migrated, on both engines.
    pub async fn both_empty() -> [Place; 2] {
        let database = Cluster::shared().database("template1");
        [Place::on_postgres(database).await, Place::empty_sqlite().await]
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.hand, Hand::Postgres(_))
    }

    /// The database's name on PostgreSQL.
    pub fn database(&self) -> &str {
        match &self.hand {
            Hand::Postgres(database) => database,
            Hand::Sqlite(_) => "",
        }
    }

    /// A table of ours as another program finds it.
    pub fn ours(&self, table: &str) -> String {
        match self.is_postgres() {
            true => format!("mgmt.{table}"),
            false => table.to_owned(),
        }
    }

    /// SQL of another program: rows by lines, columns by `|`, NULL as nothing.
    pub fn sql(&self, sql: &str) -> String {
        match &self.hand {
            Hand::Postgres(database) => Cluster::shared().psql(database, sql),
            Hand::Sqlite(folder) => {
                let path = folder.path().join("radiusd.db");
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                answer(&connection, sql)
            }
        }
    }

    /// A second store on the same tables, as another process has it.
    pub async fn again(&self) -> Store {
        Store::open(&options(&self.url)).await.unwrap()
    }
}

fn answer(connection: &rusqlite::Connection, sql: &str) -> String {
    use rusqlite::types::Value;
    let mut lines = Vec::new();
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = batch.next().unwrap() {
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let text = |column| match row.get::<_, Value>(column).unwrap() {
                Value::Null => String::new(),
                Value::Integer(value) => value.to_string(),
                Value::Real(value) => value.to_string(),
                Value::Text(text) => text,
                Value::Blob(octets) => String::from_utf8_lossy(&octets).into_owned(),
            };
            lines.push((0..columns).map(text).collect::<Vec<_>>().join("|"));
        }
    }
    lines.join("\n")
}

pub fn options(url: &str) -> Options {
    Options { url: url.to_owned(), pool: 4, ..Options::default() }
}
