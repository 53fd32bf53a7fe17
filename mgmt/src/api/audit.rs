//! The audit log, to read.

use axum::Json;
use schema::{AuditEntry, AuditFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Problem;
use crate::body::{Body, milliseconds, time};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{EraseAudit, ReadAudit};

/// One change by a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entry {
    sequence: i64,
    #[schema(format = DateTime)]
    at: String,
    /// Null for the command line.
    operator: Option<Uuid>,
    operator_name: String,
    /// `login`, `password`, `token NAME`, `command line`.
    means: String,
    /// An address.
    source: String,
    /// Noun and verb: `operator.add`.
    action: String,
    object_id: String,
    object_name: String,
    /// Secrets are masked; null where there was nothing before.
    before: serde_json::Value,
    after: serde_json::Value,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// An operator's name.
    operator: Option<String>,
    /// `operator.add`
    action: Option<String>,
    /// An object's name or id.
    object: Option<String>,
    /// Not before.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Part of an operator's, an action's or an object's name.
    text: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
}

impl From<AuditEntry> for Entry {
    fn from(mut entry: AuditEntry) -> Entry {
        let mut part = |name: &str| entry.detail.get_mut(name).map(serde_json::Value::take);
        let (before, after) = (part("before"), part("after"));
        Entry {
            sequence: entry.sequence,
            at: time(entry.at_ms),
            operator: entry.operator,
            operator_name: entry.operator_name,
            means: entry.means,
            source: entry.source,
            action: entry.action,
            object_id: entry.object_id,
            object_name: entry.object_name,
            before: before.unwrap_or_default(),
            // What is not as we write it was put there by somebody else: shown as it is.
            after: after.unwrap_or(entry.detail),
        }
    }
}

/// What is to be taken out of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The first word of the actions: `user`.
    #[schema(max_length = 32, pattern = "^[a-z]+$")]
    noun: String,
    /// Whose entries.
    #[schema(min_length = 1, max_length = 253)]
    object: String,
    /// Why, without a word of what is erased: it stays in the log.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Erased {
    entries: u64,
}

/// Take a person's data out of the audit log
///
/// In each entry about that object a tombstone stands for who it was and what was changed; who did it,
/// what and when stays, and the log still verifies.
#[utoipa::path(post, path = "/api/v1/audit/erasures", tag = "audit", operation_id = "eraseAudit",
    request_body = Erasure, responses((status = 200, body = Erased)))]
pub(crate) async fn erase(
    permit: Permit<EraseAudit>,
    Body(asked): Body<Erasure>,
) -> Result<Json<Erased>, Problem> {
    let Erasure { noun, object, reason } = asked;
    if !(1..=32).contains(&noun.len()) || !noun.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(Problem::field("noun", "the first word of an action, such as user"));
    }
    for (field, text, most) in [("object", &object, 253), ("reason", &reason, 200)] {
        if !(1..=most).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(Problem::field(field, format!("1 to {most} characters in one line")));
        }
    }
    let entries = permit.store().erase_audit(permit.actor(), &noun, &object, &reason).await?;
    Ok(Json(Erased { entries }))
}

/// Search the audit log
///
/// The newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "listAudit",
    params(Search), responses((status = 200, body = Page<Entry>)))]
pub(crate) async fn list(
    permit: Permit<ReadAudit>,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<Entry>>, Problem> {
    let part = Part::new(search.limit, search.cursor);
    let limit = part.limit()?;
    let before = part.after()?;
    let filter = AuditFilter {
        operator_name: search.operator,
        action: search.action,
        object: search.object,
        from_ms: milliseconds("from", search.from.as_deref())?,
        to_ms: milliseconds("to", search.to.as_deref())?,
        text: search.text,
    };
    let rows = permit.store().list_audit(&filter, before, limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| row.sequence.to_string(), Entry::from)))
}
