//! Sessions as a file: written while it is read, page by page, and never without end.

use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use schema::{Session, SessionFilter, SessionMark};

use super::sessions::Search;
use crate::Problem;
use crate::body::time;
use crate::guard::{Permit, StepBack};
use crate::page::Asked;
use crate::permission::ReadSessions;

const ROWS_MAX: usize = 100_000;
const PAGE: usize = 500;
/// Pages without a row that fits, one after the other, before it ends.
const BARREN_MAX: usize = 200;

const HEAD: &str = "id,user,nas,nas_port,session,address,calling_station,called_station,started,\
                    updated,ended,seconds,input_octets,output_octets,cause\r\n";

struct Writing {
    away: Option<StepBack<ReadSessions>>,
    filter: SessionFilter,
    after: Option<SessionMark>,
    left: usize,
    barren: usize,
    ready: VecDeque<String>,
}

/// Export sessions
///
/// As CSV, at most 100,000; the last line says so where there are more. What a spreadsheet would
/// take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/api/v1/sessions/export", tag = "sessions",
    operation_id = "exportSessions", params(Search),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn sessions(
    permit: Permit<ReadSessions>,
    Asked(search): Asked<Search>,
    _: Parts,
) -> Result<Response, Problem> {
    let filter = search.filter()?;
    let writing = Writing {
        away: Some(permit.step_back()),
        filter,
        after: None,
        left: ROWS_MAX,
        barren: 0,
        ready: VecDeque::from([HEAD.to_owned()]),
    };
    let stream = unfold(writing, |mut writing| async move {
        let text = writing.next().await.transpose()?;
        Some((text.map(Bytes::from), writing))
    });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"sessions.csv\""),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

impl Writing {
    /// An error ends the file in the middle, which its reader sees.
    async fn next(&mut self) -> Result<Option<String>, std::io::Error> {
        loop {
            if let Some(text) = self.ready.pop_front() {
                return Ok(Some(text));
            }
            let Some(away) = self.away.take() else { return Ok(None) };
            self.page(away)
                .await
                .map_err(|problem| std::io::Error::other(problem.detail().to_owned()))?;
        }
    }

    async fn page(&mut self, away: StepBack<ReadSessions>) -> Result<(), Problem> {
        // With the rights of this moment.
        let permit = away.come_back().await?;
        let (store, scope) = (permit.store(), permit.scope());
        let limit = PAGE.min(self.left.max(1));
        let page = store.search_sessions(scope, &self.filter, self.after.as_ref(), limit).await?;
        if self.left == 0 {
            let more = !page.sessions.is_empty() || page.next.is_some();
            self.ready.extend(more.then(|| format!("# more than {ROWS_MAX} sessions\r\n")));
            return Ok(());
        }
        self.left -= page.sessions.len();
        self.barren = if page.sessions.is_empty() { self.barren + 1 } else { 0 };
        self.ready.push_back(page.sessions.iter().map(line).collect());
        self.after = page.next;
        if self.after.is_some() && self.barren < BARREN_MAX {
            self.away = Some(permit.step_back());
        }
        Ok(())
    }
}

fn line(row: &Session) -> String {
    let at = |seconds: Option<i64>| seconds.map(|at| time(at.saturating_mul(1_000)));
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let text = |text: &Option<String>| text.as_deref().map(cell);
    let cells = [
        number(row.radacctid),
        text(&row.username),
        Some(cell(&row.nasipaddress)),
        text(&row.nasportid),
        Some(cell(&row.acctsessionid)),
        text(&row.framedipaddress),
        text(&row.callingstationid),
        text(&row.calledstationid),
        at(row.acctstarttime),
        at(row.acctupdatetime),
        at(row.acctstoptime),
        number(row.acctsessiontime),
        number(row.acctinputoctets),
        number(row.acctoutputoctets),
        text(&row.acctterminatecause),
    ];
    cells.map(Option::unwrap_or_default).join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("bob", "bob"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x\n", "\"'@x\n\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
