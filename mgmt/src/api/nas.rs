//! NAS: who may send packets, what was seen of them, and who knocks unknown.

use std::collections::HashMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use schema::{NasRow, Owned, Scope, Tri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Problem;
use crate::body::{Body, IfMatch, RowId, tagged, time};
use crate::daemon::NasState;
use crate::guard::Permit;
use crate::page::{Asked, Page, Part};
use crate::permission::{ReadNas, RevealSecrets, Right, WriteNas};
use crate::problem::Field;
use crate::snippets::{self, Snippet};

/// What the columns of `nas` hold.
const SECRET_MAX: usize = 60;
const NAME_MAX: usize = 32;
const TYPE_MAX: usize = 30;
const DESCRIPTION_MAX: usize = 200;
/// A secret below this can be guessed from one captured packet.
const SECRET_MIN: usize = 12;
const COA_PORT: u16 = 3799;

#[derive(Serialize, ToSchema)]
pub(crate) struct Nas {
    /// Its row's id.
    id: i64,
    #[serde(flatten)]
    edited: EditedNas,
    /// To whom it belongs; nobody's is seen by operators of no tenant alone.
    tenant: Option<Uuid>,
    /// Its secret is short enough to be guessed.
    weak_secret: bool,
    /// It signs every request, as `auto` has learned.
    signs: bool,
    /// Since the daemon began, on this node.
    requests: u64,
    rejects: u64,
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

/// What people change of one; its tag is over this.
#[derive(Serialize, ToSchema)]
pub(crate) struct EditedNas {
    /// An address, a prefix or a host name.
    address: String,
    name: String,
    /// FreeRADIUS's nas_type.
    r#type: String,
    description: String,
    #[schema(inline)]
    require_message_authenticator: Rule,
    #[schema(inline)]
    limit_proxy_state: Rule,
    /// Where it takes Disconnect-Request; null is 3799.
    coa_port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rule {
    Auto,
    Yes,
    No,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNas {
    /// An address, a prefix such as `192.0.2.0/24`, or a host name.
    #[schema(max_length = 128)]
    address: String,
    #[serde(default)]
    #[schema(max_length = 32)]
    name: String,
    /// Without one, a secret is made up and shown once.
    #[schema(format = Password, max_length = 60)]
    secret: Option<String>,
    #[schema(max_length = 30)]
    r#type: Option<String>,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    #[schema(inline)]
    require_message_authenticator: Option<Rule>,
    #[schema(inline)]
    limit_proxy_state: Option<Rule>,
    coa_port: Option<u16>,
    /// To whom it belongs; an operator of a tenant adds his tenant's.
    tenant: Option<Uuid>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NasChange {
    address: Option<String>,
    name: Option<String>,
    #[schema(format = Password)]
    secret: Option<String>,
    r#type: Option<String>,
    description: Option<String>,
    #[schema(inline)]
    require_message_authenticator: Option<Rule>,
    #[schema(inline)]
    limit_proxy_state: Option<Rule>,
    /// 0 is the usual one.
    coa_port: Option<u16>,
}

/// A NAS that was just added.
#[derive(Serialize, ToSchema)]
pub(crate) struct NasWithSecret {
    #[serde(flatten)]
    nas: Nas,
    /// Shown here once; null where it was given.
    secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Revealed {
    secret: String,
}

/// A source whose packets are not taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stranger {
    source: String,
    /// `unknown-client`, or `bad-authenticator`: the secret is another one.
    complaint: &'static str,
    count: u64,
    #[schema(format = DateTime)]
    first: String,
    #[schema(format = DateTime)]
    last: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Server {
    /// The address under which NAS reach this server.
    server: Option<String>,
}

impl From<Tri> for Rule {
    fn from(rule: Tri) -> Rule {
        match rule {
            Tri::Auto => Rule::Auto,
            Tri::Yes => Rule::Yes,
            Tri::No => Rule::No,
        }
    }
}

impl From<Rule> for Tri {
    fn from(rule: Rule) -> Tri {
        match rule {
            Rule::Auto => Tri::Auto,
            Rule::Yes => Tri::Yes,
            Rule::No => Tri::No,
        }
    }
}

impl From<&NasRow> for EditedNas {
    fn from(row: &NasRow) -> EditedNas {
        EditedNas {
            address: row.nasname.clone(),
            name: row.shortname.clone(),
            r#type: row.r#type.clone(),
            description: row.description.clone().unwrap_or_default(),
            require_message_authenticator: row.require_message_authenticator.into(),
            limit_proxy_state: row.limit_proxy_state.into(),
            coa_port: row.coa_port,
        }
    }
}

impl Nas {
    fn of(row: &NasRow, tenant: Option<Uuid>, state: NasState) -> Nas {
        Nas {
            id: row.id,
            edited: EditedNas::from(row),
            tenant,
            weak_secret: row.secret.len() < SECRET_MIN,
            signs: state.signs,
            requests: state.requests,
            rejects: state.rejects,
            last_seen: state.last_seen_ms.map(time),
        }
    }
}

/// List NAS
#[utoipa::path(get, path = "/api/v1/nas", tag = "nas", operation_id = "listNas",
    params(Part), responses((status = 200, body = Page<Nas>)))]
pub(crate) async fn list(
    permit: Permit<ReadNas>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Nas>>, Problem> {
    let (limit, after) = (part.limit()?, part.after::<i64>()?.unwrap_or_default());
    let states = permit.context().daemon().nas_states();
    let (mut rows, owners) = in_scope(&permit).await?;
    rows.retain(|row| row.id > after);
    rows.truncate(limit + 1);
    let show = |row: NasRow| {
        let tenant = owners.get(&row.id.to_string()).copied();
        Nas::of(&row, tenant, states.get(&row.id).copied().unwrap_or_default())
    };
    Ok(Json(Page::of(rows, limit, |row| row.id.to_string(), show)))
}

/// Show a NAS
#[utoipa::path(get, path = "/api/v1/nas/{id}", tag = "nas", operation_id = "showNas",
    params(("id" = i64, Path)),
    responses((status = 200, body = Nas, headers(("ETag" = String)))))]
pub(crate) async fn show(permit: Permit<ReadNas>, RowId(id): RowId) -> Result<Response, Problem> {
    let (row, tenant) = find(&permit, id).await?;
    Ok(shown(&permit, &row, tenant))
}

/// Add a NAS
///
/// It may send from the next packet on.
#[utoipa::path(post, path = "/api/v1/nas", tag = "nas", operation_id = "addNas",
    request_body = NewNas,
    responses((status = 201, body = NasWithSecret),
        (status = 409, description = "There is one at that address, or it lies in another's.",
            body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    permit: Permit<WriteNas>,
    Body(asked): Body<NewNas>,
) -> Result<Response, Problem> {
    let tenant = match permit.scope() {
        Scope::Tenant(own) if asked.tenant.is_none_or(|tenant| tenant == own) => Some(own),
        Scope::Tenant(_) => return Err(Problem::field("tenant", "there is no such tenant")),
        Scope::Everything => asked.tenant,
    };
    if let Some(tenant) = tenant
        && permit.store().find_tenant(tenant).await?.is_none()
    {
        return Err(Problem::field("tenant", "there is no such tenant"));
    }
    let made_up = asked.secret.is_none().then(made_up);
    let address = asked.address.trim().to_owned();
    let mut row = NasRow {
        shortname: if asked.name.is_empty() { short(&address) } else { asked.name },
        nasname: address,
        r#type: asked.r#type.unwrap_or_else(|| "other".into()),
        secret: asked.secret.or_else(|| made_up.clone()).unwrap_or_default(),
        description: Some(asked.description).filter(|text| !text.is_empty()),
        require_message_authenticator: asked
            .require_message_authenticator
            .map_or(Tri::Auto, Tri::from),
        limit_proxy_state: asked.limit_proxy_state.map_or(Tri::Auto, Tri::from),
        coa_port: asked.coa_port.filter(|port| *port != 0),
        ..NasRow::default()
    };
    check(&mut row)?;
    lies_in_nobodys(&permit, &row).await?;
    row.id = permit.store().add_nas(permit.actor(), &row, tenant).await?;
    let nas = Nas::of(&row, tenant, NasState::default());
    Ok((StatusCode::CREATED, Json(NasWithSecret { nas, secret: made_up })).into_response())
}

/// Change a NAS
///
/// What isn't named stays.
#[utoipa::path(patch, path = "/api/v1/nas/{id}", tag = "nas", operation_id = "changeNas",
    params(("id" = i64, Path), ("If-Match" = Option<String>, Header)),
    request_body = NasChange,
    responses((status = 200, body = Nas, headers(("ETag" = String))),
        (status = 409, description = "There is one at that address, or it lies in another's.",
            body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn change(
    permit: Permit<WriteNas>,
    RowId(id): RowId,
    seen: IfMatch,
    Body(asked): Body<NasChange>,
) -> Result<Response, Problem> {
    let (before, tenant) = find(&permit, id).await?;
    seen.check(&EditedNas::from(&before))?;
    let old = before.clone();
    let rule = |asked: Option<Rule>, old: Tri| asked.map_or(old, Tri::from);
    let mut after = NasRow {
        nasname: asked.address.map_or(old.nasname, |text| text.trim().to_owned()),
        shortname: asked.name.unwrap_or(old.shortname),
        r#type: asked.r#type.unwrap_or(old.r#type),
        secret: asked.secret.unwrap_or(old.secret),
        description: asked
            .description
            .map_or(old.description, |text| Some(text).filter(|text| !text.is_empty())),
        require_message_authenticator: rule(
            asked.require_message_authenticator,
            old.require_message_authenticator,
        ),
        limit_proxy_state: rule(asked.limit_proxy_state, old.limit_proxy_state),
        coa_port: asked.coa_port.map_or(old.coa_port, |port| Some(port).filter(|port| *port != 0)),
        ..old
    };
    check(&mut after)?;
    if after.nasname != before.nasname {
        lies_in_nobodys(&permit, &after).await?;
    }
    if after != before && !permit.store().update_nas(permit.actor(), &before, &after).await? {
        return Err(Problem::not_found("NAS"));
    }
    Ok(shown(&permit, &after, tenant))
}

/// Remove a NAS
///
/// Its packets are dropped from then on; its sessions stay.
#[utoipa::path(delete, path = "/api/v1/nas/{id}", tag = "nas", operation_id = "removeNas",
    params(("id" = i64, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The NAS is gone.")))]
pub(crate) async fn remove(
    permit: Permit<WriteNas>,
    RowId(id): RowId,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (before, _) = find(&permit, id).await?;
    seen.check(&EditedNas::from(&before))?;
    match permit.store().remove_nas(permit.actor(), id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("NAS")),
    }
}

/// Reveal a NAS's secret
///
/// The audit log says who has seen it.
#[utoipa::path(post, path = "/api/v1/nas/{id}/reveal", tag = "nas",
    operation_id = "revealNasSecret", params(("id" = i64, Path)),
    responses((status = 200, body = Revealed)))]
pub(crate) async fn reveal(
    permit: Permit<RevealSecrets>,
    RowId(id): RowId,
) -> Result<Json<Revealed>, Problem> {
    find(&permit, id).await?;
    let secret = permit.store().reveal_nas_secret(permit.actor(), id).await?;
    Ok(Json(Revealed { secret: secret.ok_or_else(|| Problem::not_found("NAS"))? }))
}

/// List configuration snippets
///
/// What to type into the NAS, by vendor; in the place of the secret stands `<secret>`.
#[utoipa::path(get, path = "/api/v1/nas/{id}/snippets", tag = "nas",
    operation_id = "listNasSnippets", params(("id" = i64, Path), Server),
    responses((status = 200, body = Vec<Snippet>)))]
pub(crate) async fn snippets(
    permit: Permit<ReadNas>,
    RowId(id): RowId,
    Asked(asked): Asked<Server>,
) -> Result<Json<Vec<Snippet>>, Problem> {
    let (row, _) = find(&permit, id).await?;
    let server = asked.server.unwrap_or_else(|| "radius.example".into());
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if server.is_empty() || server.len() > 253 || !server.chars().all(plain) {
        return Err(Problem::field("server", "expected an address or a host name"));
    }
    let name = row.shortname.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-");
    Ok(Json(snippets::all(&server, &name, row.coa_port.unwrap_or(COA_PORT))))
}

/// List unknown NAS
///
/// Sources whose packets are not taken, of late: addresses that no NAS has, and NAS whose secret is
/// another. They are nobody's, so only operators of no tenant see them.
#[utoipa::path(get, path = "/api/v1/nas/unknown", tag = "nas", operation_id = "listUnknownNas",
    responses((status = 200, body = Vec<Stranger>)))]
pub(crate) async fn unknown(permit: Permit<ReadNas>) -> Json<Vec<Stranger>> {
    if permit.scope() != Scope::Everything {
        return Json(Vec::new());
    }
    let mut all = permit.context().daemon().strangers();
    all.sort_by_key(|one| std::cmp::Reverse(one.last_ms));
    let show = |one: crate::daemon::Stranger| Stranger {
        source: one.source.to_string(),
        complaint: one.complaint,
        count: one.count,
        first: time(one.first_ms),
        last: time(one.last_ms),
    };
    Json(all.into_iter().map(show).collect())
}

fn shown<P: Right>(permit: &Permit<P>, row: &NasRow, tenant: Option<Uuid>) -> Response {
    let states = permit.context().daemon().nas_states();
    let state = states.get(&row.id).copied().unwrap_or_default();
    tagged(&EditedNas::from(row), Json(Nas::of(row, tenant, state)))
}

/// Rows in scope, in order of their ids, and to whom they belong.
pub(super) async fn in_scope<P: Right>(
    permit: &Permit<P>,
) -> Result<(Vec<NasRow>, HashMap<String, Uuid>), Problem> {
    let mut rows = permit.store().list_nas().await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let owners = permit.store().owners(Owned::Nas, &ids).await?;
    let scope = permit.scope();
    rows.retain(|row| scope.admits(owners.get(&row.id.to_string()).copied()));
    Ok((rows, owners))
}

async fn find<P: Right>(permit: &Permit<P>, id: i64) -> Result<(NasRow, Option<Uuid>), Problem> {
    let (rows, owners) = in_scope(permit).await?;
    let row = rows.into_iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Problem::not_found("NAS"))?;
    Ok((row, owners.get(&id.to_string()).copied()))
}

