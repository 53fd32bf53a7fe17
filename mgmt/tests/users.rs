//! Users and groups over the API, and that an operator of a tenant meets nothing that is not its.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value as Json, json};

use crate::app::{Caller, TestApp};

const USERS: &str = "/api/v1/users";
const GROUPS: &str = "/api/v1/groups";

async fn names(caller: &Caller, path: &str) -> Vec<String> {
    let page = caller.get(path).await.is(200).json;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn add_group(caller: &Caller, name: &str) {
    let reply = json!([{ "attribute": "Session-Timeout", "op": "=", "value": "60" }]);
    caller.post(GROUPS, json!({ "name": name, "reply": reply })).await.is(201);
}

#[tokio::test]
async fn a_user_lives_and_goes() {
    let (app, root, _) = TestApp::start().await;
    add_group(&root, "gold").await;
    let new = json!({
        "name": "ann", "full_name": "Ann Meyer", "email": "ann@example.com", "tags": ["vip"],
        "notes": "pays late", "custom": { "contract": "C-7" },
        "check": [{ "attribute": "simultaneous-use", "op": ":=", "value": "2" }],
        "groups": [{ "group": "gold", "priority": 1 }],
    });
    let added = root.post(USERS, new.clone()).await.is(201);
    let password = added.json["made_up_password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 10);
    assert_eq!(added.json["notes"], "pays late");
    assert_eq!(added.json["check"][0]["attribute"], "Simultaneous-Use");
    root.post(USERS, new).await.is(409);
    let path = format!("{USERS}/ann");
    let shown = root.get(&path).await.is(200);
    assert!(!shown.text.contains(&password), "{}", shown.text);
    let secret = &shown.json["check"][1];
    assert_eq!((&secret["value"], &secret["secret"]), (&json!(null), &json!(true)));

    // Rows by their ids: what is kept keeps its value, the secret one included.
    let tag = shown.header("etag").to_owned();
    let rows = json!([
        { "id": secret["id"], "attribute": "Cleartext-Password", "op": ":=", "value": null },
        { "attribute": "Expiration", "op": ":=", "value": "31 Dec 2035" },
    ]);
    let seen = root.clone().with("if-match", &tag);
    let body = json!({ "check": rows, "phone": "+49 1", "disabled": true });
    let changed = seen.patch(&path, body).await.is(200).json;
    assert_eq!((&changed["disabled"], &changed["full_name"]), (&json!(true), &json!("Ann Meyer")));
    assert_eq!(changed["check"].as_array().unwrap().len(), 3);
    seen.patch(&path, json!({ "phone": "" })).await.is(412);
    let revealed = root.post(&format!("{path}/reveal"), json!(null)).await.is(200).json;
    assert_eq!(revealed["password"], password.as_str());
    assert_eq!(names(&root, "/api/v1/users?state=disabled").await, ["ann"]);
    let on = root.patch(&path, json!({ "disabled": false })).await.is(200).json;
    assert_eq!(on["check"].as_array().unwrap().len(), 2);
    root.patch(&path, json!({ "password": "another one" })).await.is(200);

    for query in ["search=mey", "search=EXAMPLE.c", "group=gold", "tag=vip", "state=enabled"] {
        assert_eq!(names(&root, &format!("{USERS}?{query}")).await, ["ann"], "{query}");
    }
    assert!(names(&root, &format!("{USERS}?search=nothing")).await.is_empty());
    let history = root.get(&format!("{path}/history")).await.is(200);
    let told: Vec<_> = history.json["items"].as_array().unwrap().iter().collect();
    let actions: Vec<_> = told.iter().map(|one| one["action"].as_str().unwrap()).collect();
    let expected =
        ["user.change", "user.enable", "user.reveal-password", "user.disable", "user.add"];
    assert_eq!(actions, expected);
    for secret in [password.as_str(), "another one", "pays late"] {
        assert!(!history.text.contains(secret), "{}", history.text);
    }
    root.delete(&path).await.is(204);
    root.get(&path).await.is(404);
    root.get(&format!("{path}/history")).await.is(404);
    assert!(app.actions().await.contains(&"user.remove".to_owned()));
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let (_, root, _) = TestApp::start().await;
    let row = |attribute: &str, value: &str| json!({ "attribute": attribute, "op": ":=", "value": value });
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "a b" }), "name"),
        (json!({ "name": "a", "account": "mac" }), "name"),
        (json!({ "name": "a", "password": "" }), "password"),
        (json!({ "name": "a", "check": [row("Simultaneous-Use", "many")] }), "check[0]"),
        (
            json!({ "name": "a", "reply": [row("Session-Timeout", "6"), row("X-Y", "1")] }),
            "reply[1]",
        ),
        (json!({ "name": "a", "groups": [{ "group": "none", "priority": 1 }] }), "groups[0]"),
        (json!({ "name": "a", "tenant": uuid::Uuid::now_v7() }), "tenant"),
        (json!({ "name": "a", "full_name": "x\ny" }), "full_name"),
        (json!({ "name": "a", "tags": [""] }), "tags"),
        (json!({ "name": "a", "more": 1 }), "more"),
    ] {
        let answer = root.post(USERS, body.clone()).await.is(422);
        assert_eq!(answer.field(), field, "{body}: {}", answer.text);
    }
    for (query, field) in [("sort=x", "sort"), ("limit=0", "limit"), ("cursor=eA", "cursor")] {
        assert_eq!(root.get(&format!("{USERS}?{query}")).await.is(422).field(), field, "{query}");
    }
    assert_eq!(root.get(&format!("{USERS}?sort=-created&tag=x")).await.is(422).field(), "sort");
    root.post(GROUPS, json!({ "name": "empty" })).await.is(422);
}

