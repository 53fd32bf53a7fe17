//! Datagrams in and out: who is answered, from where, how often, and what is dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use proto::Code;

use crate::harness::ask::Ask;
use crate::harness::daemon::{Daemon, text};
use crate::harness::nas::{Nas, SECRET};
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};

fn local(last: [u8; 3]) -> IpAddr {
    Ipv4Addr::new(127, last[0], last[1], last[2]).into()
}

/// Each received datagram ends in one counted outcome.
pub fn assert_all_counted(daemon: &Daemon) {
    until("every datagram to be counted once", Duration::from_secs(20), || {
        let received = daemon.metric("radiusd_datagrams_received_total");
        let outcomes = daemon.metric("radiusd_datagrams_total");
        (received > 0.0 && received == outcomes).then_some(())
    });
}

/// A row may ask which of our ports was used.
#[test]
fn the_port_that_was_asked_is_known_to_policy() {
    let mut site = Site::new(Engine::Sqlite);
    for user in ["here", "elsewhere"] {
        site.user(user, "hello");
    }
    let daemon = site.start();
    let port = daemon.auth().port();
    site.row("radcheck", "here", "Packet-Dst-Port", "==", &port.to_string());
    site.row("radcheck", "elsewhere", "Packet-Dst-Port", "==", &(port + 1).to_string());
    let mut nas = daemon.nas();
    let mut accepts = |user| nas.ask(&Ask::pap(user, "hello")).expect("an answer").is_accept();
    until("the rows", Duration::from_secs(5), || (!accepts("elsewhere")).then_some(()));
    assert!(accepts("here"));
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let port = site.settings.auth.port();
    site.settings.set("radius.auth", &format!("[\"0.0.0.0:{port}\", \"[::]:{port}\"]"));
    site.sql.rows(&format!(
        "INSERT INTO nas (nasname, shortname, secret) VALUES ('::1', 'six', '{SECRET}')"
    ));
    let _daemon = site.start();
    for last in [[0, 0, 1], [0, 0, 2], [0, 0, 3], [9, 8, 7]] {
        let to = SocketAddr::new(local(last), port);
        let answer = Nas::new(to).ask(&Ask::pap("bob", "hello")).expect("an answer");
        assert!(answer.is_accept());
        assert_eq!(answer.from, to);
    }
    let to = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    let answer = Nas::new(to).ask(&Ask::pap("bob", "hello")).expect("an answer over IPv6");
    assert!(answer.is_accept());
    assert_eq!(answer.from, to);
}

#[test]
fn every_answer_to_a_login_begins_with_message_authenticator() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let mut nas = daemon.nas();
        for (login, accepted) in
            [("pap hello", true), ("pap x", false), ("pap hello ; unsigned", true)]
        {
            let ask = Ask::access("bob", login).expect("a login");
            let answer = nas.ask(&ask).expect(login);
            assert_eq!(answer.is_accept(), accepted, "{login}");
            assert!(answer.signed_first, "{login}");
        }
        assert!(nas.status().expect("an answer").signed_first);
    });
}

#[test]
fn strangers_and_wrong_secrets_are_met_with_silence() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let daemon = site.start();
    let login = Ask::pap("bob", "hello");
    let mut stranger = Nas::with(local([0, 0, 9]), daemon.auth(), SECRET).impatient();
    assert_eq!(stranger.ask(&login), None);
    let mut wrong = Nas::with(local([0, 0, 1]), daemon.auth(), "wrong-secret").impatient();
    assert_eq!(wrong.ask(&login), None, "a Message-Authenticator of another secret");
    let start = Ask::accounting("Acct-Status-Type = Start ; User-Name = bob ; Acct-Session-Id = s");
    let start = start.expect("a packet");
    let mut wrong = Nas::with(local([0, 0, 1]), daemon.acct(), "wrong-secret").impatient();
    assert_eq!(wrong.ask(&start), None, "a Request Authenticator of another secret");
    let on_the_wrong_port = Nas::new(daemon.auth()).impatient().ask(&start);
    assert_eq!(on_the_wrong_port, None);
    let on_the_wrong_port = Nas::new(daemon.acct()).impatient().ask(&login);
    assert_eq!(on_the_wrong_port, None);
    assert!(daemon.nas().ask(&login).is_some_and(|answer| answer.is_accept()));
    assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"unknown-client\"}"), 1.0);
    assert_all_counted(&daemon);
}

