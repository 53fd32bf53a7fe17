//! Groups: their rows, who is in them, and how many.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use schema::GroupRows;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::rows::{self, Row, RowGiven};
use super::users::may_give;
use crate::body::{Body, IfMatch, Name, tagged};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{ReadGroups, Right, WriteGroups};
use crate::{Problem, Side};

#[derive(Serialize, ToSchema)]
pub(crate) struct GroupInList {
    name: String,
    /// Check rows.
    checks: usize,
    /// Reply rows.
    replies: usize,
    users: i64,
    tenant: Option<Uuid>,
}

#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Group {
    name: String,
    #[serde(flatten)]
    edited: GroupEdited,
    users: i64,
    tenant: Option<Uuid>,
}

/// What people change of a group; its tag is over this.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct GroupEdited {
    check: Vec<Row>,
    reply: Vec<Row>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGroup {
    #[schema(max_length = 64)]
    name: String,
    #[serde(default)]
    check: Vec<RowGiven>,
    #[serde(default)]
    reply: Vec<RowGiven>,
    tenant: Option<Uuid>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupChange {
    /// All of them, in the place of those that are there.
    check: Option<Vec<RowGiven>>,
    reply: Option<Vec<RowGiven>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    cursor: Option<String>,
    /// The beginning of a name.
    search: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// Also when users are in it; they leave it.
    #[serde(default)]
    with_members: bool,
}

/// List groups
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", operation_id = "listGroups",
    params(Wanted), responses((status = 200, body = Page<GroupInList>)))]
pub(crate) async fn list(
    permit: Permit<ReadGroups>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<GroupInList>>, Problem> {
    let part = Part::new(wanted.limit, wanted.cursor);
    let limit = part.limit()?;
    let (after, prefix) = (part.after::<String>()?, wanted.search.unwrap_or_default());
    let (store, scope) = (permit.store(), permit.scope());
    let rows = store.list_groups(scope, &prefix, after.as_deref(), limit + 1).await?;
    let names: Vec<String> = rows.iter().map(|group| group.name.clone()).collect();
    let users = store.count_members_of(&names).await?;
    let owners = store.owners(schema::Owned::Group, &names).await?;
    let show = |group: GroupRows| GroupInList {
        checks: group.check.len(),
        replies: group.reply.len(),
        users: users.get(&group.name).copied().unwrap_or_default(),
        tenant: owners.get(&group.name).copied(),
        name: group.name,
    };
    Ok(Json(Page::of(rows, limit, |group| group.name.clone(), show)))
}

/// Show a group
#[utoipa::path(get, path = "/api/v1/groups/{name}", tag = "groups", operation_id = "showGroup",
    params(("name" = String, Path)),
    responses((status = 200, body = Group, headers(("ETag" = String)))))]
pub(crate) async fn show(
    permit: Permit<ReadGroups>,
    Name(name): Name,
) -> Result<Response, Problem> {
    let group = find(&permit, &name).await?;
    shown(&permit, group, StatusCode::OK).await
}

/// Add a group
///
/// A group is its rows: at least one is needed.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", operation_id = "addGroup",
    request_body = NewGroup,
    responses((status = 201, body = Group, headers(("ETag" = String))),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteGroups>,
    Body(asked): Body<NewGroup>,
) -> Result<Response, Problem> {
    let odd = asked.name.trim() != asked.name || asked.name.chars().any(char::is_control);
    if !(1..=64).contains(&asked.name.chars().count()) || odd {
        return Err(Problem::field("name", "1 to 64 characters, no space at its ends"));
    }
    let tenant = asked.tenant.or(permit.scope().tenant());
    may_give(&permit, tenant).await?;
    let group = GroupRows {
        check: rows::read(&permit, Side::Check, &[], &asked.check).await?,
        reply: rows::read(&permit, Side::Reply, &[], &asked.reply).await?,
        name: asked.name,
    };
    if group.check.is_empty() && group.reply.is_empty() {
        return Err(Problem::field("reply", "a group needs a row"));
    }
    permit.store().add_group(permit.actor(), &group, tenant).await?;
    let group = find(&permit, &group.name).await?;
    shown(&permit, group, StatusCode::CREATED).await
}

/// Change a group
///
/// Rows that are named take the place of all in their table. It acts on the next request of everybody
/// who is in the group.
#[utoipa::path(patch, path = "/api/v1/groups/{name}", tag = "groups",
    operation_id = "changeGroup",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = GroupChange,
    responses((status = 200, body = Group, headers(("ETag" = String)))))]
pub(crate) async fn change(
    permit: Permit<WriteGroups>,
    Name(name): Name,
    seen: IfMatch,
    Body(asked): Body<GroupChange>,
) -> Result<Response, Problem> {
    let before = find(&permit, &name).await?;
    seen.check(&edited(&permit, &before))?;
    let mut after = before.clone();
    if let Some(given) = &asked.check {
        after.check = rows::read(&permit, Side::Check, &before.check, given).await?;
    }
    if let Some(given) = &asked.reply {
        after.reply = rows::read(&permit, Side::Reply, &before.reply, given).await?;
    }
    if after != before {
        permit.store().update_group(permit.actor(), permit.scope(), &before, &after).await?;
    }
    // Without rows and members it is gone.
    let group = find(&permit, &name).await?;
    shown(&permit, group, StatusCode::OK).await
}

/// Remove a group
#[utoipa::path(delete, path = "/api/v1/groups/{name}", tag = "groups",
    operation_id = "removeGroup",
    params(("name" = String, Path), Removal, ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "Users are in it.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn remove(
    permit: Permit<WriteGroups>,
    Name(name): Name,
    Asked(removal): Asked<Removal>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let before = find(&permit, &name).await?;
    seen.check(&edited(&permit, &before))?;
    let users = permit.store().count_members(&name).await?;
    if users > 0 && !removal.with_members {
        let detail = format!("{users} users are in it; with_members=true takes them out.");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    match permit.store().remove_group(permit.actor(), permit.scope(), &name).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Problem::not_found("group")),
    }
}

fn edited<P: Right>(permit: &Permit<P>, group: &GroupRows) -> GroupEdited {
    let daemon = permit.context().daemon();
    let (check, reply) = (rows::shown(&group.check, daemon), rows::shown(&group.reply, daemon));
    GroupEdited { check, reply }
}

async fn shown<P: Right>(
    permit: &Permit<P>,
    group: GroupRows,
    status: StatusCode,
) -> Result<Response, Problem> {
    let names = [group.name.clone()];
    let users = permit.store().count_members_of(&names).await?;
    let owners = permit.store().owners(schema::Owned::Group, &names).await?;
    let answer = Group {
        edited: edited(permit, &group),
        users: users.get(&group.name).copied().unwrap_or_default(),
        tenant: owners.get(&group.name).copied(),
        name: group.name,
    };
    Ok(tagged(&answer.edited, (status, Json(answer.clone()))))
}

async fn find<P: Right>(permit: &Permit<P>, name: &str) -> Result<GroupRows, Problem> {
    let found = permit.store().find_group(permit.scope(), name).await?;
    found.ok_or_else(|| Problem::not_found("group"))
}
