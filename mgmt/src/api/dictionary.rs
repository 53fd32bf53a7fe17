//! The dictionary, for whoever writes rows: what there is, of which type, with which values.

use axum::Json;
use dictionaries::{Attribute as Known, Kind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;
use crate::guard::Permit;
use crate::page::{Asked, Page};
use crate::permission::SignedIn;

/// Values of one attribute at most.
const VALUES_MAX: usize = 200;

/// What can stand in a row.
#[derive(Serialize, ToSchema)]
pub(crate) struct Attribute {
    name: String,
    /// `string`, `integer`, `ipaddr` …
    kind: &'static str,
    /// Null for one of no vendor's.
    vendor: Option<String>,
    /// Never sent: it says how the request is decided.
    internal: bool,
    secret: bool,
    /// Written as `NAME:1`.
    has_tag: bool,
    /// Names of its values.
    values: Vec<String>,
    /// Operators that do something in a check table, the usual one first.
    check_operators: Vec<&'static str>,
    /// The same in a reply table; empty where nothing would be sent.
    reply_operators: Vec<&'static str>,
    /// How a value is written.
    example: &'static str,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Part of a name.
    #[param(max_length = 100)]
    search: Option<String>,
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
}

/// Search the dictionary
///
/// Names that begin so come first.
#[utoipa::path(get, path = "/api/v1/dictionary/attributes", tag = "dictionary",
    operation_id = "listAttributes", params(Wanted),
    responses((status = 200, body = Page<Attribute>)))]
pub(crate) async fn attributes(
    permit: Permit<SignedIn>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Attribute>>, Problem> {
    let limit = match wanted.limit.unwrap_or(20) {
        limit @ 1..=100 => limit,
        _ => return Err(Problem::field("limit", "1 to 100")),
    };
    let search = wanted.search.unwrap_or_default().to_ascii_lowercase();
    let daemon = permit.context().daemon();
    let dictionary = daemon.dictionary();
    let mut found: Vec<_> = dictionary
        .attributes()
        .filter(|attribute| !attribute.kind.is_container())
        .filter_map(|attribute| {
            let at = attribute.name.to_ascii_lowercase().find(&search)?;
            Some((at > 0, attribute.name.len(), attribute))
        })
        .collect();
    found.sort_by(|a, b| (a.0, a.1, &a.2.name).cmp(&(b.0, b.1, &b.2.name)));
    found.truncate(limit);
    let show = |attribute: &Known| Attribute {
        name: attribute.name.to_string(),
        kind: attribute.kind.as_str(),
        vendor: attribute
            .vendor_number()
            .and_then(|(vendor, _)| dictionary.vendor(vendor))
            .map(|vendor| vendor.name.to_string()),
        internal: attribute.is_internal(),
        secret: daemon.is_secret(&attribute.name),
        has_tag: attribute.flags.has_tag,
        values: attribute.values().take(VALUES_MAX).map(|(_, name)| name.to_owned()).collect(),
        check_operators: check_operators(attribute),
        reply_operators: reply_operators(attribute),
        example: example(attribute.kind),
    };
    let items = found.into_iter().map(|(_, _, attribute)| show(attribute)).collect();
    Ok(Json(Page { items, next: None }))
}

fn check_operators(attribute: &Known) -> Vec<&'static str> {
    match attribute.is_internal() {
        true => vec![":=", "+=", "=="],
        false => vec!["==", "!=", ":=", "=~", "!~", ">=", "<=", ">", "<", "=*", "!*"],
    }
}

fn reply_operators(attribute: &Known) -> Vec<&'static str> {
    match attribute.is_internal() && &*attribute.name != "Fall-Through" {
        true => Vec::new(),
        false => vec!["=", ":=", "+="],
    }
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Ipaddr | Kind::ComboIp => "192.0.2.7",
        Kind::Ipv4prefix => "192.0.2.0/24",
        Kind::Ipv6addr => "2001:db8::7",
        Kind::Ipv6prefix => "2001:db8::/56",
        Kind::Integer | Kind::Short | Kind::Byte | Kind::Integer64 | Kind::Signed => "3600",
        Kind::Bool => "yes",
        Kind::Date => "31 Dec 2026 12:00:00",
        Kind::Ifid => "0:0:0:7",
        Kind::Ether => "00:11:22:33:44:55",
        Kind::Octets => "0x0123ab",
        _ => "text",
    }
}
