//! Sessions over the API: listed, exported, disconnected and closed, each by who may.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use schema::{Owned, Session, Step, Writes};
use serde_json::json;

use crate::app::TestApp;

const START: i64 = 1_700_000_000;

pub async fn sessions(app: &TestApp, rows: &[(&str, &str, bool)]) {
    let row = |(number, (user, nas, open)): (usize, &(&str, &str, bool))| Session {
        acctsessionid: format!("s{number}"),
        acctuniqueid: format!("{number:032}"),
        username: Some((*user).into()),
        nasipaddress: (*nas).into(),
        acctstarttime: Some(START + number as i64),
        acctupdatetime: Some(START + number as i64),
        acctstoptime: (!open).then_some(START + 60),
        acctinputoctets: Some(1 << 40),
        callingstationid: Some("=02-00".into()),
        ..Session::default()
    };
    let rows = rows.iter().enumerate().map(row).collect();
    let writes = Writes { rows, ..Writes::default() };
    let ask = schema::Ask::default();
    app.store.write_sessions(&ask, |_| Step::Write(writes.clone())).await.unwrap();
}

fn users(answer: &serde_json::Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["user"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sessions_are_listed_exported_disconnected_and_closed() {
    let (app, root, _) = TestApp::start().await;
    let rows =
        [("ann", "192.0.2.1", true), ("bob", "192.0.2.2", true), ("bob", "192.0.2.2", false)];
    sessions(&app, &rows).await;
    let open = root.get("/api/v1/sessions").await.is(200).json;
    assert_eq!(users(&open), ["ann", "bob"]);
    let first = root.get("/api/v1/sessions?limit=1").await.is(200).json;
    let next = first["next"].as_str().unwrap();
    let rest = root.get(&format!("/api/v1/sessions?limit=1&cursor={next}")).await.is(200).json;
    assert_eq!((users(&rest), &rest["next"]), (vec!["bob".to_owned()], &json!(null)));
    let ended = root.get("/api/v1/sessions?state=ended&user=bob").await.is(200).json;
    assert_eq!(ended["items"][0]["session"], "s2");
    assert_eq!(ended["items"][0]["ended"], "2023-11-14T22:14:20.000Z");
    for (path, field) in [
        ("nas=here", "nas"),
        ("address=10.0.0", "address"),
        ("from=yesterday", "from"),
        ("state=asleep", "state"),
        ("limit=501", "limit"),
        ("cursor=MQ", "cursor"),
        ("order=by", "order"),
    ] {
        let answer = root.get(&format!("/api/v1/sessions?{path}")).await.is(422);
        assert!(answer.text.contains(field), "{}", answer.text);
    }
    let csv = root.get("/api/v1/sessions/export?state=all").await.is(200);
    let lines: Vec<_> = csv.text.lines().collect();
    assert!(csv.header("content-type").starts_with("text/csv") && lines.len() == 4, "{lines:?}");
    assert!(lines[1].contains(",bob,192.0.2.2,,s2,,'=02-00,,2023-11-14T22:13:22"), "{lines:?}");

    let id = open["items"][0]["id"].as_i64().unwrap();
    let shown = root.get(&format!("/api/v1/sessions/{id}")).await.is(200).json;
    assert_eq!((&shown["user"], &shown["input_octets"]), (&json!("ann"), &json!(1_u64 << 40)));
    let said = root.post(&format!("/api/v1/sessions/{id}/disconnect"), json!(null)).await.is(200);
    assert_eq!((&said.json["outcome"], &said.json["error_cause"]), (&json!("nak"), &json!(503)));
    let closed = root.post(&format!("/api/v1/sessions/{id}/close"), json!(null)).await.is(200);
    assert_eq!(closed.json["closed"], true);
    assert_eq!(*app.asked.lock().unwrap(), [(id, "disconnect"), (id, "close")]);
    let log = root.get("/api/v1/audit?action=session.disconnect").await.is(200).json;
    assert_eq!(log["items"][0]["object_name"], "ann");
    assert_eq!(log["items"][0]["after"]["error_cause"], 503);
    let over = ended["items"][0]["id"].as_i64().unwrap();
    for deed in ["disconnect", "close"] {
        root.post(&format!("/api/v1/sessions/{over}/{deed}"), json!(null)).await.is(409);
        root.post(&format!("/api/v1/sessions/999/{deed}"), json!(null)).await.is(404);
    }
    root.get("/api/v1/sessions/x").await.is(404);
}

#[tokio::test]
async fn nothing_of_a_foreign_tenant_is_seen_or_touched() {
    let (app, root, _) = TestApp::start().await;
    let (north, ned) = app.tenant("ned", "manager").await;
    let (south, sam) = app.tenant("sam", "manager").await;
    let actor = app.actor();
    for (user, tenant) in [("ann", north), ("sue", south)] {
        app.store.set_owner(&actor, Owned::User, user, Some(tenant)).await.unwrap();
    }
    let nas = "192.0.2.1";
    let all = [("ann", nas, true), ("sue", nas, true), ("guest", nas, true)];
    sessions(&app, &all).await;
    let of = async |caller: &crate::app::Caller| {
        users(&caller.get("/api/v1/sessions").await.is(200).json)
    };
    assert_eq!(of(&root).await, ["ann", "guest", "sue"]);
    assert_eq!(of(&ned).await, ["ann"]);
    assert_eq!(of(&sam).await, ["sue"]);
    let csv = ned.get("/api/v1/sessions/export?state=all").await.is(200).text;
    assert!(csv.contains(",ann,") && !csv.contains("sue") && !csv.contains("guest"), "{csv}");
    let named = ned.get("/api/v1/sessions?user=sue&state=all").await.is(200).json;
    assert_eq!(named["items"], json!([]));
    for item in root.get("/api/v1/sessions").await.json["items"].as_array().unwrap() {
        let path = format!("/api/v1/sessions/{}", item["id"]);
        let status = if item["user"] == "ann" { 200 } else { 404 };
        ned.get(&path).await.is(status);
        ned.post(&format!("{path}/disconnect"), json!(null)).await.is(status);
        ned.post(&format!("{path}/close"), json!(null)).await.is(status);
    }
    assert_eq!(app.asked.lock().unwrap().len(), 2, "only of his own");
    let overview = ned.get("/api/v1/overview").await.is(200).json;
    assert_eq!((&overview["online"], &overview["traffic"]), (&json!(null), &json!(null)));
    assert_eq!(overview["nas"]["unknown"], 0);
    assert_eq!(root.get("/api/v1/overview").await.is(200).json["online"]["sessions"], 2);
}
