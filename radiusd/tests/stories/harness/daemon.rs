//! The daemon as a child process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::nas::Nas;
use super::scratch::{self, Process, until};
use super::site::ZONE;

/// The binary that is tested.
pub const BINARY: &str = env!("CARGO_BIN_EXE_radiusd");

const LOG_MAX: u64 = 1 << 26;

/// A configuration file in the making: key, and value as TOML writes it.
#[derive(Clone, Debug)]
pub struct Settings {
    keys: BTreeMap<String, String>,
    pub auth: SocketAddr,
    pub acct: SocketAddr,
    pub metrics: SocketAddr,
    pub http: SocketAddr,
    pub zone: String,
}

pub struct Daemon {
    child: Child,
    settings: Settings,
    log: PathBuf,
}

impl Settings {
    /// Ports of its own, no reject delay, everything in `directory`.
    pub fn new(directory: &Path, url: &str, zone: &str) -> Settings {
        let [auth, acct, metrics, http] =
            std::array::from_fn(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, scratch::port())));
        let keys = BTreeMap::new();
        let mut settings = Settings { keys, auth, acct, metrics, http, zone: zone.into() };
        settings.set("data_dir", &text(directory.to_str().expect("a path of text")));
        settings.set("store.url", &text(url));
        settings.set("radius.auth", &format!("[\"{auth}\"]"));
        settings.set("radius.acct", &format!("[\"{acct}\"]"));
        settings.set("radius.reject_delay", "\"0s\"");
        settings.set("metrics.listen", &text(&metrics.to_string()));
        settings.set("http.listen", &text(&http.to_string()));
        settings
    }

    /// A value as TOML writes it.
    pub fn set(&mut self, key: &str, value: &str) {
        self.keys.insert(key.into(), value.into());
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    pub fn unset(&mut self, key: &str) {
        self.keys.remove(key);
    }

    pub fn write(&self, file: &Path) {
        let lines = self.keys.iter().map(|(key, value)| format!("{key} = {value}\n"));
        fs::write(file, lines.collect::<String>()).expect("a configuration file");
    }
}

pub fn text(text: &str) -> String {
    format!("{text:?}")
}

impl Daemon {
    /// Started, and ready.
    pub fn start(directory: &Path, settings: &Settings) -> Daemon {
        let mut daemon = Daemon::launch(directory, settings);
        daemon.until_ready();
        daemon
    }

    /// Started; whether it gets ready is the story.
    pub fn launch(directory: &Path, settings: &Settings) -> Daemon {
        Daemon::launch_as(directory, settings, |process| process)
    }

    /// Started by somebody who gives it more than its configuration.
    pub fn launch_as(
        directory: &Path,
        settings: &Settings,
        prepare: impl FnOnce(Process) -> Process,
    ) -> Daemon {
        let file = directory.join("radiusd.toml");
        settings.write(&file);
        let log = directory.join("log");
        let process = Process::new("KILL", None, BINARY)
            .args(["serve", "--config", file.to_str().expect("a path of text")])
            .env("TZ", &settings.zone);
        let child = prepare(process).spawn_logged(&log);
        Daemon { child, settings: settings.clone(), log }
    }

    pub fn until_ready(&mut self) {
        until("the daemon to be ready", Duration::from_secs(60), || {
            if let Some(status) = self.child.try_wait().expect("the daemon") {
                panic!("the daemon has ended, {status}: {}", self.log());
            }
            self.get("/health/ready").filter(|(status, _)| *status == 200)
        });
    }

    pub fn auth(&self) -> SocketAddr {
        self.settings.auth
    }

    pub fn acct(&self) -> SocketAddr {
        self.settings.acct
    }

    pub fn nas(&self) -> Nas {
        Nas::new(self.settings.auth)
    }

    pub fn accounting_nas(&self) -> Nas {
        Nas::new(self.settings.acct)
    }

    pub fn log(&self) -> String {
        let mut octets = Vec::new();
        if let Ok(file) = fs::File::open(&self.log) {
            // One that is no file may have no end.
            file.take(LOG_MAX).read_to_end(&mut octets).ok();
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Status and body of an HTTP resource of the management listener.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.settings.http, path)
    }

    /// Every sample of `/metrics` by its name with labels.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, body) = get(self.settings.metrics, "/metrics").expect("metrics");
        assert_eq!(status, 200, "{body}");
        let lines = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let samples = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        samples.collect()
    }

    /// The sum of all samples of that name, whatever their labels.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let of_name = |sample: &str| {
            sample.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with('{'))
        };
        metrics.iter().filter(|(sample, _)| of_name(sample)).map(|(_, value)| value).sum()
    }

    /// What was acknowledged is in the store.
    pub fn until_journal_is_empty(&self) {
        until("the journal to be empty", Duration::from_secs(120), || {
            let metrics = self.metrics();
            let is_none =
                |name: &str| metrics.get(&format!("radiusd_journal_{name}")) == Some(&0.0);
            ["records", "spilling"].into_iter().all(is_none).then_some(())
        });
    }

    /// Resident memory now.
    pub fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the daemon's status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the daemon").is_none()
    }

    /// As a power cut ends it.
    pub fn kill(mut self) {
        self.child.kill().expect("the daemon");
        self.child.wait().expect("the daemon");
    }

    /// As systemd ends it.
    pub fn stop(mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("the daemon");
        self.wait(Duration::from_secs(30))
    }

    /// Until it has ended by itself.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        until("the daemon to end", within, || self.child.try_wait().expect("the daemon"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(30).collect::<Vec<_>>();
            eprintln!("the daemon's log ends:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

fn get(to: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// One run of a command of the binary: exit code, what it printed, what it complained of.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    let output = command.args(args).env("TZ", ZONE).output().expect("the binary");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(&output.stdout), text(&output.stderr))
}
