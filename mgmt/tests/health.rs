//! Probes, the front page and problems, as a caller sees them.

use mgmt::State;

use crate::app::{Fake, TestApp};

#[tokio::test]
async fn a_probe_learns_whether_to_send_requests() {
    for (state, code) in [(State::Ok, 200), (State::Degraded, 200), (State::Down, 503)] {
        let guest = TestApp::beside(Fake(state), |_| {}).await.guest();
        let answer = guest.get("/health/ready").await;
        assert_eq!(answer.status.as_u16(), code);
        assert_eq!(answer.json["parts"][0]["name"], "store");
        assert_eq!(answer.json["parts"][0]["numbers"]["records"], 7);
        let answer = guest.get("/health/live").await.is(200);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let guest = TestApp::with(|_| {}).await.guest();
    guest.get("/no/such/page").await.is(404);
    guest.delete("/health/ready").await.is(405);
    guest.get("/api/v1/nothing").await.is(404);
}

#[tokio::test]
async fn the_front_page_runs_nothing() {
    let guest = TestApp::with(|_| {}).await.guest();
    let answer = guest.get("/").await.is(200);
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("style-src 'sha256-"), "{policy}");
    assert!(!answer.text.contains("<script"));
}
