//! Sessions that their NAS no longer has, or that an operator gives up: closed at their latest event,
//! until a later one.

use schema::{Actor, Ask, Error, Session};

use super::writer::Writer;
use crate::accounting::{CLOSED, Findings, GONE, close};

/// A session as it stood when its NAS was asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub acctuniqueid: String,
    pub nas: String,
    /// Its latest event, epoch seconds.
    pub update: Option<i64>,
}

/// Closes them; returns the ids of those that spoke meanwhile.
pub async fn close_gone(writer: &Writer, asked: &[Asked]) -> Result<Vec<String>, Error> {
    let mut ids: Vec<String> = asked.iter().map(|one| one.acctuniqueid.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut nases: Vec<String> = asked.iter().map(|one| one.nas.clone()).collect();
    nases.sort_unstable();
    nases.dedup();
    let since = asked.iter().filter_map(|one| one.update).min().unwrap_or(0);
    let ask = Ask { ids, nases, since };
    let update = |id: &str| asked.iter().find(|one| one.acctuniqueid == id).map(|one| one.update);
    let mut live = Vec::new();
    let written = writer
        .transaction(&ask, |known| {
            let (step, spoke) =
                close(known, GONE, |row| update(&row.acctuniqueid) == Some(row.acctupdatetime));
            live = spoke;
            (step, Findings::default())
        })
        .await?;
    writer.counters.sessions_gone.add(written.0.updated as u64);
    Ok(live)
}

/// Closes one for an operator; false when it has spoken, or ended, since he saw it.
pub async fn close_for(writer: &Writer, actor: &Actor, session: &Session) -> Result<bool, Error> {
    let ask = Ask {
        ids: vec![session.acctuniqueid.clone()],
        nases: vec![session.nasipaddress.clone()],
        since: session.acctupdatetime.or(session.acctstarttime).unwrap_or(0),
    };
    let decide = |known| {
        let as_seen = |row: &Session| {
            row.acctupdatetime == session.acctupdatetime && row.radacctid == session.radacctid
        };
        (close(known, CLOSED, as_seen).0, Findings::default())
    };
    let (written, _) = writer.transaction_by(Some((actor, session)), &ask, decide).await?;
    Ok(written.updated > 0)
}
