//! Programs beside us: started, measured through /proc, ended.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, User, sysconf};

/// A program that ends with us.
pub struct Process {
    child: Child,
    name: String,
    ending: Signal,
}

impl Process {
    /// Starts it with its output in this file.
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Result<Process> {
        let file = fs::File::create(output).with_context(|| output.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name} ({:?})", command.get_program()))?;
        Ok(Process { child, name: name.to_owned(), ending: Signal::SIGTERM })
    }

    pub fn ended_by(mut self, signal: Signal) -> Process {
        self.ending = signal;
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn usage(&self) -> Usage {
        Usage::of(self.pid())
    }

    /// Waits until `ready` says so; fails when the program ends first or nothing comes of it.
    pub fn await_ready(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once: {status}", self.name);
            }
            if begun.elapsed() > limit {
                bail!("{} was not ready within {limit:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        let _gone_already = kill(pid, self.ending);
        let limit = Instant::now() + Duration::from_secs(20);
        while Instant::now() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// CPU time used so far, and memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Usage {
    pub cpu_us: f64,
    pub peak_rss_mib: f64,
}

impl Usage {
    /// Of one process, all its threads.
    pub fn of(pid: u32) -> Usage {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mib = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            let number = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
            number.unwrap_or_default() / 1024.0
        };
        let ticks = Stat::of(pid).map_or(0, |stat| stat.own);
        Usage { cpu_us: micros(ticks), peak_rss_mib: mib("VmHWM:") }
    }

    /// CPU time of a process and all its children, ended ones included.
    pub fn tree_cpu_us(root: u32) -> f64 {
        let mut ticks = Stat::of(root).map_or(0, |stat| stat.own + stat.reaped);
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(stat) = pid.and_then(Stat::of)
                && stat.parent == root
            {
                ticks += stat.own + stat.reaped;
            }
        }
        micros(ticks)
    }
}

struct Stat {
    parent: u32,
    own: u64,
    reaped: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, so count from behind it: state is the first field.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            parent: number(1)? as u32,
            own: number(11)? + number(12)?,
            reaped: number(13)? + number(14)?,
        })
    }
}

fn micros(ticks: u64) -> f64 {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    ticks as f64 * 1e6 / per_second as f64
}

/// A command that runs as user `postgres` when we are root: PostgreSQL refuses root.
pub fn as_postgres(program: impl Into<OsString>) -> Result<Command> {
    let mut command = Command::new(program.into());
    if nix::unistd::geteuid().is_root() {
        let user = User::from_name("postgres")?.context("there is no user postgres")?;
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/tmp");
    Ok(command)
}

/// Runs a command to its end and gives its output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!(
            "{:?} failed: {}",
            command.get_program(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
