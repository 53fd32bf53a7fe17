//! A private PostgreSQL for tests: a cluster in /tmp on a free port that ends, and leaves
//! nothing, when the process that started it ends, however it does.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Reads a word, or the end of its standard input: the end of whoever holds the other side.
/// Then PostgreSQL ends, and the cluster with it unless the word was `keep`.
const KEEPER: &str = r#"dir=$1; shift; "$@" </dev/null >>"$dir/log" 2>&1 & pid=$!
read word; kill -INT $pid 2>/dev/null; wait $pid; [ "$word" = keep ] || rm -rf "$dir""#;

pub struct Cluster {
    pub port: u16,
    folder: PathBuf,
    keeper: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Cluster {
    /// The one that the tests of this process share.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Cluster::start)
    }

    /// One of its own, for a test that stops it.
    pub fn start() -> Cluster {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(format!("/tmp/radiusd-test-{}-{number}", std::process::id()));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::create_dir(&folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder));
        }
        let data = folder.join("data");
        let mut initdb = as_postgres("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        run(initdb.arg("-D").arg(&data));
        let databases = AtomicU32::new(0);
        let cluster = Cluster { port, folder, keeper: Mutex::new(None), databases };
        cluster.resume();
        cluster
    }

    /// Stops it as an administrator would; `resume` starts it again.
    pub fn stop(&self) {
        let mut child = self.keeper.lock().unwrap().take().unwrap();
        child.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        child.wait().unwrap();
    }

    pub fn resume(&self) {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&self.folder);
        let mut postgres = as_postgres("postgres");
        postgres.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        for setting in [
            format!("port={}", self.port).as_str(),
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "fsync=on",
            "timezone=UTC",
        ] {
            postgres.args(["-c", setting]);
        }
        command.arg(postgres.get_program()).args(postgres.get_args());
        let child = command.stdin(Stdio::piped()).spawn().unwrap();
        *self.keeper.lock().unwrap() = Some(child);
        let until = Instant::now() + Duration::from_secs(30);
        while !self.try_psql("postgres", "SELECT 1").is_ok_and(|answer| answer == "1") {
            assert!(Instant::now() < until, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A new database, a copy of `template` (`template1` is an empty one). Returns its name.
    pub fn database(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        // A template may not be in use, and two copies of it can't be made at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock();
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        name
    }

    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same through the socket's directory.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgres:///{database}?host={folder}&port={}&user=postgres", self.port)
    }

    /// Runs SQL as another program would; columns separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        self.psql_as("postgres", database, sql)
    }

    pub fn psql_as(&self, role: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(tool("psql"));
        psql.args(["-XAqt", "-v", "ON_ERROR_STOP=1", "-f", "-"]).arg(self.url_as(role, database));
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = psql.spawn().unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut child) = self.keeper.lock().unwrap().take() {
            drop(child.stdin.take());
            child.wait().ok();
        }
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(name: &str) -> Command {
    let program = tool(name);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The newest installed.
fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    let version = |path: &Path| -> Option<u32> {
        path.components().nth(4)?.as_os_str().to_str()?.parse().ok()
    };
    found.sort_by_key(|path| version(path));
    found.pop().unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
