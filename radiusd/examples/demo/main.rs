//! `make demo`: a seeded ISP on SQLite, the daemon on it, and NAS that keep sending and honour
//! Disconnect-Request.
//!
//! `seed` fills an empty store: groups, users, NAS, a year of sessions. `fleet` plays the NAS, each
//! with an address of its own on loopback, and one that nobody knows.

mod fleet;
mod seed;

use std::io::{Write as _, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;

#[derive(Parser)]
struct Demo {
    /// The daemon's binary
    #[arg(long)]
    radiusd: PathBuf,
    /// Where its store lies
    #[arg(long, default_value = "var/demo")]
    data_dir: PathBuf,
    #[arg(long, default_value = "127.0.0.1:1812")]
    auth: SocketAddr,
    #[arg(long, default_value = "127.0.0.1:1813")]
    acct: SocketAddr,
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Users of the ISP
    #[arg(long, default_value_t = 400)]
    users: u32,
    /// Past sessions of each
    #[arg(long, default_value_t = 60)]
    sessions: u32,
    /// End after so many seconds; 0 is never
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Ended with us.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> ExitCode {
    match run(&Demo::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(demo: &Demo) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(&demo.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if runtime.block_on(seed::seed(&demo.data_dir, demo.users, demo.sessions))? {
        say(format_args!("seeded {} users in {}", demo.users, demo.data_dir.display()));
    }
    let child = Command::new(&demo.radiusd)
        .arg("serve")
        .arg("--data-dir")
        .arg(&demo.data_dir)
        .args(["--auth", &demo.auth.to_string(), "--acct", &demo.acct.to_string()])
        .args(["--http", &demo.http.to_string()])
        .spawn()?;
    let mut daemon = Daemon(child);
    let fleet = fleet::start(demo.auth, demo.acct, demo.users);
    say(format_args!(
        "{fleet} NAS send to {}; the web interface is http://{}\n\
         The administrator's first password: {}",
        demo.auth,
        demo.http,
        demo.data_dir.join("admin.password").display()
    ));
    let began = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = daemon.0.try_wait()? {
            return Err(format!("the daemon has ended: {status}").into());
        }
        if demo.seconds > 0 && began.elapsed() >= Duration::from_secs(demo.seconds) {
            return Ok(());
        }
    }
}

fn say(line: impl std::fmt::Display) {
    let _ = writeln!(stdout(), "{line}");
}
