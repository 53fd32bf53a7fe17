//! Operators: who manages, in which role. Nobody gives away, or lays hands on, more than he has.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::users;
use crate::body::{Body, Id, IfMatch, said, tagged, time};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{BuiltIn, ReadOperators, Right, Set, WriteOperators, confined, granted};
use crate::problem::Field;
use crate::{Problem, password};

/// Characters at most of what is free text.
const TEXT_MAX: usize = 200;

#[derive(Serialize, ToSchema)]
pub(crate) struct Operator {
    id: Uuid,
    #[serde(flatten)]
    edited: Edited,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    password_changed: String,
    #[schema(format = DateTime)]
    last_login: Option<String>,
}

/// What people change of an operator; its tag is over this.
#[derive(Serialize, ToSchema)]
pub(crate) struct Edited {
    name: String,
    full_name: String,
    email: String,
    /// A built-in role's name or the id of another one.
    role: String,
    /// The tenant whose things are all that this operator sees; null sees everything.
    tenant: Option<Uuid>,
    disabled: bool,
    must_change_password: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOperator {
    /// Letters, digits and `. _ - @ +`; told apart without regard to case.
    #[schema(max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    full_name: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    email: String,
    role: String,
    /// One of the caller's own tenant, where that has one.
    tenant: Option<Uuid>,
    /// Without one, a password is made up and shown once. Either has to be changed at the first
    /// sign-in.
    #[schema(format = Password)]
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorChange {
    name: Option<String>,
    full_name: Option<String>,
    email: Option<String>,
    role: Option<String>,
    /// Null lifts the confinement to a tenant.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Uuid>)]
    tenant: Option<Option<Uuid>>,
    disabled: Option<bool>,
    must_change_password: Option<bool>,
}

/// An operator who has just been given a password.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorWithPassword {
    #[serde(flatten)]
    operator: Operator,
    /// Shown here and never again; null where it was given.
    one_time_password: Option<String>,
}

impl From<&schema::Operator> for Edited {
    fn from(operator: &schema::Operator) -> Edited {
        let operator = operator.clone();
        Edited {
            name: operator.name,
            full_name: operator.full_name,
            email: operator.email,
            role: operator.role,
            tenant: operator.tenant,
            disabled: operator.disabled,
            must_change_password: operator.must_change,
        }
    }
}

impl From<schema::Operator> for Operator {
    fn from(operator: schema::Operator) -> Operator {
        Operator {
            id: operator.id,
            edited: Edited::from(&operator),
            created: time(operator.created_ms),
            password_changed: time(operator.password_ms),
            last_login: operator.last_login_ms.map(time),
        }
    }
}

/// List operators
#[utoipa::path(get, path = "/api/v1/operators", tag = "operators", operation_id = "listOperators",
    params(Part), responses((status = 200, body = Page<Operator>)))]
pub(crate) async fn list(
    permit: Permit<ReadOperators>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Operator>>, Problem> {
    let limit = part.limit()?;
    let after = part.after::<String>()?;
    let rows = permit.store().list_operators(permit.scope(), after.as_deref(), limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| row.name.clone(), Operator::from)))
}

/// Show an operator
#[utoipa::path(get, path = "/api/v1/operators/{id}", tag = "operators",
    operation_id = "showOperator", params(("id" = Uuid, Path)),
    responses((status = 200, body = Operator, headers(("ETag" = String)))))]
pub(crate) async fn show(permit: Permit<ReadOperators>, Id(id): Id) -> Result<Response, Problem> {
    let operator = find(&permit, id).await?;
    Ok(shown(operator))
}

/// Add an operator
#[utoipa::path(post, path = "/api/v1/operators", tag = "operators", operation_id = "addOperator",
    request_body = NewOperator,
    responses((status = 201, body = OperatorWithPassword),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteOperators>,
    Body(asked): Body<NewOperator>,
) -> Result<Response, Problem> {
    let NewOperator { name, full_name, email, role, tenant, password } = asked;
    let operator = schema::Operator {
        id: Uuid::now_v7(),
        name,
        full_name,
        email,
        role,
        tenant: tenant.or(permit.scope().tenant()),
        must_change: true,
        ..schema::Operator::default()
    };
    check(&operator)?;
    users::may_give(&permit, operator.tenant).await?;
    may_give(&permit, &operator).await?;
    if let Some(password) = &password {
        let about = [operator.name.as_str(), &operator.full_name, &operator.email];
        password::check(password, &about).map_err(|why| Problem::field("password", why))?;
    }
    let made_up = password.is_none().then(password::generate);
    let password = password.or_else(|| made_up.clone()).unwrap_or_default();
    let hash = permit.context().hasher().hash(password).await?;
    permit.store().add_operator(permit.actor(), &operator, Some(&hash)).await?;
    let operator = Operator::from(find(&permit, operator.id).await?);
    let answer = OperatorWithPassword { operator, one_time_password: made_up };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Change an operator
///
/// What isn't named stays. Who is disabled, or gets another role or tenant, is signed out.
#[utoipa::path(patch, path = "/api/v1/operators/{id}", tag = "operators",
    operation_id = "changeOperator",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = OperatorChange,
    responses((status = 200, body = Operator, headers(("ETag" = String))),
        (status = 409, description = "The name is taken, or nobody would administer.",
            body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn change(
    permit: Permit<WriteOperators>,
    Id(id): Id,
    seen: IfMatch,
    Body(asked): Body<OperatorChange>,
) -> Result<Response, Problem> {
    let before = find(&permit, id).await?;
    may_touch(&permit, &before).await?;
    seen.check(&Edited::from(&before))?;
    let old = before.clone();
    let after = schema::Operator {
        name: asked.name.unwrap_or(old.name),
        full_name: asked.full_name.unwrap_or(old.full_name),
        email: asked.email.unwrap_or(old.email),
        role: asked.role.unwrap_or(old.role),
        tenant: asked.tenant.unwrap_or(old.tenant),
        disabled: asked.disabled.unwrap_or(old.disabled),
        must_change: asked.must_change_password.unwrap_or(old.must_change),
        ..old
    };
    check(&after)?;
    if after.tenant != before.tenant {
        users::may_give(&permit, after.tenant).await?;
    }
    if after.role != before.role || after.tenant != before.tenant {
        may_give(&permit, &after).await?;
    }
    if after != before {
        permit.store().update_operator(permit.actor(), &before, &after).await?;
    }
    Ok(shown(after))
}

/// Remove an operator
///
/// With logins and tokens. What was done stays in the audit log.
#[utoipa::path(delete, path = "/api/v1/operators/{id}", tag = "operators",
    operation_id = "removeOperator",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The operator is gone."),
        (status = 409, description = "Nobody would administer.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn remove(
    permit: Permit<WriteOperators>,
    Id(id): Id,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let before = find(&permit, id).await?;
    may_touch(&permit, &before).await?;
    seen.check(&Edited::from(&before))?;
    match permit.store().remove_operator(permit.actor(), &before).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("operator")),
    }
}

/// Give an operator a one-time password
///
/// It is shown once, has to be changed at the next sign-in, and ends all logins.
#[utoipa::path(post, path = "/api/v1/operators/{id}/reset", tag = "operators",
    operation_id = "resetOperator", params(("id" = Uuid, Path)),
    responses((status = 200, body = OperatorWithPassword)))]
