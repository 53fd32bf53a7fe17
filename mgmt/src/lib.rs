//! What people do: the HTTP side of the daemon.
//!
//! `router` is the whole of it, as one axum router over a `Context`. What it needs of the running
//! daemon it asks through `Daemon`, which the daemon implements: management never sees a packet.
//! `health` answers probes, `page` is what a browser finds, `problem` is every failure that a
//! caller can see.

mod health;
mod page;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use health::{Health, Part, State};
pub use problem::Problem;

/// What management asks of the daemon it runs in.
pub trait Daemon: Send + Sync + 'static {
    /// How each part of the daemon is. Asked for each probe, so it must not wait for anything.
    fn health(&self) -> Health;
}

/// What every request is answered from.
#[derive(Clone)]
pub struct Context {
    daemon: Arc<dyn Daemon>,
}

impl Context {
    pub fn new(daemon: Arc<dyn Daemon>) -> Context {
        Context { daemon }
    }
}

/// Everything that is served on `http.listen`.
pub fn router(context: Context) -> Router {
    Router::new()
        // people
        .route("/", get(page::front))
        // probes
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(problem::no_such_page)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(context)
}
