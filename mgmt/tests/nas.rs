//! NAS over the API: added, changed, their secrets revealed to who may, and never another tenant's.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_nas_lives_and_goes() {
    let (app, root, _) = TestApp::start().await;
    let new = json!({ "address": " 192.0.2.1 ", "name": "tower", "type": "mikrotik" });
    let added = root.post("/api/v1/nas", new.clone()).await.is(201).json;
    let secret = added["secret"].as_str().unwrap().to_owned();
    assert_eq!((secret.len(), &added["address"]), (32, &json!("192.0.2.1")));
    root.post("/api/v1/nas", new).await.is(409);
    let path = format!("/api/v1/nas/{}", added["id"]);
    let shown = root.get(&path).await.is(200);
    assert!(!shown.text.contains(&secret), "{}", shown.text);
    assert_eq!((&shown.json["requests"], &shown.json["signs"]), (&json!(9), &json!(true)));
    let tag = shown.header("etag").to_owned();
    let change = json!({ "coa_port": 1700, "secret": "an own secret", "limit_proxy_state": "yes" });
    let changed = root.clone().with("if-match", &tag).patch(&path, change).await.is(200).json;
    assert_eq!((&changed["coa_port"], &changed["name"]), (&json!(1700), &json!("tower")));
    root.clone().with("if-match", &tag).delete(&path).await.is(412);
    let back = root.patch(&path, json!({ "coa_port": 0 })).await.is(200).json;
    assert_eq!(back["coa_port"], json!(null));
    let list = root.get("/api/v1/nas").await.is(200);
    assert!(!list.text.contains("an own secret"), "{}", list.text);
    let revealed = root.post(&format!("{path}/reveal"), json!(null)).await.is(200).json;
    assert_eq!(revealed["secret"], "an own secret");
    let snippets = root.get(&format!("{path}/snippets?server=radius.isp.example")).await.is(200);
    assert_eq!(snippets.json.as_array().unwrap().len(), 8);
    assert!(snippets.text.contains("<secret>") && !snippets.text.contains("an own secret"));
    root.get(&format!("{path}/snippets?server=a%22b")).await.is(422);
    assert_eq!(root.get("/api/v1/nas/unknown").await.is(200).json[0]["source"], "198.51.100.7");
    root.delete(&path).await.is(204);
    root.get(&path).await.is(404);
    let actions = app.actions().await;
    let own: Vec<_> = actions.iter().filter(|action| action.starts_with("nas.")).collect();
    let expected = ["nas.add", "nas.change", "nas.change", "nas.reveal-secret", "nas.remove"];
    assert_eq!(own, expected);
    let log = root.get("/api/v1/audit").await.is(200).text;
    assert!(!log.contains("an own secret") && !log.contains(&secret));
}

#[tokio::test]
async fn a_wrong_field_is_named_and_support_sees_no_secret() {
    let (app, root, _) = TestApp::start().await;
    for (body, field) in [
        (json!({ "address": "192.0.2" }), "address"),
        (json!({ "address": "a b" }), "address"),
        (json!({ "address": "192.0.2.1", "name": "x".repeat(33) }), "name"),
        (json!({ "address": "192.0.2.1", "secret": "" }), "secret"),
        (json!({ "address": "192.0.2.1", "secret": "x".repeat(61) }), "secret"),
        (json!({ "address": "192.0.2.1", "coa_port": 70_000 }), "coa_port"),
        (json!({ "address": "192.0.2.1", "description": "a\nb" }), "description"),
        (json!({ "address": "192.0.2.1", "tenant": uuid::Uuid::now_v7() }), "tenant"),
    ] {
        let answer = root.post("/api/v1/nas", body.clone()).await.is(422);
        assert_eq!(answer.field(), field, "{body}: {}", answer.text);
    }
    let added = root.post("/api/v1/nas", json!({ "address": "192.0.2.7/24" })).await.is(201).json;
    assert_eq!(added["address"], "192.0.2.0/24");
    app.operator("sid", "support").await;
    let sid = app.enter("sid").await;
    let path = format!("/api/v1/nas/{}", added["id"]);
    sid.get(&path).await.is(200);
    sid.post(&format!("{path}/reveal"), json!(null)).await.is(403);
    sid.delete(&path).await.is(403);
}

#[tokio::test]
async fn a_tenant_has_its_own_nas_and_takes_no_others_address() {
    let (app, root, _) = TestApp::start().await;
    let (north, ned) = app.tenant("ned", "manager").await;
    let theirs = root.post("/api/v1/nas", json!({ "address": "10.1.0.0/16" })).await.is(201).json;
    let own = ned.post("/api/v1/nas", json!({ "address": "192.0.2.1" })).await.is(201).json;
    assert_eq!(own["tenant"], json!(north));
    let seen = ned.get("/api/v1/nas").await.is(200).json;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/nas/{}", theirs["id"]);
    ned.get(&path).await.is(404);
    ned.patch(&path, json!({ "name": "mine" })).await.is(404);
    ned.delete(&path).await.is(404);
    ned.post(&format!("{path}/reveal"), json!(null)).await.is(404);
    ned.get(&format!("{path}/snippets")).await.is(404);
    for address in ["10.1.2.3", "10.0.0.0/8", "0.0.0.0/0", "10.1.0.0/16"] {
        ned.post("/api/v1/nas", json!({ "address": address })).await.is(409);
        let own = format!("/api/v1/nas/{}", own["id"]);
        ned.patch(&own, json!({ "address": address })).await.is(409);
    }
    ned.post("/api/v1/nas", json!({ "address": "nas.example" })).await.is(422);
    let foreign = json!({ "address": "192.0.2.2", "tenant": uuid::Uuid::now_v7() });
    assert_eq!(ned.post("/api/v1/nas", foreign).await.is(422).field(), "tenant");
    assert_eq!(ned.get("/api/v1/nas/unknown").await.is(200).json, json!([]));
    ned.delete(&format!("/api/v1/nas/{}", own["id"])).await.is(204);
    assert!(app.store.nas_in_scope(schema::Scope::Tenant(north)).await.unwrap().is_empty());
}
