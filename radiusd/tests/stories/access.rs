//! A login on either store, by FreeRADIUS's own client and by ours.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::ask::Ask;
use crate::harness::daemon::{self, Daemon, Settings};
use crate::harness::nas::{Nas, SECRET};
use crate::harness::postgres;
use crate::harness::radclient::{radclient, radclient_expects};
use crate::harness::scratch::{self, until};
use crate::harness::site::{Engine, Site, ZONE, on_both};
use crate::harness::sql::Sql;

#[test]
fn radclient_logs_in() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radreply", "bob", "Reply-Message", "=", "welcome");
        site.group("bob", "gold", 1);
        site.row("radgroupreply", "gold", "Session-Timeout", "=", "3600");
        let daemon = site.start();
        for form in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
            let asked = format!("User-Name = bob, {form} = hello, Message-Authenticator = 0x00");
            let answer = radclient(daemon.auth(), "auth", &asked).expect(form);
            assert!(answer.starts_with("Access-Accept"), "{form}: {answer}");
            assert!(answer.contains("Reply-Message = \"welcome\""), "{form}: {answer}");
            assert!(answer.contains("Session-Timeout = 3600"), "{form}: {answer}");
            let has_keys = answer.contains("MS-CHAP-MPPE-Keys");
            assert_eq!(has_keys, form == "MS-CHAP-Password", "{answer}");
            let wrong = asked.replace("hello", "goodbye");
            let answer = radclient(daemon.auth(), "auth", &wrong).expect(form);
            assert!(answer.starts_with("Access-Reject"), "{form}: {answer}");
        }
        let unsigned = radclient(daemon.auth(), "auth", "User-Name = bob, User-Password = hello");
        assert!(unsigned.expect("an answer").starts_with("Access-Accept"));
        let nobody = "User-Name = nobody, User-Password = x, Message-Authenticator = 0x00";
        let nobody = radclient(daemon.auth(), "auth", nobody).expect("an answer");
        assert!(nobody.starts_with("Access-Reject"), "{nobody}");
    });
}

/// radclient compares the answers itself: every attribute, no other.
#[test]
fn radclient_finds_what_it_expects() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radreply", "bob", "Framed-IP-Address", "=", "10.1.2.3");
        site.row("radreply", "bob", "Cisco-AVPair", "+=", "a=1");
        site.row("radreply", "bob", "Cisco-AVPair", "+=", "b=2");
        site.row("radreply", "bob", "Tunnel-Type:1", "=", "VLAN");
        site.row("radreply", "bob", "Tunnel-Private-Group-Id:1", "=", "20");
        site.row("radreply", "bob", "Reply-Message", "=", "hello");
        let daemon = site.start();
        let accept = "Packet-Type == Access-Accept, Message-Authenticator =* ANY, \
            Framed-IP-Address == 10.1.2.3, Cisco-AVPair == \"a=1\", Cisco-AVPair == \"b=2\", \
            Tunnel-Type:1 == VLAN, Tunnel-Private-Group-Id:1 == \"20\", Reply-Message == \"hello\"";
        let reject = "Packet-Type == Access-Reject, Message-Authenticator =* ANY, Reply-Message == \"hello\"";
        let pairs = [
            ("User-Name = bob, User-Password = hello, Message-Authenticator = 0x00", accept),
            ("User-Name = bob, CHAP-Password = hello, Message-Authenticator = 0x00", accept),
            ("User-Name = bob, User-Password = goodbye, Message-Authenticator = 0x00", reject),
        ];
        radclient_expects(daemon.auth(), "auth", &pairs).unwrap_or_else(|said| panic!("{said}"));
        let wrong = [(pairs[0].0, reject)];
        assert!(radclient_expects(daemon.auth(), "auth", &wrong).is_err(), "it does compare");
    });
}

