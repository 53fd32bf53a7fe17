//! SQLite: one thread that writes, others that read, each with its own connection.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::config::DbConfig;
pub(crate) use rusqlite::{CachedStatement, Connection};
use rusqlite::{ErrorCode, OpenFlags};
use tokio::sync::{oneshot, watch};

use super::statement::{Row, Sql, Value};
use crate::{Error, Options};

/// How long another process may hold the file before we give up.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 256;

pub(crate) struct Database {
    writer: Sender<Message>,
    readers: Sender<Message>,
    threads: usize,
    others: Arc<Others>,
}

/// What the writer's connection knows of commits by other programs: on another connection
/// `data_version` moves with our own.
#[derive(Default)]
struct Others {
    version: watch::Sender<Option<i64>>,
    is_asked: AtomicBool,
}

impl Others {
    fn look(&self, connection: &Connection) {
        let found = connection.pragma_query_value(None, "data_version", |row| row.get(0));
        if let Ok(version) = found {
            self.version.send_replace(Some(version));
        }
    }
}

/// Each caller waits for its answer, so a queue never holds more than there are callers.
enum Message {
    Work(Box<dyn FnOnce(&mut Connection) + Send>),
    /// The thread that takes it ends, and with it its connection.
    End(oneshot::Sender<()>),
}

impl Database {
    pub(crate) async fn open(options: &Options) -> Result<Database, Error> {
        let path = path(&options.url)?;
        let threads = options.pool.max(1);
        let opened = tokio::task::spawn_blocking(move || Database::start(&path, threads)).await;
        opened.map_err(|error| Error::Failed(error.to_string()))?
    }

    fn start(path: &Path, threads: usize) -> Result<Database, Error> {
        create_private(path)?;
        let write = connect(path)?;
        // Of radacct's indexes a busy hour touches most pages again and again.
        write.pragma_update(None, "cache_size", -16_384)?;
        keep_log_ahead(&write)?;
        let (writer, work) = unbounded();
        spawn("store-writer", write, work)?;
        let (readers, work) = unbounded();
        for _ in 0..threads {
            let read = connect(path)?;
            read.pragma_update(None, "query_only", true)?;
            // There are several, and the operating system caches the file anyway.
            read.pragma_update(None, "cache_size", -1_024)?;
            spawn("store-reader", read, work.clone())?;
        }
        Ok(Database { writer, readers, threads, others: Arc::default() })
    }

    pub(super) async fn fetch<T: Send + 'static>(
        &self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let text = sql.sqlite();
        submit(&self.readers, move |connection| fetch(connection, &text, &values, map)).await
    }

    /// What needs the writer's own connection, without a transaction.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        submit(&self.writer, work).await
    }

    /// The number that commits of other programs move: told whenever it is looked at.
    pub(crate) fn others(&self) -> watch::Receiver<Option<i64>> {
        self.others.version.subscribe()
    }

    /// Has it looked at as soon as the writer can. Every transaction does so as it begins: until
    /// it ends nobody else can commit, so no change waits for the writer's work to be told.
    pub(crate) fn look_for_others(&self) {
        if self.others.is_asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let others = Arc::clone(&self.others);
        let look = move |connection: &mut Connection| {
            others.is_asked.store(false, Ordering::Release);
            others.look(connection);
        };
        self.writer.send(Message::Work(Box::new(look))).ok();
    }

    /// The writer serves this transaction only until it ends.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let (steps, receiver) = unbounded();
        let (begun, answer) = oneshot::channel();
        let others = Arc::clone(&self.others);
        let work = move |connection: &mut Connection| {
            let opened = connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from);
            let open = opened.is_ok();
            if open {
                others.look(connection);
            }
            if begun.send(opened).is_ok() && open {
                serve(connection, &receiver);
            }
            if !connection.is_autocommit() {
                // Nothing more can be done if even this fails.
                connection.execute_batch("ROLLBACK").ok();
            }
        };
        self.writer.send(Message::Work(Box::new(work))).map_err(gone)?;
        answer.await.map_err(gone)??;
        Ok(Tx { steps })
    }

    pub(super) async fn prepare(&self, sql: &Sql) -> Result<(), Error> {
        let text = sql.sqlite();
        submit(&self.writer, move |connection| Ok(connection.prepare(&text).map(drop)?)).await
    }

    pub(super) async fn close(&self) {
        let mut ends = Vec::new();
        for queue in std::iter::repeat_n(&self.readers, self.threads).chain([&self.writer]) {
            let (end, ended) = oneshot::channel();
            if queue.send(Message::End(end)).is_ok() {
                ends.push(ended);
            }
        }
        for ended in ends {
            ended.await.ok();
        }
    }
}

