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

/// Whether the interface was there at build time or not.
#[tokio::test]
async fn a_browser_finds_a_page_at_every_address_of_a_page() {
    let guest = TestApp::with(|_| {}).await.guest().with("accept", "text/html,*/*;q=0.8");
    let answer = guest.get("/").await.is(200);
    let policy = answer.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-eval"), "{policy}");
    let script = policy.split(';').find(|part| part.trim().starts_with("script-src"));
    assert!(script.is_none_or(|script| script.trim() == "script-src 'self'"), "{policy}");
    assert!(!answer.text.contains("<script>"), "nothing inline runs");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let tag = answer.header("etag").to_owned();
    assert_eq!(guest.get("/operators?open=add").await.is(200).text, answer.text);
    let again = guest.clone().with("if-none-match", &tag).get("/").await.is(304);
    assert_eq!(again.text, "");
    // What a page asks for and isn't there is not a page.
    guest.get("/assets/gone.js").await.is(404);
    guest.get("/api/v1/nothing").await.is(404);
    guest.get("/health/nothing").await.is(404);
    guest.delete("/operators").await.is(404);
}