/// RFC 2865 §7.1, and RFC 5997 §6: the packets as they are printed there.
#[test]
fn the_packets_of_the_rfcs_are_answered() {
    let mut site = Site::new(Engine::Sqlite);
    site.sql.rows("UPDATE nas SET secret = 'xyzzy5461'");
    site.user("nemo", "arctangent");
    for (attribute, value) in [
        ("Service-Type", "Login-User"),
        ("Login-Service", "Telnet"),
        ("Login-IP-Host", "192.168.1.3"),
    ] {
        site.row("radreply", "nemo", attribute, "=", value);
    }
    let daemon = site.start();
    let packet = |text: &str| hex::decode(text.replace(' ', "")).expect("hexadecimal");
    let ask = |to, text: &str| {
        let nas = Nas::with("127.0.0.1".parse().expect("an address"), to, "xyzzy5461");
        nas.exchange(&packet(text)).expect("an answer")
    };
    let answer = ask(
        daemon.auth(),
        "01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f \
         02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003",
    );
    assert!(answer.is_accept(), "{answer}");
    let shown = answer.to_string();
    assert_eq!(
        shown,
        "Access-Accept | Service-Type = 0x00000001 | Login-Service = 0x00000000 | \
         Login-IP-Host = 0xc0a80103"
    );
    let answer = ask(
        daemon.auth(),
        "0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3",
    );
    assert_eq!(answer.to_string(), "Access-Accept");
    let answer = ask(
        daemon.acct(),
        "0cb30026 925f6b66dd5fed571fcb1db7ad388260 5012e8d6eabda910875cd91fdade26367858",
    );
    assert_eq!(answer.to_string(), "Accounting-Response");
}

#[test]
fn radclient_asks_for_status() {
    on_both(|site| {
        let daemon = site.start();
        let status = "Message-Authenticator = 0x00";
        let answer = radclient(daemon.auth(), "status", status).expect("an answer");
        assert!(answer.starts_with("Access-Accept"), "{answer}");
        let answer = radclient(daemon.acct(), "status", status).expect("an answer");
        assert!(answer.starts_with("Accounting-Response"), "{answer}");
    });
}

#[test]
fn nothing_configured_means_sqlite_in_the_data_directory() {
    let directory = scratch::directory("default");
    let mut settings = Settings::new(&directory, "", ZONE);
    settings.unset("store.url");
    let daemon = Daemon::start(&directory, &settings);
    let mut sql = Sql::sqlite(&directory.join("radiusd.db"));
    sql.rows(&format!(
        "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}'); \
         INSERT INTO radcheck (username, attribute, op, value) \
         VALUES ('bob', 'Cleartext-Password', ':=', 'hello')"
    ));
    until("the login", Duration::from_secs(10), || {
        let mut nas = Nas::new(daemon.auth()).impatient();
        nas.ask(&Ask::pap("bob", "hello")).filter(|answer| answer.is_accept())
    });
}

#[test]
fn an_invalid_row_rejects_its_user_and_nobody_else() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.user("eve", "hello");
        site.row("radreply", "eve", "Session-Timeout", "=", "3600 sec");
        site.user("mallory", "hello");
        site.row("radcheck", "mallory", "Nonsense-Attribute", ":=", "1");
        site.user("trent", "hello");
        site.row("radcheck", "trent", "User-Name", "=~", "^(t)rent");
        site.user("victor", "hello");
        site.row("radcheck", "victor", "User-Name", "=~", "(victor");
        for (address, secret) in
            [("127.9.0.1", ""), ("127.9.0.0/33", "x"), ("127.0.0.1/32", "another")]
        {
            let nas = "INSERT INTO nas (nasname, shortname, secret)";
            site.sql.rows(&format!("{nas} VALUES ('{address}', 'tower', '{secret}')"));
        }
        let daemon = site.start();
        let mut nas = daemon.nas();
        assert!(nas.ask(&Ask::pap("bob", "hello")).is_some_and(|answer| answer.is_accept()));
        for user in ["eve", "mallory"] {
            let answer = nas.ask(&Ask::pap(user, "hello")).expect("an answer");
            assert!(answer.is_reject(), "{user}: {answer}");
        }
        let config = site.directory.join("radiusd.toml");
        let config = config.to_str().expect("a path of text");
        let (code, said, error) = daemon::run(&["check-policy", "--config", config]);
        assert_eq!(code, 1, "{said}{error}");
        for word in [
            "eve",
            "3600 sec",
            "mallory",
            "Nonsense-Attribute",
            "victor: User-Name =~: differs (13): the pattern cannot be used: unclosed group",
            "127.9.0.1: tower: error: it has no secret",
            "127.9.0.0/33: tower: error: expected an address",
            "127.0.0.1/32: tower: error: row 1 has this address already",
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("bob") && !said.contains("trent"), "{said}");
        let (code, said, error) =
            daemon::run(&["explain", "--config", config, "--user", "eve", "--password", "hello"]);
        assert!(said.contains("3600 sec"), "{code}: {said}{error}");
        let explain = ["explain", "--config", config, "--user", "victor", "--password", "hello"];
        let (code, said, error) = daemon::run(&explain);
        let words = "fits nothing: the pattern cannot be used: unclosed group";
        assert!(code == 1 && said.contains(words), "{code}: {said}{error}");
    });
}

