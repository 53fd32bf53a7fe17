//! OAuth 2's client credentials: a program shows its token once, and then short-lived proofs of it.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access_token::SECONDS;
use crate::guard::Context;
use crate::{Problem, body};

/// RFC 6749 §4.4.2.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Grant {
    /// `client_credentials`
    grant_type: Option<String>,
    /// A token's id, unless HTTP Basic says it.
    client_id: Option<String>,
    /// What the token showed when it was made.
    #[schema(format = Password)]
    client_secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AccessToken {
    /// What is sent as `Authorization: Bearer`.
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Permissions, with a space between them; of these it has those that its operator has.
    scope: String,
}

/// Exchange a token for a short-lived one
///
/// OAuth 2's client credentials (RFC 6749 §4.4): the client is an API token, by its id and its secret.
/// What may be done is looked up for each request; when the API token goes, what came of it goes too.
#[utoipa::path(post, path = "/api/v1/oauth/token", tag = "tokens", operation_id = "issueAccessToken",
    request_body(content = Grant, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = AccessToken),
        (status = 401, description = "`invalid_client`: the id or the secret is wrong, or it has expired.",
            body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn issue(
    State(context): State<Context>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let grant = grant(&headers, request).await?;
    if grant.grant_type.as_deref() != Some("client_credentials") {
        return Err(wrong("unsupported_grant_type", "grant_type has to be client_credentials."));
    }
    let (id, secret) = match basic(&headers) {
        Some(basic) => basic,
        None => (grant.client_id.unwrap_or_default(), grant.client_secret.unwrap_or_default()),
    };
    let refused = || Problem::unauthorized("The client is unknown.").of_error("invalid_client");
    let id: Uuid = id.parse().map_err(|_| refused())?;
    let issued = context.issue_access_token(id, &secret).await?;
    let (access_token, scopes) = issued.ok_or_else(refused)?;
    let scope = scopes.join(" ");
    let token = AccessToken { access_token, token_type: "Bearer", expires_in: SECONDS, scope };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response())
}

async fn grant(headers: &HeaderMap, request: Request) -> Result<Grant, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let detail = "The body has to be application/x-www-form-urlencoded.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let octets = body::read(request).await?;
    serde_urlencoded::from_bytes(&octets)
        .map_err(|_| wrong("invalid_request", "The body can't be read."))
}

/// RFC 6749 §2.3.1. Ids and secrets of ours have nothing that a form would encode.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = String::from_utf8(STANDARD.decode(text.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn wrong(error: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).of_error(error)
}
