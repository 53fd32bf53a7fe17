//! Accounting on either store: what a NAS reports is in radacct when it is answered.

use std::time::Duration;

use proto::Code;

use crate::harness::ask::{Ask, now};
use crate::harness::nas::Nas;
use crate::harness::radclient::radclient;
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};
use crate::harness::sql::NULL;

fn packet(status: &str, session: &str, rest: &str) -> Ask {
    let text = format!(
        "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = {session} ; \
         NAS-IP-Address = 127.0.0.1{rest}"
    );
    Ask::accounting(&text).expect("a packet")
}

/// The answer of the accounting port.
fn record(nas: &mut Nas, ask: &Ask) {
    let answer = nas.ask(ask).expect("an answer");
    assert_eq!(answer.code, Code::AccountingResponse);
    assert_eq!(answer.attributes, vec![]);
}

#[test]
fn radclient_reports_a_session() {
    on_both(|mut site| {
        let daemon = site.start();
        let common =
            "User-Name = bob, Acct-Session-Id = s1, NAS-IP-Address = 10.0.0.1, NAS-Port = 7";
        for (status, rest) in [
            ("Start", ", Framed-IP-Address = 10.1.2.3"),
            (
                "Interim-Update",
                ", Acct-Session-Time = 60, Acct-Input-Octets = 100, \
              Acct-Input-Gigawords = 1, Framed-IP-Address = 10.1.2.3",
            ),
            (
                "Stop",
                ", Acct-Session-Time = 90, Acct-Input-Octets = 200, Acct-Input-Gigawords = 1, \
              Acct-Terminate-Cause = User-Request, Framed-IP-Address = 10.1.2.3",
            ),
        ] {
            let asked = format!("{common}, Acct-Status-Type = {status}{rest}");
            let answer = radclient(daemon.acct(), "acct", &asked).expect("an answer");
            assert!(answer.starts_with("Accounting-Response"), "{answer}");
        }
        let rows = site.sql.rows(
            "SELECT acctuniqueid, username, acctsessiontime, acctinputoctets, acctterminatecause, \
             framedipaddress, nasportid FROM radacct",
        );
        // md5("bob,s1,10.0.0.1,,,7")
        let expected = [
            "445548fe26516e33a972bb6a51b448eb",
            "bob",
            "90",
            "4294967496",
            "User-Request",
            "10.1.2.3",
            "7",
        ];
        assert_eq!(rows, [expected.map(str::to_owned).to_vec()]);
    });
}

/// No wait: the row is there when the answer is.
#[test]
fn an_answer_means_that_the_row_is_there() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut nas = daemon.accounting_nas();
        for session in 0..50 {
            record(&mut nas, &packet("Start", &format!("s{session}"), ""));
            let count = site.sql.number("SELECT count(*) FROM radacct WHERE acctstoptime IS NULL");
            assert_eq!(count, session + 1);
        }
        let off = "Acct-Status-Type = Accounting-Off ; NAS-IP-Address = 127.0.0.1";
        record(&mut nas, &Ask::accounting(off).expect("a packet"));
        let rows = site.sql.rows(
            "SELECT acctterminatecause, count(*) FROM radacct WHERE acctstoptime IS NOT NULL GROUP BY 1",
        );
        assert_eq!(rows, [["NAS-Reboot".to_owned(), "50".to_owned()]]);
    });
}

#[test]
fn packets_without_use_are_answered() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut nas = daemon.accounting_nas();
        for text in [
            "User-Name = bob",
            "Acct-Status-Type = 99 ; User-Name = bob ; Acct-Session-Id = s",
            "Acct-Status-Type = Failed ; User-Name = bob ; Acct-Session-Id = s",
        ] {
            record(&mut nas, &Ask::accounting(text).expect("a packet"));
        }
        assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 0);
    });
}

