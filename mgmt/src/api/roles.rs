//! Roles: the built-in ones to see, the site's own to change.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::body::{Body, Id, IfMatch, tagged};
use crate::guard::Permit;
use crate::page::Page;
use crate::permission::{
    BuiltIn, Permission as Named, ReadOperators, Right, Set, SignedIn, WriteOperators, find,
};
use crate::problem::Field;

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Role {
    /// A built-in role's name, else a UUID.
    id: String,
    name: String,
    description: String,
    built_in: bool,
    /// Names of permissions.
    permissions: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Permission {
    name: String,
    description: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    #[schema(max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    permissions: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleChange {
    name: Option<String>,
    description: Option<String>,
    permissions: Option<Vec<String>>,
}

impl From<BuiltIn> for Role {
    fn from(role: BuiltIn) -> Role {
        let permissions = role.permissions().names();
        Role {
            id: role.name().into(),
            name: role.name().into(),
            description: role.text().into(),
            built_in: true,
            permissions: permissions.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl From<schema::Role> for Role {
    fn from(role: schema::Role) -> Role {
        let schema::Role { id, name, description, permissions } = role;
        Role { id: id.to_string(), name, description, built_in: false, permissions }
    }
}

/// List what can be permitted
#[utoipa::path(get, path = "/api/v1/permissions", tag = "operators",
    operation_id = "listPermissions", responses((status = 200, body = Page<Permission>)))]
pub(crate) async fn permissions(_: Permit<SignedIn>) -> Json<Page<Permission>> {
    let all = Named::ALL.iter().map(|permission| Permission {
        name: permission.name().into(),
        description: permission.text().trim().into(),
    });
    Json(Page { items: all.collect(), next: None })
}

/// List roles
///
/// The built-in ones first.
#[utoipa::path(get, path = "/api/v1/roles", tag = "operators", operation_id = "listRoles",
    responses((status = 200, body = Page<Role>)))]
pub(crate) async fn list(permit: Permit<ReadOperators>) -> Result<Json<Page<Role>>, Problem> {
    let own = permit.store().list_roles().await?;
    let items = BuiltIn::ALL.into_iter().map(Role::from).chain(own.into_iter().map(Role::from));
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// Show a role of the site's own
#[utoipa::path(get, path = "/api/v1/roles/{id}", tag = "operators", operation_id = "showRole",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Role, headers(("ETag" = String)))))]
pub(crate) async fn show(permit: Permit<ReadOperators>, Id(id): Id) -> Result<Response, Problem> {
    Ok(shown(one(&permit, id).await?, StatusCode::OK))
}

/// Add a role
#[utoipa::path(post, path = "/api/v1/roles", tag = "operators", operation_id = "addRole",
    request_body = NewRole,
    responses((status = 201, body = Role, headers(("ETag" = String))),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteOperators>,
    Body(asked): Body<NewRole>,
) -> Result<Response, Problem> {
    permit.needs_everything()?;
    let NewRole { name, description, permissions } = asked;
    let role = schema::Role { id: Uuid::now_v7(), name, description, permissions };
    let role = checked(role)?;
    may_give(&permit, &role)?;
    permit.store().add_role(permit.actor(), &role).await?;
    Ok(shown(role, StatusCode::CREATED))
}

/// Change a role of the site's own
///
/// What isn't named stays. It acts on the next request of everybody who has it.
#[utoipa::path(patch, path = "/api/v1/roles/{id}", tag = "operators", operation_id = "changeRole",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = RoleChange,
    responses((status = 200, body = Role, headers(("ETag" = String))),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn change(
    permit: Permit<WriteOperators>,
    Id(id): Id,
    seen: IfMatch,
    Body(asked): Body<RoleChange>,
) -> Result<Response, Problem> {
    permit.needs_everything()?;
    let before = one(&permit, id).await?;
    // Neither taken from those who may do more, nor given more than one has.
    may_give(&permit, &before)?;
    seen.check(&Role::from(before.clone()))?;
    let old = before.clone();
    let after = schema::Role {
        id,
        name: asked.name.unwrap_or(old.name),
        description: asked.description.unwrap_or(old.description),
        permissions: asked.permissions.unwrap_or(old.permissions),
    };
    let after = checked(after)?;
    may_give(&permit, &after)?;
    if after != before {
        permit.store().update_role(permit.actor(), &before, &after).await?;
    }
    Ok(shown(after, StatusCode::OK))
}

/// Remove a role of the site's own
#[utoipa::path(delete, path = "/api/v1/roles/{id}", tag = "operators", operation_id = "removeRole",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "An operator has it.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn remove(
    permit: Permit<WriteOperators>,
    Id(id): Id,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    permit.needs_everything()?;
    let before = one(&permit, id).await?;
    may_give(&permit, &before)?;
    seen.check(&Role::from(before.clone()))?;
    match permit.store().remove_role(permit.actor(), &before).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("role")),
    }
}

fn shown(role: schema::Role, status: StatusCode) -> Response {
    let role = Role::from(role);
    tagged(&role, (status, Json(role.clone())))
}

async fn one<P: Right>(permit: &Permit<P>, id: Uuid) -> Result<schema::Role, Problem> {
    permit.store().find_role(id).await?.ok_or_else(|| Problem::not_found("role"))
}

fn may_give<P: Right>(permit: &Permit<P>, role: &schema::Role) -> Result<(), Problem> {
    if permit.granted().covers(Set::of_names(&role.permissions)) {
        return Ok(());
    }
    Err(Problem::forbidden("This role permits more than you may do yourself."))
}

/// With each permission once, in the order of the table.
fn checked(role: schema::Role) -> Result<schema::Role, Problem> {
    let mut wrong = Vec::new();
    let mut say = |field: &str, detail: String| {
        wrong.push(Field { field: field.to_owned(), detail });
    };
    let length = role.name.chars().count();
    let odd = |text: &str| text.chars().any(char::is_control) || text.trim() != text;
    if !(1..=64).contains(&length) || odd(&role.name) {
        say("name", "1 to 64 characters, no space at its ends".to_owned());
    }
    if BuiltIn::named(&role.name.to_lowercase()).is_some() {
        say("name", "a built-in role has this name".to_owned());
    }
    if role.description.chars().count() > 200 || odd(&role.description) {
        say("description", "at most 200 characters in one line".to_owned());
    }
    for name in role.permissions.iter().filter(|name| find(name).is_none()) {
        let name: String = name.chars().take(64).collect();
        say("permissions", format!("there is no permission {name}"));
    }
    if !wrong.is_empty() {
        return Err(Problem::fields(wrong));
    }
    let names = Set::of_names(&role.permissions).names();
    let permissions = names.into_iter().map(str::to_owned).collect();
    Ok(schema::Role { permissions, ..role })
}