/// A reply row says how long a reject waits; an accept never does.
#[test]
fn a_row_sets_how_long_a_reject_waits() {
    let mut site = Site::new(Engine::Sqlite);
    for (user, attribute, value) in [
        ("usual", "Idle-Timeout", "5"),
        ("sooner", "FreeRADIUS-Response-Delay", "0"),
        ("late", "FreeRADIUS-Response-Delay-USec", "4500000"),
        ("later", "FreeRADIUS-Response-Delay", "5"),
    ] {
        site.user(user, "hello");
        site.row("radreply", user, attribute, "=", value);
    }
    // Of the two the one in seconds counts.
    site.row("radreply", "later", "FreeRADIUS-Response-Delay-USec", "=", "1");
    site.settings.set("radius.reject_delay", "\"3s\"");
    let daemon = site.start();
    let begun = Instant::now();
    // The answer's turn among the others, and when it came.
    let turn = AtomicUsize::new(0);
    let ask = |user: &'static str, password: &'static str| {
        let mut nas = daemon.nas();
        nas.timeout = Duration::from_secs(30);
        let answer = nas.ask(&Ask::pap(user, password)).expect(user);
        assert_eq!(answer.is_accept(), password == "hello", "{user}: {answer}");
        (turn.fetch_add(1, Ordering::SeqCst), user, begun.elapsed())
    };
    let mut answers: Vec<_> = std::thread::scope(|scope| {
        let ask = &ask;
        let all = [
            ("later", "wrong"),
            ("late", "wrong"),
            ("usual", "wrong"),
            ("sooner", "wrong"),
            ("later", "hello"),
        ];
        let asked = all.map(|(user, password)| scope.spawn(move || ask(user, password)));
        asked.into_iter().map(|asked| asked.join().expect("no panic")).collect()
    });
    answers.sort();
    let users = |range: std::ops::Range<usize>| {
        let mut users: Vec<_> = answers[range].iter().map(|(_, user, _)| *user).collect();
        users.sort_unstable();
        users
    };
    // The accept and the one without a delay, in whichever order.
    assert_eq!(users(0..2), ["later", "sooner"], "{answers:?}");
    assert_eq!(
        answers[2..].iter().map(|(_, user, _)| *user).collect::<Vec<_>>(),
        ["usual", "late", "later"]
    );
    for ((_, user, came), waits) in answers[2..].iter().zip([3_000, 4_500, 5_000]) {
        assert!(*came >= Duration::from_millis(waits), "{user} after {came:?}");
    }
}

