//! Signing in and out: who gets in, for how long, and who is kept waiting.

use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn in_and_out_again() {
    let (app, root, guest) = TestApp::start().await;
    let answer = guest.clone().with("user-agent", "tests").sign_in("ROOT", PASSWORD).await.is(200);
    assert_eq!(answer.json["name"], "root");
    assert_eq!(answer.json["must_change_password"], false);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("radiusd=") && !cookie.contains("Secure"), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let second = guest.clone().with("cookie", &answer.cookie()).with("x-radiusd", "1");

    let me = root.get("/api/v1/login").await.is(200);
    assert!(me.json["permissions"].as_array().unwrap().contains(&json!("operators:write")));
    let logins = root.get("/api/v1/logins").await.is(200).json["items"].clone();
    assert_eq!(logins.as_array().unwrap().len(), 2);
    assert_eq!((&logins[0]["current"], &logins[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!((&logins[0]["agent"], &logins[0]["source"]), (&json!("tests"), &json!("192.0.2.1")));

    // One ends the other's, and then its own.
    let id = logins[0]["id"].as_str().unwrap();
    root.delete(&format!("/api/v1/logins/{id}")).await.is(204);
    root.delete(&format!("/api/v1/logins/{id}")).await.is(404);
    second.get("/api/v1/login").await.is(401);
    let out = root.delete("/api/v1/login").await.is(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    root.get("/api/v1/login").await.is(401);
    let actions = app.actions().await;
    assert_eq!(actions[1..], ["login.add", "login.add", "login.remove", "login.remove"]);
}

#[tokio::test]
async fn nobody_learns_which_names_there_are() {
    let (app, _, guest) = TestApp::start().await;
    app.operator("gone", "support").await;
    let before = app.store.find_operator_named("gone").await.unwrap().unwrap();
    let after = schema::Operator { disabled: true, ..before.clone() };
    app.store.update_operator(&app.actor(), &before, &after).await.unwrap();
    let wrong = guest.sign_in("root", "wrong").await.is(401);
    let long = "x".repeat(9_999);
    for (name, password) in [
        ("nobody", "wrong"),
        ("gone", PASSWORD),
        ("root\0", PASSWORD),
        ("' OR 1=1 --", "x"),
        (&long, "x"),
        ("root", &long),
        ("", ""),
    ] {
        let answer = guest.sign_in(name, password).await.is(401);
        assert_eq!(answer.text, wrong.text, "{name}");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_login_ends_unused_and_used() {
    let (app, root, _) = TestApp::start().await;
    app.pass_minutes(29);
    root.get("/api/v1/login").await.is(200);
    app.pass_minutes(29);
    root.get("/api/v1/login").await.is(200);
    app.pass_minutes(30);
    root.get("/api/v1/login").await.is(401);
    let root = app.enter("root").await;
    for _ in 0..28 {
        app.pass_minutes(25);
        root.get("/api/v1/login").await.is(200);
    }
    app.pass_minutes(21);
    root.get("/api/v1/login").await.is(401);
}

#[tokio::test]
async fn guessers_wait() {
    let (app, root, guest) = TestApp::start().await;
    for _ in 0..5 {
        guest.sign_in("root", "wrong").await.is(401);
    }
    let answer = guest.sign_in("root", PASSWORD).await.is(429);
    assert_eq!(answer.header("retry-after"), "30");
    guest.sign_in("other", "wrong").await.is(401);
    guest.clone().from("192.0.2.99").sign_in("root", PASSWORD).await.is(200);
    root.get("/api/v1/login").await.is(200);
    app.pass_minutes(1);
    guest.sign_in("root", PASSWORD).await.is(200);
    assert_eq!(app.actions().await.iter().filter(|action| *action == "login.lock").count(), 1);
    // At once is no way around.
    let mut tasks = tokio::task::JoinSet::new();
    for guest in std::iter::repeat_n(guest, 12) {
        tasks.spawn(async move { guest.sign_in("ghost", "wrong").await.status.as_u16() });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
}

#[tokio::test]
async fn a_new_password_is_forced_checked_and_ends_other_logins() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({ "name": "ann", "role": "support", "full_name": "Ann Onymous" });
    let added = root.post("/api/v1/operators", new).await.is(201);
    let first = added.json["one_time_password"].as_str().unwrap().to_owned();
    let answer = guest.sign_in("ann", &first).await.is(200);
    assert_eq!(answer.json["must_change_password"], true);
    let ann = guest.clone().with("cookie", &answer.cookie()).with("x-radiusd", "1");
    let other = guest.sign_in("ann", &first).await.is(200);
    let other = guest.clone().with("cookie", &other.cookie());

    let refused = ann.get("/api/v1/permissions").await.is(403);
    assert_eq!(refused.json["type"], "/problems/password-change");
    ann.get("/api/v1/login").await.is(200);
    let change = async |current: &str, new: &str| {
        ann.put("/api/v1/login/password", json!({ "current": current, "new": new })).await
    };
    assert_eq!(change("wrong", "far better than before").await.is(422).field(), "current");
    for weak in ["short", "password123", "ann.onymous", &first] {
        assert_eq!(change(&first, weak).await.is(422).field(), "new", "{weak}");
    }
    change(&first, "far better than before").await.is(204);
    ann.get("/api/v1/permissions").await.is(200);
    other.get("/api/v1/login").await.is(401);
    guest.sign_in("ann", &first).await.is(401);
    guest.sign_in("ann", "far better than before").await.is(200);
    let all = app.store.list_audit(&schema::AuditFilter::default(), None, 100).await.unwrap();
    let all = serde_json::to_string(&all).unwrap();
    assert!(!all.contains(&first) && !all.contains("better"), "{all}");
}

#[tokio::test]
async fn the_first_administrator_has_a_password_of_one_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = mgmt::first::file(folder.path());
    let app = TestApp::with(|options| options.first_password = Some(file.clone())).await;
    let keys = app.actor().keys;
    let first = mgmt::first::make(&app.store, folder.path(), &keys).await.unwrap().unwrap();
    assert!(mgmt::first::make(&app.store, folder.path(), &keys).await.unwrap().is_none());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("admin\n{}\n", first.password));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let guest = app.guest();
    let cookie = guest.sign_in("admin", &first.password).await.is(200).cookie();
    let admin = guest.with("cookie", &cookie).with("x-radiusd", "1");
    admin.get("/api/v1/operators").await.is(403);
    let change = json!({ "current": first.password, "new": "far better than before" });
    admin.put("/api/v1/login/password", change).await.is(204);
    admin.get("/api/v1/operators").await.is(200);
    assert!(!file.exists(), "nothing to read any more");
}
