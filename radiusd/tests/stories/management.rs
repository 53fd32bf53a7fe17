//! Management from the first start on: the password of one use, a role that may not, the audit log
//! that shows it, and what becomes of the log in the hands of somebody with SQL.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::daemon::{self, Daemon};
use crate::harness::http::Browser;
use crate::harness::radclient::radclient;
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "far better than before";

/// The administrator of a fresh site, signed in, with a password of his own.
pub fn administrator(site: &Site, daemon: &Daemon) -> Browser {
    let file = site.directory.join("admin.password");
    let told = until("the first operator", PATIENCE, || {
        let text = fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))?;
        daemon.log().contains("the first operator is admin").then_some(text)
    });
    let mode = fs::metadata(&file).expect("the file").mode() & 0o777;
    assert_eq!(mode, 0o600);
    let password = told.lines().nth(1).expect("a password");
    assert!(!daemon.log().contains(password), "a log is not for passwords");

    let mut admin = Browser::new(site.settings.http);
    let login = |password: &str| Some(json!({ "name": "admin", "password": password }));
    admin.does(401, "POST", "/api/v1/login", login("admin"));
    let me = admin.does(200, "POST", "/api/v1/login", login(password));
    assert_eq!(me["must_change_password"], true);
    let refused = admin.does(403, "GET", "/api/v1/operators", None);
    assert_eq!(refused["type"], "/problems/password-change");
    let change = Some(json!({ "current": password, "new": PASSWORD }));
    admin.does(204, "PUT", "/api/v1/login/password", change);
    assert!(!file.exists(), "it has served");
    admin.does(200, "GET", "/api/v1/operators", None);
    admin
}

fn verify(site: &Site) -> (i32, Value) {
    let file = site.directory.join("radiusd.toml");
    let config = file.to_str().expect("a path of text");
    let (code, out, error) = daemon::run(&["verify-audit", "--json", "--config", config]);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}")))
}

#[test]
fn from_the_first_password_to_a_log_that_was_tampered_with() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut admin = administrator(&site, &daemon);
        let new = json!({ "name": "ann", "role": "support" });
        let added = admin.does(201, "POST", "/api/v1/operators", Some(new));
        let password = added["one_time_password"].as_str().expect("a password");

        let mut ann = Browser::new(site.settings.http);
        let login = json!({ "name": "ann", "password": password });
        ann.does(200, "POST", "/api/v1/login", Some(login));
        let change = json!({ "current": password, "new": "a horse that is not a battery" });
        ann.does(204, "PUT", "/api/v1/login/password", Some(change));
        let crony = json!({ "name": "eve", "role": "administrator" });
        ann.does(403, "POST", "/api/v1/operators", Some(crony));
        ann.does(403, "GET", "/api/v1/audit", None);

        let log = admin.does(200, "GET", "/api/v1/audit?object=ann", None);
        let told = log["items"].as_array().expect("items").iter().map(|entry| {
            let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
            (text("operator_name"), text("action"))
        });
        let expected =
            [("ann", "operator.password"), ("ann", "login.add"), ("admin", "operator.add")];
        let expected = expected.map(|(who, what)| (who.to_owned(), what.to_owned()));
        assert_eq!(told.collect::<Vec<_>>(), expected, "what was refused changed nothing");

        // The command line writes the same log, beside the daemon.
        let file = site.directory.join("radiusd.toml");
        let config = file.to_str().expect("a path of text");
        let add = ["operator", "add", "carl", "--role", "billing", "--json", "--config", config];
        let (code, out, error) = daemon::run(&add);
        assert_eq!(code, 0, "{out}{error}");
        let (code, verified) = verify(&site);
        assert_eq!((code, &verified["breaks"]), (0, &json!([])));

        // A person is taken out of it, and what left the store still fits.
        let audit = |arguments: &[&str]| {
            let all: Vec<&str> = arguments.iter().chain(&["--config", config]).copied().collect();
            let (code, out, error) = daemon::run(&all);
            assert_eq!(code, 0, "{out}{error}");
            out
        };
        let heads = site.directory.join("audit.heads");
        until("the log's head in a file", PATIENCE, || heads.exists().then_some(()));
        let head = audit(&["audit", "head"]);
        let mut told = fs::read_to_string(&heads).expect("the file");
        told.push_str(&head);
        fs::write(&heads, told).expect("the file");
        audit(&["audit", "erase", "operator", "carl", "--reason", "asked"]);
        let exported = audit(&["audit", "export"]);
        assert!(!exported.contains("carl") && exported.contains("audit.erase"), "{exported}");
        let heads = heads.to_str().expect("a path of text");
        assert!(audit(&["verify-audit", "--heads", heads]).contains("1 of them erased"));
        let (_, verified) = verify(&site);

        let table = if site.engine == Engine::Postgres { "mgmt.mgmt_audit" } else { "mgmt_audit" };
        let rows = site.sql.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(verified["rows"], rows);
        site.sql.rows(&format!("UPDATE {table} SET operator_name = 'ann' WHERE sequence = 1"));
        let (code, verified) = verify(&site);
        assert_eq!((code, &verified["breaks"][0]["sequence"]), (1, &json!(1)));
        site.sql.rows(&format!("UPDATE {table} SET operator_name = 'radiusd' WHERE sequence = 1"));
        assert_eq!(verify(&site).0, 0);
        site.sql.rows(&format!("DELETE FROM {table} WHERE sequence = {rows}"));
        assert_eq!(verify(&site).0, 1, "the witness knows of one more");
        daemon.stop();
    });
}

