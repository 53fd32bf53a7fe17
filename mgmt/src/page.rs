//! What a browser finds at `/` as long as there is no user interface.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

const FRONT: &str = include_str!("front.html");

/// The page loads nothing and runs nothing, and its policy says so.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn front() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(FRONT)).into_response()
}
