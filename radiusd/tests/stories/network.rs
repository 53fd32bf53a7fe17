//! What operators do with the network: sessions seen live and ended by their NAS, a reject
//! explained, a NAS adopted from those that knock.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::ask::{self, Ask};
use crate::harness::daemon::Daemon;
use crate::harness::das::{Das, Says};
use crate::harness::http::Browser;
use crate::harness::nas::SECRET;
use crate::harness::radclient::radclient;
use crate::harness::scratch::until;
use crate::harness::site::{Site, on_both};
use crate::management::administrator;

const PATIENCE: Duration = Duration::from_secs(60);

fn record(daemon: &Daemon, status: &str, seconds: i64) {
    let time = ask::now() - 120 + seconds;
    let text = format!(
        "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = a7 ; \
         NAS-IP-Address = 127.0.0.1 ; Framed-IP-Address = 10.0.0.7 ; \
         Calling-Station-Id = 02-00-00-00-00-07 ; Acct-Session-Time = {seconds} ; \
         Acct-Input-Octets = {seconds} ; Event-Timestamp = {time}"
    );
    let ask = Ask::accounting(&text).expect("a packet");
    assert!(daemon.accounting_nas().ask(&ask).is_some());
}

fn listed(admin: &mut Browser, query: &str) -> Vec<Value> {
    let answer = admin.does(200, "GET", &format!("/api/v1/sessions?{query}"), None);
    answer["items"].as_array().expect("items").clone()
}

/// The NAS 127.0.0.1 takes Disconnect-Request there from now on, which the daemon learns.
fn coa_port(site: &mut Site, admin: &mut Browser, port: u16) {
    let id = site.sql.number("SELECT id FROM nas");
    let change = Some(json!({ "coa_port": port }));
    admin.does(200, "PATCH", &format!("/api/v1/nas/{id}"), change);
}

#[test]
fn a_session_is_seen_and_disconnected_and_the_nas_answer_shown() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let mut admin = administrator(&site, &daemon);
        record(&daemon, "Start", 0);
        record(&daemon, "Interim-Update", 30);
        let open = listed(&mut admin, "user=bob");
        assert_eq!((open.len(), &open[0]["address"]), (1, &json!("10.0.0.7")));
        let path = format!("/api/v1/sessions/{}", open[0]["id"]);
        let disconnect = |admin: &mut Browser, outcome: &str| {
            let path = format!("{path}/disconnect");
            // The port that was just written is known a moment later.
            until("the NAS's answer", PATIENCE, || {
                let answer = admin.does(200, "POST", &path, None);
                (answer["outcome"] == outcome).then_some(answer)
            })
        };

        let das = Das::new(SECRET, |_| Says::Ack);
        coa_port(&mut site, &mut admin, das.address.port());
        let answer = disconnect(&mut admin, "ack");
        assert_eq!(answer["nas"], "lab (127.0.0.1)");
        let request = das.request();
        for (number, octets) in [
            (1, b"bob".to_vec()),
            (44, b"a7".to_vec()),
            (4, vec![127, 0, 0, 1]),
            (8, vec![10, 0, 0, 7]),
            (31, b"02-00-00-00-00-07".to_vec()),
        ] {
            assert_eq!(Das::attribute(&request, number), Some(octets), "attribute {number}");
        }

        // What it does not know makes it refuse, until it is asked with less; then it is too late.
        let das = Das::new(SECRET, |count| Says::Nak(if count == 0 { 401 } else { 503 }));
        coa_port(&mut site, &mut admin, das.address.port());
        let answer = disconnect(&mut admin, "nak");
        assert_eq!((&answer["error_cause"], &answer["sent"]), (&json!(503), &json!(2)));
        assert!(answer["detail"].as_str().expect("words").contains("no such session"));
        assert_eq!(Das::attribute(&das.request(), 8), Some(vec![10, 0, 0, 7]));
        assert_eq!(Das::attribute(&das.request(), 8), None);

        // Repeated, it is the same to the octet.
        let das = Das::new(SECRET, |count| if count < 2 { Says::Nothing } else { Says::Ack });
        coa_port(&mut site, &mut admin, das.address.port());
        assert_eq!(disconnect(&mut admin, "ack")["sent"], 3);
        let first = das.request();
        assert!(first == das.request() && first == das.request());

        let das = Das::new(SECRET, |_| Says::Nothing);
        coa_port(&mut site, &mut admin, das.address.port());
        assert_eq!(disconnect(&mut admin, "silence")["sent"], 3);
        assert!(daemon.metrics()["radiusd_disconnects_total{outcome=\"ack\"}"] >= 2.0);
        let log = admin.does(200, "GET", "/api/v1/audit?action=session.disconnect", None);
        assert!(log["items"].as_array().expect("items").len() >= 4);

        // The row ends when the NAS says so.
        assert_eq!(listed(&mut admin, "").len(), 1);
        record(&daemon, "Stop", 60);
        assert_eq!(listed(&mut admin, ""), Vec::<Value>::new());
        assert_eq!(listed(&mut admin, "state=ended&user=bob").len(), 1);
        admin.does(409, "POST", &format!("{path}/disconnect"), None);
    });
}