/// FreeRADIUS's own role: users log in, and management says what it lacks.
#[test]
fn without_the_right_to_make_tables_radius_runs_and_management_says_so() {
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows(
        "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN OTHERS THEN END $$;
         GRANT SELECT ON radcheck, radreply, radusergroup, radgroupcheck, radgroupreply, nas TO plain;
         GRANT SELECT, INSERT, UPDATE ON radacct, radpostauth TO plain;
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO plain",
    );
    let plain = site.url.replace("postgres@", "plain@");
    site.settings.set("store.url", &daemon::text(&plain));
    site.user("bob", "secret");
    let daemon = site.start();
    let mut guest = Browser::new(site.settings.http);
    for (method, body) in [("GET", None), ("POST", Some(json!({ "name": "a", "password": "b" })))] {
        let problem = guest.does(503, method, "/api/v1/login", body);
        assert_eq!(problem["type"], "/problems/missing-grants");
        assert!(problem["detail"].to_string().contains("mgmt_operators"), "{problem:#}");
    }
    let (status, _) = daemon.get("/health/ready").expect("an answer");
    assert_eq!(status, 200);
    let login = "User-Name = bob, User-Password = secret, Message-Authenticator = 0x00";
    let answer = radclient(daemon.auth(), "auth", login).expect("an answer");
    assert!(answer.starts_with("Access-Accept"), "{answer}");
    assert!(!site.directory.join("admin.password").exists());
}

/// Packets never wait for a thread of people's.
#[test]
fn threads_of_people_are_niced() {
    let site = Site::new(Engine::Sqlite);
    let daemon = site.start();
    let mut nices = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("threads").flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let nice: i64 = rest.split(' ').nth(16).and_then(|nice| nice.parse().ok()).expect("nice");
        nices.push((name.ends_with("(http"), nice));
    }
    assert!(nices.iter().any(|(people, _)| *people), "{nices:?}");
    let base = nices.iter().filter(|(people, _)| !people).map(|(_, nice)| *nice).max();
    let fine = |(people, nice): &(bool, i64)| !people || Some(*nice) > base || *nice == 19;
    assert!(nices.iter().all(fine), "{nices:?}");
}
