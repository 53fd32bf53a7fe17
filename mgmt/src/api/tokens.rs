//! API tokens: programs act for an operator, within scopes, until a day.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::body::{Body, Id, time};
use crate::guard::{Permit, Secret};
use crate::page::{Asked, Page, Part};
use crate::permission::{ReadTokens, Set, WriteTokens, find};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 90;
const DAYS_MAX: i64 = 3_650;

#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    id: Uuid,
    name: String,
    /// For whom it acts.
    operator: Uuid,
    operator_name: String,
    /// Permissions; of these it has those that its operator has.
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    expires: String,
    /// To the minute.
    #[schema(format = DateTime)]
    last_used: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    #[schema(max_length = 64)]
    name: String,
    /// Permissions, none that one hasn't oneself.
    scopes: Vec<String>,
    /// Days until it expires.
    #[schema(minimum = 1, maximum = 3650, default = 90)]
    days: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TokenWithSecret {
    #[serde(flatten)]
    token: Token,
    /// What the program sends as `Authorization: Bearer`. Shown here and never again.
    secret: String,
}

impl From<schema::Token> for Token {
    fn from(token: schema::Token) -> Token {
        Token {
            id: token.id,
            name: token.name,
            operator: token.operator,
            operator_name: token.operator_name,
            scopes: token.scopes,
            created: time(token.created_ms),
            expires: time(token.expires_ms),
            last_used: token.used_ms.map(time),
        }
    }
}

/// List tokens
///
/// Everybody's, or those of the own tenant's operators; the oldest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "listTokens",
    params(Part), responses((status = 200, body = Page<Token>)))]
pub(crate) async fn list(
    permit: Permit<ReadTokens>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Token>>, Problem> {
    let limit = part.limit()?;
    let rows = permit.store().list_tokens(permit.scope(), part.after()?, limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| row.id.to_string(), Token::from)))
}

/// Make a token for oneself
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "addToken",
    request_body = NewToken, responses((status = 201, body = TokenWithSecret)))]
pub(crate) async fn add(
    permit: Permit<WriteTokens>,
    Body(asked): Body<NewToken>,
) -> Result<Response, Problem> {
    if permit.login().is_none() {
        return Err(Problem::forbidden("A token can't make another one."));
    }
    let (me, now) = (permit.operator(), permit.context().now_ms());
    let (token, secret) = make(&asked.name, me, &asked.scopes, asked.days, now)?;
    if !permit.granted().covers(Set::of_names(&token.scopes)) {
        return Err(Problem::forbidden("These scopes permit more than you may do yourself."));
    }
    permit.store().add_token(permit.actor(), &token, &secret.hash()).await?;
    let answer = TokenWithSecret { token: token.into(), secret: secret.token() };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Remove a token
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "removeToken",
    params(("id" = Uuid, Path)), responses((status = 204, description = "It opens nothing more.")))]
pub(crate) async fn remove(permit: Permit<WriteTokens>, Id(id): Id) -> Result<StatusCode, Problem> {
    match permit.store().remove_token(permit.actor(), permit.scope(), id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("token")),
    }
}

/// A token for the command line: with its secret and the hash by which the store knows that.
pub fn new_token(
    name: &str,
    operator: &schema::Operator,
    scopes: &[String],
    days: Option<i64>,
) -> Result<(schema::Token, String, String), Problem> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (token, secret) = make(name, operator, scopes, days, now_ms)?;
    Ok((token, secret.token(), secret.hash()))
}

/// A token for an operator and what opens the door with it, or what is wrong.
fn make(
    name: &str,
    operator: &schema::Operator,
    scopes: &[String],
    days: Option<i64>,
    now_ms: i64,
) -> Result<(schema::Token, Secret), Problem> {
    let length = name.chars().count();
    if !(1..=64).contains(&length) || name.chars().any(char::is_control) {
        return Err(Problem::field("name", "1 to 64 characters"));
    }
    if let Some(unknown) = scopes.iter().find(|scope| find(scope).is_none()) {
        let unknown: String = unknown.chars().take(64).collect();
        return Err(Problem::field("scopes", format!("there is no permission {unknown}")));
    }
    let days = days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::field("days", format!("1 to {DAYS_MAX}")));
    }
    let names = Set::of_names(scopes).names();
    let token = schema::Token {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        operator: operator.id,
        operator_name: operator.name.clone(),
        scopes: names.into_iter().map(str::to_owned).collect(),
        created_ms: now_ms,
        expires_ms: now_ms + days * DAY_MS,
        used_ms: None,
    };
    Ok((token, Secret::random()))
}
