//! The store as others hold it: opened once, cloned freely.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::RwLock;

use crate::additions::{self, Addition};
use crate::changes::Subscribers;
use crate::engine::{Engine, Tx, both, each, postgres, sqlite, statements};
use crate::layout::Layout;
use crate::migrations::{self, History, Lock};
use crate::{Error, attempts, counters, nas, policy, sessions};

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
    pub engine: Engine,
    pub timezone: TimeZone,
    pub subscribers: Subscribers,
    pub traces: attempts::Pruning,
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
    pub attempts: attempts::Texts,
}

statements! {
    VERSION = each("SELECT current_setting('server_version')", "SELECT sqlite_version()");
    ALIVE = both("SELECT 1");
}

impl Store {
    /// Connects and looks what is there; makes nothing but an empty SQLite file.
    pub async fn open(options: &Options) -> Result<Store, Error> {
        let engine = match options.url.split(':').next().unwrap_or_default() {
            "sqlite" => Engine::Sqlite(sqlite::Database::open(options).await?),
            "postgres" | "postgresql" => Engine::Postgres(postgres::Database::open(options).await?),
            _ => {
                let allowed = "a store is written sqlite:PATH or postgres://…";
                return Err(Error::Options(allowed.into()));
            }
        };
        let known = Known::of(&engine).await?;
        let inner = Inner {
            engine,
            timezone: options.timezone.clone(),
            subscribers: Subscribers::default(),
            traces: attempts::Pruning::default(),
            known: RwLock::new(Arc::new(known)),
        };
        Ok(Store { inner: Arc::new(inner) })
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
        let mut report = Report::default();
        let engine = self.engine();
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

    /// The rest of `migrate`: indexes that FreeRADIUS's tables lack, built without blocking
    /// writers on PostgreSQL. Does nothing while another process is at it.
    pub async fn add_indexes(&self) -> Result<Report, Error> {
        let mut report = Report { taken: self.known().history.taken, ..Report::default() };
        let engine = self.engine();
        let mut lock = match engine {
            Engine::Postgres(database) => {
                migrations::lock(database, Lock::Indexes, Duration::ZERO).await?
            }
            Engine::Sqlite(_) => None,
        };
        for Addition { name, sql } in additions::missing_indexes(engine, &self.layout()).await? {
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
        Ok(report)
    }

    /// What the owner of the tables has to run so that `migrate` has nothing left to do; empty
    /// when nothing is left.
    pub async fn print_sql(&self) -> Result<String, Error> {
        let engine = self.engine();
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
        let engine = self.engine();
        let version = engine.find(&VERSION, vec![], |row| row.text(0)).await?;
        self.look_again().await?;
        let known = self.known();
        let mut lacking = Vec::new();
        let tables = known.layout.lacking_ours();
        if !tables.is_empty() {
            lacking.push(format!("no use of {}", tables.join(", ")));
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
        match self.engine() {
            Engine::Postgres(_) => "postgresql",
            Engine::Sqlite(_) => "sqlite",
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), Error> {
        ping(&self.inner).await
    }

    /// Ends connections and threads when their work is done.
    pub async fn close(&self) {
        self.inner.engine.close().await;
    }

    /// Prepares every statement that this store may be sent; a test calls it.
    #[doc(hidden)]
    pub async fn prepare_every_statement(&self) -> Result<usize, Error> {
        let engine = self.engine();
        let known = self.known();
        let mut count = 0;
        for (name, sql) in crate::statements(&known, self.engine_name()) {
            engine.prepare(sql).await.map_err(|error| Error::Failed(format!("{name}: {error}")))?;
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        self.inner.engine.begin().await
    }

    pub(crate) fn known(&self) -> Arc<Known> {
        self.inner.known.read().clone()
    }

    pub(crate) fn layout(&self) -> Layout {
        self.known().layout.clone()
    }

    async fn look_again(&self) -> Result<(), Error> {
        let known = Known::of(self.engine()).await?;
        *self.inner.known.write() = Arc::new(known);
        Ok(())
    }
}

pub(crate) async fn ping(inner: &Inner) -> Result<(), Error> {
    inner.engine.find(&ALIVE, vec![], |_| Ok(())).await?;
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
            attempts: attempts::Texts::of(&layout),
            layout,
        })
    }
}
