//! What a browser can be made to do against its owner, and isn't.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let (app, root, guest) = TestApp::start().await;
    let new = json!({ "name": "Role", "permissions": [] });
    let post = async |caller: crate::app::Caller| caller.post("/api/v1/roles", new.clone()).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let refused = post(root.clone().with(name, value)).await.is(403);
        assert_eq!(refused.json["type"], "/problems/foreign-page", "{name} {value}");
        // Nor does it sign somebody in as somebody else.
        guest.clone().with(name, value).sign_in("root", PASSWORD).await.is(403);
    }
    let refused = post(root.clone().without("x-radiusd")).await.is(403);
    assert_eq!(refused.json["type"], "/problems/foreign-page");
    // What a form can send isn't JSON.
    let request = Request::post("/api/v1/login").header("content-type", "text/plain");
    let body = json!({ "name": "root", "password": PASSWORD }).to_string();
    guest.send(request.body(Body::from(body)).unwrap()).await.is(415);
    assert!(app.store.list_roles().await.unwrap().is_empty());
    post(root.with("origin", "http://localhost").with("sec-fetch-site", "same-origin"))
        .await
        .is(201);
}

#[tokio::test]
async fn under_a_public_url_the_cookie_is_bound_to_it() {
    let app = TestApp::with(|options| {
        options.public_url = Some("https://radius.example".into());
        options.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    app.operator("root", "administrator").await;
    let proxied = app.guest().from("127.0.0.1");
    proxied.clone().sign_in("root", PASSWORD).await.is(421);
    proxied.get("/api/v1/login").await.is(421);
    assert_eq!(proxied.get("/health/live").await.status.as_u16(), 200, "probes ask by address");
    let login = json!({ "name": "root", "password": PASSWORD }).to_string();
    let request = Request::post("/api/v1/login")
        .header("host", "radius.example")
        .header("origin", "https://radius.example")
        .header("x-forwarded-for", "203.0.113.5, 198.51.100.7")
        .header("content-type", "application/json");
    let answer = proxied.send(request.body(Body::from(login)).unwrap()).await.is(200);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-radiusd=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    let root = app.store.find_operator_named("root").await.unwrap().unwrap();
    assert_eq!(app.store.list_logins(root.id).await.unwrap()[0].source, "198.51.100.7");
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let (_, root, guest) = TestApp::start().await;
    for path in ["/health/ready", "/api/v1/login", "/api/openapi.json", "/nothing", "/"] {
        for caller in [&root, &guest] {
            let answer = caller.get(path).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                // The page is asked for anew each time, and holds nothing of anybody.
                ("cache-control", if path == "/" { "no-cache" } else { "no-store" }),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), value, "{path} {name}");
            }
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{path}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}");
            let mut unsafe_for = policy.split(';').filter(|part| part.contains("unsafe"));
            let style = |part: &str| path == "/" && part.trim_start().starts_with("style-src ");
            assert!(unsafe_for.all(style), "{path}: {policy}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
}

#[tokio::test]
async fn requests_are_bounded() {
    let (_, root, guest) = TestApp::start().await;
    let big = json!({ "name": "x".repeat(300_000), "permissions": [] });
    root.post("/api/v1/roles", big).await.is(413);
    let request = Request::post("/api/v1/login").header("content-type", "application/json");
    guest.send(request.body(Body::from("{")).unwrap()).await.is(400);
    let eager = guest.from("192.0.2.77");
    let mut refused = 0;
    for _ in 0..320 {
        refused += u32::from(eager.get("/nothing").await.status.as_u16() == 429);
    }
    assert_eq!(refused, 20, "the clock stands still");
    root.get("/api/v1/login").await.is(200);
}

#[tokio::test]
async fn without_its_tables_management_says_which_grants_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _, _) = TestApp::start().await;
    let url = format!("sqlite:{}", folder.path().join("empty.db").display());
    let options = schema::Options { url, pool: 1, ..schema::Options::default() };
    let store = schema::Store::open(&options).await.unwrap();
    let options =
        mgmt::Options::new(app.actor().keys, mgmt::keys::field_keys(folder.path()).unwrap());
    let daemon = std::sync::Arc::new(crate::app::Fake(mgmt::State::Ok));
    let router = mgmt::router(mgmt::Context::new(store, daemon, options).unwrap());
    let guest = crate::app::Caller { router, ..app.guest() };
    for answer in [guest.get("/api/v1/login").await, guest.sign_in("root", PASSWORD).await] {
        let answer = answer.is(503);
        assert_eq!(answer.json["type"], "/problems/missing-grants");
        assert!(answer.text.contains("mgmt_operators") && answer.text.contains("--print-sql"));
    }
    assert_eq!(guest.get("/health/ready").await.status.as_u16(), 200);
}

/// There are two turns at the store.
#[tokio::test]
async fn a_body_that_never_ends_holds_nobody_up() {
    let (_app, root, _) = TestApp::start().await;
    let endless = || {
        let (root, body) = (
            root.clone(),
            Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>()),
        );
        let request = Request::post("/api/v1/roles").header("content-type", "application/json");
        let request =
            root.headers.iter().fold(request, |all, (name, value)| all.header(name, value));
        tokio::spawn(async move { root.send(request.body(body).unwrap()).await })
    };
    let held: Vec<_> = (0..5).map(|_| endless()).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    root.get("/api/v1/login").await.is(200);
    assert!(held.iter().all(|one| !one.is_finished()));
    held.iter().for_each(|one| one.abort());
}
