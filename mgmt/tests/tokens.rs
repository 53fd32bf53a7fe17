//! Tokens over the API: what a program may, until when, and no more than its operator.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_program_acts_within_its_scopes() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({ "name": "export", "scopes": ["audit:read", "tokens:write"], "days": 30 });
    let made = root.post("/api/v1/tokens", new).await.is(201);
    let secret = made.json["secret"].as_str().unwrap().to_owned();
    let bearer = |secret: &str| guest.clone().with("authorization", &format!("Bearer {secret}"));
    let program = bearer(&secret);
    program.get("/api/v1/audit").await.is(200);
    program.get("/api/v1/permissions").await.is(200);
    program.get("/api/v1/operators").await.is(403);
    program.get("/api/v1/login").await.is(403);
    let more = json!({ "name": "more", "scopes": ["audit:read"] });
    program.post("/api/v1/tokens", more.clone()).await.is(403);
    for wrong in ["", "x", "radiusd_", "radiusd_AAAA", &secret.to_uppercase()] {
        let refused = bearer(wrong).get("/api/v1/audit").await.is(401);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    // A cookie beside it doesn't help a wrong token.
    root.clone().with("authorization", "Bearer x").get("/api/v1/audit").await.is(401);

    let listed = root.get("/api/v1/tokens").await.is(200);
    assert!(!listed.text.contains(&secret[8..]) && listed.text.contains("last_used"));
    assert_eq!(listed.json["items"][0]["operator_name"], "root");
    let entry =
        program.get("/api/v1/audit?action=token.add").await.is(200).json["items"][0].clone();
    assert_eq!((&entry["means"], &entry["object_name"]), (&json!("login"), &json!("export")));

    // It has what its operator has now.
    app.operator("second", "administrator").await;
    let before = app.store.find_operator_named("root").await.unwrap().unwrap();
    let after = schema::Operator { role: "support".into(), ..before.clone() };
    app.store.update_operator(&app.actor(), &before, &after).await.unwrap();
    program.get("/api/v1/audit").await.is(403);
    let second = app.enter("second").await;
    let id = made.json["id"].as_str().unwrap();
    second.delete(&format!("/api/v1/tokens/{id}")).await.is(204);
    program.get("/api/v1/permissions").await.is(401);
}

#[tokio::test]
async fn a_token_expires_and_is_never_wider_than_its_maker() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({ "name": "short", "scopes": ["audit:read"], "days": 1 });
    let secret = root.post("/api/v1/tokens", new).await.is(201).json["secret"].clone();
    let program = guest.with("authorization", &format!("Bearer {}", secret.as_str().unwrap()));
    app.pass_minutes(24 * 60 - 1);
    program.get("/api/v1/audit").await.is(200);
    app.pass_minutes(1);
    program.get("/api/v1/audit").await.is(401);

    app.operator("boss", "manager").await;
    let boss = app.enter("boss").await;
    let wide = json!({ "name": "wide", "scopes": ["operators:write"] });
    boss.post("/api/v1/tokens", wide).await.is(403);
    for (body, field) in [
        (json!({ "name": "", "scopes": [] }), "name"),
        (json!({ "name": "x", "scopes": ["all"] }), "scopes"),
        (json!({ "name": "x", "scopes": [], "days": 0 }), "days"),
        (json!({ "name": "x", "scopes": [], "days": 9_999_999 }), "days"),
    ] {
        assert_eq!(
            boss.post("/api/v1/tokens", body.clone()).await.is(422).field(),
            field,
            "{body}"
        );
    }
}
