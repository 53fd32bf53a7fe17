//! Authentications over the API: each with its explanation, counted, and simulated.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use schema::{Attempt, Bounds, Owned};
use serde_json::json;

use crate::app::TestApp;

async fn attempts(app: &TestApp) {
    let now = app.now_ms();
    let attempt = |at_ms: i64, username: &str, reason: &str| Attempt {
        at_ms,
        username: username.into(),
        accepted: reason.is_empty(),
        reason: reason.into(),
        nas_ip: "192.0.2.1".into(),
        nas_name: "lab".into(),
        trace: Some(format!("{username} was looked for;{reason}")),
        ..Attempt::default()
    };
    let all = [
        attempt(now - 3_000, "ann", ""),
        attempt(now - 2_000, "sue", "wrong-password"),
        attempt(now - 1_000, "ann", "unknown-user"),
    ];
    app.store.write_attempts(&all, Bounds { per_user: 9, in_all: 9 }).await.unwrap();
}

#[tokio::test]
async fn why_somebody_was_refused_is_found() {
    let (app, root, _) = TestApp::start().await;
    attempts(&app).await;
    let all = root.get("/api/v1/attempts").await.is(200).json;
    let reasons = all["items"].as_array().unwrap().iter().map(|item| item["reason"].clone());
    assert_eq!(reasons.collect::<Vec<_>>(), ["unknown-user", "wrong-password", ""]);
    for (query, count) in [
        ("user=ann", 2),
        ("reason=wrong-password", 1),
        ("accepted=true", 1),
        ("accepted=false&user=ann", 1),
        ("nas=192.0.2.1", 3),
        ("nas=192.0.2.9", 0),
        ("from=2030-01-01T00:00:00Z", 0),
    ] {
        let found = root.get(&format!("/api/v1/attempts?{query}")).await.is(200).json;
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    let path = format!("/api/v1/attempts/{}", all["items"][0]["id"]);
    let one = root.get(&path).await.is(200).json;
    assert_eq!(one["steps"], json!(["ann was looked for", "unknown-user"]));
    root.get("/api/v1/attempts/999").await.is(404);
    let counts = root.get("/api/v1/attempts/counts").await.is(200).json;
    assert_eq!(counts.as_array().unwrap().len(), 3, "{counts}");
    root.get("/api/v1/attempts/counts?from=2020-01-01T00:00:00Z").await.is(422);
    let overview = root.get("/api/v1/overview").await.is(200).json;
    assert_eq!(overview["attempts"]["rejected"], 2);
}

#[tokio::test]
async fn a_simulation_records_nothing_and_names_what_is_wrong() {
    let (app, root, _) = TestApp::start().await;
    let answer = root.post("/api/v1/simulate", json!({ "user": "ann" })).await.is(200).json;
    assert_eq!(answer["steps"], json!(["User \"ann\"."]));
    let wrong = json!({ "user": "ann", "attributes": ["Nonsense"] });
    assert_eq!(root.post("/api/v1/simulate", wrong).await.is(422).field(), "attributes");
    assert_eq!(root.post("/api/v1/simulate", json!({ "user": "" })).await.is(422).field(), "user");
    app.operator("ron", "read-only").await;
    let ron = app.enter("ron").await;
    ron.post("/api/v1/simulate", json!({ "user": "ann" })).await.is(200);
    let guess = json!({ "user": "ann", "password": "guess" });
    ron.post("/api/v1/simulate", guess).await.is(403);
    assert_eq!(root.get("/api/v1/attempts").await.is(200).json["items"], json!([]));
}

#[tokio::test]
async fn a_tenant_sees_attempts_of_its_own() {
    let (app, _, _) = TestApp::start().await;
    let (north, ned) = app.tenant("ned", "manager").await;
    app.store.set_owner(&app.actor(), Owned::User, "ann", Some(north)).await.unwrap();
    attempts(&app).await;
    let seen = ned.get("/api/v1/attempts").await.is(200).json;
    let items = seen["items"].as_array().unwrap();
    assert!(items.len() == 2 && items.iter().all(|item| item["user"] == "ann"), "{seen}");
    let counts = ned.get("/api/v1/attempts/counts").await.is(200).text;
    assert!(!counts.contains("wrong-password") && counts.contains("unknown-user"), "{counts}");
    let overview = ned.get("/api/v1/overview").await.is(200).json;
    assert_eq!(overview["attempts"]["rejected"], 1);
    for id in 1..=3 {
        let own = items.iter().any(|item| item["id"] == id);
        ned.get(&format!("/api/v1/attempts/{id}")).await.is(if own { 200 } else { 404 });
    }
    ned.post("/api/v1/simulate", json!({ "user": "ann" })).await.is(200);
    let foreign = ned.post("/api/v1/simulate", json!({ "user": "sue" })).await.is(422);
    assert_eq!(foreign.field(), "user");
    let nas = json!({ "user": "ann", "nas": "192.0.2.1" });
    assert_eq!(ned.post("/api/v1/simulate", nas).await.is(422).field(), "nas");
}
