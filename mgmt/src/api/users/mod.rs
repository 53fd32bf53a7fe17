//! Users: found, added, changed, disabled, removed, and what was done to each.

mod bulk;
mod parts;
mod shape;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schema::{AuditFilter, Person, Place, Row, UserFilter};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::audit::Entry;
use super::rows;
use crate::body::{Body, IdempotencyKey, IfMatch, Name, tagged};
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{ReadUsers, RevealPasswords, Right, WriteUsers};
use crate::{Problem, Side};

pub(crate) use bulk::*;
pub(crate) use parts::may_give;
pub use parts::name_mistake;
use parts::{memberships, new_person, put_password};
use shape::{
    Edited, NewUser, User, UserChange, UserInList, UserSort, UserState, UserWithPassword, Wanted,
};

/// Entries of the log that one page looks at.
const LOOKED_AT: usize = 500;

/// A password in clear.
#[derive(Serialize, ToSchema)]
#[schema(as = RevealedPassword)]
pub(crate) struct Revealed {
    attribute: String,
    password: String,
}

/// List users
///
/// In order of their names, or the newest first.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", operation_id = "listUsers",
    params(Wanted), responses((status = 200, body = Page<UserInList>)))]
pub(crate) async fn list(
    permit: Permit<ReadUsers>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<UserInList>>, Problem> {
    let part = wanted.part();
    let limit = part.limit()?;
    let Cursor(after) = part.after::<Cursor>()?.unwrap_or(Cursor(None));
    let filter = UserFilter {
        text: wanted.search.filter(|text| !text.is_empty()),
        group: wanted.group,
        tag: wanted.tag,
        disabled: wanted.state.map(|state| state == UserState::Disabled),
        tenant: wanted.tenant,
        newest: wanted.sort == Some(UserSort::Newest),
        ..UserFilter::of(permit.scope())
    };
    if filter.text.as_ref().is_some_and(|text| text.chars().count() > 100) {
        return Err(Problem::field("search", "at most 100 characters"));
    }
    let narrowed = filter.group.is_some() || filter.tag.is_some() || filter.disabled.is_some();
    if filter.newest && (narrowed || filter.tenant.is_some()) {
        return Err(Problem::field("sort", "-created goes with no filter"));
    }
    let rows = permit.store().list_people(&filter, after.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |row| Cursor::text(&Place::of(row)), UserInList::from)))
}

/// Show a user
#[utoipa::path(get, path = "/api/v1/users/{name}", tag = "users", operation_id = "showUser",
    params(("name" = String, Path)),
    responses((status = 200, body = User, headers(("ETag" = String)))))]
pub(crate) async fn show(permit: Permit<ReadUsers>, Name(name): Name) -> Result<Response, Problem> {
    Ok(shown(&permit, &find(&permit, &name).await?))
}

/// Add a user
///
/// The same request sent again under the same Idempotency-Key adds nothing, and is answered with
/// the user as it is.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", operation_id = "addUser",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NewUser,
    responses((status = 201, body = UserWithPassword),
        (status = 409, description = "The name is taken.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteUsers>,
    IdempotencyKey(key): IdempotencyKey,
    Body(asked): Body<NewUser>,
) -> Result<Response, Problem> {
    let once = key.map(|key| schema::Once {
        operator: permit.operator().id,
        key,
        hash: hex::encode(Sha256::digest(serde_json::to_vec(&asked).unwrap_or_default())),
    });
    if let Some(once) = &once
        && let Some((hash, made)) = permit.store().find_request(once.operator, &once.key).await?
    {
        if hash != once.hash {
            let why = "another request was sent under this key";
            return Err(Problem::field("Idempotency-Key", why));
        }
        let person = find(&permit, &made).await?;
        return Ok(added(&permit, &person, None));
    }
    let (person, password) = new_person(&permit, asked).await?;
    let (actor, scope) = (permit.actor(), permit.scope());
    permit.store().add_user(actor, scope, &person, once.as_ref()).await?;
    let person = find(&permit, &person.user.name).await?;
    Ok(added(&permit, &person, password))
}

/// Change a user
///
/// What isn't named stays; rows that are named take the place of all in their table. It acts on the
/// next request of the user.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "users", operation_id = "changeUser",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UserChange,
    responses((status = 200, body = User, headers(("ETag" = String)))))]
