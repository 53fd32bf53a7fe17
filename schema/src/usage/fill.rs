//! The sessions that were there before usage was kept, counted in order of radacctid while
//! writers go on.
//!
//! A session above `upto` is counted by who writes it, from its first row on; one up to `filled`
//! has been counted here, and is counted on by who writes it. One in between is counted by nobody
//! until its turn comes, and then for whatever it holds. Each step is one transaction that keeps
//! writers out while it reads its sessions and moves `filled`.

use super::keeping::{NOT_BEGUN, State, add, rows};
use crate::engine::{Tx, both, statements, values};
use crate::{Error, Session, Store};

/// How far the sessions that were there before are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The last one to be counted, by radacctid; `None` when nothing has begun.
    pub upto: Option<i64>,
    pub filled: i64,
    /// No session in the archive ended later, epoch seconds; 0 is none.
    pub archived_to: i64,
}

impl Filled {
    /// By radacctid: some of these may not exist.
    pub fn left(&self) -> i64 {
        self.upto.map_or(0, |upto| (upto - self.filled).max(0))
    }

    pub fn is_complete(&self) -> bool {
        self.upto.is_some_and(|upto| self.filled >= upto)
    }
}

impl From<State> for Filled {
    fn from(State { upto, filled, archived_to }: State) -> Filled {
        Filled { upto: (upto != NOT_BEGUN).then_some(upto), filled, archived_to }
    }
}

statements! {
    NEWEST = both(
        "SELECT MAX(newest) FROM (SELECT MAX(radacctid) AS newest FROM radacct UNION ALL \
         SELECT MAX(radacctid) FROM mgmt_radacct_archive) AS both_tables",
    );
    MOVE = both("UPDATE mgmt_usage_state SET upto = $1, filled = $2");
    FORGET = both("DELETE FROM mgmt_usage");
}

impl Store {
    pub async fn usage_filled(&self) -> Result<Filled, Error> {
        self.needs_usage()?;
        let mut tx = self.begin().await?;
        Ok(self.keeper().read(&mut tx).await?.into())
    }

    /// From now on writers count their sessions, those above all that are there. Does nothing
    /// when it has been done.
    pub async fn begin_usage(&self) -> Result<Filled, Error> {
        self.needs_usage()?;
        let known = self.keeper().remembered().filter(|state| state.upto != NOT_BEGUN);
        if let Some(state) = known {
            return Ok(state.into());
        }
        let (mut tx, state) = self.alone().await?;
        if state.upto != NOT_BEGUN {
            return Ok(state.into());
        }
        let state = self.begin_in(&mut tx, state).await?;
        self.end(tx, state).await
    }

    /// Counts everything anew: for a store whose radacct was written by another program, or by a
    /// radiusd that kept no usage.
    pub async fn rebuild_usage(&self) -> Result<Filled, Error> {
        self.needs_usage()?;
        let (mut tx, state) = self.alone().await?;
        tx.execute(&FORGET, vec![]).await?;
        let state = self.begin_in(&mut tx, state).await?;
        self.end(tx, state).await
    }

    /// Counts up to `limit` more of the sessions that were there before.
    pub async fn fill_usage(&self, limit: usize) -> Result<Filled, Error> {
        self.needs_usage()?;
        let (mut tx, state) = self.alone().await?;
        if state.upto == NOT_BEGUN || state.is_filled() {
            return Ok(state.into());
        }
        let known = self.known()?;
        let map = {
            let known = known.clone();
            move |row: &crate::engine::Row<'_>| known.sessions.session(row)
        };
        let values = values![state.filled, state.upto, limit];
        let mut found = tx.fetch(&known.sessions.to_count, values.clone(), map).await?;
        let archived = &known.sessions.archive.to_count;
        found.extend(tx.fetch(archived, values, Session::archived).await?);
        found.sort_unstable_by_key(|session| session.radacctid);
        found.truncate(limit);
        let last = found.last().and_then(|session| session.radacctid);
        let filled = last.filter(|_| found.len() >= limit).unwrap_or(state.upto);
        let changes = self.keeper().counted_anew(known.sessions.counted, found.iter());
        add(&mut tx, rows(changes)).await?;
        tx.execute(&MOVE, values![state.upto, filled]).await?;
        self.end(tx, State { filled, ..state }).await
    }

    /// A transaction that no writer of sessions is in.
    pub(crate) async fn alone(&self) -> Result<(Tx, State), Error> {
        let mut tx = self.begin().await?;
        tx.lock_table("mgmt_usage_state").await?;
        let state = self.keeper().read(&mut tx).await?;
        Ok((tx, state))
    }

    async fn begin_in(&self, tx: &mut Tx, state: State) -> Result<State, Error> {
        let newest = tx.fetch(&NEWEST, vec![], |row| row.int(0)).await?.pop().unwrap_or_default();
        tx.execute(&MOVE, values![newest, 0_i64]).await?;
        Ok(State { upto: newest, filled: 0, ..state })
    }

    /// Commits, and remembers what holds from then on.
    pub(crate) async fn end(&self, tx: Tx, state: State) -> Result<Filled, Error> {
        tx.commit().await?;
        self.keeper().remember(state);
        Ok(state.into())
    }
}
