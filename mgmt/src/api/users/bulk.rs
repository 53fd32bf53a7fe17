//! One change of many users, each with its own result.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{find, memberships};
use crate::Problem;
use crate::api::users::shape::Member;
use crate::body::Body;
use crate::guard::Permit;
use crate::permission::WriteUsers;

/// Users at once.
const MANY_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BulkAction {
    Enable,
    Disable,
    Remove,
    /// Into `group`, after all others.
    Join,
    /// Out of `group`.
    Leave,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkChange {
    #[schema(max_items = 500)]
    names: Vec<String>,
    action: BulkAction,
    group: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BulkResult {
    done: usize,
    /// In the order of the names.
    results: Vec<BulkRow>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BulkRow {
    name: String,
    /// As the change of this one alone would have been answered.
    status: u16,
    detail: String,
}

/// Change many users
///
/// One after the other; one that fails stops none of the others.
#[utoipa::path(post, path = "/api/v1/users/bulk", tag = "users", operation_id = "changeUsers",
    request_body = BulkChange, responses((status = 200, body = BulkResult)))]
pub(crate) async fn change_many(
    permit: Permit<WriteUsers>,
    Body(asked): Body<BulkChange>,
) -> Result<Json<BulkResult>, Problem> {
    let BulkChange { names, action, group } = asked;
    if names.is_empty() || names.len() > MANY_MAX {
        return Err(Problem::field("names", format!("1 to {MANY_MAX}")));
    }
    let moves = matches!(action, BulkAction::Join | BulkAction::Leave);
    let group = match group {
        Some(group) if moves => group,
        None if !moves => String::new(),
        Some(_) => return Err(Problem::field("group", "only with join and leave")),
        None => return Err(Problem::field("group", "say which")),
    };
    if action == BulkAction::Join
        && permit.store().find_group(permit.scope(), &group).await?.is_none()
    {
        return Err(Problem::field("group", "there is no such group"));
    }
    let mut results = Vec::with_capacity(names.len());
    for name in names {
        let (status, detail) = match one(&permit, &name, action, &group).await {
            Ok(()) => (StatusCode::OK.as_u16(), String::new()),
            Err(problem) => (problem.status(), problem.detail().to_owned()),
        };
        results.push(BulkRow { name, status, detail });
    }
    let done = results.iter().filter(|row| row.status == 200).count();
    Ok(Json(BulkResult { done, results }))
}

async fn one(
    permit: &Permit<WriteUsers>,
    name: &str,
    action: BulkAction,
    group: &str,
) -> Result<(), Problem> {
    let (store, actor, scope) = (permit.store(), permit.actor(), permit.scope());
    let before = find(permit, name).await?;
    let mut after = before.clone();
    match action {
        BulkAction::Remove => {
            store.remove_user(actor, scope, name).await?;
            return Ok(());
        }
        BulkAction::Enable => after.user.set_disabled(false),
        BulkAction::Disable => after.user.set_disabled(true),
        BulkAction::Leave => after.user.groups.retain(|one| one.group != group),
        BulkAction::Join if before.user.groups.iter().any(|one| one.group == group) => {}
        BulkAction::Join => {
            let last = before.user.groups.iter().map(|one| one.priority).max().unwrap_or(0);
            let member = Member { group: group.to_owned(), priority: last.saturating_add(1) };
            after.user.groups.extend(memberships(permit, vec![member], &[]).await?);
        }
    }
    if after != before {
        store.update_user(actor, scope, &before, &after).await?;
    }
    Ok(())
}
