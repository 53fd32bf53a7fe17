//! Operators over the API: added, changed by two at once, and nobody beyond his own rights.

use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn an_operator_lives_and_goes() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({
        "name": "ann", "full_name": "Ann", "email": "ann@example.com", "role": "support",
        "password": PASSWORD,
    });
    let added = root.post("/api/v1/operators", new.clone()).await.is(201);
    assert_eq!(added.json["one_time_password"], json!(null));
    assert_eq!(added.json["must_change_password"], true);
    root.post("/api/v1/operators", new).await.is(409);
    let path = format!("/api/v1/operators/{}", added.json["id"].as_str().unwrap());

    let shown = root.get(&path).await.is(200);
    let tag = shown.header("etag").to_owned();
    assert!(tag.starts_with('"') && !shown.text.contains("argon2"), "{}", shown.text);
    let change = json!({ "full_name": "Ann B.", "must_change_password": false });
    let changed = root.clone().with("if-match", &tag).patch(&path, change).await.is(200);
    assert_eq!(changed.json["full_name"], "Ann B.");
    assert_eq!(changed.json["email"], "ann@example.com", "what isn't named stays");
    let late = root.clone().with("if-match", &tag);
    late.patch(&path, json!({ "full_name": "late" })).await.is(412);
    late.delete(&path).await.is(412);
    let fresh = changed.header("etag").to_owned();
    root.clone().with("if-match", &fresh).patch(&path, json!({ "email": "" })).await.is(200);

    let ann = app.enter("ann").await;
    ann.get("/api/v1/permissions").await.is(200);
    root.patch(&path, json!({ "role": "billing" })).await.is(200);
    ann.get("/api/v1/login").await.is(401);
    root.patch(&path, json!({ "disabled": true })).await.is(200);
    guest.sign_in("ann", PASSWORD).await.is(401);
    root.patch(&path, json!({ "disabled": false })).await.is(200);
    let reset = root.post(&format!("{path}/reset"), json!(null)).await.is(200);
    guest.sign_in("ann", PASSWORD).await.is(401);
    let password = reset.json["one_time_password"].as_str().unwrap();
    assert_eq!(guest.sign_in("ann", password).await.is(200).json["must_change_password"], true);

    root.delete(&path).await.is(204);
    root.get(&path).await.is(404);
    root.delete(&path).await.is(404);
    root.get("/api/v1/operators/none").await.is(404);
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let (_, root, _) = TestApp::start().await;
    for (body, field) in [
        (json!({ "role": "support" }), "name"),
        (json!({ "name": "", "role": "support" }), "name"),
        (json!({ "name": "a b", "role": "support" }), "name"),
        (json!({ "name": "<script>", "role": "support" }), "name"),
        (json!({ "name": 7, "role": "support" }), "name"),
        (json!({ "name": "a", "role": "emperor" }), "role"),
        (json!({ "name": "a", "role": uuid::Uuid::now_v7() }), "role"),
        (json!({ "name": "a", "role": "support", "email": "nowhere" }), "email"),
        (json!({ "name": "a", "role": "support", "full_name": "a\nb" }), "full_name"),
        (json!({ "name": "a", "role": "support", "password": "weak" }), "password"),
        (json!({ "name": "a", "role": "support", "admin": true }), "admin"),
    ] {
        let answer = root.post("/api/v1/operators", body.clone()).await.is(422);
        assert_eq!(answer.field(), field, "{body}: {}", answer.text);
    }
    assert_eq!(root.get("/api/v1/operators?limit=0").await.is(422).field(), "limit");
    assert_eq!(root.get("/api/v1/operators?limit=x").await.is(422).field(), "limit");
    assert_eq!(root.get("/api/v1/operators?cursor=%21").await.is(422).field(), "cursor");
    assert_eq!(root.get("/api/v1/operators?sort=x").await.is(422).status.as_u16(), 422);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let (app, root, _) = TestApp::start().await;
    for name in ["Zoe", "ann", "bob", "carl"] {
        app.operator(name, "support").await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/operators?limit=2".to_owned();
    loop {
        let page = root.get(&path).await.is(200).json;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(items.len(), 2);
        path = format!("/api/v1/operators?limit=2&cursor={next}");
    }
    assert_eq!(names, ["ann", "bob", "carl", "root", "Zoe"]);
}

#[tokio::test]
async fn nobody_gives_or_takes_more_than_he_has() {
    let (app, root, _) = TestApp::start().await;
    let role = json!({
        "name": "Team lead",
        "permissions": ["operators:read", "operators:write", "users:read"],
    });
    let role = root.post("/api/v1/roles", role).await.is(201).json["id"].clone();
    app.operator("lead", role.as_str().unwrap()).await;
    let lead = app.enter("lead").await;
    let path = async |name: &str| {
        let id = app.store.find_operator_named(name).await.unwrap().unwrap().id;
        format!("/api/v1/operators/{id}")
    };
    let boss = path("root").await;
    for role in ["administrator", "support", "read-only"] {
        let new = json!({ "name": "crony", "role": role });
        lead.post("/api/v1/operators", new).await.is(403);
        lead.patch(&path("lead").await, json!({ "role": role })).await.is(403);
    }
    lead.patch(&boss, json!({ "disabled": true })).await.is(403);
    lead.post(&format!("{boss}/reset"), json!(null)).await.is(403);
    lead.delete(&boss).await.is(403);
    let wide = json!({ "name": "Wide", "permissions": ["billing:refund"] });
    lead.post("/api/v1/roles", wide.clone()).await.is(403);
    let own = format!("/api/v1/roles/{}", role.as_str().unwrap());
    lead.patch(&own, json!({ "permissions": ["audit:read"] })).await.is(403);
    let wide = root.post("/api/v1/roles", wide).await.is(201).json["id"].clone();
    let wide = format!("/api/v1/roles/{}", wide.as_str().unwrap());
    lead.patch(&wide, json!({ "permissions": [] })).await.is(403);
    lead.delete(&wide).await.is(403);
    lead.post("/api/v1/operators", json!({ "name": "peer", "role": role })).await.is(201);
    // The last administrator can't even do it himself.
    root.patch(&boss, json!({ "disabled": true })).await.is(409);
    root.patch(&boss, json!({ "role": "support" })).await.is(409);
    root.delete(&boss).await.is(409);
}
