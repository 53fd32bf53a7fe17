//! A PostgreSQL cluster of our own, durable as a careful owner's, and the seeded databases in it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::process::{Process, Usage, as_postgres, run};
use crate::sql::Connection;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = on
synchronous_commit = on
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 30min
max_connections = 200
";
const FREERADIUS_SQL: &str = "/etc/freeradius/3.0/mods-config/sql/main/postgresql";

/// Where everything of a run lives; removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("ferroradius-bench-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

pub struct Cluster {
    process: Process,
    pub port: u16,
    pub version: String,
}

impl Cluster {
    pub fn start(folder: &Path) -> Result<Cluster> {
        let programs = programs()?;
        let data = folder.join("postgres");
        fs::create_dir(&data)?;
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres")?.context("no user postgres")?;
            std::os::unix::fs::chown(&data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let mut initdb = as_postgres(programs.join("initdb"))?;
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"]);
        run(initdb.arg(&data))?;
        let port = free_port()?;
        let configuration = data.join("postgresql.conf");
        let sockets = format!("unix_socket_directories = '{}'\n", data.display());
        let text = fs::read_to_string(&configuration)? + SETTINGS + &sockets;
        fs::write(&configuration, text)?;
        let mut postgres = as_postgres(programs.join("postgres"))?;
        postgres.args(["-p", &port.to_string(), "-D"]).arg(&data);
        let process = Process::start("PostgreSQL", &mut postgres, &folder.join("postgres.log"))?;
        let mut process = process.ended_by(Signal::SIGINT);
        process
            .await_ready(Duration::from_secs(30), || Connection::open(port, "postgres").is_ok())?;
        let version = Connection::open(port, "postgres")?.query("SHOW server_version")?;
        let version = version.into_iter().flatten().flatten().next().unwrap_or_default();
        Ok(Cluster { process, port, version })
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn connect(&self, database: &str) -> Result<Connection> {
        Connection::open(self.port, database)
    }

    pub fn cpu_us(&self) -> f64 {
        Usage::tree_cpu_us(self.process.pid())
    }

    /// As FreeRADIUS connects.
    pub fn keywords(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port)
    }

    /// FreeRADIUS's own schema, the users, and so many sessions, one in `open_every` still open.
    pub fn seed(
        &self,
        database: &str,
        users: u32,
        sessions: u32,
        open_every: u32,
        secret: &str,
    ) -> Result<()> {
        let mut server = self.connect("postgres")?;
        server.query(&format!("CREATE DATABASE {database}"))?;
        let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("seed");
        self.psql(database, &Path::new(FREERADIUS_SQL).join("schema.sql"), &[])?;
        let users = format!("users={users}");
        let secret = format!("secret={secret}");
        self.psql(database, &seed.join("policy.sql"), &[&users, &secret])?;
        if sessions > 0 {
            let sessions = format!("rows={sessions}");
            let open = format!("open_every={open_every}");
            self.psql(database, &seed.join("radacct.sql"), &[&sessions, &open])?;
        }
        let mut inside = self.connect(database)?;
        inside.query("VACUUM ANALYZE")?;
        Ok(())
    }

    fn psql(&self, database: &str, file: &Path, variables: &[&str]) -> Result<()> {
        // PostgreSQL's user may not read where we are checked out.
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        command.args(["-p", &self.port.to_string(), "-d", database]);
        for variable in variables {
            command.args(["-v", variable]);
        }
        let copy = std::env::temp_dir().join(format!("{database}-{}.sql", self.port));
        fs::write(&copy, text)?;
        let outcome = run(command.arg("-f").arg(&copy));
        fs::remove_file(&copy)?;
        outcome.map(drop)
    }

    pub fn drop_database(&self, database: &str) -> Result<()> {
        let mut server = self.connect("postgres")?;
        server.query(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
        Ok(())
    }

    /// A fresh copy of a seeded database, everything on disk before anything is measured.
    pub fn copy(&self, template: &str, database: &str) -> Result<()> {
        self.drop_database(database)?;
        let mut server = self.connect("postgres")?;
        server
            .query(&format!("CREATE DATABASE {database} TEMPLATE {template} STRATEGY FILE_COPY"))?;
        server.query("CHECKPOINT")?;
        Ok(())
    }
}

fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed")?;
    let mut folders: Vec<PathBuf> =
        versions.flatten().map(|entry| entry.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop().context("there is no PostgreSQL server in /usr/lib/postgresql")
}

/// A port that is free for TCP and UDP now.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}
