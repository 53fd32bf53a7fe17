//! The store as others hold it: opened once, cloned freely.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::RwLock;

use crate::additions::{self, Addition};
use crate::changes::Subscribers;
use crate::engine::{Engine, Tx, both, each, postgres, sqlite, statements};
use crate::layout::Layout;
use crate::migrations::{self, History, Lock};
use crate::{Error, attempts, counters, nas, policy, sessions, usage};

/// How to reach a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…` as libpq understands it.
    pub url: String,
    /// Connections at most; on SQLite readers, beside the one writer.
    pub pool: usize,
    /// Where LISTEN goes when `url` leads to a pooler.
    pub listen_url: Option<String>,
    /// The zone of times that FreeRADIUS writes as local text.
    pub timezone: TimeZone,
}

impl Options {
    /// Where the store lies, without whom we are there: the same store has the same place.
    pub fn place(&self) -> String {
        let (scheme, rest) = self.url.split_once(':').unwrap_or_default();
        if scheme == "sqlite" {
            return self.url.clone();
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = address.split_once('/').unwrap_or((address, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        let mut named: Vec<&str> = query
            .split('&')
            .filter(|pair| ["host=", "port=", "dbname="].iter().any(|key| pair.starts_with(key)))
            .collect();
        named.sort_unstable();
        format!("postgres://{host}/{database}?{}", named.join("&"))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { url: String::new(), pool: 8, listen_url: None, timezone: TimeZone::UTC }
    }
}

/// What `migrate` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Migrations run now, `0002_attempts`.
    pub applied: Vec<String>,
    /// FreeRADIUS's tables were there and are left as they are.
    pub taken: bool,
    /// Indexes and triggers added to FreeRADIUS's tables.
    pub added: Vec<String>,
    /// What the role may not do, one sentence each; `Store::print_sql` has the text for an owner.
    pub lacking: Vec<String>,
}

/// What a store is and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `postgresql` or `sqlite`.
    pub engine: &'static str,
    pub version: String,
    /// Every migration, and whether it has been run.
    pub migrations: Vec<(String, bool)>,
    /// Our tables can be used; else RADIUS runs without reasons, traces and session marks.
    pub ours: bool,
    /// Changes by other programs are told at once; else policy is at most 2 s old.
    pub notified: bool,
    pub lacking: Vec<String>,
}

/// FreeRADIUS's tables and ours, on PostgreSQL or SQLite.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    options: Options,
    pub subscribers: Subscribers,
    pub traces: attempts::Pruning,
    usage: usage::Keeper,
    /// Until then every call is [`Error::Away`].
    opened: OnceLock<Opened>,
}

struct Opened {
    engine: Engine,
    known: RwLock<Arc<Known>>,
}

/// What was found in the store, and the statements made for it.
pub(crate) struct Known {
    pub layout: Layout,
    pub history: History,
    pub policy: policy::Texts,
    pub nas: nas::Texts,
    pub counters: counters::Texts,
    pub sessions: sessions::Texts,
    pub usage: usage::Texts,
    pub attempts: attempts::Texts,
}

statements! {
    VERSION = each("SELECT current_setting('server_version')", "SELECT sqlite_version()");
    ALIVE = both("SELECT 1");
}

impl Store {
    /// Connects and looks what is there; makes nothing but an empty SQLite file.
    pub async fn open(options: &Options) -> Result<Store, Error> {
        let store = Store::unopened(options)?;
        let opened = Opened::at(options).await?;
        store.inner.opened.set(opened).ok();
        Ok(store)
    }

