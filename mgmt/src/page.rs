//! Lists by page: so many items, and a cursor to go on from the last of them.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Items at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the page after this one; null at the end.
    pub next: Option<String>,
}

impl Part {
    pub fn new(limit: Option<usize>, cursor: Option<String>) -> Part {
        Part { limit, cursor }
    }

    /// Items to read: one more than to show, to see whether there are more.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(LIMIT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            _ => Err(Problem::field("limit", format!("1 to {LIMIT_MAX}"))),
        }
    }

    /// The key of the last item before this page.
    pub fn after<K: std::str::FromStr>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let octets = URL_SAFE_NO_PAD.decode(cursor).ok();
        let text = octets.and_then(|octets| String::from_utf8(octets).ok());
        let key = text.and_then(|text| text.parse().ok());
        key.map(Some).ok_or_else(|| Problem::field("cursor", "not one that a page has given"))
    }
}

impl<T> Page<T> {
    /// Of a reader that knows where to go on.
    pub fn new(items: Vec<T>, next: Option<String>) -> Page<T> {
        Page { items, next: next.map(|key| URL_SAFE_NO_PAD.encode(key)) }
    }

    /// Of `limit` + 1 items that were read; `key` is what the next page goes on from.
    pub fn of<R>(
        mut rows: Vec<R>,
        limit: usize,
        key: impl Fn(&R) -> String,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| URL_SAFE_NO_PAD.encode(key(row)));
        Page { items: rows.into_iter().map(show).collect(), next }
    }
}

/// What stands after the question mark; a parameter that isn't known is a problem.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(rejection) => {
                let text = rejection.body_text();
                let why = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, why)| why);
                let (field, detail) = why.split_once(": ").unwrap_or(("query", why));
                Err(Problem::field(field, detail))
            }
        }
    }
}
