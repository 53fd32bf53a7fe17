//! What holds for every request, before anybody looks at it: the right host, no foreign page, not
//! too often, not too long, and headers that keep a browser from being used against its owner.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::guard::{self, Context};
use crate::{Problem, body};

/// Octets of a body at most.
pub const BODY_MAX: usize = 256 * 1024;
/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of the API loads nothing and is shown nowhere. Pages say what they need themselves.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Around all routes.
pub(crate) fn protect(router: Router<Context>, context: &Context) -> Router<Context> {
    router
        .layer(middleware::from_fn_with_state(context.clone(), admit))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(context.clone(), harden))
}

/// Whether a request is looked at at all, and how long.
async fn admit(State(context): State<Context>, request: Request, next: Next) -> Response {
    if is_probe(request.uri()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if let Err(problem) = is_for_us(&parts.headers, &parts.uri, &context) {
        return problem.into_response();
    }
    let public_url = context.public_url();
    if let Some(problem) = guard::foreign(&parts.method, &parts.headers, public_url) {
        return problem.into_response();
    }
    let source = guard::source(&parts, &context);
    if !context.rate().take(source, context.now_ms()) {
        return Problem::too_many("Too many requests; wait a moment.", 1).into_response();
    }
    let whole = async {
        // All of it, before anything of ours waits for it: a turn at the store, for instance.
        let octets = body::read(Request::from_parts(parts.clone(), body)).await?;
        Ok(next.run(Request::from_parts(parts, Body::from(octets))).await)
    };
    match tokio::time::timeout(PATIENCE, whole).await {
        Ok(answer) => answer.unwrap_or_else(|problem: Problem| problem.into_response()),
        Err(_) => {
            let detail = "It took too long and was given up.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

/// A load balancer asks by address, and often.
fn is_probe(uri: &Uri) -> bool {
    uri.path().starts_with("/health/")
}

/// A name that leads here and is not ours is somebody's who wants the answer for his own page.
fn is_for_us(headers: &HeaderMap, uri: &Uri, context: &Context) -> Result<(), Problem> {
    let Some(public_url) = context.public_url() else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    if host.is_some_and(|host| public_url.is_host(host)) {
        return Ok(());
    }
    let detail = "This server answers to its http.public_url only.";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

/// Sets what an answer does not set itself.
async fn harden(State(context): State<Context>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let all = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in all {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if context.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
    response
}

/// What was said of the mistake stands in the log already.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request met a mistake of ours");
    let detail = "A mistake of ours; the log says more.";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
