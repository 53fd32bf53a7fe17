//! One server at a time, started for some cases, loaded, observed, ended.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::cluster::{Cluster, Folder, free_port};
use crate::freeradius::FreeRadius;
use crate::generator::{Generator, Load, Outcome, Own};
use crate::machine;
use crate::ours::{self, Ours};
use crate::process::{Process, Usage};
use crate::results::{Case, Server};
use crate::sessions::{Audit, Row, Sessions};
use crate::sqlite;
use crate::traffic::{Logins, Method, Status, Traffic};

pub const SECRET: &str = "bench-secret";

/// Where it happens.
pub struct Ground {
    pub folder: Folder,
    pub cluster: Cluster,
    pub radiusd: Option<PathBuf>,
    pub users: u32,
    pub sockets: usize,
    pub peer_threads: usize,
}

/// The store of a run.
#[derive(Clone, Debug)]
pub enum Site {
    /// A database of the cluster.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

/// A server that serves.
pub struct Running {
    pub server: Server,
    process: Process,
    login: SocketAddr,
    stored: SocketAddr,
    accounting: SocketAddr,
    site: Site,
    pub ready_ms: Option<f64>,
}

/// What one load did to everybody.
pub struct Observed {
    pub outcome: Outcome,
    pub server_us: f64,
    pub store_us: f64,
    pub generator_us: f64,
    pub rss_mib: f64,
    pub others: f64,
}

impl Ground {
    /// On a fresh copy of this database. `every_attempt`: all attempts stored, on `stored`.
    pub fn start(&self, server: Server, template: &str, every_attempt: bool) -> Result<Running> {
        let database = format!("run_{}", server.name().replace(' ', "_").to_lowercase());
        if server != Server::Null {
            self.cluster.copy(template, &database)?;
        }
        self.start_on(server, Site::Postgres(database), every_attempt)
    }

    /// On a fresh SQLite file.
    pub fn start_on_sqlite(&self, server: Server) -> Result<Running> {
        let file = sqlite::make(self.folder.path(), SECRET)?;
        self.start_on(server, Site::Sqlite(file), false)
    }

    /// On a store as it is.
    pub fn start_on(&self, server: Server, site: Site, every_attempt: bool) -> Result<Running> {
        let folder = self.folder.path();
        let (process, [login, stored, accounting], ready_ms) = match server {
            Server::FreeRadius => {
                let store = match &site {
                    Site::Postgres(database) => ("postgresql", self.cluster.keywords(database)),
                    Site::Sqlite(file) => ("sqlite", file.display().to_string()),
                };
                let store = (store.0, store.1.as_str());
                let peer = FreeRadius::start(folder, store, SECRET, self.peer_threads)?;
                (peer.process, [peer.login, peer.stored, peer.accounting], None)
            }
            Server::Ours => {
                let program = self.radiusd.clone().unwrap_or_default();
                let url = match &site {
                    Site::Postgres(database) => self.cluster.url(database),
                    Site::Sqlite(file) => format!("sqlite:{}", file.display()),
                };
                let ours = Ours::start(&program, folder, &url, SECRET, every_attempt)?;
                (ours.process, [ours.login, ours.login, ours.accounting], Some(ours.ready_ms))
            }
            Server::Null => {
                let (process, target) = self.helper("null", &["--secret", SECRET])?;
                (process, [target; 3], None)
            }
        };
        Ok(Running { server, process, login, stored, accounting, site, ready_ms })
    }

    /// One of our own little servers, in a process of its own.
    pub fn helper(&self, name: &str, options: &[&str]) -> Result<(Process, SocketAddr)> {
        let port = free_port()?;
        let target = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).arg(port.to_string()).args(options);
        let log = self.folder.path().join(format!("{name}.log"));
        let mut process = Process::start(name, &mut command, &log)?;
        process.await_ready(Duration::from_secs(5), || ours::answers(target, SECRET.as_bytes()))?;
        Ok((process, target))
    }

