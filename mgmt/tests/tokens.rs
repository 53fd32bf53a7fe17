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

#[tokio::test]
async fn a_client_of_oauth_has_a_token_for_a_while() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({ "name": "export", "scopes": ["audit:read"], "days": 30 });
    let made = root.post("/api/v1/tokens", new).await.is(201).json;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("id"), text("secret"));
    let ask = async |form: &str| guest.form("/api/v1/oauth/token", form).await;
    let right = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let issued = ask(&right).await.is(200).json;
    assert_eq!((&issued["token_type"], &issued["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(issued["scope"], "audit:read");
    let bearer = format!("Bearer {}", issued["access_token"].as_str().unwrap());
    let program = guest.clone().with("authorization", &bearer);
    program.get("/api/v1/audit").await.is(200);
    program.get("/api/v1/operators").await.is(403);

    for (form, status, error) in [
        (right.replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        ("client_id=x".to_owned(), 400, "unsupported_grant_type"),
        (right.replace(&id, "x"), 401, "invalid_client"),
        (right.replace(&id, &uuid::Uuid::nil().to_string()), 401, "invalid_client"),
        (right.replace(&secret, "radiusd_AAAA"), 401, "invalid_client"),
        ("grant_type=a&grant_type=b".to_owned(), 400, "invalid_request"),
    ] {
        let refused = ask(&form).await.is(status);
        assert_eq!(refused.json["error"], error, "{form}");
    }
    root.post("/api/v1/oauth/token", json!({})).await.is(415);
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let by_basic = guest.clone().with("authorization", &format!("Basic {basic}"));
    by_basic.form("/api/v1/oauth/token", "grant_type=client_credentials").await.is(200);

    app.pass_minutes(9);
    program.get("/api/v1/audit").await.is(200);
    app.pass_minutes(1);
    program.get("/api/v1/audit").await.is(401);
    let again = ask(&right).await.is(200).json["access_token"].as_str().unwrap().to_owned();
    let again = guest.clone().with("authorization", &format!("Bearer {again}"));
    again.get("/api/v1/audit").await.is(200);
    root.delete(&format!("/api/v1/tokens/{id}")).await.is(204);
    again.get("/api/v1/audit").await.is(401);
    ask(&right).await.is(401);
}
