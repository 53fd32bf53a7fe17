//! The second factor over the API: an app's code beside the password, once each.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;

use crate::app::{Caller, PASSWORD, TestApp};

/// What the app shows.
fn code(app: &TestApp, secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).with_account_name("x").build().unwrap();
    totp.generate(u64::try_from(app.now_ms() / 1_000).unwrap()).to_string()
}

async fn sign_in(guest: &Caller, code: &str) -> crate::app::Answer {
    let login = json!({ "name": "root", "password": PASSWORD, "code": code });
    guest.post("/api/v1/login", login).await
}

#[tokio::test]
async fn a_code_is_asked_for_and_good_once() {
    let (app, root, guest) = TestApp::start().await;
    let current = json!({ "current": PASSWORD });
    root.post("/api/v1/login/totp", json!({ "current": "wrong" })).await.is(422);
    let offered = root.post("/api/v1/login/totp", current.clone()).await.is(200).json;
    let secret = offered["secret"].as_str().unwrap();
    assert!(offered["uri"].as_str().unwrap().starts_with("otpauth://totp/FerroRADIUS:root?"));
    guest.sign_in("root", PASSWORD).await.is(200);
    root.put("/api/v1/login/totp", json!({ "code": "000000" })).await.is(422);
    let confirm = json!({ "code": code(&app, secret) });
    let codes = root.put("/api/v1/login/totp", confirm.clone()).await.is(200).json;
    let recovery = codes["recovery_codes"].as_array().unwrap();
    assert_eq!(recovery.len(), 10);
    root.put("/api/v1/login/totp", confirm).await.is(409);
    root.post("/api/v1/login/totp", current.clone()).await.is(409);
    assert_eq!(root.get("/api/v1/login").await.is(200).json["second_factor"], true);

    let refused = guest.sign_in("root", PASSWORD).await.is(401);
    assert_eq!(refused.json["type"], "/problems/second-factor");
    sign_in(&guest, &code(&app, secret)).await.is(401);
    app.pass_minutes(1);
    let now = code(&app, secret);
    sign_in(&guest, &now).await.is(200);
    let again = sign_in(&guest, &now).await.is(401);
    assert_eq!(again.json["type"], "/problems/second-factor");
    let lost = recovery[0].as_str().unwrap().to_uppercase();
    let elsewhere = guest.clone().from("192.0.2.50");
    sign_in(&elsewhere, &lost).await.is(200);
    sign_in(&elsewhere, &lost).await.is(401);
    // Without the password no code helps, and nobody learns that one would be asked for.
    let wrong = json!({ "name": "root", "password": "wrong", "code": code(&app, secret) });
    let wrong = elsewhere.post("/api/v1/login", wrong).await.is(401);
    assert_eq!(wrong.json["type"], "about:blank");

    root.post("/api/v1/login/totp/remove", current).await.is(204);
    guest.clone().from("192.0.2.51").sign_in("root", PASSWORD).await.is(200);
    let kept = std::fs::read(app.folder.path().join("radiusd.db")).unwrap();
    let holds = |text: &str| kept.windows(text.len()).any(|octets| octets == text.as_bytes());
    assert!(!holds(secret) && !holds(recovery[1].as_str().unwrap()));
    let actions = app.actions().await;
    for action in ["factor.offer", "factor.add", "factor.recover", "factor.remove"] {
        assert!(actions.iter().any(|told| told == action), "{action}");
    }
}

#[tokio::test]
async fn codes_are_not_guessed_by_who_has_the_password() {
    let (app, root, guest) = TestApp::start().await;
    let current = json!({ "current": PASSWORD });
    let offered = root.post("/api/v1/login/totp", current).await.is(200).json;
    let secret = offered["secret"].as_str().unwrap();
    let confirm = json!({ "code": code(&app, secret) });
    root.put("/api/v1/login/totp", confirm).await.is(200);
    // Nor does asking without a code between two guesses help.
    guest.sign_in("root", PASSWORD).await.is(401);
    sign_in(&guest, "000000").await.is(401);
    guest.sign_in("root", PASSWORD).await.is(401);
    sign_in(&guest, "000001").await.is(401);
    guest.sign_in("root", PASSWORD).await.is(401);
    sign_in(&guest, "000002").await.is(429);
}

#[tokio::test]
async fn a_lost_app_is_taken_away_by_who_may() {
    let (app, root, guest) = TestApp::start().await;
    let id = app.operator("ann", "support").await;
    let ann = app.enter("ann").await;
    let offered = ann.post("/api/v1/login/totp", json!({ "current": PASSWORD })).await.is(200).json;
    let confirm = json!({ "code": code(&app, offered["secret"].as_str().unwrap()) });
    ann.put("/api/v1/login/totp", confirm).await.is(200);
    guest.sign_in("ann", PASSWORD).await.is(401);
    let path = format!("/api/v1/operators/{id}/totp");
    ann.delete(&path).await.is(403);
    root.delete(&path).await.is(204);
    root.delete(&path).await.is(404);
    guest.sign_in("ann", PASSWORD).await.is(200);
}