#[tokio::test]
async fn devices_pages_and_requests_sent_twice() {
    let (_, root, _) = TestApp::start().await;
    let mac = json!({ "name": "00-11-22-33-44-55", "account": "mac" });
    let mac = root.post(USERS, mac).await.is(201).json;
    assert_eq!(
        (&mac["made_up_password"], &mac["check"][0]["value"]),
        (&json!(null), &json!("Accept"))
    );
    let once = root.clone().with("idempotency-key", "k-1");
    let bob = json!({ "name": "bob", "password": "secret word" });
    once.post(USERS, bob.clone()).await.is(201);
    let again = once.post(USERS, bob).await.is(201).json;
    assert_eq!((&again["name"], &again["made_up_password"]), (&json!("bob"), &json!(null)));
    let other = once.post(USERS, json!({ "name": "bill" })).await.is(422);
    assert_eq!(other.field(), "Idempotency-Key");
    for name in ["carl", "dora", "o/slash"] {
        root.post(USERS, json!({ "name": name })).await.is(201);
    }
    root.get(&format!("{USERS}/o%2Fslash")).await.is(200);
    for sort in ["name", "-created"] {
        let (mut all, mut path) = (Vec::new(), format!("{USERS}?limit=2&sort={sort}"));
        loop {
            let page = root.get(&path).await.is(200).json;
            all.extend(page["items"].as_array().unwrap().iter().map(|one| one["name"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("{USERS}?limit=2&sort={sort}&cursor={next}");
        }
        assert_eq!(all.len(), 5, "{sort}: {all:?}");
    }
    let names = json!(["bob", "carl", "nobody"]);
    let bulk = root.post("/api/v1/users/bulk", json!({ "names": names, "action": "disable" }));
    let bulk = bulk.await.is(200).json;
    assert_eq!((&bulk["done"], &bulk["results"][2]["status"]), (&json!(2), &json!(404)));
    assert_eq!(names_of(&root, "state=disabled").await.len(), 2);
}

async fn names_of(caller: &Caller, query: &str) -> Vec<String> {
    names(caller, &format!("{USERS}?{query}")).await
}

/// What is foreign is as if it were not there: in lists, counts, by name, and named in rows.
#[tokio::test]
async fn nothing_of_a_foreign_tenant_is_seen_changed_or_named() {
    let (app, root, _) = TestApp::start().await;
    let (north, own) = app.tenant("own", "administrator").await;
    let (_, other) = app.tenant("other", "administrator").await;
    for (caller, who) in [(&root, "nobodys"), (&other, "foreign"), (&own, "own")] {
        let group = format!("{who}-group");
        add_group(caller, &group).await;
        let groups = json!([{ "group": group, "priority": 1 }]);
        let user = json!({ "name": format!("{who}-user"), "groups": groups, "tags": ["t"] });
        caller.post(USERS, user).await.is(201);
    }
    let every = [
        "",
        "?search=user",
        "?search=us",
        "?tag=t",
        "?state=enabled",
        "?sort=-created",
        "?search=own",
    ];
    for query in every {
        let found = names(&own, &format!("{USERS}{query}")).await;
        let expected: &[&str] = if query == "?search=us" { &[] } else { &["own-user"] };
        assert_eq!(found, expected, "{query}");
    }
    for query in ["group=foreign-group", "search=foreign", "search=nobodys", "search=fo"] {
        assert!(names_of(&own, query).await.is_empty(), "{query}");
    }
    assert_eq!(names(&own, GROUPS).await, ["own-group"]);
    assert!(names(&own, &format!("{GROUPS}?search=foreign")).await.is_empty());
    let shown = own.get(&format!("{USERS}/own-user")).await.is(200).json;
    assert_eq!(shown["tenant"], north.to_string());
    for who in ["foreign", "nobodys", "nowhere"] {
        let (user, group) = (format!("{USERS}/{who}-user"), format!("{GROUPS}/{who}-group"));
        own.get(&user).await.is(404);
        own.get(&format!("{user}/history")).await.is(404);
        own.patch(&user, json!({ "disabled": true })).await.is(404);
        own.post(&format!("{user}/reveal"), json!(null)).await.is(404);
        own.delete(&user).await.is(404);
        own.get(&group).await.is(404);
        own.patch(&group, json!({ "check": [] })).await.is(404);
        own.delete(&format!("{group}?with_members=true")).await.is(404);
        let groups = json!([{ "group": format!("{who}-group"), "priority": 1 }]);
        let answer = own.patch(&format!("{USERS}/own-user"), json!({ "groups": groups })).await;
        assert_eq!(answer.is(422).field(), "groups[0]", "{who}");
        let bulk = json!({ "names": [format!("{who}-user")], "action": "remove" });
        let bulk = own.post("/api/v1/users/bulk", bulk).await.is(200).json;
        assert_eq!(bulk["results"][0]["status"], 404, "{who}");
        let group = format!("{who}-group");
        let bulk = json!({ "names": ["own-user"], "action": "join", "group": group });
        assert_eq!(own.post("/api/v1/users/bulk", bulk).await.is(422).field(), "group");
        for (attribute, value) in [
            ("User-Profile", format!("{who}-user")),
            ("Pool-Name", format!("{who}-pool")),
            ("Reply-Message", "%{sql:SELECT 1}".to_owned()),
            ("Reply-Message", "`/bin/id`".to_owned()),
        ] {
            let rows: Json = json!([{ "attribute": attribute, "op": ":=", "value": value }]);
            let answer = own.patch(&format!("{USERS}/own-user"), json!({ "check": rows })).await;
            assert_eq!(answer.is(422).field(), "check[0]", "{attribute} {value}");
        }
    }
    // Theirs are as they were.
    assert_eq!(root.get(&format!("{USERS}/foreign-user")).await.is(200).json["disabled"], false);
    root.delete(&format!("{GROUPS}/own-group")).await.is(409);
    let given = root.patch(&format!("{USERS}/nobodys-user"), json!({ "tenant": north })).await;
    given.is(200);
    assert_eq!(names_of(&own, "").await.len(), 2);
    let answer = own.patch(&format!("{USERS}/own-user"), json!({ "tenant": null })).await.is(422);
    assert_eq!(answer.field(), "tenant");
}

#[tokio::test]
async fn the_dictionary_is_searched() {
    let (_, root, _) = TestApp::start().await;
    let found = root.get("/api/v1/dictionary/attributes?search=service-ty").await.is(200).json;
    let first = &found["items"][0];
    assert_eq!((&first["name"], &first["kind"]), (&json!("Service-Type"), &json!("integer")));
    assert!(first["values"].as_array().unwrap().contains(&json!("Framed-User")));
    let forms = root.get("/api/v1/password-forms").await.is(200).json;
    assert_eq!(forms["items"][1]["rules_out"], json!(["CHAP"]));
    let made = root.post("/api/v1/passwords?length=16", json!(null)).await.is(200).json;
    assert_eq!(made["password"].as_str().unwrap().len(), 16);
}