    /// A store that may be away: every call is [`Error::Away`] until `reach` has succeeded.
    pub fn unopened(options: &Options) -> Result<Store, Error> {
        scheme(options)?;
        let inner = Inner {
            options: options.clone(),
            subscribers: Subscribers::default(),
            traces: attempts::Pruning::default(),
            usage: usage::Keeper::new(options.timezone.clone()),
            opened: OnceLock::new(),
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Opens an unopened store and does what `migrate_tables` does, before anybody else's call
    /// gets through: none meets the tables of an older version.
    pub async fn reach(&self) -> Result<Report, Error> {
        let opened = Opened::at(&self.inner.options).await?;
        let report = opened.migrate_tables().await?;
        self.inner.opened.set(opened).ok();
        Ok(report)
    }

    /// Whether it has been opened; it may be away all the same.
    pub fn is_open(&self) -> bool {
        self.inner.opened.get().is_some()
    }

    /// Brings the tables to the newest version: an empty store gets FreeRADIUS's tables and
    /// ours, another one ours, and what it lacks of indexes and triggers if the role may. Safe to
    /// repeat, and with two processes at once.
    pub async fn migrate(&self) -> Result<Report, Error> {
        let mut report = self.migrate_tables().await?;
        let indexes = self.add_indexes().await?;
        report.added.extend(indexes.added);
        report.lacking.extend(indexes.lacking);
        Ok(report)
    }

    /// The part of `migrate` that never takes long, for a daemon that starts: all but indexes.
    pub async fn migrate_tables(&self) -> Result<Report, Error> {
        self.inner.opened()?.migrate_tables().await
    }

    /// The rest of `migrate`: indexes that FreeRADIUS's tables lack, built without blocking
    /// writers on PostgreSQL. Does nothing while another process is at it.
    pub async fn add_indexes(&self) -> Result<Report, Error> {
        let mut report = Report { taken: self.known()?.history.taken, ..Report::default() };
        let engine = self.engine()?;
        let mut lock = match engine {
            Engine::Postgres(database) => {
                migrations::lock(database, Lock::Indexes, Duration::ZERO).await?
            }
            Engine::Sqlite(_) => None,
        };
        for Addition { name, sql } in additions::missing_indexes(engine, &self.layout()?).await? {
            let added = match (engine, &mut lock) {
                (Engine::Postgres(_), Some(session)) => migrations::add(session, &sql).await,
                (Engine::Postgres(_), None) => break,
                (Engine::Sqlite(database), _) => migrations::add_on_sqlite(database, sql).await,
            };
            match added {
                Ok(()) => report.added.push(name),
                Err(error @ Error::Away(_)) => return Err(error),
                Err(error) => report.lacking.push(format!("no index {name}: {error}")),
            }
        }
        if matches!(engine, Engine::Sqlite(_)) && !report.added.is_empty() {
            // A statement names one of them.
            self.inner.opened()?.look_again().await?;
        }
        Ok(report)
    }

    /// What the owner of the tables has to run so that `migrate` has nothing left to do; empty
    /// when nothing is left.
    pub async fn print_sql(&self) -> Result<String, Error> {
        let engine = self.engine()?;
        let layout = Layout::detect(engine).await?;
        let mut text = migrations::text(engine, &layout).await?;
        let Engine::Postgres(_) = engine else {
            if !layout.is_empty() {
                let missing = additions::missing_indexes(engine, &layout).await?;
                text.extend(missing.into_iter().map(|addition| addition.sql));
            }
            return Ok(text);
        };
        text.extend(additions::missing_triggers(engine).await?.into_iter().map(|more| more.sql));
        text.push_str(&additions::triggers_to_come(&layout));
        text.push_str(&migrations::grants(engine, &layout).await?);
        if !text.is_empty() {
            text = format!("BEGIN;\n{text}COMMIT;\n");
        }
        if layout.is_empty() {
            text.push_str(&additions::indexes_to_come());
        }
        let missing = additions::missing_indexes(engine, &layout).await?;
        text.extend(missing.into_iter().map(|addition| addition.sql));
        Ok(text)
    }

    pub async fn status(&self) -> Result<Status, Error> {
        let engine = self.engine()?;
        let version = engine.find(&VERSION, vec![], |row| row.text(0)).await?;
        self.look_again().await?;
        let known = self.known()?;
        let mut lacking = Vec::new();
        let tables = known.layout.lacking_ours();
        if !tables.is_empty() {
            lacking.push(format!("no use of {}", tables.join(", ")));
        }
        let tables = known.layout.lacking_usage();
        if !tables.is_empty() {
            lacking.push(format!("no use of {}: usage is not kept", tables.join(", ")));
        }
        let tables = known.layout.lacking_management();
        if !tables.is_empty() {
            lacking.push(format!("no use of {}: nobody can sign in", tables.join(", ")));
        }
        let triggers = additions::missing_triggers(engine).await?;
        let indexes = additions::missing_indexes(engine, &known.layout).await?;
        lacking.extend(triggers.iter().map(|addition| format!("no {}", addition.name)));
        lacking.extend(indexes.iter().map(|addition| format!("no index {}", addition.name)));
        Ok(Status {
            engine: self.engine_name(),
            version: version.unwrap_or_default(),
            migrations: known.history.list(),
            ours: known.layout.ours(),
            notified: triggers.is_empty(),
            lacking,
        })
    }

    pub fn engine_name(&self) -> &'static str {
        match scheme(&self.inner.options) {
            Ok(Scheme::Sqlite) => "sqlite",
            _ => "postgresql",
        }
    }

    /// The tables that management can't use, with nobody able to sign in; none is well.
    pub fn lacks_for_management(&self) -> Result<Vec<&'static str>, Error> {
        Ok(self.known()?.layout.lacking_management())
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), Error> {
        ping(&self.inner).await
    }

