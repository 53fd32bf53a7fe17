//! A private PostgreSQL cluster for all tests of a run, and databases in it.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scratch::{self, Process, until};
use super::sql::Sql;

/// FreeRADIUS's own schema file, as Debian ships it, and radhuntgroup of its wiki.
const SCHEMA: &str = "/etc/freeradius/3.0/mods-config/sql/main/postgresql/schema.sql";
const HUNTGROUPS: &str = "CREATE TABLE radhuntgroup (id serial PRIMARY KEY, \
    groupname varchar(64) NOT NULL, nasipaddress varchar(15) NOT NULL, nasportid varchar(15))";

pub struct Cluster {
    pub port: u16,
    data: PathBuf,
    log: PathBuf,
    binaries: PathBuf,
}

/// The cluster that all share: started by who asks first, ended with the test process.
pub fn shared() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
        let (cluster, child) = Cluster::start();
        std::mem::forget(child);
        cluster
    });
    &SHARED
}

impl Cluster {
    /// With FreeRADIUS's tables in the database `template`; `fsync` stays on.
    pub fn start() -> (Cluster, Child) {
        let directory = scratch::directory("postgres");
        let binaries = binaries();
        if scratch::is_root() {
            let status = Command::new("chown").arg("postgres").arg(&directory).status();
            assert!(status.is_ok_and(|status| status.success()), "the user postgres");
        }
        let data = directory.join("data");
        let log = directory.join("log");
        let initdb = binaries.join("initdb");
        let process = Process::new("TERM", Some("postgres"), path(&initdb)).args([
            "-D",
            path(&data),
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]);
        let status = process.spawn_logged(&log).wait().expect("initdb");
        assert!(status.success(), "{}", fs::read_to_string(&log).unwrap_or_default());
        let port = scratch::port();
        let cluster = Cluster { port, data, log, binaries };
        let child = cluster.serve();
        cluster.admin().rows("CREATE DATABASE template");
        let mut template = Sql::postgres(&cluster.url("template"));
        let schema = fs::read_to_string(SCHEMA).expect("freeradius-postgresql's schema.sql");
        template.rows(&format!("SET client_min_messages = warning;\n{schema}\n{HUNTGROUPS}"));
        (cluster, child)
    }

    /// Runs the server on the cluster's files; a second time after it was stopped.
    pub fn serve(&self) -> Child {
        let port = self.port.to_string();
        let postgres = self.binaries.join("postgres");
        let options =
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
        let child = Process::new("QUIT", Some("postgres"), path(&postgres))
            .args(["-D", path(&self.data), "-p", &port])
            .args(options.into_iter().flat_map(|option| ["-c", option]))
            .spawn_logged(&self.log);
        self.until_it_answers();
        child
    }

    /// Also while it recovers from the death of one of its processes.
    pub fn until_it_answers(&self) {
        until("PostgreSQL", Duration::from_secs(120), || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
            let mut probe = Command::new("psql");
            probe.args(["-XqAt", "-c", "SELECT 1", &self.url("postgres")]);
            probe.output().ok()?.status.success().then_some(())
        });
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn admin(&self) -> Sql {
        Sql::postgres(&self.url("postgres"))
    }

    /// A new database with FreeRADIUS's tables, empty; its name.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("radius{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // Two copies at once refuse each other.
        until("a copy of the template", Duration::from_secs(60), || {
            let create = format!("CREATE DATABASE {name} TEMPLATE template");
            self.admin().try_rows(&create).ok()
        });
        name
    }
}

/// Ends a server and all that serve for it, at once and without a checkpoint. (If only the first
/// process is killed, the others answer for a while.)
pub fn end(mut server: Child) {
    let pid = Pid::from_raw(i32::try_from(server.id()).expect("a pid"));
    kill(pid, Signal::SIGQUIT).expect("PostgreSQL");
    server.wait().expect("PostgreSQL");
}

/// Every process that serves, the first one first.
pub fn processes(server: &Child) -> Vec<Pid> {
    let parent = server.id();
    let is_child = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter(|pid| is_child(*pid));
    std::iter::once(parent).chain(children).map(|pid| Pid::from_raw(pid as i32)).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// Debian keeps the server's programs out of PATH, by version.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap_or_else(|error: io::Error| {
        panic!("PostgreSQL's server programs in /usr/lib/postgresql: {error}")
    });
    let newest = versions.flatten().map(|entry| entry.path()).max();
    newest.expect("a version of PostgreSQL").join("bin")
}