    pub fn generator(&self, target: SocketAddr) -> Result<Generator> {
        Generator::new(target, SECRET.as_bytes(), self.sockets, seed()?)
    }

    /// Whatever isn't accounting.
    pub fn logins(&self, case: Case) -> Result<Box<dyn Traffic>> {
        let logins = |method| -> Result<Box<dyn Traffic>> {
            Ok(Box::new(Logins::random(method, self.users, seed()?)))
        };
        match case {
            Case::Chap => logins(Method::Chap),
            Case::Mschap2 => logins(Method::Mschap2),
            Case::PapCold => Ok(Box::new(Logins::each_once(Method::Pap, self.users, seed()?))),
            Case::Status => Ok(Box::new(Status::new(seed()?))),
            _ => logins(Method::Pap),
        }
    }

    /// Sessions that no other run of this day has.
    pub fn sessions(&self) -> Result<Sessions> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Sessions::new((seed()? / 1_000_000 % 100_000) as u32, self.users, now as u32))
    }

    pub fn observe(
        &self,
        running: &Running,
        generator: &mut Generator,
        traffic: &mut dyn Traffic,
        load: Load,
        time: Duration,
    ) -> Result<Observed> {
        let pid = running.process.pid();
        let (busy, all) = machine::cpu_ticks();
        let (server, store, own) = (Usage::of(pid).cpu_us, self.cluster.cpu_us(), Own::begin());
        let begun = Instant::now();
        let outcome = generator.run(traffic, load, time)?;
        let each = outcome.answered.max(1) as f64;
        let usage = Usage::of(pid);
        let (server, store) = (usage.cpu_us - server, self.cluster.cpu_us() - store);
        let generator_us = own.us_per(outcome.answered);
        let (busy_now, all_now) = machine::cpu_ticks();
        let known = (server + store + generator_us * each) / 1e6 / begun.elapsed().as_secs_f64();
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let others = (busy_now - busy) / (all_now - all).max(1.0) - known / cores;
        Ok(Observed {
            outcome,
            server_us: server / each,
            store_us: store / each,
            generator_us,
            rss_mib: usage.peak_rss_mib,
            others: others.max(0.0),
        })
    }

    /// Compares the table with the ledger.
    pub fn audit(&self, running: &Running, sessions: &Sessions) -> Result<Audit> {
        let prefix = sessions.prefix();
        let sql = format!(
            "SELECT substr(acctsessionid, {}), acctstoptime IS NOT NULL, coalesce(acctsessiontime, -1), \
             coalesce(acctinputoctets, -1), coalesce(acctoutputoctets, -1) FROM radacct \
             WHERE acctsessionid LIKE '{prefix}%'",
            prefix.len() + 1
        );
        let mut rows = Vec::new();
        let mut add = |row: Vec<Option<String>>| {
            let number = |at: usize| row.get(at)?.as_ref()?.parse::<i64>().ok();
            rows.push(Row {
                id: number(0).map_or(u32::MAX, |id| id as u32),
                closed: matches!(row.get(1), Some(Some(text)) if text == "t" || text == "1"),
                seconds: number(2).unwrap_or(-1),
                input: number(3).unwrap_or(-1),
                output: number(4).unwrap_or(-1),
            });
        };
        match &running.site {
            Site::Postgres(database) => self.cluster.connect(database)?.query_each(&sql, add)?,
            Site::Sqlite(file) => {
                let found = sqlite::query(file, &format!("{sql};\n"))?;
                found.into_iter().for_each(|row| add(row.into_iter().map(Some).collect()));
            }
        }
        Ok(sessions.audit(rows))
    }
}

impl Running {
    pub fn target(&self, case: Case) -> SocketAddr {
        match case {
            Case::PapStored => self.stored,
            case if case.is_accounting() => self.accounting,
            _ => self.login,
        }
    }

    /// At most so far.
    pub fn rss_mib(&self) -> f64 {
        self.process.usage().peak_rss_mib
    }
}

fn seed() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64)
}
