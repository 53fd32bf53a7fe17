//! Every failure that a caller can see, as RFC 9457 writes it.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank` where the status says it all, else a name of ours.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[schema(value_type = String)]
    title: &'static str,
    status: u16,
    /// For a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// What is wrong with which field of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    /// What RFC 6749 calls it, for clients of OAuth 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    error: Option<&'static str>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// One field that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Field {
    pub field: String,
    pub detail: String,
}

impl Problem {
    /// A problem that its status tells apart from others; `detail` is for a person.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            fields: Vec::new(),
            error: None,
            retry_after: None,
        }
    }

    #[must_use]
    pub(crate) fn of_kind(mut self, kind: &'static str) -> Problem {
        self.kind = kind;
        self
    }

    #[must_use]
    pub(crate) fn of_error(mut self, error: &'static str) -> Problem {
        self.error = Some(error);
        self
    }

    /// 422: the request can be read, and these fields can't be what they are.
    #[must_use]
    pub(crate) fn fields(fields: Vec<Field>) -> Problem {
        let detail = match fields.as_slice() {
            [one] => format!("{}: {}", one.field, one.detail),
            _ => "Some fields are wrong.".to_owned(),
        };
        Problem { fields, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    #[must_use]
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Problem {
        Problem::fields(vec![Field { field: field.to_owned(), detail: detail.into() }])
    }

    #[must_use]
    pub(crate) fn unauthorized(detail: &str) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    #[must_use]
    pub(crate) fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    #[must_use]
    pub(crate) fn not_found(what: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    /// 429, with the seconds after which it can be tried again.
    #[must_use]
    pub(crate) fn too_many(detail: &str, seconds: u64) -> Problem {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Problem { retry_after: Some(seconds.max(1)), ..problem }
    }

    #[must_use]
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// In words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<schema::Error> for Problem {
    fn from(error: schema::Error) -> Problem {
        use schema::Error;
        match error {
            Error::Away(_) | Error::Conflict => {
                let detail = "The store is busy or away; try again.";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
                Problem { retry_after: Some(2), ..problem }
            }
            Error::Data { .. } => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The store refuses a value: too long, or not a text.",
            ),
            Error::Exists(what) => {
                Problem::new(StatusCode::CONFLICT, format!("There is already: {what}."))
            }
            Error::Changed(what) => {
                let detail = format!("Somebody else has changed it meanwhile: {what}.");
                Problem::new(StatusCode::PRECONDITION_FAILED, detail)
            }
            Error::Missing(_) | Error::Empty(_) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{error}."))
            }
            Error::Last(_) | Error::InUse(_) => {
                Problem::new(StatusCode::CONFLICT, format!("This can't be done: {error}."))
            }
            Error::Denied(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Error::Schema(_) | Error::Options(_) | Error::Failed(_) => {
                // What the store says is for the log; it may name what it holds.
                tracing::error!(%error, "a request failed");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The log says more.")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, Json(self)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(crate) async fn no_such_page(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("There is nothing at {}.", uri.path()))
}

pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} doesn't take {method}.", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
