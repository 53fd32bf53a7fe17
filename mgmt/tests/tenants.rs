//! Tenants over the API, and that an operator of one meets nothing that is not its.

use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn a_tenant_lives_and_goes() {
    let (app, root, _) = TestApp::start().await;
    let new = json!({ "name": "North", "description": "a reseller" });
    let added = root.post("/api/v1/tenants", new.clone()).await.is(201);
    root.post("/api/v1/tenants", new).await.is(409);
    let id = added.json["id"].as_str().unwrap_or_default();
    let path = format!("/api/v1/tenants/{id}");
    let seen = root.clone().with("if-match", added.header("etag"));
    seen.patch(&path, json!({ "name": "Far north" })).await.is(200);
    seen.patch(&path, json!({ "name": "Late" })).await.is(412);
    let all = root.get("/api/v1/tenants").await.is(200).json;
    assert_eq!(all["items"][0]["name"], "Far north");
    for (body, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": " x" }), "name"),
        (json!({ "name": "x", "description": "a\nb" }), "description"),
        (json!({ "description": "x" }), "name"),
    ] {
        let answer = root.post("/api/v1/tenants", body.clone()).await.is(422);
        assert_eq!(answer.field(), field, "{body}");
    }
    let ann = json!({ "name": "ann", "role": "manager", "password": PASSWORD, "tenant": id });
    let ann = root.post("/api/v1/operators", ann).await.is(201).json;
    assert_eq!(ann["tenant"], id);
    root.delete(&path).await.is(409);
    let ann = format!("/api/v1/operators/{}", ann["id"].as_str().unwrap_or_default());
    root.patch(&ann, json!({ "tenant": null })).await.is(200);
    root.delete(&path).await.is(204);
    root.get(&path).await.is(404);
    let actions = app.actions().await;
    for action in ["tenant.add", "tenant.change", "tenant.remove", "operator.change"] {
        assert!(actions.iter().any(|one| one == action), "{action} in {actions:?}");
    }
}

#[tokio::test]
async fn an_operator_of_a_tenant_sees_its_operators_and_tokens_only() {
    let (app, root, _) = TestApp::start().await;
    let (north, own) = app.tenant("own", "administrator").await;
    let (south, other) = app.tenant("other", "administrator").await;
    let scopes = json!({ "name": "t", "scopes": ["users:read"] });
    let foreign = other.post("/api/v1/tokens", scopes.clone()).await.is(201).json;
    own.post("/api/v1/tokens", scopes).await.is(201);
    let names = async |path: &str, key: &str| -> Vec<String> {
        let page = own.get(path).await.is(200).json;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item[key].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("/api/v1/operators", "name").await, ["own"]);
    assert_eq!(names("/api/v1/tokens", "operator_name").await, ["own"]);
    let foreign = format!("/api/v1/tokens/{}", foreign["id"].as_str().unwrap_or_default());
    own.delete(&foreign).await.is(404);
    assert_eq!(own.get("/api/v1/login").await.is(200).json["tenant"], north.to_string());
    for name in ["root", "other"] {
        let found = app.store.find_operator_named(name).await;
        let id = found.ok().flatten().map(|one| one.id).unwrap_or_default();
        let path = format!("/api/v1/operators/{id}");
        own.get(&path).await.is(404);
        own.patch(&path, json!({ "disabled": true })).await.is(404);
        own.post(&format!("{path}/reset"), json!(null)).await.is(404);
        own.delete(&format!("{path}/totp")).await.is(404);
        own.delete(&path).await.is(404);
    }
    for path in ["/api/v1/tenants", "/api/v1/audit"] {
        own.get(path).await.is(403);
    }
    own.post("/api/v1/roles", json!({ "name": "x", "permissions": [] })).await.is(403);

    // Whom it makes belongs to its tenant, whatever is asked.
    let made = own.post("/api/v1/operators", json!({ "name": "new", "role": "administrator" }));
    let made = made.await.is(201).json;
    assert_eq!(made["tenant"], north.to_string());
    for tenant in [json!(south), json!(uuid::Uuid::now_v7())] {
        let body = json!({ "name": "x", "role": "support", "tenant": tenant });
        assert_eq!(own.post("/api/v1/operators", body).await.is(422).field(), "tenant");
    }
    let made = format!("/api/v1/operators/{}", made["id"].as_str().unwrap_or_default());
    for tenant in [json!(null), json!(south)] {
        let answer = own.patch(&made, json!({ "tenant": tenant })).await.is(422);
        assert_eq!(answer.field(), "tenant");
    }
    root.patch(&made, json!({ "tenant": south })).await.is(200);
    own.get(&made).await.is(404);
}
