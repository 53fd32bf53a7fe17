//! Management over a store of its own, a clock that can be set, and those who ask it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use mgmt::{Context, Feed, Options, Peer, State, keys, password};
use schema::{Actor, Operator, Store};
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;
use uuid::Uuid;

mod daemon;

pub use daemon::Fake;

pub const PASSWORD: &str = "correct horse battery staple";
const PASSWORD_ENTERED: i64 = 1_800_000_000_000;

pub struct TestApp {
    pub router: Router,
    pub store: Store,
    pub folder: tempfile::TempDir,
    pub feed: Arc<Feed>,
    /// What the daemon was asked, by sessions' ids.
    pub asked: Arc<Mutex<Vec<(i64, &'static str)>>>,
    now_ms: Arc<AtomicI64>,
    hash: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Json,
}

/// Somebody who asks, with what he sends along each time.
#[derive(Clone)]
pub struct Caller {
    pub router: Router,
    pub headers: Vec<(String, String)>,
    pub source: IpAddr,
}

impl TestApp {
    /// With the administrator `root`, who is signed in, and somebody who is not.
    pub async fn start() -> (TestApp, Caller, Caller) {
        let app = TestApp::with(|_| {}).await;
        app.operator("root", "administrator").await;
        let root = app.enter("root").await;
        let guest = app.guest();
        (app, root, guest)
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> TestApp {
        TestApp::beside(Fake(State::Ok), change).await
    }

    pub async fn beside(daemon: Fake, change: impl FnOnce(&mut Options)) -> TestApp {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("radiusd.db").display());
        let options = schema::Options { url, pool: 2, ..schema::Options::default() };
        let store = Store::open(&options).await.unwrap();
        store.migrate().await.unwrap();
        let now_ms = Arc::new(AtomicI64::new(PASSWORD_ENTERED));
        let mut options = Options::new(
            Arc::new(keys::audit_keys(folder.path()).unwrap()),
            keys::field_keys(folder.path()).unwrap(),
        );
        let clock = Arc::clone(&now_ms);
        options.clock = Arc::new(move || clock.load(Ordering::Relaxed));
        change(&mut options);
        let (feed, asked) = (Arc::clone(&daemon.feed), Arc::clone(&daemon.asked));
        let context = Context::new(store.clone(), Arc::new(daemon), options).unwrap();
        let router = mgmt::router(context);
        TestApp { router, store, folder, feed, asked, now_ms, hash: password::hash(PASSWORD) }
    }

    pub fn actor(&self) -> Actor {
        Actor {
            operator: None,
            name: "test".into(),
            means: "test".into(),
            source: "here".into(),
            keys: Arc::new(keys::audit_keys(self.folder.path()).unwrap()),
        }
    }

    /// An operator whose password is `PASSWORD`.
    pub async fn operator(&self, name: &str, role: &str) -> Uuid {
        let (id, name, role) = (Uuid::now_v7(), name.into(), role.into());
        let operator = Operator { id, name, role, ..Operator::default() };
        self.store.add_operator(&self.actor(), &operator, Some(&self.hash)).await.unwrap();
        id
    }

    /// A tenant, and an operator of it with that name whose password is `PASSWORD`.
    pub async fn tenant(&self, name: &str, role: &str) -> (Uuid, Caller) {
        let id = Uuid::now_v7();
        let tenant = schema::Tenant { id, name: format!("of {name}"), description: String::new() };
        self.store.add_tenant(&self.actor(), &tenant).await.unwrap();
        let (name, role) = (name.to_owned(), role.to_owned());
        let operator = Operator {
            id: Uuid::now_v7(),
            name: name.clone(),
            role,
            tenant: Some(id),
            ..Operator::default()
        };
        self.store.add_operator(&self.actor(), &operator, Some(&self.hash)).await.unwrap();
        (id, self.enter(&name).await)
    }

    pub fn guest(&self) -> Caller {
        let source = [192, 0, 2, 1].into();
        Caller { router: self.router.clone(), headers: Vec::new(), source }
    }

    /// Signed in, as a page of ours asks.
    pub async fn enter(&self, name: &str) -> Caller {
        self.enter_from(name, "192.0.2.1").await
    }

    /// From an address of one's own: each is answered only so often.
    pub async fn enter_from(&self, name: &str, source: &str) -> Caller {
        let guest = self.guest().from(source);
        let answer = guest.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        guest.with("cookie", &answer.cookie()).with("x-radiusd", "1")
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub fn pass_minutes(&self, minutes: i64) {
        self.now_ms.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }

    /// Every action in the log, the oldest first.
    pub async fn actions(&self) -> Vec<String> {
        let all = self.store.list_audit(&schema::AuditFilter::default(), None, 500).await.unwrap();
        all.into_iter().rev().map(|entry| entry.action).collect()
    }
}

impl Caller {
    pub fn with(mut self, name: &str, value: &str) -> Caller {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Caller {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn from(mut self, source: &str) -> Caller {
        self.source = source.parse().unwrap();
        self
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.post("/api/v1/login", json!({ "name": name, "password": password })).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    pub async fn post(&self, path: &str, body: Json) -> Answer {
        self.ask("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Json) -> Answer {
        self.ask("PUT", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Json) -> Answer {
        self.ask("PATCH", path, Some(body)).await
    }

    pub async fn form(&self, path: &str, form: &str) -> Answer {
        let mut request = Request::builder().method("POST").uri(path).header("host", "localhost");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Json>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(Peer(SocketAddr::new(self.source, 40_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream of events has no end.
        let kind = parts.headers.get("content-type").map(|kind| kind.as_bytes());
        let body = match kind {
            Some(b"text/event-stream") => Body::empty(),
            _ => body,
        };
        let octets = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8(octets.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, text, json }
    }
}

impl Answer {
    /// `name=value` of the cookie it sets.
    pub fn cookie(&self) -> String {
        let cookie = self.header("set-cookie");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What is wrong with which field.
    pub fn field(&self) -> &str {
        self.json["fields"][0]["field"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{} {:?}", self.text, self.headers);
        if status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json");
            assert_eq!(self.json["status"], status, "{}", self.text);
        }
        self
    }
}
