//! What a request brings: JSON whose mistakes are named by field, ids, and the tag of what is to be
//! changed.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::Deserialize as _;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Problem;

/// A request's JSON.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let detail = "The body has to be application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let octets = read(request).await?;
        let mut json = serde_json::Deserializer::from_slice(&octets);
        let read: Result<T, _> = serde_path_to_error::deserialize(&mut json);
        let read = read.map_err(|error| of_json(&error))?;
        json.end().map_err(|_| bad_json())?;
        Ok(Body(read))
    }
}

/// All of a body, as long as it may be.
pub(crate) async fn read(request: Request) -> Result<Bytes, Problem> {
    let octets = Bytes::from_request(request, &()).await;
    octets.map_err(|rejection| {
        Problem::new(rejection.status(), "The body can't be read, or is too long.")
    })
}

fn of_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return bad_json();
    }
    // Serde adds where in the text it was; the field says more. It also quotes what it found,
    // which may be a password.
    let text = inner.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let detail = match text.split_once(", expected ") {
        Some((_, expected)) if text.starts_with("invalid") => format!("expected {expected}"),
        _ => text.to_owned(),
    };
    let path = error.path().to_string();
    let named = text.split('`').nth(1).filter(|_| text.contains("field `"));
    match (path.as_str(), named) {
        (".", Some(field)) => Problem::field(field, detail),
        (".", None) => Problem::field("body", detail),
        (path, _) => Problem::field(path, detail),
    }
}

fn bad_json() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "The body is not JSON.")
}

/// A field that may be null: `None` where nothing was said, `Some(None)` for null.
pub(crate) fn said<'d, T, D>(value: D) -> Result<Option<Option<T>>, D::Error>
where
    T: serde::Deserialize<'d>,
    D: serde::Deserializer<'d>,
{
    Option::deserialize(value).map(Some)
}

/// The id in a path. What is none of ours is nothing's.
pub(crate) struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let id = Path::<Uuid>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Id(id)).map_err(|_| Problem::not_found("id"))
    }
}

/// The id of a row of FreeRADIUS's in a path.
pub(crate) struct RowId(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for RowId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<RowId, Problem> {
        let id = Path::<i64>::from_request_parts(parts, state).await;
        id.map(|Path(id)| RowId(id)).map_err(|_| Problem::not_found("id"))
    }
}

/// The name in a path.
pub(crate) struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let name = name.ok().filter(|Path(name)| !name.contains('\0'));
        name.map(|Path(name)| Name(name)).ok_or_else(|| Problem::not_found("name"))
    }
}

/// By what a request is known that may be sent again.
pub(crate) struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IdempotencyKey, Problem> {
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Ok(IdempotencyKey(None));
        };
        let key = key.to_str().ok().filter(|key| (1..=128).contains(&key.len()));
        let key = key.ok_or_else(|| Problem::field("Idempotency-Key", "1 to 128 characters"))?;
        Ok(IdempotencyKey(Some(key.to_owned())))
    }
}

/// What the caller has seen of what is to be changed.
pub(crate) struct IfMatch(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IfMatch, Problem> {
        let tag = parts.headers.get(IF_MATCH).map(|tag| tag.to_str().unwrap_or("?").to_owned());
        Ok(IfMatch(tag))
    }
}

impl IfMatch {
    /// 412 unless nothing was said, or this is what was seen.
    pub fn check(&self, now: &impl Serialize) -> Result<(), Problem> {
        let Some(seen) = &self.0 else { return Ok(()) };
        let now = tag(now);
        if seen.split(',').any(|seen| seen.trim() == now || seen.trim() == "*") {
            return Ok(());
        }
        let detail = "Somebody else has changed it meanwhile; read it again.";
        Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
    }
}

/// A hash of the content.
fn tag(content: &impl Serialize) -> String {
    let json = serde_json::to_vec(content).unwrap_or_default();
    format!("\"{}\"", hex::encode(&Sha256::digest(json)[..16]))
}

/// An answer with the tag of what it shows; `content` is what people edit of it.
pub(crate) fn tagged(content: &impl Serialize, answer: impl IntoResponse) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&tag(content)) {
        headers.insert(ETAG, tag);
    }
    (headers, answer).into_response()
}

/// Times as the API writes them: RFC 3339, UTC.
pub(crate) fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

/// A time of a request, in milliseconds since 1970.
pub(crate) fn milliseconds(field: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Some(time.as_millisecond())),
        Err(_) => Err(Problem::field(field, "expected a time such as 2026-01-31T12:00:00Z")),
    }
}

/// The same in seconds.
pub(crate) fn seconds(field: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    Ok(milliseconds(field, text)?.map(|ms| ms.div_euclid(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[expect(dead_code, reason = "only read")]
        count: u8,
        #[expect(dead_code, reason = "only read")]
        names: Vec<String>,
    }

    async fn read(kind: &str, text: &str) -> serde_json::Value {
        let request = Request::builder().header(CONTENT_TYPE, kind);
        let request = request.body(body::Body::from(text.to_owned())).unwrap();
        let problem = Body::<Thing>::from_request(request, &()).await.err().unwrap();
        serde_json::to_value(problem).unwrap()
    }

    #[tokio::test]
    async fn mistakes_are_named_by_field_and_values_never_shown() {
        let json = "application/json; charset=utf-8";
        for (text, field, detail) in [
            (r#"{"count": "secret", "names": []}"#, "count", "expected u8"),
            (r#"{"count": 999, "names": []}"#, "count", "expected u8"),
            (r#"{"count": 1, "names": ["a", 7]}"#, "names[1]", "expected a string"),
            (r#"{"count": 1}"#, "names", "missing field `names`"),
            (r#"{"count": 1, "names": [], "more": 1}"#, "more", "unknown field `more`"),
            ("[]", "body", ""),
        ] {
            let problem = read(json, text).await;
            assert_eq!(problem["status"], 422, "{problem}");
            assert_eq!(problem["fields"][0]["field"], field, "{problem}");
            let told = problem["fields"][0]["detail"].as_str().unwrap();
            assert!(told.starts_with(detail) && !told.contains("secret"), "{problem}");
        }
        assert_eq!(read(json, "{").await["status"], 400);
        assert_eq!(read("text/plain", "{}").await["status"], 415);
        assert_eq!(time(1), "1970-01-01T00:00:00.001Z");
    }
}
