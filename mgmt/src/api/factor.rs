//! One's own second factor: an app whose codes are asked for beside the password.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operators;
use crate::body::{Body, Id};
use crate::guard::Permit;
use crate::permission::{Entered, WriteOperators};
use crate::{Problem, totp};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    /// One's own, once more.
    #[schema(format = Password)]
    current: String,
}

/// For the app.
#[derive(Serialize, ToSchema)]
pub(crate) struct OfferedFactor {
    /// To be typed into it.
    secret: String,
    /// What a QR code for it holds.
    uri: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstCode {
    /// What the app shows now.
    code: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// For when the app is lost, each good once. Shown here and never again.
    recovery_codes: Vec<String>,
}

/// Begin with a second factor
///
/// It is asked for from when a code of it has been shown.
#[utoipa::path(post, path = "/api/v1/login/totp", tag = "login", operation_id = "offerFactor",
    request_body = OwnPassword,
    responses((status = 200, body = OfferedFactor),
        (status = 409, description = "There is one already.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn offer(
    permit: Permit<Entered>,
    Body(asked): Body<OwnPassword>,
) -> Result<Json<OfferedFactor>, Problem> {
    let me = permit.operator();
    permit.context().confirm(me, asked.current, permit.source()).await?;
    let secret = totp::random_secret();
    let sealed = permit.context().field_keys().seal(&me.id.to_string(), &secret);
    let told = totp::told(&secret, &me.name);
    let (Some(sealed), Some((secret, uri))) = (sealed, told) else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(Problem::new(status, "The secret can't be encrypted."));
    };
    permit.store().offer_factor(permit.actor(), me, &sealed).await?;
    Ok(Json(OfferedFactor { secret, uri }))
}

/// Confirm a second factor
#[utoipa::path(put, path = "/api/v1/login/totp", tag = "login", operation_id = "confirmFactor",
    request_body = FirstCode,
    responses((status = 200, body = RecoveryCodes),
        (status = 409, description = "None is to be confirmed.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn confirm(
    permit: Permit<Entered>,
    Body(asked): Body<FirstCode>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let me = permit.operator();
    let none = || Problem::new(StatusCode::CONFLICT, "No second factor is to be confirmed.");
    let offered = permit.store().find_factor(me.id).await?;
    let offered = offered.filter(|factor| !factor.confirmed).ok_or_else(none)?;
    let step = permit.context().step_of(me, &offered, &asked.code)?;
    let step = step.ok_or_else(|| Problem::field("code", "is not what the app shows now"))?;
    let (recovery_codes, hashes) = totp::recovery_codes();
    match permit.store().confirm_factor(permit.actor(), me, step, &hashes).await? {
        true => Ok(Json(RecoveryCodes { recovery_codes })),
        false => Err(none()),
    }
}

/// Do without a second factor
#[utoipa::path(post, path = "/api/v1/login/totp/remove", tag = "login",
    operation_id = "removeOwnFactor", request_body = OwnPassword,
    responses((status = 204, description = "The password alone is asked for.")))]
pub(crate) async fn remove_own(
    permit: Permit<Entered>,
    Body(asked): Body<OwnPassword>,
) -> Result<StatusCode, Problem> {
    let me = permit.operator();
    permit.context().confirm(me, asked.current, permit.source()).await?;
    permit.store().remove_factor(permit.actor(), me).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an operator's second factor away
///
/// For one whose app is lost, with the recovery codes.
#[utoipa::path(delete, path = "/api/v1/operators/{id}/totp", tag = "operators",
    operation_id = "removeFactor", params(("id" = Uuid, Path)),
    responses((status = 204, description = "The password alone is asked for.")))]
pub(crate) async fn remove(
    permit: Permit<WriteOperators>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let operator = operators::find(&permit, id).await?;
    operators::may_touch(&permit, &operator).await?;
    match permit.store().remove_factor(permit.actor(), &operator).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("second factor")),
    }
}
