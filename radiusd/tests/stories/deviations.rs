//! Promises of ours beside FreeRADIUS's, and its own ways where the configuration asks for them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::harness::ask::Ask;
use crate::harness::nas::{Nas, SECRET};
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};
use crate::wire::assert_all_counted;

fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn start(session: &str, more: &str) -> Ask {
    let text = format!("Acct-Status-Type = Start ; Acct-Session-Id = {session} ; {more}");
    Ask::accounting(&text).expect("a packet")
}

/// Deviation 8: wherever it comes from, and only with a Message-Authenticator.
#[test]
fn a_nas_may_be_known_by_its_identifier_only() {
    on_both(|mut site| {
        site.user("bob", "hello");
        drop(site.start());
        let table = match site.engine {
            Engine::Postgres => "mgmt.mgmt_nas_named",
            Engine::Sqlite => "mgmt_nas_named",
        };
        site.sql.rows(&format!(
            "INSERT INTO {table} (identifier, shortname, type, secret, limit_proxy_state) \
             VALUES ('roaming', 'roaming', 'other', 'secret-of-it', 'auto')"
        ));
        let daemon = site.start();
        for last in [91, 92] {
            let nas = |secret| Nas::with(local(last), daemon.auth(), secret).impatient();
            let login = Ask::pap("bob", "hello").with("NAS-Identifier = roaming");
            let answer = nas("secret-of-it").ask(&login);
            assert!(answer.is_some_and(|answer| answer.is_accept()), "from .{last}");
            assert_eq!(nas(SECRET).ask(&login), None, "another secret");
            let unsigned = login.clone().with("unsigned");
            assert_eq!(nas("secret-of-it").ask(&unsigned), None, "its address proves nothing");
            let other = Ask::pap("bob", "hello").with("NAS-Identifier = stranger");
            assert_eq!(nas("secret-of-it").ask(&other), None, "another identifier");
        }
        let mut acct = Nas::with(local(93), daemon.acct(), "secret-of-it");
        let record = start("n-1", "User-Name = bob ; NAS-Identifier = roaming");
        assert!(acct.ask(&record).is_some(), "a record needs no Message-Authenticator");
        assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 1);
        assert_all_counted(&daemon);
    });
}

/// Deviation 15: on demand names are written as FreeRADIUS writes them.
#[test]
fn names_are_written_escaped_on_demand() {
    on_both(|mut site| {
        site.user("o=27bob", "hello");
        site.settings.set("compat.escape_names", "true");
        let daemon = site.start();
        let login = Ask::pap("o'bob", "hello").with("Calling-Station-Id = a'b");
        assert!(daemon.nas().ask(&login).is_some_and(|answer| answer.is_accept()));
        let record = start("e-1", "User-Name = o'bob ; Calling-Station-Id = a'b");
        assert!(daemon.accounting_nas().ask(&record).is_some());
        let written = site.sql.rows("SELECT username, callingstationid FROM radacct");
        assert_eq!(written, [["o=27bob", "a=27b"]]);
        let attempts = "SELECT username FROM radpostauth";
        let attempts = until("the attempt", Duration::from_secs(20), || {
            Some(site.sql.rows(attempts)).filter(|rows| !rows.is_empty())
        });
        assert_eq!(attempts, [["o=27bob"]]);
    });
}

/// Deviation 18: what is left of a quota reaches into the next period on demand only.
#[test]
fn a_quota_reaches_into_the_next_period_on_demand() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    site.row("radcheck", "bob", "Max-Daily-Session", ":=", "200000");
    let mut timeout = |carry: &str| {
        site.settings.set("compat.counter_carry", carry);
        let answer = site.start().nas().ask(&Ask::pap("bob", "hello")).expect("an answer");
        answer.number("Session-Timeout").expect("what is left")
    };
    assert!(timeout("false") <= 86_400);
    assert!(timeout("true") >= 200_000);
}

/// Deviation 5: counters that fall are counted, and what was used stays.
#[test]
fn counters_that_fall_are_counted() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut acct = daemon.accounting_nas();
        assert!(acct.ask(&start("f-1", "User-Name = bob")).is_some());
        for (seconds, octets) in [(60, 5000), (120, 300), (180, 6000)] {
            let interim = format!(
                "Acct-Status-Type = Interim-Update ; Acct-Session-Id = f-1 ; User-Name = bob ; \
                 Acct-Session-Time = {seconds} ; Acct-Input-Octets = {octets} ; \
                 Acct-Output-Octets = 1"
            );
            assert!(acct.ask(&Ask::accounting(&interim).expect("a packet")).is_some());
        }
        assert_eq!(site.sql.number("SELECT acctinputoctets FROM radacct"), 6000);
        assert_eq!(daemon.metric("radiusd_journal_counters_fell_total"), 1.0);
    });
}

/// Deviation 10: who can't be served is counted by source, and said once a minute.
#[test]
fn strangers_and_wrong_secrets_are_counted_and_said_once() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let daemon = site.start();
    let login = Ask::pap("bob", "hello");
    for number in 0..20 {
        for last in [81, 82] {
            let stranger = Nas::with(local(last), daemon.auth(), SECRET);
            stranger.send(&login.encode(number, number.into(), &stranger.secret));
        }
        let wrong = Nas::with(local(1), daemon.auth(), "wrong-secret");
        wrong.send(&login.encode(number, number.into(), &wrong.secret));
    }
    let outcome =
        |name: &str| daemon.metric(&format!("radiusd_datagrams_total{{outcome=\"{name}\"}}"));
    until("all to be counted", Duration::from_secs(20), || {
        let counted = (outcome("unknown-client"), outcome("bad-message-authenticator"));
        (counted == (40.0, 20.0)).then_some(())
    });
    assert_eq!(daemon.metric("radiusd_strangers"), 3.0);
    let log = daemon.log();
    let said = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(said("packets from an address that no client has"), 2, "{log}");
    assert_eq!(said("packets do not verify with this client's secret"), 1, "{log}");
    assert_all_counted(&daemon);
}