#[test]
fn a_stale_session_is_closed_and_opens_again_when_its_nas_speaks() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut admin = administrator(&site, &daemon);
        record(&daemon, "Start", 0);
        let id = listed(&mut admin, "")[0]["id"].clone();
        let closed = admin.does(200, "POST", &format!("/api/v1/sessions/{id}/close"), None);
        assert_eq!(closed["closed"], true);
        let ended = listed(&mut admin, "state=ended&user=bob");
        assert_eq!(ended[0]["cause"], "Closed-By-Operator");
        until("nobody online", PATIENCE, || {
            (daemon.metric("radiusd_online_sessions") == 0.0).then_some(())
        });
        let log = admin.does(200, "GET", "/api/v1/audit?action=session.close", None);
        assert_eq!(log["items"][0]["object_name"], "bob");
        record(&daemon, "Interim-Update", 30);
        assert_eq!(listed(&mut admin, "").len(), 1);
        assert_eq!(site.sql.number("SELECT count(*) FROM radacct"), 1);
    });
}

#[test]
fn a_reject_explains_itself_and_so_does_what_would_be_answered() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radcheck", "bob", "NAS-Port", "==", "7");
        let daemon = site.start();
        let mut admin = administrator(&site, &daemon);
        let login = "User-Name = bob, User-Password = hello, NAS-Port = 8";
        let answer = radclient(daemon.auth(), "auth", login).expect("an answer");
        assert!(answer.starts_with("Access-Reject"), "{answer}");
        let attempt = until("the attempt", PATIENCE, || {
            let path = "/api/v1/attempts?user=bob&accepted=false";
            let found = admin.does(200, "GET", path, None);
            found["items"].as_array().expect("items").first().cloned()
        });
        assert_eq!(attempt["reason"], "checks-failed");
        let path = format!("/api/v1/attempts/{}", attempt["id"]);
        let explained = admin.does(200, "GET", &path, None).to_string();
        assert!(
            explained.contains("NAS-Port == \\\"7\\\", does not fit: the request says 8"),
            "{explained}"
        );
        assert!(!explained.contains("hello"), "{explained}");

        let before = site.sql.number("SELECT count(*) FROM radpostauth");
        let mut question = json!({
            "user": "bob", "password": "hello", "nas": "lab", "attributes": ["NAS-Port=7"],
        });
        let answer = admin.does(200, "POST", "/api/v1/simulate", Some(question.clone()));
        assert_eq!((&answer["answer"], &answer["reason"]), (&json!("Access-Accept"), &json!(null)));
        question["password"] = json!("wrong");
        let answer = admin.does(200, "POST", "/api/v1/simulate", Some(question.clone()));
        assert_eq!(answer["reason"], "wrong-password");
        question["attributes"] = json!(["NAS-Prot=7"]);
        let wrong = admin.does(422, "POST", "/api/v1/simulate", Some(question.clone()));
        assert!(wrong["detail"].as_str().expect("words").contains("NAS-Port"), "{wrong}");
        question["attributes"] = json!([]);
        question["nas"] = json!("nowhere");
        let wrong = admin.does(422, "POST", "/api/v1/simulate", Some(question));
        assert_eq!(wrong["fields"][0]["field"], "nas");
        assert_eq!(site.sql.number("SELECT count(*) FROM radpostauth"), before);
        let overview = admin.does(200, "GET", "/api/v1/overview", None);
        assert_eq!(overview["attempts"]["reasons"][0]["reason"], "checks-failed");
        assert!(overview["nas"]["heard"] == 1 && overview["nas"]["total"] == 1, "{overview}");
    });
}

#[test]
fn who_knocks_unknown_is_adopted_and_served() {
    on_both(|mut site| {
        site.sql.rows("DELETE FROM nas");
        site.user("bob", "hello");
        let daemon = site.start();
        let mut admin = administrator(&site, &daemon);
        let login = "User-Name = bob, User-Password = hello";
        assert!(radclient(daemon.auth(), "auth", login).is_none());
        let unknown = admin.does(200, "GET", "/api/v1/nas/unknown", None);
        assert_eq!(unknown[0]["source"], "127.0.0.1", "{unknown}");
        assert_eq!(unknown[0]["complaint"], "unknown-client");
        let new = json!({ "address": "127.0.0.1", "name": "adopted", "secret": "not that one" });
        let added = admin.does(201, "POST", "/api/v1/nas", Some(new));
        until("the wrong secret to be seen", PATIENCE, || {
            let signed = format!("{login}, Message-Authenticator = 0x00");
            assert!(radclient(daemon.auth(), "auth", &signed).is_none());
            let unknown = admin.does(200, "GET", "/api/v1/nas/unknown", None);
            unknown.to_string().contains("bad-authenticator").then_some(())
        });
        let path = format!("/api/v1/nas/{}", added["id"]);
        admin.does(200, "PATCH", &path, Some(json!({ "secret": SECRET })));
        until("an answer", PATIENCE, || {
            radclient(daemon.auth(), "auth", login)
                .filter(|answer| answer.starts_with("Access-Accept"))
        });
        let nas = admin.does(200, "GET", &path, None);
        assert!(nas["requests"].as_u64() > Some(0) && nas["last_seen"].is_string(), "{nas}");
        let revealed = admin.does(200, "POST", &format!("{path}/reveal"), None);
        assert_eq!(revealed["secret"], SECRET);
    });
}
