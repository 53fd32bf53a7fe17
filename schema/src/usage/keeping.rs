//! Usage written with the sessions it comes from, in their transaction.
//!
//! Who writes a row must know whether the back-fill has counted it. Both say so by locks: the
//! back-fill moves on under an exclusive lock of mgmt_usage_state, a writer holds the weakest one
//! from before it reads that table until it commits. `Keeper` remembers what was read; a statement
//! that relies on it asks whether it still holds.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::spread::{Amount, Change, Changes, Columns, Counted};
use crate::engine::postgres::Arguments;
use crate::engine::{Tx, Value, each, statements, values};
use crate::{Error, Session};

/// Which sessions are counted by their writers; see the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub upto: i64,
    pub filled: i64,
    pub archived_to: i64,
}

/// What the row holds before a job has begun: nothing is counted.
pub(super) const NOT_BEGUN: i64 = i64::MAX;

statements! {
    /// The clause that finds nothing takes the lock.
    STATE = each(
        "WITH held AS (SELECT id FROM mgmt_usage_state WHERE false FOR KEY SHARE) \
         SELECT upto, filled, archived_to FROM mgmt_usage_state",
        "SELECT upto, filled, archived_to FROM mgmt_usage_state",
    );
    ADD = each(
        "INSERT INTO mgmt_usage AS m (username, hour, nasipaddress, calledstationid, \
         input_octets, output_octets, session_seconds, sessions) \
         SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], \
         $6::bigint[], $7::bigint[], $8::bigint[]) \
         ON CONFLICT (hour, username, nasipaddress, calledstationid) DO UPDATE SET \
         input_octets = m.input_octets + excluded.input_octets, \
         output_octets = m.output_octets + excluded.output_octets, \
         session_seconds = m.session_seconds + excluded.session_seconds, \
         sessions = m.sessions + excluded.sessions",
        "INSERT INTO mgmt_usage (username, hour, nasipaddress, calledstationid, \
         input_octets, output_octets, session_seconds, sessions) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (hour, username, nasipaddress, calledstationid) DO UPDATE SET \
         input_octets = mgmt_usage.input_octets + excluded.input_octets, \
         output_octets = mgmt_usage.output_octets + excluded.output_octets, \
         session_seconds = mgmt_usage.session_seconds + excluded.session_seconds, \
         sessions = mgmt_usage.sessions + excluded.sessions",
    );
}

impl State {
    /// Whether the writer of this row counts it; `None` is a new one.
    pub(crate) fn counts(self, radacctid: Option<i64>) -> bool {
        match radacctid {
            None => self.upto != NOT_BEGUN,
            Some(id) => id > self.upto || id <= self.filled,
        }
    }

    pub(crate) fn is_filled(self) -> bool {
        self.upto != NOT_BEGUN && self.filled >= self.upto
    }
}

/// One for each store.
pub(crate) struct Keeper {
    pub zone: TimeZone,
    state: Mutex<Option<State>>,
}

impl Keeper {
    pub(crate) fn new(zone: TimeZone) -> Keeper {
        Keeper { zone, state: Mutex::new(None) }
    }

    /// As last read.
    pub(crate) fn remembered(&self) -> Option<State> {
        *self.state.lock()
    }

    /// What holds until the transaction ends. Before any row is locked: the back-fill waits for
    /// those who have asked, so they must not wait for anyone who has not.
    pub(crate) async fn read(&self, tx: &mut Tx) -> Result<State, Error> {
        let found = tx.fetch(&STATE, vec![], |row| {
            Ok(State { upto: row.int(0)?, filled: row.int(1)?, archived_to: row.int(2)? })
        });
        let state = found.await?.pop();
        let state = state.ok_or_else(|| Error::Schema("mgmt_usage_state has no row".into()))?;
        self.remember(state);
        Ok(state)
    }

    pub(super) fn remember(&self, state: State) {
        *self.state.lock() = Some(state);
    }

