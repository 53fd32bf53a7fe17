//! The dashboard in numbers: each is read from memory or from a few rows, however many there are.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::nas;
use crate::Problem;
use crate::body::time;
use crate::guard::Permit;
use crate::permission::{Permission, SignedIn};

const HOUR_MS: i64 = 3_600_000;
/// A NAS that was heard of in this time is well.
const HEARD_MS: i64 = 10 * 60_000;

/// What this caller may see of it; null is what he may not, or what is not known.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    #[schema(format = DateTime)]
    at: String,
    online: Option<Online>,
    /// Of the whole daemon, counted since it began: for operators of no tenant.
    traffic: Option<Counted>,
    /// Attempts of the last hour.
    attempts: Option<Attempts>,
    nas: Option<NasNumbers>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Online {
    sessions: usize,
    users: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Counted {
    authentication_requests: u64,
    accounting_requests: u64,
    outcomes: Vec<OutcomeCount>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OutcomeCount {
    /// How datagrams ended, as in the metrics.
    outcome: &'static str,
    count: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Attempts {
    accepted: i64,
    rejected: i64,
    /// The most frequent first.
    reasons: Vec<ReasonCount>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ReasonCount {
    reason: String,
    count: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NasNumbers {
    total: usize,
    /// Heard of in the last ten minutes.
    heard: usize,
    /// Sources whose packets are not taken.
    unknown: usize,
}

/// Show the overview
#[utoipa::path(get, path = "/api/v1/overview", tag = "overview", operation_id = "showOverview",
    responses((status = 200, body = Overview)))]
pub(crate) async fn show(permit: Permit<SignedIn>) -> Result<Json<Overview>, Problem> {
    let (context, may) = (permit.context(), permit.granted());
    let now = context.now_ms();
    let global = permit.scope().tenant().is_none();
    let traffic = context.daemon().traffic();
    let online = traffic.online.filter(|_| global && may.has(Permission::ReadSessions));
    let online = online.map(|(sessions, users)| Online { sessions, users });
    let attempts = match may.has(Permission::ReadAttempts) {
        true => Some(attempts(&permit, now).await?),
        false => None,
    };
    let nas = match may.has(Permission::ReadNas) {
        true => Some(numbers(&permit, global).await?),
        false => None,
    };
    let count = |(outcome, count): (&'static str, u64)| OutcomeCount { outcome, count };
    let counted = Counted {
        authentication_requests: traffic.received_auth,
        accounting_requests: traffic.received_acct,
        outcomes: traffic.outcomes.into_iter().filter(|(_, n)| *n > 0).map(count).collect(),
    };
    let sees_all = global && may.has(Permission::ReadAttempts);
    let at = time(traffic.at_ms);
    Ok(Json(Overview { at, online, traffic: sees_all.then_some(counted), attempts, nas }))
}

async fn attempts(permit: &Permit<SignedIn>, now: i64) -> Result<Attempts, Problem> {
    let rows = permit.store().count_attempts(permit.scope(), now - HOUR_MS, now + 1).await?;
    let mut reasons = std::collections::BTreeMap::<String, i64>::new();
    for row in rows {
        *reasons.entry(row.reason).or_default() += row.count;
    }
    let accepted = reasons.remove("").unwrap_or_default();
    let rejected = reasons.values().sum();
    let mut reasons: Vec<_> =
        reasons.into_iter().map(|(reason, count)| ReasonCount { reason, count }).collect();
    reasons.sort_by_key(|one| std::cmp::Reverse(one.count));
    Ok(Attempts { accepted, rejected, reasons })
}

async fn numbers(permit: &Permit<SignedIn>, global: bool) -> Result<NasNumbers, Problem> {
    let daemon = permit.context().daemon();
    let (rows, _) = nas::in_scope(permit).await?;
    let states = daemon.nas_states();
    let now = daemon.traffic().at_ms;
    let is_heard = |row: &&schema::NasRow| {
        let seen = states.get(&row.id).and_then(|state| state.last_seen_ms);
        seen.is_some_and(|seen| now - seen < HEARD_MS)
    };
    let heard = rows.iter().filter(is_heard).count();
    let unknown = if global { daemon.strangers().len() } else { 0 };
    Ok(NasNumbers { total: rows.len(), heard, unknown })
}