/// What the store can't hold is set aside, acknowledged, and fails none of its neighbours.
#[test]
fn a_record_that_no_row_can_hold_is_set_aside() {
    on_both(|mut site| {
        let daemon = site.start();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let daemon = &daemon;
                scope.spawn(move || {
                    let mut nas = daemon.accounting_nas();
                    for at in 0..20 {
                        let odd = if at % 5 == 0 {
                            " ; Calling-Station-Id = @{xff00fe} ; Connect-Info = @{x00}"
                        } else {
                            ""
                        };
                        record(&mut nas, &packet("Start", &format!("t{thread}n{at}"), odd));
                    }
                });
            }
        });
        let good =
            "SELECT count(*) FROM radacct WHERE callingstationid = '' OR callingstationid IS NULL";
        assert_eq!(site.sql.number(good), 8 * 16);
        let kept = site.sql.number("SELECT count(*) FROM radacct") - 8 * 16;
        let quarantine = site.directory.join("journal/quarantine");
        let lines: usize = std::fs::read_dir(quarantine)
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default().lines().count())
            .sum();
        assert_eq!(kept as usize + lines, 8 * 4, "stored somehow, or set aside");
    });
}

/// The limit holds as sessions come and go, whoever reports them.
#[test]
fn simultaneous_use_follows_the_sessions() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radcheck", "bob", "Simultaneous-Use", ":=", "2");
        let daemon = site.start();
        let (mut nas, mut accounting) = (daemon.nas(), daemon.accounting_nas());
        let login = Ask::pap("bob", "hello");
        let accepted = |nas: &mut Nas| nas.ask(&login).expect("an answer").is_accept();
        assert!(accepted(&mut nas));
        record(&mut accounting, &packet("Start", "a", ""));
        assert!(accepted(&mut nas), "one of two");
        record(&mut accounting, &packet("Start", "b", ""));
        let answer = nas.ask(&login).expect("an answer");
        assert!(answer.is_reject(), "two of two");
        let told = answer.text("Reply-Message").expect("a message");
        assert_eq!(told, "You are already logged in - access denied (2)");
        record(&mut accounting, &packet("Stop", "a", " ; Acct-Session-Time = 5"));
        until("a free place", Duration::from_secs(5), || accepted(&mut nas).then_some(()));
        record(&mut accounting, &packet("Start", "c", ""));
        assert!(!accepted(&mut nas), "two of two again");
        // What starts in the very second of an Accounting-On is a new session.
        std::thread::sleep(Duration::from_millis(1100));
        let off = "Acct-Status-Type = Accounting-On ; NAS-IP-Address = 127.0.0.1";
        record(&mut accounting, &Ask::accounting(off).expect("a packet"));
        until("the reboot", Duration::from_secs(5), || accepted(&mut nas).then_some(()));
        // Another program opens sessions and closes them.
        let start = match site.engine {
            Engine::Postgres => format!("to_timestamp({})", now()),
            Engine::Sqlite => now().to_string(),
        };
        for id in ["x", "y"] {
            site.sql.rows(&format!(
                "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime) \
                 VALUES ('{id}', '{id}', 'bob', '10.9.9.9', {start})"
            ));
        }
        until("their sessions", Duration::from_secs(8), || (!accepted(&mut nas)).then_some(()));
        site.sql
            .rows(&format!("UPDATE radacct SET acctstoptime = {start} WHERE acctuniqueid = 'x'"));
        until("their end", Duration::from_secs(8), || accepted(&mut nas).then_some(()));
    });
}

/// Another node was told of an Accounting-Off, and ended before it had closed the sessions.
#[test]
fn the_first_of_two_reboots_ends_a_session() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut accounting = daemon.accounting_nas();
        let at = |ago: i64| format!(" ; Event-Timestamp = {}", now() - ago);
        record(&mut accounting, &packet("Start", "a", &at(900)));
        let table = match site.engine {
            Engine::Postgres => "mgmt.mgmt_nas_reboots",
            Engine::Sqlite => "mgmt_nas_reboots",
        };
        site.sql.rows(&format!(
            "INSERT INTO {table} (nasipaddress, at, off, cause) \
             VALUES ('127.0.0.1', {}, true, 'Admin-Reboot')",
            now() - 500
        ));
        let on =
            format!("Acct-Status-Type = Accounting-On ; NAS-IP-Address = 127.0.0.1{}", at(300));
        record(&mut accounting, &Ask::accounting(&on).expect("a packet"));
        let row = site.sql.rows("SELECT acctterminatecause, acctsessiontime FROM radacct");
        assert_eq!(row, [["Admin-Reboot", "400"]]);
    });
}

