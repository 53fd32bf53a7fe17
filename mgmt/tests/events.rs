//! Server-sent events: what each may see, what is lost, and that there is an end to how many.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::ConnectInfo;
use axum::http::Request;
use futures_util::StreamExt as _;
use mgmt::{Event, Peer, Turn};
use schema::{Attempt, Owned, Session};
use tower::ServiceExt as _;

use crate::app::{Caller, TestApp};

const PATIENCE: Duration = Duration::from_secs(60);

struct Stream {
    body: BodyDataStream,
    text: String,
}

async fn listen(caller: &Caller) -> Result<Stream, u16> {
    let mut request = Request::builder().uri("/api/v1/events").header("host", "localhost");
    for (name, value) in &caller.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(Peer(SocketAddr::new(caller.source, 40_000))));
    let response = caller.router.clone().oneshot(request).await.unwrap();
    if response.status() != 200 {
        return Err(response.status().as_u16());
    }
    let mut stream = Stream { body: response.into_body().into_data_stream(), text: String::new() };
    stream.until("hello").await;
    Ok(stream)
}

impl Stream {
    async fn until(&mut self, word: &str) {
        while !self.text.contains(word) {
            let next = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let octets = next.unwrap_or_else(|_| panic!("no {word}: {}", self.text));
            let octets = octets.unwrap_or_else(|| panic!("no {word}: {}", self.text)).unwrap();
            self.text.push_str(std::str::from_utf8(&octets).unwrap());
        }
    }
}

fn session(user: &str) -> Event {
    let row = Session { username: Some(user.into()), ..Session::default() };
    Event::Session(Turn::Begun, Box::new(row))
}

fn attempt(user: &str) -> Event {
    Event::Attempt(Box::new(Attempt { username: user.into(), ..Attempt::default() }))
}

#[tokio::test]
async fn each_is_told_what_he_may_see() {
    let (app, root, guest) = TestApp::start().await;
    assert_eq!(listen(&guest).await.err(), Some(401));
    let (north, ned) = app.tenant("ned", "manager").await;
    app.store.set_owner(&app.actor(), Owned::User, "ann", Some(north)).await.unwrap();
    app.operator("bill", "billing").await;
    let bill = app.enter("bill").await;
    let (mut all, mut own, mut some) =
        (listen(&root).await.unwrap(), listen(&ned).await.unwrap(), listen(&bill).await.unwrap());
    app.feed.tell([session("sue"), attempt("sue"), attempt("ann"), session("ann")]);
    app.feed.tell([session("last")]);
    all.until("last").await;
    assert!(all.text.contains("event: session.begun") && all.text.contains("event: attempt"));
    some.until("last").await;
    assert!(!some.text.contains("attempt"), "billing sees sessions alone: {}", some.text);
    own.until("session.begun").await;
    assert!(own.text.contains("event: attempt"), "{}", own.text);
    assert!(!own.text.contains("sue") && !own.text.contains("last"), "{}", own.text);
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_what_is_lost() {
    let (app, root, _) = TestApp::start().await;
    let mut slow = listen(&root).await.unwrap();
    app.feed.tell((0..3_000).map(|number| session(&number.to_string())));
    slow.until("event: lost").await;
    let rows: Vec<_> = (0..500).map(|_| Session::default()).collect();
    app.feed.tell(mgmt::Feed::sessions(rows.iter()));
    slow.until("\"count\":300").await;
}

#[tokio::test]
async fn listeners_are_bounded_and_no_sign_of_life() {
    let (app, root, _) = TestApp::start().await;
    let mut listening = Vec::new();
    loop {
        match listen(&root).await {
            Ok(stream) => listening.push(stream),
            Err(status) => {
                assert_eq!(status, 503);
                break;
            }
        }
    }
    assert_eq!(listening.len(), 64);
    listening.pop();
    listening.push(listen(&root).await.unwrap());
    app.pass_minutes(29);
    drop(listening);
    listen(&root).await.unwrap();
    app.pass_minutes(2);
    assert_eq!(listen(&root).await.err(), Some(401), "listening keeps no login alive");
}
