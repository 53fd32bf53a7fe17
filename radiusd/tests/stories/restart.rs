//! Ends and beginnings: killed in mid-flight, stopped, started where it can't.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use proto::Secret;

use crate::harness::ask::Ask;
use crate::harness::daemon::{self, Daemon, Settings, text};
use crate::harness::nas::SECRET;
use crate::harness::postgres::{self, Cluster};
use crate::harness::scratch::{self, until};
use crate::harness::site::{Engine, Site, ZONE, on_both};
use crate::harness::sql::Sql;

const PACKETS: usize = 50_000;
const SENDERS: usize = 8;

fn start_of(session: usize) -> Ask {
    let text = format!(
        "Acct-Status-Type = Start ; User-Name = user{} ; Acct-Session-Id = k{session} ; \
         NAS-IP-Address = 127.0.0.1 ; NAS-Port = {session}",
        session % 1000
    );
    Ask::accounting(&text).expect("a packet")
}

/// Sends this sender's sessions, up to 200 unanswered at a time, until all are answered or `ended`
/// is said; returns the sessions that were acknowledged.
fn report(
    to: std::net::SocketAddr,
    sender: usize,
    ended: &AtomicBool,
    answered: &AtomicUsize,
) -> HashSet<usize> {
    let secret = Secret::new(SECRET.as_bytes());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let mut waiting: [Option<(usize, Vec<u8>)>; 200] = std::array::from_fn(|_| None);
    let mut next = sender;
    let mut acknowledged = HashSet::new();
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::Relaxed) {
        for (identifier, slot) in waiting.iter_mut().enumerate() {
            if slot.is_none() && next < PACKETS {
                let packet = start_of(next).encode(identifier as u8, 1, &secret);
                // The daemon may be gone by now.
                socket.send_to(&packet, to).ok();
                *slot = Some((next, packet));
                next += SENDERS;
            }
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                let Some(slot) = waiting.get_mut(usize::from(buffer[1])) else { continue };
                // What was sent again is answered twice, the second time to nobody.
                let answers = |(_, packet): &mut (usize, Vec<u8>)| {
                    proto::verify_reply(packet, &buffer[..length], &secret).is_ok()
                };
                let Some((session, _)) = slot.take_if(answers) else { continue };
                acknowledged.insert(session);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                for (_, packet) in waiting.iter().flatten() {
                    socket.send_to(packet, to).ok();
                }
                if waiting.iter().all(Option::is_none) && next >= PACKETS {
                    break;
                }
            }
        }
    }
    acknowledged
}

#[test]
fn killed_amid_accounting_nothing_acknowledged_is_lost() {
    on_both(|mut site| {
        let daemon = site.start();
        let to = daemon.acct();
        let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let acknowledged = Mutex::new(HashSet::new());
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (ended, answered, acknowledged) = (&ended, &answered, &acknowledged);
                scope.spawn(move || {
                    let mine = report(to, sender, ended, answered);
                    acknowledged.lock().expect("no panic").extend(mine);
                });
            }
            until("half of the answers", Duration::from_secs(120), || {
                (answered.load(Ordering::Relaxed) > PACKETS / 2).then_some(())
            });
            daemon.kill();
            std::thread::sleep(Duration::from_millis(200));
            ended.store(true, Ordering::Relaxed);
        });
        let acknowledged = acknowledged.into_inner().expect("no panic");
        assert!(acknowledged.len() > PACKETS / 2 && acknowledged.len() < PACKETS, "killed amid it");
        let daemon = site.start();
        until("accounting to be served again", Duration::from_secs(20), || {
            daemon.accounting_nas().ask(&start_of(PACKETS))
        });
        // Under so much load some of it may have gone to the journal.
        daemon.until_journal_is_empty();
        let rows = site.sql.rows("SELECT acctsessionid, count(*) FROM radacct GROUP BY 1");
        let twice: Vec<_> = rows.iter().filter(|row| row[1] != "1").collect();
        assert!(twice.is_empty(), "{twice:?}");
        let stored: HashSet<usize> =
            rows.iter().filter_map(|row| row[0].strip_prefix('k')?.parse().ok()).collect();
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    });
}

#[test]
fn stopped_it_ends_well_and_starts_again() {
    on_both(|mut site| {
        site.user("bob", "hello");
        for _ in 0..3 {
            let daemon = site.start();
            assert!(daemon.nas().ask(&Ask::pap("bob", "hello")).is_some_and(|a| a.is_accept()));
            assert!(daemon.accounting_nas().ask(&start_of(1)).is_some());
            let status = daemon.stop();
            assert!(status.success(), "{status}");
        }
        assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 1);
    });
}

/// Starts what can't be served; the exit code and what was said.
fn fails(settings: &Settings) -> (i32, String) {
    let directory = scratch::directory("fails");
    let mut daemon = Daemon::launch(&directory, settings);
    let status = daemon.wait(Duration::from_secs(60));
    (status.code().unwrap_or(-1), daemon.log())
}