/// Many logins of one user at one moment: the count is right once his sessions are reported.
#[test]
fn a_quota_is_used_up_live() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radcheck", "bob", "Max-All-Session", ":=", "1000");
        let daemon = site.start();
        let (mut nas, mut accounting) = (daemon.nas(), daemon.accounting_nas());
        let login = Ask::pap("bob", "hello");
        let answer = nas.ask(&login).expect("an answer");
        assert_eq!(answer.number("Session-Timeout"), Some(1000));
        record(&mut accounting, &packet("Start", "a", ""));
        let interim = " ; Acct-Session-Time = 300 ; Acct-Input-Octets = 1";
        record(&mut accounting, &packet("Interim-Update", "a", interim));
        until("300 s used", Duration::from_secs(5), || {
            nas.ask(&login)?.number("Session-Timeout").filter(|left| *left == 700)
        });
        record(&mut accounting, &packet("Stop", "a", " ; Acct-Session-Time = 1000"));
        let answer = until("the quota's end", Duration::from_secs(5), || {
            nas.ask(&login).filter(|answer| answer.is_reject())
        });
        let told = answer.text("Reply-Message").expect("a message");
        assert_eq!(told, "Your maximum never usage time has been reached");
    });
}

/// Eight NAS report the same sessions' events at once, repeated and out of order: one row each.
#[test]
fn disorder_under_load_leaves_one_right_row_each() {
    on_both(|mut site| {
        let daemon = site.start();
        let base = now() - 10_000;
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let daemon = &daemon;
                scope.spawn(move || {
                    let mut nas = daemon.accounting_nas();
                    let mut events: Vec<Ask> = (0..20)
                        .flat_map(|session| (0..4).map(move |step| (session, step)))
                        .map(|(session, step)| {
                            let status = ["Start", "Interim-Update", "Interim-Update", "Stop"][step];
                            let seconds = 100 * step;
                            let time = base + seconds as i64;
                            let rest = format!(
                                " ; Event-Timestamp = {time} ; Acct-Session-Time = {seconds} ; \
                                 Acct-Input-Octets = {} ; Framed-IP-Address = 10.0.{session}.{step}",
                                seconds * 10
                            );
                            packet(status, &format!("s{session}"), &rest)
                        })
                        .collect();
                    crate::harness::random::Random::new(thread).shuffle(&mut events);
                    events.iter().for_each(|event| record(&mut nas, event));
                });
            }
        });
        let time = |column: &str| match site.engine {
            Engine::Postgres => format!("extract(epoch FROM {column})::bigint - {base}"),
            Engine::Sqlite => format!("{column} - {base}"),
        };
        let select = format!(
            "SELECT {}, {}, acctsessiontime, acctinputoctets, framedipaddress, count(*) \
             FROM radacct GROUP BY 1, 2, 3, 4, 5 ORDER BY 5",
            time("acctstarttime"),
            time("acctstoptime")
        );
        let rows = site.sql.rows(&select);
        assert_eq!(rows.len(), 20, "{rows:?}");
        for row in rows {
            assert!(row[4].ends_with(".3"), "{row:?}");
            assert_eq!(
                [&row[0], &row[1], &row[2], &row[3], &row[5]],
                ["0", "300", "300", "3000", "1"]
            );
            assert!(!row.contains(&NULL.to_owned()));
        }
    });
}

#[test]
fn retransmissions_are_processed_once() {
    let mut site = Site::new(Engine::Postgres);
    let daemon = site.start();
    let nas = daemon.accounting_nas();
    let first = packet("Start", "a", "").encode(1, 1, &nas.secret);
    for _ in 0..5 {
        assert!(nas.exchange(&first).is_some());
    }
    assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 1);
    let repeated = daemon.metric("radiusd_datagrams_total{outcome=\"duplicate-answered\"}");
    assert_eq!(repeated, 4.0);
}
