//! Every configuration key, what it means and its default; how a file becomes these structs.
//!
//! `source` gathers the file, the environment and the command line into one tree in which every
//! value knows where it was written; `section` reads that tree key by key and names what is
//! wrong with it; `setting` is how each type is written; `read` is the list of keys; `check` warns
//! about what is legal and unwise;
//! `secret` holds what must never be printed.

mod check;
mod read;
mod secret;
mod section;
mod setting;
mod source;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use mgmt::TlsFiles;
pub use schema::Tri;

pub use read::{Loaded, keys};
pub use secret::Secret;
pub use section::Shown;
pub use source::Sources;

/// What must be known before the store is open. Everything else is a setting in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the daemon keeps its own files: `radiusd.db`, `journal/`, `keys/`.
    pub data_dir: PathBuf,
    pub radius: Radius,
    /// NAS known from the configuration; those of the `nas` table come on top, live.
    pub clients: Vec<Client>,
    pub store: Store,
    pub accounting: Accounting,
    pub attempts: Attempts,
    pub metrics: Metrics,
    pub http: Http,
    pub compat: Compat,
    pub log: Log,
}

/// The sockets, and what one worker may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Radius {
    /// Where Access-Requests arrive.
    pub auth: Vec<SocketAddr>,
    /// Where Accounting-Requests arrive.
    pub acct: Vec<SocketAddr>,
    /// Packet threads per address; 0 is one for each core.
    pub workers: usize,
    /// An Access-Reject leaves no sooner than this after its request arrived.
    pub reject_delay: Duration,
    /// How long a reply is kept for a retransmission of its request.
    pub cleanup_delay: Duration,
    /// Requests one worker may be busy with; those above it are dropped and counted.
    pub inflight_max: usize,
    /// Of those, the ones of one address that wait for something.
    pub inflight_source_max: u32,
    /// Dictionary files of the site, read after the shipped ones.
    pub dictionaries: Vec<PathBuf>,
    /// Users whose rows are kept in memory.
    pub users_cache: usize,
    /// FreeRADIUS's checkrad, an absolute path. None: every open session counts as live.
    pub checkrad: Option<PathBuf>,
}

/// A NAS that the configuration names.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The key of its table, `[clients.NAME]`; FreeRADIUS's shortname.
    pub name: String,
    pub address: ClientAddress,
    pub secret: Secret,
    /// FreeRADIUS's `nas_type`: what `radius.checkrad` is told.
    pub r#type: String,
    pub require_message_authenticator: Tri,
    pub limit_proxy_state: Tri,
    /// Where it takes Disconnect-Request and CoA-Request.
    pub coa_port: u16,
}

/// Whom a client's secret is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// One address or a prefix; the longest that matches wins.
    Net(IpNet),
    /// A host name, resolved ahead and refreshed.
    Host(String),
}

/// The tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://…`; where nothing is said, `radiusd.db` in the data directory.
    pub url: Secret,
    /// Connections at most.
    pub pool: usize,
    /// Where LISTEN goes when `url` leads to a pooler.
    pub listen_url: Option<Secret>,
    /// For how long after the store was last heard users are answered from memory.
    pub stale_policy_max: Duration,
    /// The zone in which dates in rows are meant and FreeRADIUS's times are written.
    pub timezone: TimeZone,
}

/// The path from an Accounting-Request to `radacct`.
#[derive(Clone, Debug, PartialEq)]
pub struct Accounting {
    /// Records in one transaction at most.
    pub batch_max: usize,
    /// Records waiting in memory at most; those above it go to the journal.
    pub queue_max: usize,
    /// How long a record may wait for the store before it goes to the journal.
    pub spill_after: Duration,
    /// What lies in `journal/` at most; records above it stay unanswered and are counted.
    pub journal_max_bytes: usize,
    /// Usage is kept from the first start on; a store that has begun to goes on in any case.
    pub usage: bool,
    /// Days after which a session that ended goes to the archive. 0 keeps all in radacct.
    pub archive_after_days: u32,
}

