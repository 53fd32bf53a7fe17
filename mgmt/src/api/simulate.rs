//! What would be answered, now: decided as a packet is, and nothing recorded.

use axum::Json;
use axum::http::StatusCode;
use schema::{Owned, Scope};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Problem;
use crate::body::Body;
use crate::daemon::{Question, Simulated, Unanswered};
use crate::guard::Permit;
use crate::permission::{Permission, ReadAttempts};

const ATTRIBUTES_MAX: usize = 100;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimulatedRequest {
    /// User-Name.
    #[schema(max_length = 253)]
    user: String,
    /// As by PAP. To try passwords takes `users:write`, too.
    #[schema(format = Password, max_length = 128)]
    password: Option<String>,
    /// The NAS that asks: its address, its name or its NAS-Identifier.
    nas: Option<String>,
    /// What else the request says: `NAS-Port-Type=Wireless-802.11`.
    #[serde(default)]
    attributes: Vec<String>,
}

/// Simulate an authentication
///
/// The decision on such a request, with each rule in words. No packet is sent, no attempt recorded.
#[utoipa::path(post, path = "/api/v1/simulate", tag = "attempts", operation_id = "simulate",
    request_body = SimulatedRequest, responses((status = 200, body = Simulated)))]
pub(crate) async fn simulate(
    permit: Permit<ReadAttempts>,
    Body(asked): Body<SimulatedRequest>,
) -> Result<Json<Simulated>, Problem> {
    let SimulatedRequest { user, password, nas, attributes } = asked;
    let nas = nas.map(|nas| nas.trim().to_owned()).filter(|nas| !nas.is_empty());
    if user.is_empty() || user.len() > 253 {
        return Err(Problem::field("user", "1 to 253 octets"));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(Problem::field("attributes", format!("{ATTRIBUTES_MAX} at most")));
    }
    if password.is_some() && !permit.granted().has(Permission::WriteUsers) {
        return Err(Problem::forbidden("To try passwords takes the permission users:write."));
    }
    if permit.scope() != Scope::Everything {
        in_scope(&permit, &user, nas.as_deref()).await?;
    }
    let question = Question { user, password, nas, attributes };
    match permit.context().daemon().simulate(question).await {
        Ok(simulated) => Ok(Json(simulated)),
        Err(Unanswered::Field(field, why)) => Err(Problem::field(field, why)),
        Err(Unanswered::Store(error)) => Err(error.into()),
        Err(Unanswered::Endless) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The rows ask for more than one request may have fetched: no answer.",
        )),
    }
}

/// What is another's is told apart from nothing at all by no word.
async fn in_scope(
    permit: &Permit<ReadAttempts>,
    user: &str,
    nas: Option<&str>,
) -> Result<(), Problem> {
    let scope = permit.scope();
    if !permit.store().is_in_scope(scope, Owned::User, user).await? {
        return Err(Problem::field("user", "there is no such user"));
    }
    let Some(nas) = nas else { return Ok(()) };
    let own = permit.store().nas_in_scope(scope).await?;
    let named = permit.store().list_nas().await?;
    let is_own = named
        .iter()
        .any(|row| own.contains(&row.nasname) && (row.nasname == nas || row.shortname == nas));
    match is_own {
        true => Ok(()),
        false => Err(Problem::field("nas", "there is no such NAS")),
    }
}