#[test]
fn an_explanation_names_secrets_and_never_shows_them() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "verysecret");
    site.row("radreply", "bob", "Tunnel-Password", "=", "alsosecret");
    site.row("radreply", "bob", "Reply-Message", "=", "welcome");
    let daemon = site.start();
    let config = site.directory.join("radiusd.toml");
    let config = config.to_str().expect("a path of text");
    let explain = ["explain", "--config", config, "--user", "bob", "--password", "triedsecret"];
    let (_, said, error) = daemon::run(&explain);
    for word in ["Cleartext-Password", "Tunnel-Password", "welcome"] {
        assert!(said.contains(word), "{word}: {said}{error}");
    }
    for word in ["verysecret", "alsosecret", "triedsecret"] {
        assert!(!said.contains(word) && !error.contains(word), "{word}: {said}{error}");
    }
    drop(daemon);
}

/// One line of the configuration: its attributes are in rows, in requests and in answers.
#[test]
fn a_dictionary_of_the_site_is_one_line() {
    let mut site = Site::new(Engine::Sqlite);
    let file = site.directory.join("dictionary.site");
    let text = "VENDOR Site 59999\nBEGIN-VENDOR Site\nATTRIBUTE Site-Room 1 string\n\
                ATTRIBUTE Site-Level 2 integer\nVALUE Site-Level Guest 3\nEND-VENDOR Site\n";
    fs::write(&file, text).expect("a dictionary");
    let path = file.to_str().expect("a path of text");
    site.settings.set("radius.dictionaries", &format!("[{}]", daemon::text(path)));
    site.user("bob", "hello");
    site.row("radcheck", "bob", "Site-Room", "==", "12");
    site.row("radreply", "bob", "Site-Level", "=", "Guest");
    let daemon = site.start();
    let mut nas = daemon.nas();
    let room = |number: &str| {
        let value = hex::encode(number);
        let length = 2 + number.len();
        let text = format!("pap hello ; raw 1a{:02x}0000ea5f01{length:02x}{value}", 6 + length);
        Ask::access("bob", &text).expect("a login")
    };
    let answer = nas.ask(&room("12")).expect("an answer");
    assert!(answer.is_accept(), "{answer}");
    let level = [0, 0, 0xea, 0x5f, 2, 6, 0, 0, 0, 3];
    assert!(answer.attributes.iter().any(|item| item.octets == level), "{answer}");
    assert!(nas.ask(&room("13")).expect("an answer").is_reject());
}

#[test]
fn attempts_are_recorded_without_passwords() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let mut nas = daemon.nas();
        nas.ask(&Ask::pap("bob", "hello")).expect("an answer");
        let odd = Ask::access("bob", "pap tried-secret ; raw 1a0a0000270f07040102");
        nas.ask(&odd.expect("a login")).expect("an answer");
        nas.ask(&Ask::access("bob", "chap hello").expect("a login")).expect("an answer");
        let rows = until("three attempts", Duration::from_secs(10), || {
            let rows = site.sql.rows("SELECT username, reply, pass FROM radpostauth ORDER BY id");
            (rows.len() == 3).then_some(rows)
        });
        let replies: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(replies, ["Access-Accept", "Access-Reject", "Access-Accept"]);
        let place = match site.engine {
            Engine::Postgres => "mgmt.mgmt_traces",
            Engine::Sqlite => "mgmt_traces",
        };
        let trace = site.sql.value(&format!("SELECT trace FROM {place}"));
        // Vendor 9999 stands in no dictionary of ours.
        for shown in ["Attr-26.9999.7 = 0x0102", "User-Password (not shown)", "wrong-password"] {
            assert!(trace.contains(shown), "{shown}: {trace}");
        }
        assert!(rows.iter().all(|row| row[0] == "bob" && row[2].is_empty()), "{rows:?}");
        drop(daemon);
        for entry in fs::read_dir(&site.directory).expect("the data directory").flatten() {
            let octets = fs::read(entry.path()).unwrap_or_default();
            let found = octets.windows(12).any(|window| window == b"tried-secret");
            assert!(!found, "the password tried is in {}", entry.path().display());
        }
    });
}

