//! The audit log over the API: who did what, before and after, found again.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn each_change_has_its_entry() {
    let (app, root, _) = TestApp::start().await;
    let new = json!({ "name": "ann", "role": "support", "password": "quite a long password 7" });
    let id = root.post("/api/v1/operators", new).await.is(201).json["id"].clone();
    let path = format!("/api/v1/operators/{}", id.as_str().unwrap());
    root.patch(&path, json!({ "role": "billing" })).await.is(200);
    root.patch(&path, json!({ "role": "billing" })).await.is(200);

    let page = root.get("/api/v1/audit?object=ann").await.is(200).json;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "what changes nothing is told of nowhere");
    let change = &items[0];
    assert_eq!(change["action"], "operator.change");
    assert_eq!((&change["operator_name"], &change["means"]), (&json!("root"), &json!("login")));
    assert_eq!((&change["source"], &change["object_id"]), (&json!("192.0.2.1"), &id));
    assert_eq!(change["before"]["role"], "support");
    assert_eq!(change["after"]["role"], "billing");
    assert_eq!(items[1]["before"], json!(null));

    let mut seen = 0;
    let mut path = "/api/v1/audit?limit=2".to_owned();
    loop {
        let page = root.get(&path).await.is(200).json;
        seen += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/audit?limit=2&cursor={next}");
    }
    assert_eq!(seen, app.actions().await.len());
    let count = async |query: &str| {
        let page = root.get(&format!("/api/v1/audit?{query}")).await.is(200).json;
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("action=operator.add&operator=test").await, 1);
    assert_eq!(count("text=OPERATOR.CH").await, 1);
    assert_eq!(count("to=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(count("from=2020-01-01T00:00:00Z").await, seen);
    assert_eq!(root.get("/api/v1/audit?from=yesterday").await.is(422).field(), "from");
    let verified = app.store.verify_audit(&app.actor().keys, &[]).await.unwrap();
    assert_eq!((verified.rows as usize, verified.breaks), (seen, vec![]));
}

#[tokio::test]
async fn a_person_is_taken_out_of_the_log() {
    let (app, root, _) = TestApp::start().await;
    let new = json!({ "name": "ann", "role": "support", "password": "quite a long password 7" });
    root.post("/api/v1/operators", new).await.is(201);
    let erase = async |noun: &str, object: &str, reason: &str| {
        let asked = json!({ "noun": noun, "object": object, "reason": reason });
        root.post("/api/v1/audit/erasures", asked).await
    };
    assert_eq!(erase("Operator", "ann", "asked").await.is(422).field(), "noun");
    assert_eq!(erase("operator", "", "asked").await.is(422).field(), "object");
    assert_eq!(erase("operator", "ann", "a\nb").await.is(422).field(), "reason");
    assert_eq!(erase("operator", "ann", "asked").await.is(200).json["entries"], 1);
    assert_eq!(erase("operator", "ann", "asked").await.is(200).json["entries"], 0);
    let log = root.get("/api/v1/audit").await.is(200).json;
    assert!(!log.to_string().contains("ann"), "{log}");
    let entry = &log["items"][1];
    assert_eq!(
        (&entry["action"], &entry["after"]["erased_by"]),
        (&json!("operator.add"), &log["items"][0]["sequence"])
    );
    let verified = app.store.verify_audit(&app.actor().keys, &[]).await.unwrap();
    assert_eq!((verified.erased, verified.breaks), (1, vec![]));
}
