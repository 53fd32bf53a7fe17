//! `radius.checkrad`: at a limit NAS are asked what they still have.

use std::path::Path;
use std::time::Duration;

use crate::harness::ask::{self, Ask};
use crate::harness::checkrad::Checkrad;
use crate::harness::daemon::{self, Daemon};
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};

const PATIENCE: Duration = Duration::from_secs(60);
const ROW: &str = "SELECT acctstoptime IS NULL, acctstoptime = acctupdatetime, \
     COALESCE(acctterminatecause, '') FROM radacct WHERE acctsessionid = 'a'";

/// Does what the file `says` says: an exit code, or to hang with a child of its own.
const SAYS: &str = "read said < says\n\
     if [ $said = hang ]; then echo $$ > leader; sleep 600 & echo $! > child; wait; fi\n\
     exit $said";

fn site(site: &mut Site, checkrad: &Checkrad) -> Daemon {
    site.user("bob", "hello");
    site.row("radcheck", "bob", "Simultaneous-Use", ":=", "1");
    let program = checkrad.program().display().to_string();
    site.settings.set("radius.checkrad", &daemon::text(&program));
    site.start()
}

/// Of a session that began two minutes ago.
fn record(daemon: &Daemon, status: &str, seconds: i64) {
    let time = ask::now() - 120 + seconds;
    let text = format!(
        "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = a ; NAS-Port = 7 ; \
         NAS-IP-Address = 127.0.0.1 ; Acct-Session-Time = {seconds} ; \
         Acct-Input-Octets = {seconds} ; Event-Timestamp = {time}"
    );
    let ask = Ask::accounting(&text).expect("a packet");
    assert!(daemon.accounting_nas().ask(&ask).is_some());
}

fn accepted(daemon: &Daemon) -> bool {
    daemon.nas().ask(&Ask::pap("bob", "hello")).expect("an answer").is_accept()
}

fn online(daemon: &Daemon, sessions: f64) {
    until("the session to be known", PATIENCE, || {
        (daemon.metric("radiusd_online_sessions") == sessions).then_some(())
    });
}

fn said(daemon: &Daemon, what: &str) -> f64 {
    let name = format!("radiusd_checkrad_total{{said=\"{what}\"}}");
    daemon.metrics().get(&name).copied().expect("a metric")
}

/// PostgreSQL says t and f, SQLite 1 and 0.
fn row(site: &mut Site) -> (bool, bool, String) {
    let row = site.sql.rows(ROW).remove(0);
    let is = |text: &str| matches!(text, "t" | "true" | "1");
    (is(&row[0]), is(&row[1]), row[2].clone())
}

fn is_gone(pid: &str) -> bool {
    // One that ended and that nobody has waited for has no command.
    let place = Path::new("/proc").join(pid.trim()).join("cmdline");
    std::fs::read(place).unwrap_or_default().is_empty()
}

