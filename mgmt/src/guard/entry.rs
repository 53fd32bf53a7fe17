//! Signing in: a name and a password become a login, slowly for those who guess.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use schema::{Actor, Bearer, Credentials, Factor, Login, Operator};
use serde_json::json;
use uuid::Uuid;

use super::{ABSOLUTE_MS, Context, Secret, source};
use crate::api::operators::is_name;
use crate::password::Busy;
use crate::permission::{Set, confined, granted};
use crate::{Problem, access_token};

const AGENT_MAX: usize = 200;

/// Where somebody stands who wants in.
pub(crate) struct Door {
    pub(super) source: IpAddr,
    agent: String,
}

/// Who got in, and the cookie that says so from now on.
pub(crate) struct Entered {
    pub operator: Operator,
    pub granted: Set,
    pub factor: Option<Factor>,
    pub login: Login,
    pub secret: Secret,
}

impl FromRequestParts<Context> for Door {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Door, Infallible> {
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.unwrap_or_default().chars().take(AGENT_MAX).collect();
        Ok(Door { source: source(parts, context), agent })
    }
}

impl Context {
    /// A name that nobody has and a wrong password are told apart neither by words nor by time.
    pub(crate) async fn sign_in(
        &self,
        door: &Door,
        name: &str,
        password: String,
        code: Option<String>,
    ) -> Result<Entered, Problem> {
        self.ready()?;
        let now = self.now_ms();
        let tried = self.inner.throttle.begin(name, door.source, now).map_err(too_many)?;
        let known = if is_name(name) {
            let _turn = self.turn().await?;
            self.inner.store.credentials(name).await?
        } else {
            None
        };
        let hash = known.as_ref().and_then(|known| known.password_hash.clone());
        let right = self.inner.hasher.verify(password, hash).await?;
        // Somebody types the password in the place of the name now and then: what is nobody's
        // name is written nowhere.
        let name = known.as_ref().map_or("…", |known| &known.operator.name).to_owned();
        let Some(known) = known.filter(|known| right && !known.operator.disabled) else {
            tracing::warn!(operator.name = name, source = %door.source, "no sign-in");
            if tried.locks {
                self.note_lock(&name, door).await;
            }
            return Err(Problem::unauthorized("The name or the password is wrong."));
        };
        let factor = match self.second(door, &known, code).await {
            Ok(factor) => factor,
            Err(problem) => {
                if tried.locks {
                    self.note_lock(&name, door).await;
                }
                return Err(problem);
            }
        };
        self.inner.throttle.succeeded(&tried);
        self.let_in(door, known, factor).await
    }

    /// A login, and in the log that there is one.
    async fn let_in(
        &self,
        door: &Door,
        known: Credentials,
        factor: Option<Factor>,
    ) -> Result<Entered, Problem> {
        let now = self.now_ms();
        let (id, operator) = (Uuid::now_v7(), known.operator);
        let login = Login {
            id,
            operator: operator.id,
            created_ms: now,
            seen_ms: now,
            expires_ms: now + ABSOLUTE_MS,
            source: door.source.to_string(),
            agent: door.agent.clone(),
        };
        let granted = granted(&operator.role, known.permissions.as_deref());
        let granted = confined(granted, operator.tenant);
        let bearer = Bearer { operator, permissions: known.permissions };
        let actor = self.actor(&bearer, "password".into(), door.source);
        let secret = Secret::random();
        let _turn = self.turn().await?;
        self.inner.store.add_login(&actor, &login, &secret.hash()).await?;
        Ok(Entered { operator: bearer.operator, granted, factor, login, secret })
    }

    /// A short-lived proof of a token with its scopes, for who shows its secret.
    pub(crate) async fn issue_access_token(
        &self,
        id: Uuid,
        secret: &str,
    ) -> Result<Option<(String, Vec<String>)>, Problem> {
        self.ready()?;
        let Some(secret) = Secret::of_token(secret) else { return Ok(None) };
        let _turn = self.turn().await?;
        let found = self.inner.store.find_token(&secret.hash()).await?;
        let now = self.now_ms();
        let is_good = |(token, bearer): &(schema::Token, Bearer)| {
            token.id == id && token.expires_ms > now && !bearer.operator.disabled
        };
        let Some((token, _)) = found.filter(is_good) else { return Ok(None) };
        let signed = access_token::sign(self.field_keys(), token.id, now);
        Ok(signed.map(|signed| (signed, token.scopes)))
    }

    /// Whether it is this operator's password; who guesses here waits as at the door.
    pub(crate) async fn confirm(
        &self,
        operator: &Operator,
        password: String,
        source: IpAddr,
    ) -> Result<(), Problem> {
        let tried = self.inner.throttle.begin(&operator.name, source, self.now_ms());
        let tried = tried.map_err(too_many)?;
        let known = self.inner.store.credentials(&operator.name).await?;
        let known = known.filter(|known| known.operator.id == operator.id);
        let hash = known.and_then(|known| known.password_hash);
        if !self.inner.hasher.verify(password, hash).await? {
            return Err(Problem::field("current", "is not the password"));
        }
        self.inner.throttle.succeeded(&tried);
        Ok(())
    }

    pub(crate) fn forget_first_password(&self, name: &str) {
        if let Some(file) = &self.inner.options.first_password {
            crate::first::forget(file, name);
        }
    }

    /// Once per lock, so that guessers can't fill the log.
    async fn note_lock(&self, name: &str, door: &Door) {
        let actor = Actor {
            operator: None,
            name: "nobody".into(),
            means: "password".into(),
            source: door.source.to_string(),
            keys: Arc::clone(&self.inner.options.audit_keys),
        };
        let after = json!({ "agent": door.agent });
        let noted = self.inner.store.note_audit(&actor, "login.lock", name, after);
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a lock-out is not in the audit log");
        }
    }
}

fn too_many(wait_ms: i64) -> Problem {
    let seconds = u64::try_from(wait_ms).unwrap_or_default().div_ceil(1_000);
    Problem::too_many("Too many wrong passwords; wait.", seconds)
}

impl From<Busy> for Problem {
    fn from(_: Busy) -> Problem {
        let detail = "Too many passwords are checked just now; try again.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}
