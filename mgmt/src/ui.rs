//! What a browser finds: the web interface, packed into the binary, or how to build it.

use axum::body::Bytes;
use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::problem;

/// One file, with its packed forms where they are shorter.
struct File {
    path: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

mod packed {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/ui.rs"));
}

const PAGE: &str = "/index.html";
const UNBUILT: &str = include_str!("unbuilt.html");

/// Nothing runs but our own files. Element Plus places its pop-ups by style attributes, which no
/// hash or nonce can admit: hence 'unsafe-inline', for styles alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A file of the interface; at every other address that a browser opens as a page, the interface
/// itself, which knows its pages.
pub(crate) async fn show(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let asked = method == Method::GET || method == Method::HEAD;
    if asked && let Some(file) = find(path) {
        return send(file, &headers);
    }
    if !asked || !is_page(path, &headers) {
        return problem::no_such_page(uri).await.into_response();
    }
    match find(PAGE) {
        Some(file) => send(file, &headers),
        None => unbuilt(&headers),
    }
}

fn find(path: &str) -> Option<&'static File> {
    packed::FILES.iter().find(|file| file.path == path)
}

fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let ours = ["/api/", "/assets/", "/health/"].iter().any(|start| path.starts_with(start));
    let file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    path == "/" || (!ours && !file && accept.is_some_and(|accept| accept.contains("text/html")))
}

fn send(file: &'static File, headers: &HeaderMap) -> Response {
    // A name under /assets/ holds a hash of what is inside.
    let keep = match file.path.starts_with("/assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let (body, encoding) = match (file.brotli, file.gzip) {
        (Some(packed), _) if accepts(headers, "br") => (packed, Some("br")),
        (_, Some(packed)) if accepts(headers, "gzip") => (packed, Some("gzip")),
        _ => (file.plain, None),
    };
    let mut response = answer(Bytes::from_static(body), file.tag, headers);
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(file.path)));
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    answered.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answered.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        answered.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn answer(body: Bytes, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag));
    let tag = [(header::ETAG, tag)];
    if is_known {
        (StatusCode::NOT_MODIFIED, tag).into_response()
    } else {
        (tag, body).into_response()
    }
}

fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let accept = headers.get(header::ACCEPT_ENCODING).and_then(|accept| accept.to_str().ok());
    accept.unwrap_or_default().split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        name.trim() == coding && !["q=0", "q=0.0"].contains(&weight.trim())
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// It loads nothing and runs nothing, and its policy says so: but for its own style.
fn unbuilt(headers: &HeaderMap) -> Response {
    let style = UNBUILT.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style)));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(UNBUILT)));
    let response = answer(Bytes::from_static(UNBUILT.as_bytes()), &tag, headers);
    let said = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (said, response).into_response()
}