    /// What is to be added when these rows are written that held what is in `held`, by radacctid.
    pub(crate) fn changes<'s>(
        &self,
        state: State,
        columns: Columns,
        held: &HashMap<i64, Counted<'s>>,
        sessions: impl Iterator<Item = &'s Session>,
    ) -> Result<Vec<Change<'s>>, Error> {
        let mut changes = Changes::new(&self.zone);
        for session in sessions.filter(|session| state.counts(session.radacctid)) {
            let held = match session.radacctid {
                None => None,
                Some(id) => Some(held.get(&id).ok_or_else(|| {
                    Error::Failed("a session was written that had not been read".into())
                })?),
            };
            changes.add(held, &columns.counted(session));
        }
        Ok(changes.sums())
    }

    /// As `changes`, for sessions that nobody has counted.
    pub(super) fn counted_anew<'s>(
        &self,
        columns: Columns,
        sessions: impl Iterator<Item = &'s Session>,
    ) -> Vec<Change<'s>> {
        let mut changes = Changes::new(&self.zone);
        sessions.for_each(|session| changes.add(None, &columns.counted(session)));
        changes.sums()
    }
}

/// The rows that `add` takes.
pub(crate) fn rows(changes: Vec<Change<'_>>) -> Vec<Vec<Value>> {
    let row = |((whose, hour), sum): Change<'_>| {
        let Amount { input_octets, output_octets, session_seconds, sessions } = sum;
        values![
            whose.username.into_owned(),
            hour,
            whose.nasipaddress.into_owned(),
            whose.calledstationid.into_owned(),
            input_octets,
            output_octets,
            session_seconds,
            sessions,
        ]
    };
    changes.into_iter().map(row).collect()
}

pub(crate) async fn add(tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.execute_rows(&ADD, rows).await
}

/// The same as a part of another statement on PostgreSQL.
pub(crate) struct Part {
    pub expression: String,
    /// What must be true when it is run.
    pub condition: String,
}

impl Part {
    pub(crate) fn new(parameter: &mut impl FnMut(&str) -> String) -> Part {
        const FORMS: [&str; 8] = [
            "text[]", "bigint[]", "text[]", "text[]", "bigint[]", "bigint[]", "bigint[]",
            "bigint[]",
        ];
        let crate::engine::Sql::Each { postgres, .. } = &ADD else {
            return Part { expression: String::new(), condition: "true".into() };
        };
        let mut add = (*postgres).to_owned();
        for (number, form) in (1..).zip(FORMS) {
            let (of_add, of_whole) = (format!("${number}::{form}"), parameter(form));
            // The marker keeps a number that was put in from being taken for one to come.
            add = add.replacen(&of_add, &format!("\u{1}{}", &of_whole[1..]), 1);
        }
        let add = add.replace('\u{1}', "$");
        let (upto, archived_to) = (parameter("bigint"), parameter("bigint"));
        let filled = parameter("bigint");
        Part {
            expression: format!(
                "counting AS (SELECT id FROM mgmt_usage_state WHERE false FOR KEY SHARE), \
                 counted AS ({add})"
            ),
            condition: format!(
                "EXISTS (SELECT 1 FROM mgmt_usage_state WHERE id = 1 AND upto = {upto} \
                 AND archived_to = {archived_to} AND filled = COALESCE({filled}, filled))"
            ),
        }
    }

    /// `filled_matters`: some session was there before usage was kept.
    pub(crate) fn arguments(
        arguments: &mut Arguments,
        changes: &[Change<'_>],
        state: State,
        filled_matters: bool,
    ) -> Result<(), Error> {
        let int = |of: fn(&Amount) -> i64| changes.iter().map(move |(_, sum)| Some(of(sum)));
        let whose = || changes.iter().map(|((whose, _), _)| whose);
        arguments.texts(whose().map(|whose| Some(&*whose.username)))?;
        arguments.ints(changes.iter().map(|((_, hour), _)| Some(*hour)))?;
        arguments.texts(whose().map(|whose| Some(&*whose.nasipaddress)))?;
        arguments.texts(whose().map(|whose| Some(&*whose.calledstationid)))?;
        arguments.ints(int(|sum| sum.input_octets))?;
        arguments.ints(int(|sum| sum.output_octets))?;
        arguments.ints(int(|sum| sum.session_seconds))?;
        arguments.ints(int(|sum| sum.sessions))?;
        arguments.value(&Value::from(state.upto))?;
        arguments.value(&Value::from(state.archived_to))?;
        arguments.value(&Value::from(filled_matters.then_some(state.filled)))
    }
}