#[test]
fn a_port_in_use_is_said_in_one_sentence() {
    let mut site = Site::new(Engine::Sqlite);
    for key in ["radius.auth", "radius.acct"] {
        let port = scratch::port();
        let _taken = UdpSocket::bind(("127.0.0.1", port)).expect("a port");
        let mut settings = site.settings.clone();
        settings.set(key, &format!("[\"127.0.0.1:{port}\"]"));
        let (code, said) = fails(&settings);
        assert_eq!(code, 69, "{said}");
        assert!(said.contains(&port.to_string()), "{said}");
    }
    let (http, _taken) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        (listener.local_addr().expect("an address"), listener)
    };
    site.settings.set("http.listen", &text(&http.to_string()));
    let (code, said) = fails(&site.settings);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains(&http.port().to_string()), "{said}");
}

#[test]
fn a_wrong_value_names_file_line_and_key() {
    let site = Site::new(Engine::Sqlite);
    for (key, value) in [
        ("radius.reject_delay", "\"soon\""),
        ("radius.workers", "-1"),
        ("radius.auth", "[\"localhost\"]"),
        ("store.url", "\"mysql://x\""),
        ("store.timezone", "\"Europe/Nowhere\""),
        ("accounting.batch_max", "\"many\""),
        ("nonsense.key", "1"),
    ] {
        let mut settings = site.settings.clone();
        settings.set(key, value);
        let (code, said) = fails(&settings);
        assert_eq!(code, 78, "{key}: {said}");
        assert!(said.contains("radiusd.toml:") && said.contains(key), "{key}: {said}");
    }
}

#[test]
fn a_schema_that_is_not_freeradius_s_is_refused() {
    let cluster = postgres::shared();
    for (at, tables) in [
        "ALTER TABLE radcheck DROP COLUMN value",
        "DROP TABLE radacct; CREATE TABLE radacct (id int)",
    ]
    .iter()
    .enumerate()
    {
        let database = cluster.database();
        Sql::postgres(&cluster.url(&database)).rows(tables);
        let settings = Settings::new(&scratch::directory("schema"), &cluster.url(&database), ZONE);
        let (code, said) = fails(&settings);
        assert_eq!(code, 78, "{at}: {said}");
        let table = if at == 0 { "radcheck" } else { "radacct" };
        assert!(said.contains(table), "{said}");
    }
    let directory = scratch::directory("schema");
    let file = directory.join("other.db");
    Sql::sqlite(&file).rows("CREATE TABLE radcheck (id int)");
    let settings = Settings::new(&directory, &format!("sqlite:{}", file.display()), ZONE);
    let (code, said) = fails(&settings);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("radcheck"), "{said}");
}

#[test]
fn a_store_never_reached_ends_with_69() {
    let directory = scratch::directory("away");
    let url = format!("postgres://radius@127.0.0.1:{}/radius", scratch::port());
    let (code, said) = fails(&Settings::new(&directory, &url, ZONE));
    assert_eq!(code, 69, "{said}");
    let cluster = postgres::shared();
    let (code, said) = fails(&Settings::new(&directory, &cluster.url("no_such_database"), ZONE));
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("no_such_database"), "{said}");
}

/// The store goes and comes back: accounting is acknowledged from the journal meanwhile, and logins
/// of known users go on.
#[test]
fn a_store_that_goes_away_and_returns() {
    let (cluster, server) = Cluster::start();
    let url = cluster.url(&cluster.database());
    let directory = scratch::directory("outage");
    let mut sql = Sql::postgres(&url);
    sql.rows(&format!(
        "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}'); \
         INSERT INTO radcheck (username, attribute, op, value) \
         VALUES ('bob', 'Cleartext-Password', ':=', 'hello'), \
                ('eve', 'Cleartext-Password', ':=', 'hello')"
    ));
    drop(sql);
    let daemon = Daemon::start(&directory, &Settings::new(&directory, &url, ZONE));
    let login = Ask::pap("bob", "hello");
    assert!(daemon.nas().ask(&login).is_some_and(|answer| answer.is_accept()));
    assert!(daemon.accounting_nas().ask(&start_of(1)).is_some());
    postgres::end(server);
    let known = daemon.nas().ask(&login).expect("an answer from memory");
    assert!(known.is_accept());
    let unknown = daemon.nas().impatient().ask(&Ask::pap("eve", "hello"));
    assert_eq!(unknown, None, "silence, so that the NAS asks another server");
    assert!(daemon.accounting_nas().ask(&start_of(2)).is_some(), "from the journal");
    let server = cluster.serve();
    let eve = Ask::pap("eve", "hello");
    until("logins again", Duration::from_secs(30), || {
        daemon.nas().impatient().ask(&eve).filter(|answer| answer.is_accept())
    });
    until("accounting again", Duration::from_secs(30), || {
        daemon.accounting_nas().impatient().ask(&start_of(3))
    });
    let mut sql = Sql::postgres(&url);
    let stored = |sql: &mut Sql, session: &str| {
        sql.number(&format!("SELECT count(*) FROM radacct WHERE acctsessionid = '{session}'"))
    };
    until("what was acknowledged", Duration::from_secs(30), || {
        let all = ["k1", "k2", "k3"].map(|session| stored(&mut sql, session));
        (all == [1, 1, 1]).then_some(())
    });
    drop(daemon);
    postgres::end(server);
}

#[test]
fn check_config_says_what_serve_would() {
    let site = Site::new(Engine::Sqlite);
    let file = site.directory.join("radiusd.toml");
    site.settings.write(&file);
    let config = file.to_str().expect("a path of text");
    let (code, _, error) = daemon::run(&["check-config", "--config", config]);
    assert_eq!(code, 0, "{error}");
}