#[test]
fn the_longest_prefix_is_the_client() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.sql.rows(
            "INSERT INTO nas (nasname, shortname, secret) VALUES \
             ('127.0.0.0/8', 'all', 'secret-of-all'), ('127.0.9.0/24', 'some', 'secret-of-some'), \
             ('127.0.9.9', 'one', 'secret-of-one')",
        );
        site.settings.set("clients.configured.address", &text("127.0.8.0/24"));
        site.settings.set("clients.configured.secret", &text("secret-configured"));
        let daemon = site.start();
        for (from, secret) in [
            ([7, 7, 7], "secret-of-all"),
            ([0, 9, 1], "secret-of-some"),
            ([0, 9, 9], "secret-of-one"),
            ([0, 0, 1], SECRET),
            ([0, 8, 1], "secret-configured"),
        ] {
            let mut nas = Nas::with(local(from), daemon.auth(), secret);
            let answer = nas.ask(&Ask::pap("bob", "hello"));
            assert!(answer.is_some_and(|answer| answer.is_accept()), "{from:?}");
        }
    });
}

#[test]
fn a_client_may_be_a_host_name() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.sql.rows("UPDATE nas SET nasname = 'localhost'");
        let daemon = site.start();
        until("the name to be resolved", Duration::from_secs(10), || {
            daemon.nas().impatient().ask(&Ask::pap("bob", "hello")).filter(|a| a.is_accept())
        });
    });
}

#[test]
fn a_retransmission_gets_the_same_answer_and_is_decided_once() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let nas = daemon.nas();
        let packet = Ask::pap("bob", "hello").encode(7, 7, &nas.secret);
        let first = nas.exchange(&packet).expect("an answer");
        for _ in 0..3 {
            assert_eq!(nas.exchange(&packet).expect("an answer"), first);
        }
        // Another authenticator with the same identifier is another request.
        let other = Ask::pap("bob", "wrong").encode(7, 8, &nas.secret);
        assert!(nas.exchange(&other).expect("an answer").is_reject());
        let outcome =
            |name: &str| daemon.metric(&format!("radiusd_datagrams_total{{outcome=\"{name}\"}}"));
        assert_eq!(outcome("duplicate-answered"), 3.0);
        assert_eq!((outcome("access-accept"), outcome("access-reject")), (1.0, 1.0));
        assert_all_counted(&daemon);
    });
}

#[test]
fn a_reject_waits_and_its_retransmissions_are_ignored() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    // Over 100 ms of work, which the delay absorbs.
    let slow = "$2b$10$abcdefghijklmnopqrstuubpco9BuLQZBZtn/gwh0hqaJSVqpe2FC";
    site.row("radcheck", "slow", "Crypt-Password", ":=", slow);
    site.settings.set("radius.reject_delay", &text("1s"));
    let daemon = site.start();
    let mut nas = daemon.nas();
    nas.timeout = Duration::from_secs(8);
    let begun = Instant::now();
    assert!(nas.ask(&Ask::pap("bob", "hello")).expect("an answer").is_accept());
    assert!(begun.elapsed() < Duration::from_secs(1), "an accept does not wait");
    for user in ["bob", "slow", "nobody"] {
        let begun = Instant::now();
        let packet =
            Ask::pap(user, "wrong").encode(9, begun.elapsed().as_nanos() as u64, &nas.secret);
        nas.send(&packet);
        nas.send(&packet);
        assert!(nas.exchange(&packet).expect("an answer").is_reject());
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(950), "{user}: after {waited:?}");
    }
    let ignored = daemon.metric("radiusd_datagrams_total{outcome=\"duplicate-ignored\"}");
    assert_eq!(ignored, 6.0);
    assert_all_counted(&daemon);
}

/// Who gets an answer: rows of BlastRADIUS's table.
#[test]
fn message_authenticator_and_proxy_state_are_asked_for_as_configured() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let rules = ["auto", "yes", "no"];
    let address = |require: usize, limit: usize| local([1, require as u8 + 1, limit as u8 + 1]);
    for (r, require) in rules.iter().enumerate() {
        for (l, limit) in rules.iter().enumerate() {
            let client = format!("clients.r{r}l{l}");
            site.settings.set(&format!("{client}.address"), &text(&address(r, l).to_string()));
            site.settings.set(&format!("{client}.secret"), &text(SECRET));
            site.settings.set(&format!("{client}.require_message_authenticator"), &text(require));
            site.settings.set(&format!("{client}.limit_proxy_state"), &text(limit));
        }
    }
    let daemon = site.start();
    for (r, require) in rules.iter().enumerate() {
        for (l, limit) in rules.iter().enumerate() {
            for signature in ["", " ; unsigned", " ; missigned"] {
                for proxied in ["", " ; Proxy-State = 0x01"] {
                    let login = format!("pap hello{signature}{proxied}");
                    let answered = match (signature, *require, proxied) {
                        ("", ..) => true,
                        (" ; missigned", ..) | (_, "yes", _) => false,
                        (_, _, "") => true,
                        _ => *limit != "yes",
                    };
                    let mut nas = Nas::with(address(r, l), daemon.auth(), SECRET);
                    if !answered {
                        nas = nas.impatient();
                    }
                    let answer = nas.ask(&Ask::access("bob", &login).expect("a login"));
                    let case = format!("require {require}, limit {limit}, {login:?}");
                    assert_eq!(answer.is_some(), answered, "{case}");
                    assert!(answer.is_none_or(|answer| answer.is_accept()), "{case}");
                }
            }
        }
    }
    assert_all_counted(&daemon);
}

