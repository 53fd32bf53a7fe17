//! Authentications: each with its explanation, and how many there were for which reason.

use axum::Json;
use schema::AttemptFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::sessions::address;
use crate::Problem;
use crate::body::{RowId, milliseconds, time};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::ReadAttempts;

const DAY_MS: i64 = 86_400_000;
/// Of five minutes each.
const SPAN_MAX_MS: i64 = 31 * DAY_MS;

#[derive(Serialize, ToSchema)]
pub(crate) struct Attempt {
    id: i64,
    #[schema(format = DateTime)]
    at: String,
    user: String,
    accepted: bool,
    /// Why no; empty for an accept.
    reason: String,
    /// The address that asked, and our name for it.
    nas: String,
    nas_name: String,
    nas_port: Option<String>,
    calling_station: Option<String>,
    called_station: Option<String>,
}

/// With how it came about.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedAttempt {
    #[serde(flatten)]
    attempt: Attempt,
    /// A sentence for each rule; empty where the trace is no longer kept.
    steps: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    user: Option<String>,
    /// The address that asked.
    nas: Option<String>,
    reason: Option<String>,
    accepted: Option<bool>,
    /// Not before.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Not before; a day ago by default.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before; now by default.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Attempts of five minutes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Count {
    #[schema(format = DateTime)]
    at: String,
    /// Empty: accepted.
    reason: String,
    count: i64,
}

impl Attempt {
    fn of((id, row): (i64, schema::Attempt)) -> Attempt {
        Attempt {
            id,
            at: time(row.at_ms),
            user: row.username,
            accepted: row.accepted,
            reason: if row.accepted { String::new() } else { row.reason },
            nas: row.nas_ip,
            nas_name: row.nas_name,
            nas_port: row.nas_port,
            calling_station: row.calling_station,
            called_station: row.called_station,
        }
    }
}

/// List authentications
///
/// The newest first. As with sessions, a page may be short and still have a `next`.
#[utoipa::path(get, path = "/api/v1/attempts", tag = "attempts", operation_id = "listAttempts",
    params(Search), responses((status = 200, body = Page<Attempt>)))]
pub(crate) async fn list(
    permit: Permit<ReadAttempts>,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<Attempt>>, Problem> {
    let filter = AttemptFilter {
        user: search.user,
        nas: address("nas", search.nas.as_deref())?,
        reason: search.reason,
        accepted: search.accepted,
        from_ms: milliseconds("from", search.from.as_deref())?,
        to_ms: milliseconds("to", search.to.as_deref())?,
    };
    let part = Part::new(search.limit, search.cursor);
    let (limit, before) = (part.limit()?, part.after::<i64>()?);
    let page = permit.store().search_attempts(permit.scope(), &filter, before, limit).await?;
    let next = page.next.map(|id| id.to_string());
    Ok(Json(Page::new(page.attempts.into_iter().map(Attempt::of).collect(), next)))
}

/// Show an authentication, and how it came about
#[utoipa::path(get, path = "/api/v1/attempts/{id}", tag = "attempts",
    operation_id = "showAttempt", params(("id" = i64, Path)),
    responses((status = 200, body = ExplainedAttempt)))]
pub(crate) async fn show(
    permit: Permit<ReadAttempts>,
    RowId(id): RowId,
) -> Result<Json<ExplainedAttempt>, Problem> {
    let found = permit.store().attempt_by_id(permit.scope(), id).await?;
    let mut row = found.ok_or_else(|| Problem::not_found("attempt"))?;
    let trace = row.trace.take().unwrap_or_default();
    let steps = permit.context().daemon().explain(&trace);
    Ok(Json(ExplainedAttempt { attempt: Attempt::of((id, row)), steps }))
}

/// Count authentications by reason
///
/// By five minutes, of 31 days at most.
#[utoipa::path(get, path = "/api/v1/attempts/counts", tag = "attempts",
    operation_id = "countAttempts", params(Span),
    responses((status = 200, body = Vec<Count>)))]
pub(crate) async fn counts(
    permit: Permit<ReadAttempts>,
    Asked(span): Asked<Span>,
) -> Result<Json<Vec<Count>>, Problem> {
    let to = milliseconds("to", span.to.as_deref())?;
    let to = to.unwrap_or_else(|| permit.context().now_ms() + 1);
    let from = milliseconds("from", span.from.as_deref())?.unwrap_or(to - DAY_MS);
    if to.saturating_sub(from) > SPAN_MAX_MS {
        return Err(Problem::field("from", "31 days at most"));
    }
    let rows = permit.store().count_attempts(permit.scope(), from, to).await?;
    let count = |row: schema::AttemptCount| Count {
        at: time(row.bucket_ms),
        reason: row.reason,
        count: row.count,
    };
    Ok(Json(rows.into_iter().map(count).collect()))
}