pub(crate) async fn change(
    permit: Permit<WriteUsers>,
    Name(name): Name,
    seen: IfMatch,
    Body(asked): Body<UserChange>,
) -> Result<Response, Problem> {
    let before = find(&permit, &name).await?;
    seen.check(&Edited::of(&before, permit.context()))?;
    let mut after = before.clone();
    let user = &mut after.user;
    if let Some(given) = &asked.check {
        user.check = rows::read(&permit, Side::Check, &before.user.check, given).await?;
    }
    if let Some(given) = &asked.reply {
        user.reply = rows::read(&permit, Side::Reply, &before.user.reply, given).await?;
    }
    if let Some(password) = &asked.password {
        let form = asked.password_form.unwrap_or_default();
        put_password(&permit, form, password, &mut user.check).await?;
    } else if asked.password_form.is_some() {
        return Err(Problem::field("password", "another form takes the password once more"));
    }
    if let Some(disabled) = asked.disabled {
        user.set_disabled(disabled);
    }
    if let Some(groups) = asked.groups {
        user.groups = memberships(&permit, groups, &before.user.groups).await?;
    }
    if let Some(tenant) = asked.tenant {
        may_give(&permit, tenant).await?;
        after.tenant = tenant;
    }
    let mut wrong = Vec::new();
    let keys = permit.context().field_keys();
    asked.contact.put(&name, &mut after.details, keys, &mut wrong)?;
    if !wrong.is_empty() {
        return Err(Problem::fields(wrong));
    }
    if after != before {
        permit.store().update_user(permit.actor(), permit.scope(), &before, &after).await?;
        after = find(&permit, &name).await?;
    }
    Ok(shown(&permit, &after))
}

/// Remove a user
///
/// Its accounting stays.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users", operation_id = "removeUser",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The user is gone.")))]
pub(crate) async fn remove(
    permit: Permit<WriteUsers>,
    Name(name): Name,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let before = find(&permit, &name).await?;
    seen.check(&Edited::of(&before, permit.context()))?;
    match permit.store().remove_user(permit.actor(), permit.scope(), &name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("user")),
    }
}

/// Reveal a user's password
///
/// Where it lies in clear; the audit log says who has seen it.
#[utoipa::path(post, path = "/api/v1/users/{name}/reveal", tag = "users",
    operation_id = "revealPassword", params(("name" = String, Path)),
    responses((status = 200, body = Revealed),
        (status = 409, description = "It can't be read back.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn reveal(
    permit: Permit<RevealPasswords>,
    Name(name): Name,
) -> Result<Json<Revealed>, Problem> {
    let person = find(&permit, &name).await?;
    let clear = |row: &&Row| row.attribute.eq_ignore_ascii_case("Cleartext-Password");
    let Some(row) = person.user.check.iter().find(clear) else {
        let detail = "This user has no password that can be read back.";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    permit.store().note_reveal(permit.actor(), &person).await?;
    Ok(Json(Revealed { attribute: row.attribute.clone(), password: row.value.clone() }))
}

/// List what was done to a user
///
/// The newest first.
#[utoipa::path(get, path = "/api/v1/users/{name}/history", tag = "users",
    operation_id = "listUserHistory", params(("name" = String, Path), Part),
    responses((status = 200, body = Page<Entry>)))]
pub(crate) async fn history(
    permit: Permit<ReadUsers>,
    Name(name): Name,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Entry>>, Problem> {
    find(&permit, &name).await?;
    let limit = part.limit()?;
    let filter = AuditFilter { object: Some(name.clone()), ..AuditFilter::default() };
    let mut rows = permit.store().list_audit(&filter, part.after()?, LOOKED_AT).await?;
    // Another user may have had the name before, and another tenant him.
    let scope = permit.scope();
    let admits = |state: &serde_json::Value| {
        let tenant = state.get("tenant").and_then(|tenant| tenant.as_str());
        scope.admits(tenant.and_then(|tenant| tenant.parse().ok()))
    };
    rows.retain(|entry| {
        let ours = entry.action.starts_with("user.") && entry.object_name == name;
        let states = [&entry.detail["before"], &entry.detail["after"]];
        ours && states.into_iter().filter(|state| !state.is_null()).all(admits)
    });
    Ok(Json(Page::of(rows, limit, |row| row.sequence.to_string(), Entry::from)))
}

fn shown<P: Right>(permit: &Permit<P>, person: &Person) -> Response {
    let user = User::of(person, permit.context());
    tagged(user.edited(), Json(user.clone()))
}

fn added<P: Right>(permit: &Permit<P>, person: &Person, password: Option<String>) -> Response {
    let user = User::of(person, permit.context());
    let answer = Json(UserWithPassword { user: user.clone(), made_up_password: password });
    tagged(user.edited(), (StatusCode::CREATED, answer)).into_response()
}

async fn find<P: Right>(permit: &Permit<P>, name: &str) -> Result<Person, Problem> {
    let found = permit.store().find_person(permit.scope(), name).await?;
    found.ok_or_else(|| Problem::not_found("user"))
}

/// `ID NAME`.
struct Cursor(Option<Place>);

impl Cursor {
    fn text(place: &Place) -> String {
        format!("{} {}", place.id, place.name)
    }
}

impl std::str::FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Cursor, Self::Err> {
        let (id, name) = text.split_once(' ').unwrap_or(("", ""));
        Ok(Cursor(Some(Place { name: name.to_owned(), id: id.parse()? })))
    }
}
