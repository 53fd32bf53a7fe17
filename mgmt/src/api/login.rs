//! One's own login: in, out, who am I, another password.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderMap};
use schema::Factor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Body, time};
use crate::guard::entry::Door;
use crate::guard::{ABSOLUTE_MS, Context, IDLE_MS, Permit};
use crate::permission::{self, Set};
use crate::{Problem, password};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignIn)]
pub(crate) struct SignIn {
    name: String,
    #[schema(format = Password)]
    password: String,
    /// Of the app, or a recovery code; where `/problems/second-factor` asks for it.
    code: Option<String>,
}

/// Who is signed in, and what that permits.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    id: Uuid,
    name: String,
    full_name: String,
    email: String,
    role: String,
    /// The tenant that confines this operator; null sees everything.
    tenant: Option<Uuid>,
    /// Names of permissions.
    permissions: Vec<String>,
    /// Nothing else is answered until the password is changed.
    must_change_password: bool,
    /// An app's code is asked for beside the password.
    second_factor: bool,
    /// Recovery codes that are left.
    recovery_codes_left: usize,
    /// The login ends then at the latest.
    #[schema(format = DateTime)]
    expires: String,
    /// Seconds without a request after which it ends.
    idle_seconds: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    #[schema(format = Password)]
    current: String,
    /// At least ten characters, and not easily guessed.
    #[schema(format = Password, min_length = 10, max_length = 256)]
    new: String,
}

impl Me {
    fn of(
        operator: &schema::Operator,
        granted: Set,
        factor: Option<&Factor>,
        expires_ms: i64,
    ) -> Me {
        let factor = factor.filter(|factor| factor.confirmed);
        let operator = operator.clone();
        Me {
            id: operator.id,
            name: operator.name,
            full_name: operator.full_name,
            email: operator.email,
            role: operator.role,
            tenant: operator.tenant,
            permissions: granted.names().into_iter().map(str::to_owned).collect(),
            must_change_password: operator.must_change,
            second_factor: factor.is_some(),
            recovery_codes_left: factor.map_or(0, |factor| factor.recovery.len()),
            expires: time(expires_ms),
            idle_seconds: IDLE_MS / 1_000,
        }
    }
}

/// Sign in
///
/// Sets the cookie of a login. A name that nobody has and a wrong password get the same answer. After
/// a right one, `/problems/second-factor` asks for a code, or says that this one is wrong.
#[utoipa::path(post, path = "/api/v1/login", tag = "login", operation_id = "signIn",
    request_body = SignIn,
    responses((status = 200, body = Me),
        (status = 401, description = "The name, the password or the code is wrong.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn enter(
    State(context): State<Context>,
    door: Door,
    Body(asked): Body<SignIn>,
) -> Result<Response, Problem> {
    let entered = context.sign_in(&door, &asked.name, asked.password, asked.code).await?;
    let me = Me::of(
        &entered.operator,
        entered.granted,
        entered.factor.as_ref(),
        entered.login.expires_ms,
    );
    let cookie = set_cookie(&context, &entered.secret.cookie(), ABSOLUTE_MS / 1_000);
    Ok((cookie, Json(me)).into_response())
}

/// Who am I
#[utoipa::path(get, path = "/api/v1/login", tag = "login", operation_id = "showLogin",
    responses((status = 200, body = Me)))]
pub(crate) async fn show(permit: Permit<permission::Entered>) -> Result<Json<Me>, Problem> {
    let factor = permit.store().find_factor(permit.operator().id).await?;
    let expires_ms = permit.login().map_or(0, |login| login.expires_ms);
    Ok(Json(Me::of(permit.operator(), permit.granted(), factor.as_ref(), expires_ms)))
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/login", tag = "login", operation_id = "signOut",
    responses((status = 204, description = "The login has ended.")))]
pub(crate) async fn leave(permit: Permit<permission::Entered>) -> Result<Response, Problem> {
    if let Some(login) = permit.login() {
        permit.store().remove_login(permit.actor(), login.id, login.operator).await?;
    }
    Ok((StatusCode::NO_CONTENT, set_cookie(permit.context(), "", 0)).into_response())
}

/// Change one's own password
///
/// Ends all other logins.
#[utoipa::path(put, path = "/api/v1/login/password", tag = "login",
    operation_id = "changeOwnPassword", request_body = NewPassword,
    responses((status = 204, description = "It is changed.")))]
pub(crate) async fn change_password(
    permit: Permit<permission::Entered>,
    Body(asked): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let me = permit.operator();
    let hasher = permit.context().hasher();
    permit.context().confirm(me, asked.current.clone(), permit.source()).await?;
    if asked.new == asked.current {
        return Err(Problem::field("new", "has to be another one"));
    }
    let about = [me.name.as_str(), &me.full_name, &me.email, &asked.current];
    password::check(&asked.new, &about).map_err(|why| Problem::field("new", why))?;
    let hash = hasher.hash(asked.new).await?;
    let keep = permit.login().map(|login| login.id);
    if !permit.store().set_password(permit.actor(), me.id, &hash, false, keep).await? {
        return Err(Problem::not_found("operator"));
    }
    permit.context().forget_first_password(&me.name);
    Ok(StatusCode::NO_CONTENT)
}

fn set_cookie(context: &Context, value: &str, seconds: i64) -> HeaderMap {
    let name = context.cookie();
    let secure = if context.is_secure() { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut headers = HeaderMap::new();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    headers
}
