//! Roles over the API; a change of one acts on the next request.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_role_acts_on_the_next_request() {
    let (app, root, _) = TestApp::start().await;
    let permissions = root.get("/api/v1/permissions").await.is(200).json;
    assert!(permissions["items"].as_array().unwrap().len() > 15);
    let new = json!({
        "name": "Auditor", "description": "reads",
        "permissions": ["audit:read", "operators:read", "audit:read"],
    });
    let added = root.post("/api/v1/roles", new.clone()).await.is(201);
    assert_eq!(added.json["permissions"], json!(["operators:read", "audit:read"]));
    root.post("/api/v1/roles", new).await.is(409);
    let id = added.json["id"].as_str().unwrap();
    let path = format!("/api/v1/roles/{id}");
    app.operator("ann", id).await;
    let ann = app.enter("ann").await;
    ann.get("/api/v1/audit").await.is(200);
    root.delete(&path).await.is(409);

    let tag = added.header("etag").to_owned();
    let seen = root.clone().with("if-match", &tag);
    seen.patch(&path, json!({ "permissions": ["operators:read"] })).await.is(200);
    seen.patch(&path, json!({ "permissions": [] })).await.is(412);
    ann.get("/api/v1/audit").await.is(403);
    let all = ann.get("/api/v1/roles").await.is(200).json;
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
    assert_eq!(names, ["administrator", "manager", "support", "billing", "read-only", "Auditor"]);
    ann.get(&path).await.is(200);

    for (body, field) in [
        (json!({ "name": "x", "permissions": ["everything"] }), "permissions"),
        (json!({ "name": "Administrator", "permissions": [] }), "name"),
        (json!({ "name": " x", "permissions": [] }), "name"),
        (json!({ "name": "x" }), "permissions"),
    ] {
        assert_eq!(root.post("/api/v1/roles", body.clone()).await.is(422).field(), field, "{body}");
    }
    let ann = app.store.find_operator_named("ann").await.unwrap().unwrap();
    app.store.remove_operator(&app.actor(), &ann).await.unwrap();
    root.delete(&path).await.is(204);
    root.get(&path).await.is(404);
}
