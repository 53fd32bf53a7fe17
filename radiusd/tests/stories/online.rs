//! Simultaneous-Use, decided from memory where memory is enough.

use std::time::Duration;

use crate::harness::ask::Ask;
use crate::harness::daemon::{Daemon, Settings};
use crate::harness::nas::{Nas, SECRET};
use crate::harness::postgres::{self, Cluster};
use crate::harness::scratch::{self, until};
use crate::harness::site::{Engine, Site, ZONE, on_both};
use crate::harness::sql::Sql;

const PATIENCE: Duration = Duration::from_secs(60);

fn event(status: &str, session: &str) -> Ask {
    let text = format!(
        "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = {session} ; \
         NAS-IP-Address = 127.0.0.1"
    );
    Ask::accounting(&text).expect("a packet")
}

fn accepted(nas: &mut Nas) -> bool {
    nas.ask(&Ask::pap("bob", "hello")).expect("an answer").is_accept()
}

/// An answer tells that the record is durable; what is known of it follows.
fn record(daemon: &Daemon, status: &str, session: &str, online: f64) {
    assert!(daemon.accounting_nas().ask(&event(status, session)).is_some());
    until("the session to be known", PATIENCE, || {
        (daemon.metric("radiusd_online_sessions") == online).then_some(())
    });
}

fn until_trusted(daemon: &Daemon, wanted: bool) {
    until(&format!("trust to be {wanted}"), PATIENCE, || {
        (daemon.metric("radiusd_online_trusted") == f64::from(u8::from(wanted))).then_some(())
    });
}

fn limited(limit: &str) -> String {
    format!(
        "INSERT INTO radcheck (username, attribute, op, value) VALUES \
         ('bob', 'Cleartext-Password', ':=', 'hello'), ('bob', 'Simultaneous-Use', ':=', '{limit}')"
    )
}

#[test]
fn below_the_limit_the_store_is_not_asked() {
    on_both(|mut site| {
        site.sql.rows(&limited("2"));
        let daemon = site.start();
        until_trusted(&daemon, true);
        let decided = || daemon.metric("radiusd_online_decided_total");
        let mut nas = daemon.nas();
        assert!(accepted(&mut nas));
        record(&daemon, "Start", "a", 1.0);
        assert!(accepted(&mut nas), "one of two");
        assert_eq!(decided(), 2.0);
        record(&daemon, "Start", "b", 2.0);
        assert!(!accepted(&mut nas), "two of two");
        assert_eq!(decided(), 2.0, "at the limit the store is asked");
        record(&daemon, "Stop", "a", 1.0);
        assert!(accepted(&mut nas), "one of two");
        drop(daemon);
        // Open sessions of before are known again.
        let daemon = site.start();
        until_trusted(&daemon, true);
        assert_eq!(daemon.metric("radiusd_online_sessions"), 1.0);
        assert!(accepted(&mut daemon.nas()));
        assert_eq!(daemon.metric("radiusd_online_decided_total"), 1.0);
    });
}

/// Whoever writes sessions beside us is noticed, and the store asked each time.
#[test]
fn another_writer_ends_the_trust() {
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows(&limited("1"));
    let daemon = site.start();
    until_trusted(&daemon, true);
    site.sql.rows(
        "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime) \
         VALUES ('x', 'x', 'bob', '10.9.9.9', now())",
    );
    until_trusted(&daemon, false);
    assert!(!accepted(&mut daemon.nas()));
    site.sql.rows("UPDATE radacct SET acctstoptime = now()");
    assert!(accepted(&mut daemon.nas()));
    assert_eq!(daemon.metric("radiusd_online_decided_total"), 0.0);
}

#[test]
fn two_nodes_hold_one_limit() {
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows(&limited("1"));
    let first = site.start();
    until_trusted(&first, true);
    let directory = scratch::directory("second");
    let url = site.settings.get("store.url").expect("a store").trim_matches('"').to_owned();
    let second = Daemon::start(&directory, &Settings::new(&directory, &url, ZONE));
    until_trusted(&first, false);
    until_trusted(&second, false);
    for (open, other, session) in [(&first, &second, "a"), (&second, &first, "b")] {
        assert!(accepted(&mut other.nas()));
        assert!(open.accounting_nas().ask(&event("Start", session)).is_some());
        assert!(!accepted(&mut other.nas()), "the other node's session counts");
        assert!(open.accounting_nas().ask(&event("Stop", session)).is_some());
    }
}

/// What the journal holds is in no store yet, and counts.
#[test]
fn while_the_store_is_away_memory_decides() {
    let (cluster, server) = Cluster::start();
    let url = cluster.url(&cluster.database());
    Sql::postgres(&url).rows(&format!(
        "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}'); {}",
        limited("1")
    ));
    let directory = scratch::directory("online");
    let daemon = Daemon::start(&directory, &Settings::new(&directory, &url, ZONE));
    until_trusted(&daemon, true);
    let mut nas = daemon.nas();
    assert!(accepted(&mut nas));
    postgres::end(server);
    until("logins without the store", PATIENCE, || accepted(&mut nas).then_some(()));
    record(&daemon, "Start", "a", 1.0);
    assert!(!accepted(&mut nas), "one of one");
    record(&daemon, "Stop", "a", 0.0);
    assert!(accepted(&mut nas));
    record(&daemon, "Start", "b", 1.0);
    let off = "Acct-Status-Type = Accounting-Off ; NAS-IP-Address = 127.0.0.1";
    let off = Ask::accounting(off).expect("a packet");
    assert!(daemon.accounting_nas().ask(&off).is_some());
    until("the reboot to be known", PATIENCE, || accepted(&mut nas).then_some(()));
    // What begins in the second of an Accounting-Off is old.
    std::thread::sleep(Duration::from_millis(1_100));
    record(&daemon, "Start", "c", 1.0);
    let server = cluster.serve();
    daemon.until_journal_is_empty();
    assert_eq!(daemon.metric("radiusd_online_sessions"), 1.0);
    assert!(!accepted(&mut nas), "one of one, and the store says so too");
    drop(daemon);
    postgres::end(server);
}
