//! Sessions, live and past: found by index, disconnected by their NAS, closed where it is gone.

use std::net::IpAddr;

use axum::Json;
use schema::{SessionFilter, SessionMark, Which};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::body::{RowId, seconds, time};
use crate::daemon::NasAnswer;
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{DisconnectSessions, ReadSessions, Right};
use crate::{Outcome, Problem};

/// A row of radacct.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its row's id.
    id: i64,
    user: Option<String>,
    nas: String,
    nas_port: Option<String>,
    /// As the NAS calls it.
    session: String,
    address: Option<String>,
    ipv6_address: Option<String>,
    ipv6_prefix: Option<String>,
    delegated_prefix: Option<String>,
    calling_station: Option<String>,
    called_station: Option<String>,
    open: bool,
    #[schema(format = DateTime)]
    started: Option<String>,
    #[schema(format = DateTime)]
    updated: Option<String>,
    #[schema(format = DateTime)]
    ended: Option<String>,
    seconds: Option<i64>,
    /// Octets from the user, and to him.
    input_octets: Option<i64>,
    output_octets: Option<i64>,
    /// Why it ended.
    cause: Option<String>,
    service: Option<String>,
}

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// `open`, `ended` or `all`.
    #[param(inline)]
    state: Option<State>,
    /// A user's name.
    user: Option<String>,
    /// A NAS's address.
    nas: Option<String>,
    /// The user's IP address.
    address: Option<String>,
    /// Calling-Station-Id as the NAS writes it: a MAC address, mostly.
    station: Option<String>,
    /// Began at or after.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Began before.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Ended,
    All,
}

/// What became of closing one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Closed {
    /// False: it has spoken, or ended, since.
    closed: bool,
}

impl From<schema::Session> for Session {
    fn from(row: schema::Session) -> Session {
        let at = |seconds: Option<i64>| seconds.map(|seconds| time(seconds.saturating_mul(1_000)));
        Session {
            id: row.radacctid.unwrap_or_default(),
            user: row.username,
            nas: row.nasipaddress,
            nas_port: row.nasportid,
            session: row.acctsessionid,
            address: row.framedipaddress,
            ipv6_address: row.framedipv6address,
            ipv6_prefix: row.framedipv6prefix,
            delegated_prefix: row.delegatedipv6prefix,
            calling_station: row.callingstationid,
            called_station: row.calledstationid,
            open: row.acctstoptime.is_none(),
            started: at(row.acctstarttime),
            updated: at(row.acctupdatetime),
            ended: at(row.acctstoptime),
            seconds: row.acctsessiontime,
            input_octets: row.acctinputoctets,
            output_octets: row.acctoutputoctets,
            cause: row.acctterminatecause.filter(|cause| !cause.is_empty()),
            service: row.servicetype,
        }
    }
}

impl Search {
    pub(super) fn filter(&self) -> Result<SessionFilter, Problem> {
        Ok(SessionFilter {
            which: match self.state {
                None | Some(State::Open) => Which::Open,
                Some(State::Ended) => Which::Ended,
                Some(State::All) => Which::All,
            },
            user: self.user.clone(),
            nas: address("nas", self.nas.as_deref())?,
            address: address("address", self.address.as_deref())?,
            station: self.station.clone(),
            from: seconds("from", self.from.as_deref())?,
            to: seconds("to", self.to.as_deref())?,
        })
    }
}

/// As the store writes it.
pub(super) fn address(field: &str, text: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Some(address.to_string())),
        Err(_) => Err(Problem::field(field, "expected an IP address")),
    }
}

/// List sessions
///
/// What is open comes by user's name, by NAS the newest first; all else the newest first. It is
/// read along an index and never further than a bound: where few fit, a page may be short or empty
/// and still have a `next`.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", operation_id = "listSessions",
    params(Search), responses((status = 200, body = Page<Session>)))]
pub(crate) async fn list(
    permit: Permit<ReadSessions>,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<Session>>, Problem> {
    let filter = search.filter()?;
    let part = Part::new(search.limit, search.cursor);
    let (limit, after) = (part.limit()?, part.after::<SessionMark>()?);
    let page =
        permit.store().search_sessions(permit.scope(), &filter, after.as_ref(), limit).await?;
    let next = page.next.map(|mark| mark.to_string());
    Ok(Json(Page::new(page.sessions.into_iter().map(Session::from).collect(), next)))
}

/// Show a session
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions",
    operation_id = "showSession", params(("id" = i64, Path)),
    responses((status = 200, body = Session)))]
pub(crate) async fn show(
    permit: Permit<ReadSessions>,
    RowId(id): RowId,
) -> Result<Json<Session>, Problem> {
    Ok(Json(find(&permit, id).await?.into()))
}

/// Disconnect a session
///
/// Its NAS is sent a Disconnect-Request, three times at most, and its answer is waited for. The row
/// ends when the NAS says so by accounting.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/disconnect", tag = "sessions",
    operation_id = "disconnectSession", params(("id" = i64, Path)),
    responses((status = 200, body = NasAnswer),
        (status = 409, description = "The session has ended.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn disconnect(
    permit: Permit<DisconnectSessions>,
    RowId(id): RowId,
) -> Result<Json<NasAnswer>, Problem> {
    let session = open(&permit, id).await?;
    // A NAS takes its time, and others want to the store.
    let away = permit.step_back();
    let answer = away.context().daemon().disconnect(&session).await;
    let permit = away.come_back().await?;
    let said = json!({
        "outcome": answer.outcome, "error_cause": answer.error_cause, "sent": answer.sent,
    });
    if answer.outcome != Outcome::Unasked {
        permit.store().note_disconnect(permit.actor(), &session, said).await?;
    }
    Ok(Json(answer))
}

/// Close a stale session
///
/// For one that its NAS will not end any more: the row ends at its latest record, with the cause
/// `Closed-By-Operator`, and opens again should the NAS send another. Its NAS is not asked.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/close", tag = "sessions",
    operation_id = "closeSession", params(("id" = i64, Path)),
    responses((status = 200, body = Closed),
        (status = 409, description = "The session has ended.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn close(
    permit: Permit<DisconnectSessions>,
    RowId(id): RowId,
) -> Result<Json<Closed>, Problem> {
    let session = open(&permit, id).await?;
    let closed = permit.context().daemon().close(permit.actor(), &session).await?;
    Ok(Json(Closed { closed }))
}

async fn find<P: Right>(permit: &Permit<P>, id: i64) -> Result<schema::Session, Problem> {
    let found = permit.store().session_by_id(permit.scope(), id).await?;
    found.ok_or_else(|| Problem::not_found("session"))
}

async fn open<P: Right>(permit: &Permit<P>, id: i64) -> Result<schema::Session, Problem> {
    let session = find(permit, id).await?;
    match session.acctstoptime {
        None => Ok(session),
        Some(_) => Err(Problem::new(axum::http::StatusCode::CONFLICT, "The session has ended.")),
    }
}
