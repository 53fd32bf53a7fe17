//! The numbered migrations and who has run them. Forward only; each is one transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::postgres::Session;
use crate::engine::{Engine, Sql, Tx, both, each, postgres, sqlite, statements, values};
use crate::layout::Layout;
use crate::{Error, Report};

pub(crate) struct Migration {
    pub number: i64,
    pub name: &'static str,
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
        }
    };
}

/// FreeRADIUS's tables first; only on a store that has none of them.
const RADIUS: Migration = migration!(1, "0001_radius");

const OURS: &[Migration] = &[
    migration!(2, "0002_attempts"),
    migration!(3, "0003_sessions"),
    migration!(4, "0004_nas"),
    migration!(5, "0005_usage"),
    migration!(6, "0006_archive"),
    migration!(7, "0007_operators"),
    migration!(8, "0008_audit"),
    migration!(9, "0009_factors"),
    migration!(10, "0010_tenants"),
    migration!(11, "0011_coa"),
    migration!(12, "0012_attempt_counts"),
    migration!(13, "0013_users"),
];

statements! {
    HISTORY = each(
        "CREATE TABLE IF NOT EXISTS mgmt.mgmt_migrations (number bigint PRIMARY KEY, \
         name text NOT NULL, applied_ms bigint NOT NULL, taken boolean NOT NULL)",
        "CREATE TABLE IF NOT EXISTS mgmt_migrations (number INTEGER PRIMARY KEY, \
         name TEXT NOT NULL, applied_ms INTEGER NOT NULL, taken INTEGER NOT NULL)",
    );
    APPLIED = both("SELECT number, taken FROM mgmt_migrations ORDER BY number");
    RECORD = both(
        "INSERT INTO mgmt_migrations (number, name, applied_ms, taken) VALUES ($1, $2, $3, $4)",
    );
    HAS_SCHEMA = both("SELECT to_regnamespace('mgmt') IS NOT NULL");
    /// Tables here, and indexes under the next number, so that a daemon that starts does not
    /// wait for another one's index.
    LOCK = both("SELECT pg_try_advisory_lock(1818452328, $1::int4)");
    ROLE = both("SELECT current_user::text, current_database()::text");
}

/// Statements of this file that only PostgreSQL understands.
pub(crate) fn is_for_postgres(name: &str) -> bool {
    matches!(name, "HAS_SCHEMA" | "LOCK" | "ROLE")
}

#[derive(Clone, Copy)]
pub(crate) enum Lock {
    Tables,
    Indexes,
}

/// Which migrations have been run, with whether FreeRADIUS's tables were found there.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    numbers: Vec<i64>,
    pub taken: bool,
}

impl History {
    pub(crate) async fn read(engine: &Engine, layout: &Layout) -> Result<History, Error> {
        if !layout.has("mgmt_migrations") {
            return Ok(History::default());
        }
        let rows = engine.fetch(&APPLIED, vec![], |row| Ok((row.int(0)?, row.flag(1)?))).await?;
        History::of(&rows)
    }

    fn of(rows: &[(i64, bool)]) -> Result<History, Error> {
        let newest = OURS.last().map_or(RADIUS.number, |migration| migration.number);
        if let Some((number, _)) = rows.iter().find(|(number, _)| *number > newest) {
            return Err(Error::Schema(format!(
                "the store was brought to migration {number} by a newer radiusd; \
                 this one knows {newest}"
            )));
        }
        let taken = rows.iter().any(|(_, taken)| *taken);
        Ok(History { numbers: rows.iter().map(|(number, _)| *number).collect(), taken })
    }

    /// FreeRADIUS's tables here were made by us.
    pub(crate) fn is_ours(&self) -> bool {
        self.has(&RADIUS) && !self.taken
    }

    fn has(&self, migration: &Migration) -> bool {
        self.numbers.contains(&migration.number)
    }

    pub(crate) fn list(&self) -> Vec<(String, bool)> {
        let all = std::iter::once(&RADIUS).chain(OURS);
        all.map(|migration| (migration.name.to_owned(), self.has(migration))).collect()
    }
}

