//! A daemon that says what a test wants, and keeps what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use dictionaries::Dictionary;
use mgmt::{
    Daemon, Feed, Form, Health, Later, NasAnswer, NasState, Outcome, Part, Question, Side,
    Simulated, State, Stranger, Traffic, Unanswered,
};
use schema::{Actor, Error, Row, Session};

pub struct Fake {
    state: State,
    pub feed: Arc<Feed>,
    /// The ids of sessions, and what was asked for.
    pub asked: Arc<Mutex<Vec<(i64, &'static str)>>>,
}

#[expect(non_snake_case, reason = "as if it held nothing else")]
pub fn Fake(state: State) -> Fake {
    Fake { state, feed: Arc::default(), asked: Arc::default() }
}

impl Fake {
    fn note(&self, session: &Session, what: &'static str) {
        let id = session.radacctid.unwrap_or_default();
        self.asked.lock().unwrap().push((id, what));
    }
}

impl Daemon for Fake {
    fn health(&self) -> Health {
        let part = Part {
            name: "store".into(),
            state: self.state,
            detail: "as it is".into(),
            numbers: BTreeMap::from([("records", 7)]),
        };
        Health { version: "0".into(), uptime_seconds: 7, parts: vec![part] }
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        Dictionary::shipped()
    }

    fn check_row(&self, _: Side, row: &Row) -> Result<Row, String> {
        let dictionary = Dictionary::shipped();
        let found = dictionary.attribute(&row.attribute).ok_or("there is no such attribute")?;
        match dictionaries::Value::parse(found, &row.value, &jiff::tz::TimeZone::UTC) {
            Ok(_) => Ok(Row { attribute: found.name.to_string(), ..row.clone() }),
            Err(error) => Err(error.to_string()),
        }
    }

    fn password_row(&self, _: Form, password: &str) -> Result<Row, String> {
        let (attribute, op) = ("Cleartext-Password".into(), ":=".into());
        Ok(Row { id: 0, attribute, op, value: password.into() })
    }

    fn is_secret(&self, attribute: &str) -> bool {
        attribute.ends_with("-Password")
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn traffic(&self) -> Traffic {
        let outcomes = vec![("access-accept", 5), ("access-reject", 2), ("panicked", 0)];
        let (received_auth, received_acct) = (7, 3);
        let online = Some((2, 1));
        Traffic { at_ms: 1_000_000, received_auth, received_acct, outcomes, online, nas: 1 }
    }

    fn nas_states(&self) -> HashMap<i64, NasState> {
        let state = NasState { requests: 9, rejects: 2, last_seen_ms: Some(999_000), signs: true };
        HashMap::from([(1, state)])
    }

    fn strangers(&self) -> Vec<Stranger> {
        let source = [198, 51, 100, 7].into();
        vec![Stranger { source, complaint: "unknown-client", count: 3, first_ms: 1, last_ms: 2 }]
    }

    fn disconnect<'a>(&'a self, session: &'a Session) -> Later<'a, NasAnswer> {
        self.note(session, "disconnect");
        Box::pin(async {
            NasAnswer {
                outcome: Outcome::Nak,
                detail: "It knows no such session.".into(),
                error_cause: Some(503),
                nas: "lab".into(),
                sent: 1,
            }
        })
    }

    fn close<'a>(&'a self, _: &'a Actor, session: &'a Session) -> Later<'a, Result<bool, Error>> {
        self.note(session, "close");
        Box::pin(async { Ok(true) })
    }

    fn simulate(&self, question: Question) -> Later<'_, Result<Simulated, Unanswered>> {
        Box::pin(async move {
            match question.attributes.first() {
                Some(wrong) => Err(Unanswered::Field("attributes", format!("{wrong}: no"))),
                None => Ok(Simulated {
                    answer: "Access-Reject".into(),
                    steps: vec![format!("User \"{}\".", question.user)],
                    ..Simulated::default()
                }),
            }
        })
    }

    fn explain(&self, trace: &str) -> Vec<String> {
        trace.split(';').filter(|step| !step.is_empty()).map(str::to_owned).collect()
    }
}