    /// Ends connections and threads when their work is done.
    pub async fn close(&self) {
        if let Some(opened) = self.inner.opened.get() {
            opened.engine.close().await;
        }
    }

    /// Prepares every statement that this store may be sent; a test calls it.
    #[doc(hidden)]
    pub async fn prepare_every_statement(&self) -> Result<usize, Error> {
        let engine = self.engine()?;
        let known = self.known()?;
        let mut count = 0;
        for (name, sql) in crate::statements(&known, self.engine_name()) {
            engine.prepare(sql).await.map_err(|error| Error::Failed(format!("{name}: {error}")))?;
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn engine(&self) -> Result<&Engine, Error> {
        self.inner.engine()
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        self.engine()?.begin().await
    }

    pub(crate) fn known(&self) -> Result<Arc<Known>, Error> {
        Ok(self.inner.opened()?.known.read().clone())
    }

    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        Ok(self.known()?.layout.clone())
    }

    pub(crate) fn keeper(&self) -> &usage::Keeper {
        &self.inner.usage
    }

    pub(crate) fn timezone(&self) -> &TimeZone {
        &self.inner.options.timezone
    }

    async fn look_again(&self) -> Result<(), Error> {
        self.inner.opened()?.look_again().await
    }
}

impl Inner {
    fn opened(&self) -> Result<&Opened, Error> {
        self.opened.get().ok_or_else(|| Error::Away("it has not been reached yet".into()))
    }

    pub(crate) fn engine(&self) -> Result<&Engine, Error> {
        Ok(&self.opened()?.engine)
    }
}

impl Opened {
    async fn at(options: &Options) -> Result<Opened, Error> {
        let engine = match scheme(options)? {
            Scheme::Sqlite => Engine::Sqlite(sqlite::Database::open(options).await?),
            Scheme::Postgres => Engine::Postgres(postgres::Database::open(options).await?),
        };
        let known = RwLock::new(Arc::new(Known::of(&engine).await?));
        Ok(Opened { engine, known })
    }

    async fn migrate_tables(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        let engine = &self.engine;
        let _lock = match engine {
            Engine::Postgres(database) => {
                let lock = migrations::lock(database, Lock::Tables, Duration::from_secs(60));
                Some(lock.await?.ok_or_else(|| {
                    Error::Away("another process has been migrating the store for 60 s".into())
                })?)
            }
            Engine::Sqlite(_) => None,
        };
        migrations::run(engine, &mut report).await?;
        self.look_again().await?;
        if let Engine::Postgres(database) = engine {
            for Addition { name, sql } in additions::missing_triggers(engine).await? {
                match migrations::add_at_once(database, &sql).await {
                    Ok(()) => report.added.push(name),
                    Err(error @ Error::Away(_)) => return Err(error),
                    Err(error) => report.lacking.push(format!("no {name}: {error}")),
                }
            }
        }
        Ok(report)
    }

    async fn look_again(&self) -> Result<(), Error> {
        let known = Known::of(&self.engine).await?;
        *self.known.write() = Arc::new(known);
        Ok(())
    }
}

enum Scheme {
    Sqlite,
    Postgres,
}

fn scheme(options: &Options) -> Result<Scheme, Error> {
    match options.url.split(':').next().unwrap_or_default() {
        "sqlite" => Ok(Scheme::Sqlite),
        "postgres" | "postgresql" => Ok(Scheme::Postgres),
        _ => Err(Error::Options("a store is written sqlite:PATH or postgres://…".into())),
    }
}

pub(crate) async fn ping(inner: &Inner) -> Result<(), Error> {
    inner.engine()?.find(&ALIVE, vec![], |_| Ok(())).await?;
    Ok(())
}

impl Known {
    async fn of(engine: &Engine) -> Result<Known, Error> {
        let layout = Layout::detect(engine).await?;
        layout.check()?;
        Ok(Known {
            history: History::read(engine, &layout).await?,
            policy: policy::Texts::of(&layout),
            nas: nas::Texts::of(&layout),
            counters: counters::Texts::of(&layout),
            sessions: sessions::Texts::of(&layout),
            usage: usage::Texts::of(&layout),
            attempts: attempts::Texts::of(&layout),
            layout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_without_credentials() {
        let place = |url: &str| Options { url: url.into(), ..Options::default() }.place();
        for (url, expected) in [
            ("sqlite:/var/lib/r.db", "sqlite:/var/lib/r.db"),
            ("postgres://u:p@db:5433/radius?sslmode=require", "postgres://db:5433/radius?"),
            ("postgresql://u:a@b@db/radius", "postgres://db/radius?"),
            ("postgres:///r?password=x&host=/run/pg", "postgres:///r?host=/run/pg"),
        ] {
            assert_eq!(place(url), expected);
        }
    }
}
