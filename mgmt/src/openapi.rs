//! The API's document, OpenAPI 3.1: what the routes say, and what holds for all of them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::Problem;
use crate::guard::Context;
use crate::problem::Field;

/// The whole document.
#[must_use]
pub fn document() -> OpenApi {
    complete(crate::api::router().into_openapi())
}

pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("FerroRADIUS")
        .version("1")
        .description(Some(
            "Management of a RADIUS server. Times are RFC 3339 in UTC, failures are problems \
             (RFC 9457), lists are pages. Browsers sign in and have a cookie, and a change with \
             it takes the header `X-Radiusd: 1`; programs send a token as `Authorization: Bearer`. \
             `x-permission` of an operation is what its caller must be permitted: \
             `signed-in` is anybody who is, `in-person` anybody who is by a login, `none` \
             everybody.",
        ))
        .build();
    document.servers = None;
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.schemas.insert(Field::name().into_owned(), Field::schema());
    let cookie = "The cookie of a login; its name is `radiusd` over plain HTTP.";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("__Host-radiusd", cookie));
    components.security_schemes.insert("login".into(), SecurityScheme::ApiKey(cookie).into());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.security_schemes.insert("token".into(), SecurityScheme::Http(bearer).into());
    document
}

pub(crate) fn security(in_person: bool) -> Vec<SecurityRequirement> {
    let requirement = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    let all = [requirement("login"), requirement("token")];
    all.into_iter().take(if in_person { 1 } else { 2 }).collect()
}

/// Problems that follow from what an operation takes.
pub(crate) fn answers(operation: &mut Operation) {
    let mut all = vec![
        ("429", "This source asks too often, or the account is locked for a while."),
        ("500", "A mistake of ours; the log says more."),
        ("503", "The store is away or busy, or lacks tables."),
    ];
    let takes = |place: ParameterIn| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    if takes(ParameterIn::Path) {
        all.push(("404", "There is none by that id."));
    }
    if takes(ParameterIn::Header) {
        all.push(("412", "Somebody else has changed it meanwhile."));
    }
    if takes(ParameterIn::Query) || operation.request_body.is_some() {
        all.push(("422", "A field can't be what it is; `fields` says why."));
    }
    if operation.request_body.is_some() {
        all.push(("400", "The body is not JSON."));
        all.push(("413", "The body is too long."));
        all.push(("415", "The body is something else than JSON."));
    }
    for (status, text) in all {
        answer(operation, status, text);
    }
}

/// A problem that this operation may answer with, unless it says something of its own of it.
pub(crate) fn answer(operation: &mut Operation, status: &str, text: &str) {
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = ResponseBuilder::new().description(text).content(PROBLEM, content).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

pub(crate) const PROBLEM: &str = "application/problem+json";

/// Asked for by whoever wants to know what can be asked: it tells nothing of the site.
pub(crate) async fn show(State(_): State<Context>) -> Response {
    Json(document()).into_response()
}
