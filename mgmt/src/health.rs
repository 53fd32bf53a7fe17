//! Is it alive, is it ready: what a load balancer, a kubelet or a person wants to know.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::guard::Context;

/// How the daemon is, part by part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Health {
    pub version: String,
    /// Seconds since the daemon began to serve.
    pub uptime_seconds: u64,
    pub parts: Vec<Part>,
}

/// One thing that may be well or not: the store, the journal, a socket.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub name: String,
    pub state: State,
    /// Words for a person; empty where there is nothing to add.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What a program may want to compare.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, and someone should look.
    Degraded,
    /// It doesn't work: no new requests, please.
    Down,
}

impl Health {
    /// As well as the part that is worst.
    #[must_use]
    pub fn state(&self) -> State {
        self.parts.iter().map(|part| part.state).max().unwrap_or(State::Ok)
    }
}

/// The process answers, whatever its parts do: a probe that restarts it needs no more.
pub(crate) async fn live() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "status": "ok" })))
        .into_response()
}

/// Whether requests should be sent here.
pub(crate) async fn ready(extract::State(context): extract::State<Context>) -> Response {
    #[derive(Serialize)]
    struct Answer {
        status: State,
        #[serde(flatten)]
        health: Health,
    }
    let health = context.daemon().health();
    let status = health.state();
    let code = match status {
        State::Ok | State::Degraded => StatusCode::OK,
        State::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Answer { status, health })).into_response()
}
