//! The store goes away, hangs, comes back, or isn't there at the start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::ask::Ask;
use crate::harness::daemon::{Daemon, Settings};
use crate::harness::nas::SECRET;
use crate::harness::postgres::{self, Cluster};
use crate::harness::scratch::{self, until};
use crate::harness::site::ZONE;
use crate::harness::sql::Sql;

/// A cluster of its own, to be stopped, with a NAS in a database of FreeRADIUS's tables.
struct Outage {
    cluster: Cluster,
    server: Option<Child>,
    url: String,
    directory: PathBuf,
    settings: Settings,
}

impl Outage {
    fn new() -> Outage {
        let (cluster, server) = Cluster::start();
        let url = cluster.url(&cluster.database());
        let directory = scratch::directory("away");
        let settings = Settings::new(&directory, &url, ZONE);
        let outage = Outage { cluster, server: Some(server), url, directory, settings };
        outage.rows(&format!(
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}')"
        ));
        outage
    }

    fn rows(&self, statements: &str) {
        Sql::postgres(&self.url).rows(statements);
    }

    fn users(&self, names: &[String]) {
        let values = |name: &String| format!("('{name}', 'Cleartext-Password', ':=', 'hello')");
        let values: Vec<_> = names.iter().map(values).collect();
        let columns = "(username, attribute, op, value)";
        self.rows(&format!("INSERT INTO radcheck {columns} VALUES {}", values.join(", ")));
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.directory, &self.settings)
    }

    fn launch(&self) -> Daemon {
        Daemon::launch(&self.directory, &self.settings)
    }

    fn stop_store(&mut self) {
        if let Some(mut server) = self.server.take() {
            self.signal(&server, Signal::SIGCONT);
            // At once, without good-byes, and not before its last process is gone: killed, it
            // would leave some that keep it from starting again.
            kill(Pid::from_raw(server.id() as i32), Signal::SIGQUIT).expect("PostgreSQL");
            server.wait().expect("PostgreSQL");
        }
    }

    fn start_store(&mut self) {
        self.server = Some(self.cluster.serve());
    }

    /// The server and all its processes, as a machine that is paused.
    fn pause(&self, signal: Signal) {
        self.signal(self.server.as_ref().expect("PostgreSQL runs"), signal);
    }

    fn signal(&self, server: &Child, signal: Signal) {
        for pid in postgres::processes(server) {
            kill(pid, signal).ok();
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.stop_store();
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}")).collect()
}

fn login(user: &str) -> Ask {
    Ask::pap(user, "hello")
}

/// Whether a login is accepted; none for silence.
fn is_accepted(daemon: &Daemon, user: &str) -> Option<bool> {
    daemon.nas().impatient().ask(&login(user)).map(|answer| answer.is_accept())
}

#[test]
fn a_start_while_the_store_is_away_serves_when_it_returns() {
    let mut outage = Outage::new();
    outage.users(&names(2));
    let daemon = outage.start();
    assert_eq!(is_accepted(&daemon, "user0"), Some(true));
    assert!(daemon.stop().success());
    let kept = outage.directory.join("nas.known");
    let mode = fs::metadata(&kept).expect("the NAS last known").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    outage.stop_store();

    let mut daemon = outage.launch();
    let (status, body) = until("health", Duration::from_secs(20), || daemon.get("/health/ready"));
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("not reached since the start"), "{body}");
    assert_eq!(daemon.get("/health/live").map(|(status, _)| status), Some(200));
    assert_eq!(is_accepted(&daemon, "user0"), None, "silence: another server may know");
    assert_eq!(daemon.nas().impatient().status(), None);
    assert!(daemon.accounting_nas().status().is_some(), "its NAS is known");
    assert!(daemon.metric("radiusd_datagrams_total{outcome=\"store-away\"}") >= 2.0);
    assert!(daemon.metric("radiusd_clients") >= 1.0);

    outage.start_store();
    until("logins", Duration::from_secs(60), || is_accepted(&daemon, "user1").filter(|yes| *yes));
    assert!(daemon.nas().status().is_some());
    assert_eq!(daemon.get("/health/ready").map(|(status, _)| status), Some(200));
    outage.rows(
        "INSERT INTO radreply (username, attribute, op, value) \
                 VALUES ('user1', 'Reply-Message', '=', 'live')",
    );
    until("changes to be told", Duration::from_secs(10), || {
        daemon.nas().ask(&login("user1"))?.text("Reply-Message").filter(|text| text == "live")
    });
    assert!(!daemon.log().contains(SECRET), "a secret is logged");
    assert!(daemon.is_running());
}

/// A damaged list is no list: the daemon says so and ends, as with a store never read before.
#[test]
fn a_list_that_cannot_be_trusted_is_not_used() {
    let mut outage = Outage::new();
    assert!(outage.start().stop().success());
    outage.stop_store();
    let kept = outage.directory.join("nas.known");
    let text = fs::read_to_string(&kept).expect("the NAS last known");
    fs::write(&kept, text.replace("127.0.0.1", "127.0.0.2")).expect("the NAS last known");
    let mut daemon = outage.launch();
    let status = daemon.wait(Duration::from_secs(60));
    assert_eq!(status.code(), Some(69), "{}", daemon.log());
    assert!(daemon.log().contains("checksum"), "{}", daemon.log());
    assert!(!daemon.log().contains(SECRET));
}

