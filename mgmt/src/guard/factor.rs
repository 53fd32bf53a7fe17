//! The second factor at the door: a code of the app, or one for when it is lost, each taken once.

use axum::http::StatusCode;
use schema::{Bearer, Credentials, Factor, Operator};

use super::Context;
use super::entry::Door;
use crate::{Problem, totp};

impl Context {
    /// Whoever has a second factor shows a code of it.
    pub(super) async fn second(
        &self,
        door: &Door,
        known: &Credentials,
        code: Option<String>,
    ) -> Result<Option<Factor>, Problem> {
        let operator = &known.operator;
        let _turn = self.turn().await?;
        let factor = self.inner.store.find_factor(operator.id).await?;
        let Some(factor) = factor.filter(|factor| factor.confirmed) else { return Ok(None) };
        let asks = |detail| Problem::unauthorized(detail).of_kind("/problems/second-factor");
        let Some(code) = code.filter(|code| !code.is_empty()) else {
            return Err(asks("A code is needed beside the password."));
        };
        let right = match self.step_of(operator, &factor, &code)? {
            Some(step) => self.inner.store.use_step(operator.id, step).await?,
            None => {
                let bearer =
                    Bearer { operator: operator.clone(), permissions: known.permissions.clone() };
                let actor = self.actor(&bearer, "password".into(), door.source);
                let hash = totp::recovery_hash(&code);
                self.inner.store.use_recovery(&actor, operator, &hash).await?
            }
        };
        match right {
            // With what is left of it now.
            true => Ok(self.inner.store.find_factor(operator.id).await?),
            false => Err(asks("The code is wrong, or was used before.")),
        }
    }

    /// Of which step that is the code, if it is one of this factor's now.
    pub(crate) fn step_of(
        &self,
        operator: &Operator,
        factor: &Factor,
        code: &str,
    ) -> Result<Option<i64>, Problem> {
        let secret = self.field_keys().open(&operator.id.to_string(), &factor.sealed);
        let Some(secret) = secret else {
            let detail = "The second factor was encrypted with a key that is not in this node's \
                          keys/fields. `radiusd operator reset --second-factor` does without it.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        };
        Ok(totp::step(&secret, &operator.name, code, self.now_ms()))
    }
}
