//! Probes, the front page and problems, as a caller sees them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use axum::http::StatusCode;
use mgmt::{Context, Daemon, Health, Part, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Fake(State);

impl Daemon for Fake {
    fn health(&self) -> Health {
        let part = Part {
            name: "store".into(),
            state: self.0,
            detail: "as it is".into(),
            numbers: [("records", 7)].into(),
        };
        Health { version: "0".into(), uptime_seconds: 7, parts: vec![part] }
    }
}

/// Asks a router of its own, and gives back the status and the whole answer.
async fn ask(state: State, request: &str) -> (StatusCode, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = mgmt::router(Context::new(Arc::new(Fake(state))));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let code = answer.split(' ').nth(1).unwrap();
    (StatusCode::from_bytes(code.as_bytes()).unwrap(), answer)
}

#[tokio::test]
async fn a_probe_learns_whether_to_send_requests() {
    for (state, code) in [
        (State::Ok, StatusCode::OK),
        (State::Degraded, StatusCode::OK),
        (State::Down, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let (status, answer) = ask(state, "GET /health/ready").await;
        assert_eq!(status, code);
        assert!(answer.contains(r#""name":"store""#), "{answer}");
        assert!(answer.contains(r#""numbers":{"records":7}"#), "{answer}");
        let (status, answer) = ask(state, "GET /health/live").await;
        assert_eq!(status, StatusCode::OK);
        assert!(answer.contains("no-store"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let (status, answer) = ask(State::Ok, "GET /no/such/page").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    assert!(answer.contains(r#""status":404"#), "{answer}");
    let (status, answer) = ask(State::Ok, "DELETE /health/ready").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn the_front_page_runs_nothing() {
    let (status, answer) = ask(State::Ok, "GET /").await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.contains("default-src 'none'"), "{answer}");
    assert!(!answer.contains("<script"));
}
