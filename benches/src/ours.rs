//! `radiusd` beside it: built, configured for the seeded database, started.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::cluster::free_port;
use crate::process::{Process, run};
use crate::traffic::{Status, Traffic};
use crate::wire::{Datagram, Keys};

pub struct Ours {
    pub process: Process,
    pub login: SocketAddr,
    pub accounting: SocketAddr,
    /// From the start of the program to the first answer.
    pub ready_ms: f64,
}

/// The program of the same build as this one, brought up to date first.
pub fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--locked", "--package", "radiusd"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if !command.status().context("run cargo")?.success() {
        bail!("radiusd did not build");
    }
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("radiusd"))
}

impl Ours {
    /// `every_attempt`: no bound on the attempts that are stored.
    pub fn start(
        program: &Path,
        folder: &Path,
        url: &str,
        secret: &str,
        every_attempt: bool,
    ) -> Result<Ours> {
        let own = folder.join("radiusd");
        fs::create_dir_all(&own)?;
        let [login, accounting] = [free_port()?, free_port()?];
        let bound = if every_attempt { "0" } else { "2000" };
        let settings = format!(
            "data_dir = \"{}\"\n\
             [radius]\nauth = [\"127.0.0.1:{login}\"]\nacct = [\"127.0.0.1:{accounting}\"]\n\
             [store]\nurl = \"{}\"\n\
             [attempts]\nrate_max = {bound}\n\
             [metrics]\nlisten = \"off\"\n[http]\nlisten = \"off\"\n",
            own.display(),
            url,
        );
        let file = own.join("radiusd.toml");
        fs::write(&file, settings)?;
        // Once for each site: the indexes that it lacks are built, and the usage of the sessions
        // that it has is counted, before it serves.
        for once in [&["migrate"][..], &["usage", "rebuild"]] {
            run(Command::new(program).arg("--config").arg(&file).args(once))?;
        }
        let mut command = Command::new(program);
        command.arg("--config").arg(&file).arg("serve");
        let log = own.join("output.log");
        let begun = Instant::now();
        let mut process = Process::start("radiusd", &mut command, &log)?;
        let [login, accounting] =
            [login, accounting].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let ready =
            process.await_ready(Duration::from_secs(30), || answers(login, secret.as_bytes()));
        ready.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Ours { process, login, accounting, ready_ms })
    }
}

/// Does Status-Server get its answer?
pub fn answers(target: SocketAddr, secret: &[u8]) -> bool {
    let ask = || -> Option<()> {
        let keys = Keys::new(secret);
        let mut request = Datagram::default();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Status::new(time.as_nanos() as u64).make(0, &keys, &mut request)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        socket.connect(target).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
        socket.send(request.octets()).ok()?;
        socket.recv(&mut [0; 4096]).ok().map(drop)
    };
    ask().is_some()
}