/// What is kept of each authentication.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempts {
    /// Attempts written in a second at most, rejects first; the rest is counted. 0 is no bound.
    pub rate_max: u32,
    /// Days after which attempts and traces are removed. 0 keeps them.
    pub keep_days: u32,
    /// Full traces kept in all.
    pub traces_max: usize,
    /// Full traces of rejects kept for one user.
    pub traces_per_user: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Where `/metrics` is served; never a public address. None is off.
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where the management module is served. None is off.
    pub listen: Option<SocketAddr>,
    /// Allows plain HTTP on an address other than loopback.
    pub insecure: bool,
    /// Where browsers find it, as they write it; requests to any other name are refused.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// TLS spoken by ourselves.
    pub tls: Option<TlsFiles>,
}

/// `https://radius.example`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(pub String);

/// Where FreeRADIUS's way is wanted although ours is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Compat {
    /// User names are written as FreeRADIUS writes them, `o=27bob` for `o'bob`.
    pub escape_names: bool,
    /// Session-Timeout of a counter may reach into the next period.
    pub counter_carry: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, also per module: `info,radiusd::server=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Config {
        let data_dir = PathBuf::from("/var/lib/radiusd");
        Config {
            store: Store::within(&data_dir),
            data_dir,
            radius: Radius::default(),
            clients: Vec::new(),
            accounting: Accounting {
                batch_max: 500,
                queue_max: 50_000,
                spill_after: Duration::from_secs(1),
                journal_max_bytes: 1 << 30,
                usage: true,
                archive_after_days: 0,
            },
            attempts: Attempts {
                rate_max: 2_000,
                keep_days: 30,
                traces_max: 10_000,
                traces_per_user: 5,
            },
            metrics: Metrics { listen: Some((Ipv4Addr::LOCALHOST, 9812).into()) },
            http: Http {
                listen: Some((Ipv4Addr::LOCALHOST, 8080).into()),
                insecure: false,
                public_url: None,
                trusted_proxies: Vec::new(),
                tls: None,
            },
            compat: Compat { escape_names: false, counter_carry: false },
            log: Log { level: "info".into(), format: LogFormat::Text },
        }
    }
}

impl Default for Radius {
    fn default() -> Radius {
        let both = |port| {
            vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
            ]
        };
        Radius {
            auth: both(1812),
            acct: both(1813),
            workers: 0,
            reject_delay: Duration::from_secs(1),
            cleanup_delay: Duration::from_secs(5),
            inflight_max: 16_384,
            inflight_source_max: 4_096,
            dictionaries: Vec::new(),
            users_cache: 100_000,
            checkrad: None,
        }
    }
}

impl Config {
    /// Says which file or program is named and cannot be used.
    pub fn check_files(&self) -> Result<(), String> {
        if let Some(program) = &self.radius.checkrad
            && let Some(why) = crate::checkrad::objection(program)
        {
            return Err(format!("radius.checkrad = {program:?}: {why}"));
        }
        let tls = self.http.tls.as_ref().map_or(Ok(()), TlsFiles::check);
        tls.map_err(|why| format!("http.tls: {why}"))
    }
}

impl Store {
    /// What the store's crate wants to know.
    #[must_use]
    pub fn options(&self) -> schema::Options {
        schema::Options {
            url: self.url.reveal().to_owned(),
            pool: self.pool,
            listen_url: self.listen_url.as_ref().map(|url| url.reveal().to_owned()),
            timezone: self.timezone.clone(),
        }
    }

    /// The store that needs nothing installed, in this data directory.
    #[must_use]
    pub fn within(data_dir: &std::path::Path) -> Store {
        let file = data_dir.join("radiusd.db");
        Store {
            url: Secret::new(format!("sqlite:{}", file.display())),
            pool: 8,
            listen_url: None,
            stale_policy_max: Duration::from_secs(3_600),
            timezone: TimeZone::system(),
        }
    }
}
