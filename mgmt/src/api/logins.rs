//! Where one is signed in, and out with those that are not oneself.

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::body::{Id, time};
use crate::guard::{IDLE_MS, Permit};
use crate::page::Page;
use crate::permission::Entered;

#[derive(Serialize, ToSchema)]
pub(crate) struct Login {
    id: Uuid,
    /// The one that asks.
    current: bool,
    #[schema(format = DateTime)]
    created: String,
    /// To the minute.
    #[schema(format = DateTime)]
    last_seen: String,
    #[schema(format = DateTime)]
    expires: String,
    /// The address it came from.
    source: String,
    /// What the browser calls itself.
    agent: String,
}

/// One's own logins
#[utoipa::path(get, path = "/api/v1/logins", tag = "login", operation_id = "listLogins",
    responses((status = 200, body = Page<Login>)))]
pub(crate) async fn list(permit: Permit<Entered>) -> Result<Json<Page<Login>>, Problem> {
    let now = permit.context().now_ms();
    let mut logins = permit.store().list_logins(permit.operator().id).await?;
    logins.retain(|login| login.expires_ms > now && now - login.seen_ms < IDLE_MS);
    let current = permit.login().map(|login| login.id);
    let show = |login: schema::Login| Login {
        id: login.id,
        current: current == Some(login.id),
        created: time(login.created_ms),
        last_seen: time(login.seen_ms),
        expires: time(login.expires_ms),
        source: login.source,
        agent: login.agent,
    };
    // An operator has fifty at most.
    Ok(Json(Page { items: logins.into_iter().map(show).collect(), next: None }))
}

/// End one of one's own logins
#[utoipa::path(delete, path = "/api/v1/logins/{id}", tag = "login", operation_id = "removeLogin",
    params(("id" = Uuid, Path)), responses((status = 204, description = "It has ended.")))]
pub(crate) async fn remove(permit: Permit<Entered>, Id(id): Id) -> Result<StatusCode, Problem> {
    let me = permit.operator().id;
    match permit.store().remove_login(permit.actor(), id, me).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("login")),
    }
}
