//! What people do: the HTTP side of the daemon.
//!
//! `router` is the whole of it, as one axum router over a `Context`. What it needs of the running
//! daemon it asks through `Daemon` in `daemon`, which the daemon implements: management never sees a
//! packet.
//!
//! A request passes `web` (host, origin, rate, headers), then `guard`, which turns a cookie or a
//! token into a `Permit` for what `permission` names; only a permit leads to the store. `api` is
//! the table of routes with a file for each noun, `openapi` its document. `body` reads what a
//! request brings, `page` makes lists, `problem` is every failure that a caller can see.
//!
//! `access_token` is what a program shows for a while instead of its token. `password`, `totp` and
//! `throttle` are against guessers, `keys` is what isn't in the store, `sealed` what lies in it
//! encrypted, `first` the operator of a store that has none. `feed` tells what happens, `snippets`
//! what to type into a NAS. `listen` bounds connections, `tls` is what certificate they see, `health`
//! answers probes, `ui` is what a browser finds.

mod access_token;
mod api;
mod body;
mod daemon;
mod feed;
pub mod first;
mod guard;
mod health;
pub mod keys;
mod listen;
mod openapi;
mod page;
pub mod password;
pub mod permission;
mod problem;
mod sealed;
mod snippets;
mod throttle;
mod tls;
mod totp;
mod ui;
mod web;

use axum::Router;
use axum::routing::get;

pub use api::operators::mistakes;
pub use api::passwords::Form;
pub use api::tenants::tenant_mistakes;
pub use api::tokens::new_token;
pub use api::users::name_mistake;
pub use daemon::{
    Daemon, Later, NasAnswer, NasState, Outcome, Question, Side, Simulated, Stranger, Traffic,
    Unanswered,
};
pub use feed::{Event, Feed, Turn};
pub use guard::{ABSOLUTE_MS, Context, IDLE_MS, Options, check_public_url};
pub use health::{Health, Part, State};
pub use listen::{Bounded, Peer};
pub use openapi::document;
pub use problem::Problem;
pub use sealed::FieldKeys;
pub use tls::{Tls, TlsFiles};

/// Everything that is served on `http.listen`. It wants to be told the peer's address:
/// `into_make_service_with_connect_info::<Peer>()`.
pub fn router(context: Context) -> Router {
    let (api, _) = api::router().split_for_parts();
    let router = api
        .route("/api/openapi.json", get(openapi::show))
        // probes
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(ui::show)
        .method_not_allowed_fallback(problem::no_such_method);
    web::protect(router, &context).with_state(context)
}