/// `auto` moves to yes after a hundred signed requests in a row, and stays there over a restart.
#[test]
fn a_nas_that_always_signs_must_go_on_signing() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let unsigned = Ask::access("bob", "pap hello ; unsigned").expect("a login");
        let signed = Ask::pap("bob", "hello");
        let mut nas = daemon.nas();
        for _ in 0..60 {
            assert!(nas.ask(&signed).is_some());
        }
        assert!(nas.ask(&unsigned).is_some(), "not yet a hundred in a row");
        for _ in 0..110 {
            assert!(nas.ask(&signed).is_some());
        }
        assert_eq!(daemon.nas().impatient().ask(&unsigned), None);
        assert!(nas.ask(&signed).is_some());
        assert!(daemon.stop().success());
        let daemon = site.start();
        assert_eq!(daemon.nas().impatient().ask(&unsigned), None, "after a restart");
        assert!(daemon.nas().ask(&signed).is_some());
    });
}

/// What one NAS of a network does says nothing of its neighbours, and nothing is written down.
#[test]
fn a_network_stays_free_to_sign_or_not() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.sql.rows(&format!(
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.1.0.0/16', 'net', '{SECRET}')"
        ));
        let daemon = site.start();
        let signed = Ask::pap("bob", "hello");
        let unsigned =
            Ask::access("bob", "pap hello ; unsigned ; Proxy-State = 0x01").expect("a login");
        let [mut one, mut other] =
            [[1, 0, 1], [1, 0, 2]].map(|last| Nas::with(local(last), daemon.auth(), SECRET));
        for _ in 0..205 {
            assert!(one.ask(&signed).is_some());
        }
        for nas in [&mut other, &mut one] {
            assert!(nas.ask(&unsigned).is_some_and(|answer| answer.is_accept()));
        }
        let learned = match site.engine {
            Engine::Postgres => "SELECT count(*) FROM mgmt.mgmt_nas_settings",
            Engine::Sqlite => "SELECT count(*) FROM mgmt_nas_settings",
        };
        assert_eq!(site.sql.number(learned), 0);
    });
}

/// FreeRADIUS serves a NAS with an empty secret, for which anybody can sign.
#[test]
fn a_nas_without_a_secret_is_not_served() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.sql.rows(
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.61', 'empty', '')",
        );
        let daemon = site.start();
        let mut nas = Nas::with(local([0, 0, 61]), daemon.auth(), "").impatient();
        assert_eq!(nas.ask(&Ask::pap("bob", "hello")), None);
        assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"unknown-client\"}"), 1.0);
        let said = |line: &str| line.contains("no secret: not used") && line.contains("127.0.0.61");
        assert!(daemon.log().lines().any(said), "{}", daemon.log());
        site.sql.rows(&format!("UPDATE nas SET secret = '{SECRET}' WHERE shortname = 'empty'"));
        until("the NAS to be served", Duration::from_secs(20), || {
            Nas::with(local([0, 0, 61]), daemon.auth(), SECRET).impatient().status()
        });
    });
}

#[test]
fn status_server_needs_a_signature() {
    let site = Site::new(Engine::Sqlite);
    let daemon = site.start();
    for (to, code) in
        [(daemon.auth(), Code::AccessAccept), (daemon.acct(), Code::AccountingResponse)]
    {
        let answer = Nas::new(to).status().expect("an answer");
        assert_eq!(answer.code, code);
        assert_eq!(answer.attributes, vec![]);
        let unsigned = Ask::new(Code::StatusServer).with("unsigned");
        assert_eq!(Nas::new(to).impatient().ask(&unsigned), None);
        let proxied = Ask::new(Code::StatusServer).with("Proxy-State = 0x0102");
        assert_eq!(Nas::new(to).ask(&proxied).expect("an answer").attributes.len(), 1);
    }
    assert_all_counted(&daemon);
}

#[test]
fn health_and_metrics_are_served() {
    on_both(|site| {
        let daemon = site.start();
        for path in ["/health/live", "/health/ready"] {
            let (status, body) = daemon.get(path).expect(path);
            assert_eq!(status, 200, "{path}: {body}");
        }
        daemon.nas().status().expect("an answer");
        assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"status-answered\"}"), 1.0);
        assert_all_counted(&daemon);
    });
}
