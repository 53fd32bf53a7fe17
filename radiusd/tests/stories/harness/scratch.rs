//! Directories, ports and child processes that don't outlive the tests.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use nix::libc;

/// A new directory of its own that other users may enter: PostgreSQL refuses to run as root.
pub fn directory(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        sweep();
        std::env::temp_dir().join(format!("radiusd-tests-{}", process::id()))
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = ROOT.join(format!("{name}-{count}"));
    fs::create_dir_all(&directory).expect("a scratch directory");
    directory
}

/// Removes what earlier runs, ended since, have left behind.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(pid) = name.strip_prefix("radiusd-tests-") else { continue };
        if !Path::new("/proc").join(pid).exists() {
            mounted_in(&entry.path()).iter().for_each(|directory| super::disk::unmount(directory));
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn mounted_in(directory: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.filter(|place| place.starts_with(directory)).collect()
}

/// A port that nothing uses, neither by UDP nor by TCP, and that is given out once.
pub fn port() -> u16 {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(process::id() * 97));
    loop {
        // Below the range that the kernel hands to clients, which would collide by chance.
        let port = 10_000 + (NEXT.fetch_add(1, Ordering::Relaxed) % 20_000) as u16;
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        if udp.is_ok() && tcp.is_ok() {
            return port;
        }
    }
}

/// A process that gets `signal` when the tests end, however they end.
pub struct Process {
    command: Command,
}

impl Process {
    pub fn new(signal: &str, user: Option<&str>, program: &str) -> Process {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig").arg(signal);
        if let Some(user) = user.filter(|_| is_root()) {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.arg("--").arg(program);
        Process { command }
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Process {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Process {
        self.command.env(name, value);
        self
    }

    /// Hands sockets over as systemd does, from descriptor 3 on.
    pub fn inherit(mut self, names: &str, sockets: Vec<OwnedFd>) -> Process {
        let count = sockets.len().to_string();
        // The process that is to take them is named by its id, which it gets only now.
        let shell = ["sh", "-c", "export LISTEN_PID=$$; exec \"$@\"", "sh"];
        let mut command = Command::new("setpriv");
        let mut args = self.command.get_args();
        command.args(args.by_ref().take(3)).args(shell).args(args);
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("LISTEN_FDS", count).env("LISTEN_FDNAMES", names);
        #[expect(unsafe_code, reason = "descriptors get their numbers between fork and exec")]
        // SAFETY: `fcntl` and `dup2` may be called there; `sockets` was opened before. All are
        // moved out of the way first, since some may lie where others have to go.
        unsafe {
            command.pre_exec(move || {
                for socket in &sockets {
                    let (from, high) = (socket.as_raw_fd(), HIGH + socket.as_raw_fd());
                    checked(libc::dup2(from, high))?;
                    checked(libc::fcntl(high, libc::F_SETFD, libc::FD_CLOEXEC))?;
                }
                for (to, socket) in (3..).zip(&sockets) {
                    checked(libc::dup2(HIGH + socket.as_raw_fd(), to))?;
                }
                Ok(())
            });
        }
        self.command = command;
        self
    }

    /// A write beyond so many octets of a file fails, as on a full disk.
    pub fn with_files_up_to(mut self, octets: u64) -> Process {
        let mut command = Command::new("sh");
        // In blocks of 512; the signal would end the process.
        let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
        command.args(["-c", script, &(octets / 512).to_string()]);
        command.arg(self.command.get_program()).args(self.command.get_args());
        let envs = self.command.get_envs();
        command.envs(envs.filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// What it prints goes to this file.
    pub fn spawn_logged(mut self, log: &Path) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        self.command.stderr(log.try_clone().expect("a log")).stdout(log).stdin(Stdio::null());
        self.spawn()
    }

    /// What it prints can be read, what it reads can be written.
    pub fn spawn_piped(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        self.spawn()
    }

    /// The kernel sends the signal when the *thread* that made the child is gone, so one thread
    /// that never ends makes them all.
    fn spawn(self) -> Child {
        type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
        static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
            let (orders, inbox) = mpsc::channel::<Order>();
            thread::spawn(move || {
                for (mut command, answer) in inbox {
                    answer.send(command.spawn()).ok();
                }
            });
            Mutex::new(orders)
        });
        let (answer, child) = mpsc::channel();
        SPAWNER.lock().expect("the spawner").send((self.command, answer)).expect("the spawner");
        child.recv().expect("the spawner").expect("setpriv of util-linux")
    }
}

/// Above all descriptors that a test process opens.
const HIGH: i32 = 500;

fn checked(result: i32) -> std::io::Result<()> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Asks until there is an answer. Only a bound against waiting for ever, no measurement.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < within, "after {within:?} still waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
