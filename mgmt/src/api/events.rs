//! What happens, as server-sent events: what this caller may see of it, while he may see it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use schema::{Owned, Scope};
use serde_json::{Value as Json, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::Problem;
use crate::body::time;
use crate::feed::{Event, Turn};
use crate::guard::{Permit, StepBack};
use crate::permission::{Listens, Permission};

/// Without a word for so long a comment is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a caller may see is looked up so often.
const AGAIN: Duration = Duration::from_secs(30);
/// Owners are asked for many events at once, so often.
const TOGETHER: Duration = Duration::from_secs(1);
/// Events that wait for that.
const TOGETHER_MAX: usize = 200;

struct Listening {
    away: Option<StepBack<Listens>>,
    events: Receiver<Arc<Event>>,
    sees: Sees,
    again: Instant,
    /// Of a tenant's operator: not yet known to be his.
    waiting: Vec<Arc<Event>>,
    lost: u64,
    ready: std::collections::VecDeque<sse::Event>,
    #[expect(dead_code, reason = "its end is what counts")]
    place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy)]
struct Sees {
    sessions: bool,
    attempts: bool,
    scope: Scope,
}

impl Sees {
    fn of(permit: &Permit<Listens>) -> Sees {
        Sees {
            sessions: permit.granted().has(Permission::ReadSessions),
            attempts: permit.granted().has(Permission::ReadAttempts),
            scope: permit.scope(),
        }
    }

    fn may(self, event: &Event) -> bool {
        match event {
            Event::Session(..) => self.sessions,
            Event::Attempt(_) => self.attempts,
            Event::Lost(_) => true,
        }
    }
}

/// Listen to events
///
/// Server-sent events: `session.begun`, `session.updated` and `session.ended` take `sessions:read`,
/// `attempt` takes `attempts:read`. `lost` tells a reader that is too slow how many it has missed.
/// The stream ends with the login; a comment comes every 15 seconds.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "listenEvents",
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn listen(permit: Permit<Listens>) -> Result<Response, Problem> {
    let Some(place) = permit.context().listener() else {
        let detail = "Too many listen already.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let listening = Listening {
        events: permit.context().daemon().feed().listen(),
        sees: Sees::of(&permit),
        again: Instant::now() + AGAIN,
        away: Some(permit.step_back()),
        waiting: Vec::new(),
        lost: 0,
        ready: [sse::Event::default().event("hello").data("{}")].into(),
        place,
    };
    let stream = unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok::<_, Infallible>(event), listening))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

impl Listening {
    /// None when there is no more for this caller.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.lost > 0 {
                let lost = std::mem::take(&mut self.lost);
                return Some(
                    sse::Event::default().event("lost").data(format!("{{\"count\":{lost}}}")),
                );
            }
            tokio::select! {
                heard = self.events.recv() => match heard {
                    Ok(event) => self.take(event),
                    Err(RecvError::Lagged(count)) => self.lost += count,
                    Err(RecvError::Closed) => return None,
                },
                () = sleep_until(self.again) => self.look_again().await?,
            }
        }
    }

    fn take(&mut self, event: Arc<Event>) {
        match &*event {
            Event::Lost(count) => self.lost += count,
            _ if !self.sees.may(&event) => {}
            _ if self.sees.scope == Scope::Everything => self.ready.extend(shown(&event)),
            _ if self.waiting.len() >= TOGETHER_MAX => self.lost += 1,
            _ => {
                self.waiting.push(event);
                self.again = self.again.min(Instant::now() + TOGETHER);
            }
        }
    }

    /// Who he is now, what he may, and what of that which waits is his.
    async fn look_again(&mut self) -> Option<()> {
        let permit = self.away.take()?.come_back().await.ok()?;
        self.sees = Sees::of(&permit);
        self.again = Instant::now() + AGAIN;
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let mine = mine(&permit, self.sees.scope, &waiting).await.ok()?;
            let may = |event: &&Arc<Event>| self.sees.may(event);
            let told: Vec<_> =
                mine.into_iter().filter(may).filter_map(|event| shown(event)).collect();
            self.ready.extend(told);
        }
        self.away = Some(permit.step_back());
        Some(())
    }
}

/// By their users' owners, else their NAS's.
async fn mine<'e>(
    permit: &Permit<Listens>,
    scope: Scope,
    events: &'e [Arc<Event>],
) -> Result<Vec<&'e Arc<Event>>, Problem> {
    let Some(tenant) = scope.tenant() else { return Ok(events.iter().collect()) };
    let names: Vec<String> = events.iter().map(|event| parties(event).0.to_owned()).collect();
    let owners: HashMap<String, Uuid> = permit.store().owners(Owned::User, &names).await?;
    let nases = permit.store().nas_in_scope(scope).await?;
    let is_mine = |event: &&Arc<Event>| {
        let (user, nas) = parties(event);
        let of_nas = nases.iter().any(|own| own == nas).then_some(tenant);
        scope.admits_either(owners.get(user).copied(), of_nas)
    };
    Ok(events.iter().filter(is_mine).collect())
}

/// User and NAS.
fn parties(event: &Event) -> (&str, &str) {
    match event {
        Event::Session(_, row) => (row.username.as_deref().unwrap_or_default(), &row.nasipaddress),
        Event::Attempt(attempt) => (&attempt.username, &attempt.nas_ip),
        Event::Lost(_) => ("", ""),
    }
}

fn shown(event: &Event) -> Option<sse::Event> {
    let (name, data): (_, Json) = match event {
        Event::Session(turn, row) => {
            let name = match turn {
                Turn::Begun => "session.begun",
                Turn::Updated => "session.updated",
                Turn::Ended => "session.ended",
            };
            let data = json!({
                "id": row.radacctid, "user": row.username, "nas": row.nasipaddress,
                "session": row.acctsessionid, "address": row.framedipaddress,
                "calling_station": row.callingstationid, "seconds": row.acctsessiontime,
                "input_octets": row.acctinputoctets, "output_octets": row.acctoutputoctets,
                "cause": row.acctterminatecause,
            });
            (name, data)
        }
        Event::Attempt(attempt) => {
            let data = json!({
                "at": time(attempt.at_ms), "user": attempt.username,
                "accepted": attempt.accepted, "reason": attempt.reason, "nas": attempt.nas_ip,
                "nas_name": attempt.nas_name, "calling_station": attempt.calling_station,
            });
            ("attempt", data)
        }
        Event::Lost(_) => return None,
    };
    Some(sse::Event::default().event(name).data(data.to_string()))
}
