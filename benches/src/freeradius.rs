//! FreeRADIUS beside us, with the settings in `freeradius/`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::free_port;
use crate::process::{Process, run};

pub struct FreeRadius {
    pub process: Process,
    pub login: SocketAddr,
    pub stored: SocketAddr,
    pub accounting: SocketAddr,
}

pub fn version() -> Result<String> {
    let text = run(Command::new("freeradius").arg("-v")).context("FreeRADIUS is not installed")?;
    Ok(text.split_whitespace().nth(3).unwrap_or("?").trim_end_matches(',').to_owned())
}

impl FreeRadius {
    /// On a store of this dialect. `threads` serve, each with its connection to the database.
    pub fn start(
        folder: &Path,
        (dialect, database): (&str, &str),
        secret: &str,
        threads: usize,
    ) -> Result<FreeRadius> {
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("freeradius");
        let own = folder.join("freeradius");
        fs::create_dir_all(&own)?;
        let ports = [free_port()?, free_port()?, free_port()?];
        let [login, stored, accounting] =
            ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut command = Command::new("freeradius");
        command.arg("-f").arg("-d").arg(settings).args(["-n", "radiusd", "-D"]);
        command.arg("/usr/share/freeradius");
        command
            .env("BENCH_DIR", &own)
            .env("BENCH_FREERADIUS_LIBDIR", library()?)
            .env("BENCH_SECRET", secret)
            .env("BENCH_DIALECT", dialect)
            .env("BENCH_DATABASE", database)
            .env("BENCH_THREADS", threads.to_string())
            .env("BENCH_CONNECTIONS", threads.to_string())
            .env("BENCH_LOGIN_PORT", ports[0].to_string())
            .env("BENCH_STORED_PORT", ports[1].to_string())
            .env("BENCH_ACCOUNTING_PORT", ports[2].to_string());
        let log = own.join("output.log");
        let mut process = Process::start("FreeRADIUS", &mut command, &log)?;
        let ready = process.await_ready(Duration::from_secs(20), || {
            let log = fs::read_to_string(own.join("freeradius.log")).unwrap_or_default();
            log.contains("Ready to process requests")
        });
        ready.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(FreeRadius { process, login, stored, accounting })
    }
}

fn library() -> Result<PathBuf> {
    let places = ["/usr/lib/freeradius", "/usr/lib64/freeradius", "/usr/local/lib"];
    let found = places.iter().map(PathBuf::from).find(|place| place.join("rlm_sql.so").exists());
    found.context("rlm_sql.so was not found")
}
