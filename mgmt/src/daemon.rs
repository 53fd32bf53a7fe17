//! What management asks of the daemon it runs in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use dictionaries::Dictionary;
use schema::{Actor, Error, Session};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Feed, Form, Health};

/// An answer that has to be waited for.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running daemon. A method that is no [`Later`] waits for nothing.
pub trait Daemon: Send + Sync + 'static {
    /// How each part of the daemon is. Asked for each probe.
    fn health(&self) -> Health;

    /// With the site's own attributes.
    fn dictionary(&self) -> Arc<Dictionary>;

    /// A row as it is to be written, or why it would do nothing or turn the user away.
    fn check_row(&self, side: Side, row: &schema::Row) -> Result<schema::Row, String>;

    /// The check row that says this password.
    fn password_row(&self, form: Form, password: &str) -> Result<schema::Row, String>;

    /// Whether an attribute's value is for nobody's eyes.
    fn is_secret(&self, attribute: &str) -> bool;

    /// What happens, as it happens.
    fn feed(&self) -> &Feed;

    /// Everything counted since the start.
    fn traffic(&self) -> Traffic;

    /// What was seen of NAS since the start, by the ids of their rows.
    fn nas_states(&self) -> HashMap<i64, NasState>;

    /// Whoever sent what could not be taken, of late.
    fn strangers(&self) -> Vec<Stranger>;

    /// Asks the session's NAS to end it; what is in the store changes when the NAS says so there.
    fn disconnect<'a>(&'a self, session: &'a Session) -> Later<'a, NasAnswer>;

    /// Closes the row of a session that its NAS will not speak of any more, with its row in the
    /// audit log. False when the session has spoken since it was read.
    fn close<'a>(
        &'a self,
        actor: &'a Actor,
        session: &'a Session,
    ) -> Later<'a, Result<bool, Error>>;

    /// What would be answered now; nothing is recorded.
    fn simulate(&self, question: Question) -> Later<'_, Result<Simulated, Unanswered>>;

    /// The sentences of a trace as it was kept.
    fn explain(&self, trace: &str) -> Vec<String>;
}

/// Which kind of table a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// `radcheck`, `radgroupcheck`: what the request must be, and what is set for it.
    Check,
    /// `radreply`, `radgroupreply`: what the answer says.
    Reply,
}

/// How it ended that a NAS was asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did it.
    Ack,
    /// It refused; `error_cause` may say why.
    Nak,
    /// It did not answer, however often it was asked.
    Silence,
    /// It could not be asked.
    Unasked,
}

/// What a NAS said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NasAnswer {
    pub outcome: Outcome,
    /// For a person.
    pub detail: String,
    /// RFC 5176's Error-Cause.
    pub error_cause: Option<u32>,
    /// Who was asked.
    pub nas: String,
    /// How often the request was sent.
    pub sent: u32,
}

/// Datagrams, and who is online.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Milliseconds since 1970 at which it was read.
    pub at_ms: i64,
    pub received_auth: u64,
    pub received_acct: u64,
    /// How datagrams ended, each exactly once.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Open sessions and their users; none before they were counted.
    pub online: Option<(usize, usize)>,
    /// NAS that may send.
    pub nas: usize,
}

/// What was seen of a NAS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NasState {
    pub requests: u64,
    pub rejects: u64,
    pub last_seen_ms: Option<i64>,
    /// A rule on `auto` has learned that it signs every Access-Request.
    pub signs: bool,
}

/// A source whose packets are not taken.
#[derive(Clone, Debug)]
pub struct Stranger {
    pub source: IpAddr,
    /// `unknown-client` or `bad-authenticator`.
    pub complaint: &'static str,
    pub count: u64,
    pub first_ms: i64,
    pub last_ms: i64,
}

/// A request that nobody sends.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub user: String,
    /// As by PAP.
    pub password: Option<String>,
    /// The NAS: its address, its name or its NAS-Identifier.
    pub nas: Option<String>,
    /// `Attribute=value`.
    pub attributes: Vec<String>,
}

/// What would be answered.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Simulated {
    /// `Access-Accept`, `Access-Reject`, `Access-Challenge` or `no answer`.
    pub answer: String,
    /// Why no, by its name everywhere.
    pub reason: Option<String>,
    /// The same for a person.
    pub reason_text: Option<String>,
    /// The answer's attributes; of secrets the names.
    pub reply: Vec<String>,
    /// How it came about, a sentence for each rule.
    pub steps: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// A field of the question is wrong.
    Field(&'static str, String),
    Store(Error),
    /// The rows ask for more than one request may have fetched.
    Endless,
}