/// A transaction on the writer's thread.
pub(crate) struct Tx {
    steps: Sender<Step>,
}

enum Step {
    Work(Box<dyn FnOnce(&mut Connection) + Send>),
    Commit(oneshot::Sender<Result<(), Error>>),
}

impl Tx {
    /// Several statements in one go.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        let work = Box::new(move |connection: &mut Connection| drop(done.send(work(connection))));
        self.steps.send(Step::Work(work)).map_err(gone)?;
        answer.await.map_err(gone)?
    }

    pub(super) async fn fetch<T: Send + 'static>(
        &self,
        sql: &Sql,
        values: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let text = sql.sqlite();
        self.work(move |connection| fetch(connection, &text, &values, map)).await
    }

    pub(super) async fn execute(&self, sql: &Sql, values: Vec<Value>) -> Result<u64, Error> {
        let text = sql.sqlite();
        self.work(move |connection| execute(connection, &text, &values)).await
    }

    /// One statement for each of many rows.
    pub(crate) async fn execute_each(&self, sql: &Sql, rows: Vec<Vec<Value>>) -> Result<(), Error> {
        let text = sql.sqlite();
        self.work(move |connection| {
            let mut statement = connection.prepare_cached(&text)?;
            for values in &rows {
                bind(&mut statement, values)?;
                statement.raw_execute()?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        self.steps.send(Step::Commit(done)).map_err(gone)?;
        answer.await.map_err(gone)?
    }
}

fn serve(connection: &mut Connection, steps: &Receiver<Step>) {
    while let Ok(step) = steps.recv() {
        match step {
            Step::Work(work) => work(connection),
            Step::Commit(done) => {
                let committed = connection.execute_batch("COMMIT").map_err(Error::from);
                done.send(committed).ok();
                return;
            }
        }
    }
}

async fn submit<T: Send + 'static>(
    queue: &Sender<Message>,
    work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (done, answer) = oneshot::channel();
    let work = Box::new(move |connection: &mut Connection| drop(done.send(work(connection))));
    queue.send(Message::Work(work)).map_err(gone)?;
    answer.await.map_err(gone)?
}

fn gone(_: impl Any) -> Error {
    Error::Away("the store was closed".into())
}

fn spawn(name: &str, mut connection: Connection, work: Receiver<Message>) -> Result<(), Error> {
    let serve = move || {
        while let Ok(message) = work.recv() {
            match message {
                Message::Work(work) => {
                    // A panic costs its caller an error, not all others the store.
                    let work = std::panic::AssertUnwindSafe(|| work(&mut connection));
                    let panicked = std::panic::catch_unwind(work).is_err();
                    if panicked && !connection.is_autocommit() {
                        connection.execute_batch("ROLLBACK").ok();
                    }
                }
                Message::End(ended) => {
                    drop(connection);
                    ended.send(()).ok();
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(serve).map(drop).map_err(input_output)
}

fn path(url: &str) -> Result<PathBuf, Error> {
    let rest = url.strip_prefix("sqlite:").unwrap_or_default();
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if rest.is_empty() || rest.starts_with(":memory:") {
        return Err(Error::Options("a SQLite store is written sqlite:PATH".into()));
    }
    Ok(PathBuf::from(rest))
}

/// The file holds passwords and secrets; the files beside it inherit its mode.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("{}: {error}", path.display());
            Err(match error.kind() {
                std::io::ErrorKind::PermissionDenied => Error::Denied(message),
                _ => Error::Away(message),
            })
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // "alice" must not silently become a text where a column was meant.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// WAL. Two processes that open a fresh file at once get in each other's way here, and SQLite
/// does not wait for this lock.
fn keep_log_ahead(connection: &Connection) -> Result<(), Error> {
    let mut tries = 0;
    let mode: String = loop {
        let set = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(Error::from);
        match set {
            Err(Error::Conflict) if tries < 100 => tries += 1,
            other => break other?,
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Error::Options(format!(
            "SQLite can't keep a write-ahead log where the store lies (its mode is {mode})"
        )));
    }
    // A page that is written many times between two checkpoints is copied once.
    connection.pragma_update(None, "wal_autocheckpoint", 8_192)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(())
}

pub(crate) fn fetch<T>(
    connection: &Connection,
    text: &str,
    values: &[Value],
    map: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare_cached(text)?;
    bind(&mut statement, values)?;
    collect(&mut statement, map)
}

pub(crate) fn collect<T>(
    statement: &mut CachedStatement<'_>,
    map: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(map(&Row::Sqlite(row))?);
    }
    Ok(found)
}

pub(crate) fn execute(connection: &Connection, text: &str, values: &[Value]) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(text)?;
    bind(&mut statement, values)?;
    Ok(statement.raw_execute()? as u64)
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), Error> {
    for (at, value) in values.iter().enumerate() {
        let index = position(statement, at)?;
        match value {
            Value::Int(value) => statement.raw_bind_parameter(index, value)?,
            Value::Text(value) => statement.raw_bind_parameter(index, value.as_deref())?,
            Value::Flag(value) => statement.raw_bind_parameter(index, value)?,
            Value::OptionalInts(values) => {
                statement.raw_bind_parameter(index, json(values)?)?;
            }
            Value::Ints(values) => statement.raw_bind_parameter(index, json(values)?)?,
            Value::Texts(values) => statement.raw_bind_parameter(index, json(values)?)?,
            Value::OptionalTexts(values) => statement.raw_bind_parameter(index, json(values)?)?,
        }
    }
    Ok(())
}

/// Where SQLite has put `$n`; `at` counts from 0.
pub(crate) fn position(statement: &CachedStatement<'_>, at: usize) -> Result<usize, Error> {
    const NAMES: [&str; 40] = [
        "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14",
        "$15", "$16", "$17", "$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26", "$27",
        "$28", "$29", "$30", "$31", "$32", "$33", "$34", "$35", "$36", "$37", "$38", "$39", "$40",
    ];
    let name = NAMES.get(at).copied().unwrap_or("$too-many");
    let index = statement.parameter_index(name)?;
    index.ok_or_else(|| Error::Failed(format!("the statement has no {name}")))
}

fn json(values: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(values).map_err(|error| Error::Failed(error.to_string()))
}

fn input_output(error: std::io::Error) -> Error {
    Error::Away(error.to_string())
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        let message = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, _) = &error else {
            return match error {
                rusqlite::Error::SqlInputError { .. } => Error::Schema(message),
                _ => Error::Failed(message),
            };
        };
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Conflict,
            ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch => {
                Error::Data { code: failure.extended_code.to_string(), message }
            }
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied => Error::Denied(message),
            ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed => Error::Away(message),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SchemaChanged => {
                Error::Schema(message)
            }
            // SQLITE_ERROR: no such table or column, or our mistake.
            ErrorCode::Unknown => Error::Schema(message),
            _ => Error::Failed(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_file() {
        assert_eq!(path("sqlite:var/radiusd.db").unwrap(), PathBuf::from("var/radiusd.db"));
        assert_eq!(path("sqlite:///var/lib/r.db").unwrap(), PathBuf::from("/var/lib/r.db"));
        assert!(matches!(path("sqlite:"), Err(Error::Options(_))));
        assert!(matches!(path("sqlite::memory:"), Err(Error::Options(_))));
    }

    #[tokio::test]
    async fn a_busy_writer_keeps_no_change_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("radiusd.db");
        let database = Database::start(&path, 1).unwrap();
        let other = connect(&path).unwrap();
        other.execute_batch("CREATE TABLE t(id INTEGER)").unwrap();
        let mut others = database.others();
        let tx = database.begin().await.unwrap();
        let before = *others.borrow_and_update();
        tx.work(|ours| Ok(ours.execute_batch("INSERT INTO t VALUES (1)")?)).await.unwrap();
        tx.commit().await.unwrap();
        database.begin().await.unwrap();
        assert_eq!(*others.borrow_and_update(), before, "our own commit");
        other.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        // From here on the writer is busy.
        let tx = database.begin().await.unwrap();
        database.look_for_others();
        assert!(others.has_changed().unwrap());
        assert!(before.is_some() && *others.borrow_and_update() != before);
        drop(tx);
        others.changed().await.unwrap();
        database.close().await;
    }

    #[test]
    fn values_are_bound_by_name() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t(id INTEGER, nas TEXT)").unwrap();
        let values = [Value::from(1_i64), Value::from("old")];
        execute(&connection, "INSERT INTO t(nas, id) VALUES ($2, $1)", &values).unwrap();
        let values = [Value::from(1_i64), Value::from("new")];
        let touched = execute(&connection, "UPDATE t SET nas = $2 WHERE id = $1", &values);
        assert_eq!(touched.unwrap(), 1);
    }
}