pub(crate) async fn reset(
    permit: Permit<WriteOperators>,
    Id(id): Id,
) -> Result<Json<OperatorWithPassword>, Problem> {
    let before = find(&permit, id).await?;
    may_touch(&permit, &before).await?;
    let password = password::generate();
    let hash = permit.context().hasher().hash(password.clone()).await?;
    if !permit.store().set_password(permit.actor(), id, &hash, true, None).await? {
        return Err(Problem::not_found("operator"));
    }
    let operator = Operator::from(find(&permit, id).await?);
    Ok(Json(OperatorWithPassword { operator, one_time_password: Some(password) }))
}

fn shown(operator: schema::Operator) -> Response {
    let edited = Edited::from(&operator);
    tagged(&edited, Json(Operator::from(operator)))
}

pub(crate) async fn find<P: Right>(
    permit: &Permit<P>,
    id: Uuid,
) -> Result<schema::Operator, Problem> {
    let found = permit.store().find_operator(id).await?;
    let found = found.filter(|operator| permit.scope().admits(operator.tenant));
    found.ok_or_else(|| Problem::not_found("operator"))
}

/// What a role permits; `None` for a role that there is not.
async fn set_of<P: Right>(permit: &Permit<P>, role: &str) -> Result<Option<Set>, Problem> {
    if let Some(role) = BuiltIn::named(role) {
        return Ok(Some(role.permissions()));
    }
    let Ok(id) = role.parse::<Uuid>() else { return Ok(None) };
    let found = permit.store().find_role(id).await?;
    Ok(found.map(|own| granted(role, Some(&own.permissions))))
}

/// Nobody gives a role that permits more than his own, where it is given.
async fn may_give<P: Right>(permit: &Permit<P>, to: &schema::Operator) -> Result<(), Problem> {
    let Some(set) = set_of(permit, &to.role).await? else {
        return Err(Problem::field("role", "there is no such role"));
    };
    let set = confined(set, to.tenant);
    if permit.granted().covers(set) {
        return Ok(());
    }
    Err(Problem::forbidden("This role permits more than you may do yourself."))
}

/// Nobody changes who may do more than he.
pub(crate) async fn may_touch<P: Right>(
    permit: &Permit<P>,
    whom: &schema::Operator,
) -> Result<(), Problem> {
    let set = set_of(permit, &whom.role).await?.unwrap_or(Set::NONE);
    let set = confined(set, whom.tenant);
    if permit.granted().covers(set) {
        return Ok(());
    }
    Err(Problem::forbidden("This operator may do more than you may yourself."))
}

/// Every field that can't be what it is.
fn check(operator: &schema::Operator) -> Result<(), Problem> {
    let wrong = mistakes(operator);
    if wrong.is_empty() { Ok(()) } else { Err(Problem::fields(wrong)) }
}

/// What is wrong with an operator's own fields; its role is for the store to know.
#[must_use]
pub fn mistakes(operator: &schema::Operator) -> Vec<Field> {
    let mut wrong = Vec::new();
    let mut say = |field: &str, detail: String| {
        wrong.push(Field { field: field.to_owned(), detail });
    };
    if !is_name(&operator.name) {
        say("name", "1 to 64 letters, digits and . _ - @ +".to_owned());
    }
    for (field, text) in [("full_name", &operator.full_name), ("email", &operator.email)] {
        if text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
            say(field, format!("at most {TEXT_MAX} characters in one line"));
        }
    }
    if !operator.email.is_empty() && !is_email(&operator.email) {
        say("email", "expected an address such as ann@example.com".to_owned());
    }
    wrong
}

pub(crate) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    let whole = |part: &str| !part.is_empty() && !part.contains(['@', ' ', '<', '>', '"']);
    parts.is_some_and(|(who, at)| whole(who) && whole(at))
}