#[test]
fn a_session_that_its_nas_has_no_more_is_closed_and_does_not_count() {
    on_both(|mut site| {
        let checkrad = Checkrad::new(SAYS);
        checkrad.write("says", "0\n");
        let daemon = self::site(&mut site, &checkrad);
        record(&daemon, "Start", 0);
        record(&daemon, "Interim-Update", 30);
        assert!(!accepted(&daemon), "its type is other: nobody is asked");
        assert_eq!(checkrad.asked(), Vec::<String>::new());

        checkrad.write("says", "1\n");
        site.sql.rows("UPDATE nas SET type = 'cisco'");
        until("the NAS to be asked", PATIENCE, || {
            assert!(!accepted(&daemon), "it is live");
            (!checkrad.asked().is_empty()).then_some(())
        });
        assert_eq!(checkrad.asked()[0], "cisco 127.0.0.1 7 bob a");
        assert!(said(&daemon, "live") >= 1.0);
        let environment = checkrad.read("environment");
        let names = environment.lines().map(|line| line.split('=').next().unwrap_or_default());
        let ours: Vec<&str> =
            names.filter(|n| !["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(n)).collect();
        assert_eq!(ours, Vec::<&str>::new(), "of the daemon's environment nothing is handed on");
        let open = checkrad.read("open");
        assert!(open.contains("/dev/null") && !open.contains("socket:"), "{open}");

        checkrad.write("says", "2\n");
        assert!(!accepted(&daemon), "what it cannot tell counts as live");
        assert_eq!(said(&daemon, "failed"), 1.0);
        assert_eq!(row(&mut site), (true, false, String::new()));

        checkrad.write("says", "0\n");
        online(&daemon, 1.0);
        assert!(accepted(&daemon), "it is gone");
        assert_eq!(row(&mut site), (false, true, "Unknown-To-NAS".into()));
        assert_eq!(said(&daemon, "gone"), 1.0);
        assert_eq!(daemon.metric("radiusd_journal_sessions_gone_total"), 1.0);
        online(&daemon, 0.0);
        let asked = checkrad.asked().len();
        assert!(accepted(&daemon), "no session is open");
        assert_eq!(checkrad.asked().len(), asked);

        // Told again it changes nothing; told something later it is open again.
        record(&daemon, "Interim-Update", 30);
        assert_eq!(row(&mut site), (false, true, "Unknown-To-NAS".into()));
        record(&daemon, "Interim-Update", 90);
        assert_eq!(row(&mut site), (true, false, String::new()));
        assert_eq!(site.sql.number("SELECT acctinputoctets FROM radacct"), 90);
        assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 1);
        online(&daemon, 1.0);
        checkrad.write("says", "1\n");
        assert!(!accepted(&daemon), "it is live");
        record(&daemon, "Stop", 120);
        assert!(accepted(&daemon));
    });
}

#[test]
fn a_program_that_does_not_end_is_ended_and_its_session_counts() {
    on_both(|mut site| {
        site.sql.rows("UPDATE nas SET type = 'cisco'");
        let checkrad = Checkrad::new(SAYS);
        checkrad.write("says", "hang\n");
        let daemon = self::site(&mut site, &checkrad);
        record(&daemon, "Start", 0);
        assert!(!accepted(&daemon));
        assert_eq!(said(&daemon, "failed"), 1.0);
        for file in ["leader", "child"] {
            let pid = checkrad.read(file);
            until("the program to be ended", PATIENCE, || is_gone(&pid).then_some(()));
        }
        assert!(row(&mut site).0);
    });
}

#[test]
fn why_a_session_does_not_count_is_told() {
    on_both(|mut site| {
        site.sql.rows("UPDATE nas SET type = 'cisco'");
        let checkrad = Checkrad::new("case $5 in old) exit 0;; *) exit 1;; esac");
        site.sql.rows(
            "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress) VALUES \
             ('old', 'old', 'bob', '127.0.0.9'), ('new', 'new', 'bob', '127.0.0.1')",
        );
        // The configuration names a NAS with its type too.
        for (key, value) in [("address", "127.0.0.9"), ("secret", "another"), ("type", "cisco")] {
            site.settings.set(&format!("clients.tower.{key}"), &daemon::text(value));
        }
        let daemon = self::site(&mut site, &checkrad);
        assert!(!accepted(&daemon), "one of two is live");
        let place = match site.engine {
            Engine::Postgres => "mgmt.mgmt_traces",
            Engine::Sqlite => "mgmt_traces",
        };
        let trace = until("the trace", PATIENCE, || {
            site.sql.rows(&format!("SELECT trace FROM {place}")).pop()
        });
        let told = r#"{"step":"session-gone","nas":"127.0.0.9","session":"old"}"#;
        assert!(trace[0].contains(told), "{trace:?}");
        assert!(trace[0].contains(r#""open":1,"limit":1"#), "{trace:?}");
        let open = site.sql.rows("SELECT acctsessionid FROM radacct WHERE acctstoptime IS NULL");
        assert_eq!(open, [["new"]]);
    });
}
