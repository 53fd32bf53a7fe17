//! Tenants: resellers and sites, whose operators see what is theirs. For operators of none.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::body::{Body, Id, IfMatch, tagged};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{ReadTenants, Right, WriteTenants};
use crate::problem::Field;

#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Tenant {
    id: Uuid,
    name: String,
    description: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// Told apart without regard to case.
    #[schema(max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    name: Option<String>,
    description: Option<String>,
}

impl From<schema::Tenant> for Tenant {
    fn from(tenant: schema::Tenant) -> Tenant {
        let schema::Tenant { id, name, description } = tenant;
        Tenant { id, name, description }
    }
}

/// List tenants
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", operation_id = "listTenants",
    params(Part), responses((status = 200, body = Page<Tenant>)))]
pub(crate) async fn list(
    permit: Permit<ReadTenants>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Tenant>>, Problem> {
    let limit = part.limit()?;
    let after = part.after::<String>()?;
    let rows = permit.store().list_tenants(after.as_deref(), limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| row.name.clone(), Tenant::from)))
}

/// Show a tenant
#[utoipa::path(get, path = "/api/v1/tenants/{id}", tag = "tenants", operation_id = "showTenant",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Tenant, headers(("ETag" = String)))))]
pub(crate) async fn show(permit: Permit<ReadTenants>, Id(id): Id) -> Result<Response, Problem> {
    Ok(shown(one(&permit, id).await?, StatusCode::OK))
}

/// Add a tenant
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", operation_id = "addTenant",
    request_body = NewTenant,
    responses((status = 201, body = Tenant, headers(("ETag" = String))),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteTenants>,
    Body(asked): Body<NewTenant>,
) -> Result<Response, Problem> {
    let NewTenant { name, description } = asked;
    let tenant = schema::Tenant { id: Uuid::now_v7(), name, description };
    check(&tenant)?;
    permit.store().add_tenant(permit.actor(), &tenant).await?;
    Ok(shown(tenant, StatusCode::CREATED))
}

/// Change a tenant
///
/// What isn't named stays.
#[utoipa::path(patch, path = "/api/v1/tenants/{id}", tag = "tenants",
    operation_id = "changeTenant",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = TenantChange,
    responses((status = 200, body = Tenant, headers(("ETag" = String))),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn change(
    permit: Permit<WriteTenants>,
    Id(id): Id,
    seen: IfMatch,
    Body(asked): Body<TenantChange>,
) -> Result<Response, Problem> {
    let before = one(&permit, id).await?;
    seen.check(&Tenant::from(before.clone()))?;
    let old = before.clone();
    let after = schema::Tenant {
        id,
        name: asked.name.unwrap_or(old.name),
        description: asked.description.unwrap_or(old.description),
    };
    check(&after)?;
    if after != before {
        permit.store().update_tenant(permit.actor(), &before, &after).await?;
    }
    Ok(shown(after, StatusCode::OK))
}

/// Remove a tenant
#[utoipa::path(delete, path = "/api/v1/tenants/{id}", tag = "tenants",
    operation_id = "removeTenant",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "It has operators, or owns something.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn remove(
    permit: Permit<WriteTenants>,
    Id(id): Id,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let before = one(&permit, id).await?;
    seen.check(&Tenant::from(before.clone()))?;
    match permit.store().remove_tenant(permit.actor(), &before).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("tenant")),
    }
}

fn shown(tenant: schema::Tenant, status: StatusCode) -> Response {
    let tenant = Tenant::from(tenant);
    tagged(&tenant, (status, Json(tenant.clone())))
}

async fn one<P: Right>(permit: &Permit<P>, id: Uuid) -> Result<schema::Tenant, Problem> {
    permit.store().find_tenant(id).await?.ok_or_else(|| Problem::not_found("tenant"))
}

fn check(tenant: &schema::Tenant) -> Result<(), Problem> {
    let wrong = tenant_mistakes(tenant);
    if wrong.is_empty() { Ok(()) } else { Err(Problem::fields(wrong)) }
}

/// What is wrong with a tenant's fields.
#[must_use]
pub fn tenant_mistakes(tenant: &schema::Tenant) -> Vec<Field> {
    let odd = |text: &str| text.chars().any(char::is_control) || text.trim() != text;
    let mut wrong = Vec::new();
    let mut say = |field: &str, detail: &str| {
        wrong.push(Field { field: field.to_owned(), detail: detail.to_owned() });
    };
    if !(1..=64).contains(&tenant.name.chars().count()) || odd(&tenant.name) {
        say("name", "1 to 64 characters, no space at its ends");
    }
    if tenant.description.chars().count() > 200 || odd(&tenant.description) {
        say("description", "at most 200 characters in one line");
    }
    wrong
}