#[test]
fn what_is_too_old_answers_nobody() {
    let mut outage = Outage::new();
    outage.users(&names(2));
    outage.settings.set("store.stale_policy_max", "\"6s\"");
    let daemon = outage.start();
    assert_eq!(is_accepted(&daemon, "user0"), Some(true));
    outage.stop_store();
    assert_eq!(is_accepted(&daemon, "user0"), Some(true), "from memory");
    assert_eq!(is_accepted(&daemon, "user1"), None, "not known");
    assert_eq!(is_accepted(&daemon, "user0"), Some(true), "still");
    until("what is known to be too old", Duration::from_secs(60), || {
        is_accepted(&daemon, "user0").is_none().then_some(())
    });
    assert_eq!(daemon.nas().impatient().status(), None, "nor is the status told");
    assert!(daemon.accounting_nas().status().is_some());
    let (status, body) = daemon.get("/health/ready").expect("health");
    assert!(status == 503 && body.contains("not heard for"), "{status}: {body}");
    outage.start_store();
    for user in ["user0", "user1"] {
        until(user, Duration::from_secs(60), || is_accepted(&daemon, user).filter(|yes| *yes));
    }
    assert!(daemon.nas().status().is_some());
}

/// A store that hangs without a word is as good as away: who is known doesn't wait for it.
#[test]
fn a_store_that_hangs_keeps_nobody_waiting() {
    let outage = Outage::new();
    outage.users(&names(40));
    let daemon = outage.start();
    for user in names(20) {
        assert_eq!(daemon.nas().ask(&login(&user)).map(|answer| answer.is_accept()), Some(true));
    }
    outage.pause(Signal::SIGSTOP);
    // Unknown users ask the store until it is found out; silence is what they get.
    for user in &names(40)[20..] {
        assert_eq!(is_accepted(&daemon, user), None);
    }
    until("the silence to be noticed", Duration::from_secs(60), || {
        let (_, body) = daemon.get("/health/ready")?;
        body.contains("away").then_some(())
    });
    for _ in 0..2 {
        for user in names(20) {
            let answer = daemon.nas().ask(&login(&user));
            assert_eq!(answer.map(|answer| answer.is_accept()), Some(true), "{user}");
        }
        // Longer than the watch trusts what it heard.
        std::thread::sleep(Duration::from_secs(6));
    }
    outage.pause(Signal::SIGCONT);
    for user in names(40) {
        until(&user, Duration::from_secs(60), || is_accepted(&daemon, &user).filter(|yes| *yes));
    }
}

/// Status-Server on the accounting port answers for as long as records are acknowledged.
#[test]
fn a_full_journal_tells_no_status() {
    let mut outage = Outage::new();
    outage.settings.set("accounting.journal_max_bytes", "65536");
    let daemon = outage.start();
    outage.stop_store();
    let acknowledged = |session: usize| {
        let text = format!(
            "Acct-Status-Type = Start ; User-Name = bob ; Acct-Session-Id = s{session} ; \
             NAS-IP-Address = 127.0.0.1"
        );
        let start = Ask::accounting(&text).expect("a packet");
        let mut nas = daemon.accounting_nas();
        nas.tries = 1;
        nas.ask(&start).is_some()
    };
    assert!((0..3).all(acknowledged), "kept in the journal");
    assert!(daemon.accounting_nas().status().is_some());
    assert!((3..2_000).any(|session| !acknowledged(session)), "the journal has a limit");
    assert_eq!(daemon.accounting_nas().impatient().status(), None);
    outage.start_store();
    until("the status again", Duration::from_secs(60), || {
        daemon.accounting_nas().impatient().status()
    });
    assert!(acknowledged(3_000));
}

/// All that was known is read again when the store is back, and nobody is rejected over it.
#[test]
fn its_return_rejects_nobody() {
    let mut outage = Outage::new();
    let users = names(1_000);
    outage.users(&users);
    let daemon = outage.start();
    let mut nas = daemon.nas();
    for user in &users {
        assert!(nas.ask(&login(user)).is_some_and(|answer| answer.is_accept()), "{user}");
    }
    outage.stop_store();
    for user in &users[..50] {
        assert!(nas.ask(&login(user)).is_some_and(|answer| answer.is_accept()), "{user}");
    }
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut nas = daemon.nas();
            for _ in 0..4 {
                for user in &users {
                    assert!(
                        nas.ask(&login(user)).is_some_and(|answer| answer.is_accept()),
                        "{user}"
                    );
                }
            }
        });
        outage.start_store();
        asked.join().expect("every login accepted");
    });
    outage.rows("UPDATE radcheck SET value = 'other' WHERE username = 'user7'");
    until("a change after it", Duration::from_secs(20), || {
        is_accepted(&daemon, "user7").filter(|yes| !yes)
    });
    assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"panicked\"}"), 0.0);
}
