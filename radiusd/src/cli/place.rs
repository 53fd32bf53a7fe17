//! Where a command finds its configuration, its dictionary and its store.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use radiusd::config::{Config, Loaded, Sources};
use radiusd::exit::{self, Failure};
use radiusd::pairs;
use schema::{Actor, AuditKeys, Store};
use tokio::runtime::Runtime;

/// Where the configuration comes from. The later one wins: file, environment, --set, the others.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Place {
    /// The configuration file [default: $RADIUSD_CONFIG, else /etc/radiusd/radiusd.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Where the daemon keeps its own files
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any configuration key: --set radius.workers=2
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Place {
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::of_process(self.config.clone());
        sources.set = self.set.clone();
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        sources.options = vec![
            ("--database", "store.url", one(&self.database)),
            ("--data-dir", "data_dir", one(&self.data_dir)),
        ];
        sources
    }

    /// The configuration, or every mistake in it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        load(&self.sources())
    }

    /// For commands that anybody may use: a file that nobody named and that this user can't read
    /// is left out.
    pub fn load_readable(&self) -> Result<Loaded, Failure> {
        let mut sources = self.sources();
        if self.config.is_none() {
            sources.file = sources.file.filter(|file| std::fs::File::open(file).is_ok());
        }
        load(&sources)
    }

    /// The store, opened for a command that reads or changes it. A SQLite file gets its tables
    /// first, so that users can be added before the first start; a PostgreSQL store is taken as
    /// it is, `migrate` changes it and nothing else.
    pub fn desk(&self) -> Result<Desk, Failure> {
        let desk = self.desk_as_it_is()?;
        if is_sqlite(&desk.config) {
            desk.wait(desk.store.migrate_tables())?;
        }
        Ok(desk)
    }

    /// The store as it is.
    pub fn desk_as_it_is(&self) -> Result<Desk, Failure> {
        let config = self.load()?.config;
        let dictionary = pairs::dictionary(&config)?;
        let zone = config.store.timezone.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::io("starting", &error))?;
        let store = runtime.block_on(open(&config))?;
        Ok(Desk { config, dictionary, zone, store, runtime })
    }
}

/// What a command needs that works on the store.
pub(super) struct Desk {
    pub config: Config,
    pub dictionary: Arc<Dictionary>,
    pub zone: TimeZone,
    pub store: Store,
    runtime: Runtime,
}

impl Desk {
    /// Waits for something that the store does.
    pub fn wait<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(work).map_err(Into::into)
    }
}

impl Desk {
    /// The keys that seal what people change.
    pub fn audit_keys(&self) -> Result<Arc<AuditKeys>, Failure> {
        let keys = mgmt::keys::audit_keys(&self.config.data_dir);
        let place = self.config.data_dir.join("keys/audit");
        keys.map(Arc::new).map_err(|error| Failure::io(place.display(), &error))
    }

    /// Who types this, for the audit log.
    pub fn actor(&self) -> Result<Actor, Failure> {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid());
        let name = user.ok().flatten().map_or_else(|| "unknown".to_owned(), |user| user.name);
        let (means, source) = ("command line".into(), "here".into());
        Ok(Actor { operator: None, name, means, source, keys: self.audit_keys()? })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}

pub(super) fn load(sources: &Sources) -> Result<Loaded, Failure> {
    Config::load(sources).map_err(|mistakes| {
        let message = match mistakes.as_slice() {
            [one] => one.clone(),
            many => format!("the configuration is wrong:\n  {}", many.join("\n  ")),
        };
        Failure::new(exit::CONFIG, message)
    })
}

fn is_sqlite(config: &Config) -> bool {
    config.store.url.reveal().starts_with("sqlite:")
}

async fn open(config: &Config) -> Result<Store, Failure> {
    if is_sqlite(config) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data_dir)
            .map_err(|error| Failure::io(config.data_dir.display(), &error))?;
    }
    Ok(Store::open(&config.store.options()).await?)
}