/// FreeRADIUS's own grants, as its setup.sql gives them.
#[test]
fn the_role_of_freeradius_setup_suffices() {
    let mut site = Site::new(Engine::Postgres);
    let cluster = postgres::shared();
    let setup = fs::read_to_string("/etc/freeradius/3.0/mods-config/sql/main/postgresql/setup.sql");
    let setup = setup.expect("FreeRADIUS's setup.sql");
    let grants: String = setup.lines().filter(|line| line.starts_with("GRANT")).collect();
    assert!(grants.contains("radacct_radacctid_seq"), "{grants}");
    let exists = site.sql.number("SELECT count(*) FROM pg_roles WHERE rolname = 'radius'");
    if exists == 0 {
        site.sql.rows("CREATE USER radius WITH PASSWORD 'radpass'");
    }
    site.sql.rows(&grants);
    site.user("bob", "hello");
    site.row("radcheck", "bob", "Simultaneous-Use", ":=", "1");
    site.row("radcheck", "bob", "Max-All-Session", ":=", "1000");
    let database = site.sql.value("SELECT current_database()");
    let url = format!("postgres://radius:radpass@127.0.0.1:{}/{database}", cluster.port);
    site.settings.set("store.url", &daemon::text(&url));
    let daemon = site.start();
    let mut nas = daemon.nas();
    let login = Ask::pap("bob", "hello");
    let answer = nas.ask(&login).expect("an answer");
    assert!(answer.is_accept(), "{answer}");
    assert_eq!(answer.number("Session-Timeout"), Some(1000));
    let packet = |status: &str, rest: &str| {
        let text = format!(
            "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = s1 ; \
             NAS-IP-Address = 127.0.0.1{rest}"
        );
        Ask::accounting(&text).expect("a packet")
    };
    let mut accounting = daemon.accounting_nas();
    accounting.ask(&packet("Start", "")).expect("an answer");
    let open = "SELECT count(*) FROM radacct WHERE username = 'bob' AND acctstoptime IS NULL";
    assert_eq!(site.sql.number(open), 1);
    assert!(nas.ask(&login).is_some_and(|answer| answer.is_reject()), "one session is open");
    accounting.ask(&packet("Stop", " ; Acct-Session-Time = 400")).expect("an answer");
    assert_eq!(site.sql.number(open), 0);
    let left = until("the quota", Duration::from_secs(10), || {
        nas.ask(&login).filter(|answer| answer.is_accept())?.number("Session-Timeout")
    });
    assert_eq!(left, 600);
    until("attempts", Duration::from_secs(10), || {
        (site.sql.number("SELECT count(*) FROM radpostauth") >= 3).then_some(())
    });
    // No right to make triggers: policy is at most 2 s old.
    site.row("radreply", "bob", "Reply-Message", "=", "changed");
    until("the change", Duration::from_secs(3), || {
        nas.ask(&login)?.text("Reply-Message").filter(|text| text == "changed")
    });
}

/// Host names in place of addresses are asked all at once, as many as one login may cost.
#[test]
fn many_hosts_are_one_round_and_too_many_have_a_name() {
    // Spelled differently they are different names of one host.
    let spelled = |at: usize| -> String {
        let upper = |(bit, letter): (usize, char)| match at >> bit & 1 {
            1 => letter.to_ascii_uppercase(),
            _ => letter,
        };
        "localhost".chars().enumerate().map(upper).collect()
    };
    on_both(|mut site| {
        for (user, hosts) in [("some", 64), ("many", 65)] {
            site.user(user, "hello");
            for at in 0..hosts {
                site.row("radreply", user, "Framed-IP-Address", "+=", &spelled(at));
            }
        }
        let daemon = site.start();
        let answer = daemon.nas().ask(&Ask::pap("some", "hello")).expect("an answer");
        let addresses = answer.attributes.iter().filter(|item| item.name == "Framed-IP-Address");
        assert_eq!(addresses.filter(|item| item.octets == [127, 0, 0, 1]).count(), 64);
        assert_eq!(daemon.nas().impatient().ask(&Ask::pap("many", "hello")), None);
        let name = "radiusd_datagrams_total{outcome=\"too-many-fetches\"}";
        assert_eq!(daemon.metric(name), 1.0);
    });
}