/// The longest prefix is whose secret counts: a tenant takes no address out of another's network,
/// and no network around it.
async fn lies_in_nobodys(permit: &Permit<WriteNas>, new: &NasRow) -> Result<(), Problem> {
    let Scope::Tenant(own) = permit.scope() else { return Ok(()) };
    let Some(net) = network(&new.nasname) else {
        return Err(Problem::field("address", "expected an IP address or a prefix"));
    };
    let rows = permit.store().list_nas().await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let owners = permit.store().owners(Owned::Nas, &ids).await?;
    let overlaps = |row: &NasRow| {
        network(&row.nasname).is_some_and(|other| other.contains(&net) || net.contains(&other))
    };
    let is_foreign = |row: &NasRow| owners.get(&row.id.to_string()) != Some(&own);
    match rows.iter().any(|row| row.id != new.id && is_foreign(row) && overlaps(row)) {
        true => Err(Problem::new(StatusCode::CONFLICT, "This address can't be had.")),
        false => Ok(()),
    }
}

fn network(text: &str) -> Option<IpNet> {
    let host = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(host)
}

fn check(row: &mut NasRow) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    let mut say = |is_wrong: bool, field: &str, detail: String| {
        if is_wrong {
            wrong.push(Field { field: field.to_owned(), detail });
        }
    };
    match network(&row.nasname) {
        Some(net) if net.prefix_len() == net.max_prefix_len() => {
            row.nasname = net.addr().to_string()
        }
        Some(net) => row.nasname = net.trunc().to_string(),
        None => {
            let part = |part: &str| {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                !part.is_empty() && part.len() < 64 && part.chars().all(plain)
            };
            // A host name has a letter; digits and points alone are a mistyped address.
            let is_host = row.nasname.trim_end_matches('.').split('.').all(part)
                && row.nasname.chars().any(|c| c.is_ascii_alphabetic());
            let is_wrong = !is_host || row.nasname.len() > 128;
            say(is_wrong, "address", "expected an address, a prefix or a host name".into());
        }
    }
    let is_text = |text: &str, most: usize| {
        text.chars().count() <= most && !text.chars().any(char::is_control)
    };
    let name = &row.shortname;
    say(name.is_empty() || !is_text(name, NAME_MAX), "name", format!("1 to {NAME_MAX} characters"));
    say(!is_text(&row.r#type, TYPE_MAX), "type", format!("{TYPE_MAX} characters at most"));
    let text = row.description.as_deref().unwrap_or_default();
    let most = DESCRIPTION_MAX;
    say(!is_text(text, most), "description", format!("{most} characters at most"));
    let secret = &row.secret;
    let is_wrong = secret.is_empty() || !is_text(secret, SECRET_MAX) || secret.trim() != secret;
    say(is_wrong, "secret", format!("1 to {SECRET_MAX} characters, none of them blank at an end"));
    if wrong.is_empty() { Ok(()) } else { Err(Problem::fields(wrong)) }
}

fn short(address: &str) -> String {
    address.chars().take(NAME_MAX).collect()
}

/// What no dictionary holds: 32 letters and digits.
fn made_up() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let pick = |_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    (0..32).map(pick).collect()
}