/// Runs what has not been run.
pub(crate) async fn run(engine: &Engine, report: &mut Report) -> Result<(), Error> {
    let made = create_radius(engine, report).await?;
    match enter_history(engine).await {
        Ok(()) => {}
        Err(error @ Error::Denied(_)) => {
            report.lacking.push(format!("tables of our own can't be made: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut tx = engine.begin().await?;
    let rows = tx.fetch(&APPLIED, vec![], |row| Ok((row.int(0)?, row.flag(1)?))).await?;
    let history = History::of(&rows)?;
    report.taken = history.taken;
    if !history.has(&RADIUS) {
        report.taken = !made;
        record(&mut tx, &RADIUS, report.taken).await?;
    }
    tx.commit().await?;
    for migration in OURS {
        match run_one(engine, migration).await {
            Ok(true) => report.applied.push(migration.name.to_owned()),
            Ok(false) => {}
            Err(error @ Error::Denied(_)) => {
                report.lacking.push(format!("{} can't be run: {error}", migration.name));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// FreeRADIUS's tables on an empty store; false when there are some.
async fn create_radius(engine: &Engine, report: &mut Report) -> Result<bool, Error> {
    let layout = Layout::detect(engine).await?;
    layout.check()?;
    if !layout.is_empty() {
        return Ok(false);
    }
    let mut tx = engine.begin().await?;
    match script(&mut tx, &RADIUS).await {
        Ok(()) => tx.commit().await?,
        // Another process was first: on SQLite only the transaction keeps it out.
        Err(Error::Schema(_)) if !Layout::detect(engine).await?.is_empty() => return Ok(true),
        Err(error) => return Err(error),
    }
    report.applied.push(RADIUS.name.to_owned());
    Ok(true)
}

async fn enter_history(engine: &Engine) -> Result<(), Error> {
    if let Engine::Postgres(database) = engine {
        let there = engine.find(&HAS_SCHEMA, vec![], |row| row.flag(0)).await?;
        if there != Some(true) {
            let mut tx = database.begin().await?;
            tx.script("CREATE SCHEMA mgmt").await?;
            Tx::Postgres(tx).commit().await?;
        }
        // Asking again to create what is there would need the right to.
        if Layout::detect(engine).await?.has("mgmt_migrations") {
            return Ok(());
        }
    }
    let mut tx = engine.begin().await?;
    tx.execute(&HISTORY, vec![]).await?;
    tx.commit().await
}

/// False when another process has run it.
async fn run_one(engine: &Engine, migration: &Migration) -> Result<bool, Error> {
    let mut tx = engine.begin().await?;
    let rows = tx.fetch(&APPLIED, vec![], |row| Ok((row.int(0)?, row.flag(1)?))).await?;
    if History::of(&rows)?.has(migration) {
        return Ok(false);
    }
    script(&mut tx, migration).await?;
    record(&mut tx, migration, false).await?;
    tx.commit().await?;
    Ok(true)
}

async fn script(tx: &mut Tx, migration: &Migration) -> Result<(), Error> {
    match tx {
        Tx::Postgres(tx) => tx.script(migration.postgres).await,
        Tx::Sqlite(tx) => {
            let text = migration.sqlite;
            tx.work(move |connection| Ok(connection.execute_batch(text)?)).await
        }
    }
}

async fn record(tx: &mut Tx, migration: &Migration, taken: bool) -> Result<(), Error> {
    let values = values![migration.number, migration.name, now_ms(), taken];
    tx.execute(&RECORD, values).await?;
    Ok(())
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Keeps other processes out until it is dropped. It asks again and again: a session that waits
/// inside PostgreSQL would itself be waited for by CREATE INDEX CONCURRENTLY.
pub(crate) async fn lock(
    database: &postgres::Database,
    lock: Lock,
    patience: Duration,
) -> Result<Option<Session>, Error> {
    let mut session = database.session().await?;
    let began = tokio::time::Instant::now();
    loop {
        let got = session.fetch(&LOCK, &[(lock as i64).into()], |row| row.flag(0)).await?;
        if got.first() == Some(&true) {
            return Ok(Some(session));
        }
        if began.elapsed() >= patience {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What is left of the migrations as text for an owner, without the transaction around it.
pub(crate) async fn text(engine: &Engine, layout: &Layout) -> Result<String, Error> {
    let history = History::read(engine, layout).await?;
    let postgres = matches!(engine, Engine::Postgres(_));
    let content = |migration: &Migration| match postgres {
        true => migration.postgres,
        false => migration.sqlite,
    };
    let mut text = String::new();
    let mut recorded = Vec::new();
    if layout.is_empty() {
        text.push_str(content(&RADIUS));
    }
    if !history.has(&RADIUS) {
        recorded.push((&RADIUS, !layout.is_empty()));
    }
    for migration in OURS.iter().filter(|migration| !history.has(migration)) {
        recorded.push((migration, false));
    }
    if recorded.is_empty() {
        return Ok(text);
    }
    if postgres {
        text.push_str("\nCREATE SCHEMA IF NOT EXISTS mgmt;\n");
    }
    let Sql::Each { postgres: on_postgres, sqlite: on_sqlite } = &HISTORY else { return Ok(text) };
    text.push_str(if postgres { on_postgres } else { on_sqlite });
    text.push_str(";\n");
    let schema = if postgres { "mgmt." } else { "" };
    for (migration, taken) in recorded {
        if migration.number != RADIUS.number {
            text.push('\n');
            text.push_str(content(migration));
        }
        let (number, name, now) = (migration.number, migration.name, now_ms());
        let taken = if postgres { taken.to_string() } else { i64::from(taken).to_string() };
        text.push_str(&format!(
            "INSERT INTO {schema}mgmt_migrations (number, name, applied_ms, taken) \
             VALUES ({number}, '{name}', {now}, {taken});\n"
        ));
    }
    Ok(text)
}

/// The rights that this role needs on what an owner made for it.
pub(crate) async fn grants(engine: &Engine, layout: &Layout) -> Result<String, Error> {
    let names = engine.find(&ROLE, vec![], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let Some((role, _)) = names else { return Ok(String::new()) };
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let mut text = String::new();
    if layout.is_empty() {
        let tables = "radcheck, radreply, radgroupcheck, radgroupreply, radusergroup, radacct, \
                      radpostauth, nas, nasreload, radippool";
        text.push_str(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role};\n"));
        let sequences = "radcheck_id_seq, radreply_id_seq, radgroupcheck_id_seq, \
                         radgroupreply_id_seq, radusergroup_id_seq, radacct_radacctid_seq, \
                         radpostauth_id_seq, nas_id_seq, radippool_id_seq";
        text.push_str(&format!("GRANT USAGE, SELECT ON SEQUENCE {sequences} TO {role};\n"));
    }
    let whole = layout.keeps_usage() && layout.lacking_management().is_empty();
    if !whole || !layout.has("mgmt_migrations") {
        text.push_str(&format!("GRANT USAGE ON SCHEMA mgmt TO {role};\n"));
        text.push_str(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mgmt TO {role};\n"
        ));
    }
    Ok(text)
}

/// Runs one addition; each of its statements alone, since an index built without blocking
/// writers can't stand in a transaction.
pub(crate) async fn add(session: &mut Session, sql: &str) -> Result<(), Error> {
    for statement in sql.split_inclusive(";\n").filter(|statement| !statement.trim().is_empty()) {
        session.script(statement).await?;
    }
    Ok(())
}

/// The same in one transaction, waiting for other programs' locks only so long.
pub(crate) async fn add_at_once(database: &postgres::Database, sql: &str) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    tx.script("SET LOCAL lock_timeout = '5s'").await?;
    tx.script(sql).await?;
    Tx::Postgres(tx).commit().await
}

pub(crate) async fn add_on_sqlite(database: &sqlite::Database, sql: String) -> Result<(), Error> {
    database.write(move |connection| Ok(connection.execute_batch(&sql)?)).await
}
