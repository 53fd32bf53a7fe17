//! `radiusd tenant`: resellers and sites, whose operators see what is theirs.

use clap::Subcommand;
use radiusd::exit::{self, Failure};
use schema::Tenant;
use serde_json::{Value, json};
use uuid::Uuid;

use super::place::{Desk, Place};
use super::{done, say};

/// Tenants fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a tenant
    #[command(after_help = "Example:\n  radiusd tenant add North\n  radiusd operator add ann \
                            --role manager --tenant North")]
    Add {
        name: String,
        #[arg(long, default_value = "")]
        description: String,
        #[arg(long)]
        json: bool,
    },
    /// List tenants
    List {
        #[arg(long)]
        json: bool,
    },
    /// Change a tenant
    Change {
        name: String,
        /// Another name
        #[arg(long)]
        rename: Option<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Remove a tenant that has no operators and owns nothing
    Remove {
        name: String,
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Add { name, description, json } => {
                let tenant = Tenant { id: Uuid::now_v7(), name, description };
                check(&tenant)?;
                desk.wait(desk.store.add_tenant(&desk.actor()?, &tenant))?;
                done(json, format_args!("{} is added", tenant.name), || Ok(as_json(&tenant)))
            }
            Command::List { json } => list(json, &desk),
            Command::Change { name, rename, description, json } => {
                let before = find(&name, &desk)?;
                let after = Tenant {
                    id: before.id,
                    name: rename.unwrap_or_else(|| before.name.clone()),
                    description: description.unwrap_or_else(|| before.description.clone()),
                };
                check(&after)?;
                if after != before {
                    desk.wait(desk.store.update_tenant(&desk.actor()?, &before, &after))?;
                }
                done(json, format_args!("{} is changed", after.name), || Ok(as_json(&after)))
            }
            Command::Remove { name, json } => {
                let tenant = find(&name, &desk)?;
                if !desk.wait(desk.store.remove_tenant(&desk.actor()?, &tenant))? {
                    return Err(no_tenant(&name));
                }
                done(json, format_args!("{name} is removed"), || {
                    Ok(json!({ "name": tenant.name, "removed": true }))
                })
            }
        }
    }
}

fn list(json: bool, desk: &Desk) -> Result<(), Failure> {
    let mut all: Vec<Tenant> = Vec::new();
    loop {
        let after = all.last().map(|tenant| tenant.name.clone());
        let page = desk.wait(desk.store.list_tenants(after.as_deref(), PAGE))?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    if json {
        return super::json(&all.iter().map(as_json).collect());
    }
    let line = |tenant: &Tenant| say(format_args!("{:32} {}", tenant.name, tenant.description));
    all.iter().try_for_each(line)
}

fn find(name: &str, desk: &Desk) -> Result<Tenant, Failure> {
    desk.wait(desk.store.find_tenant_named(name))?.ok_or_else(|| no_tenant(name))
}

/// The id of the tenant named, where one is named.
pub(super) fn id_of(name: Option<&str>, desk: &Desk) -> Result<Option<Uuid>, Failure> {
    name.map(|name| find(name, desk).map(|tenant| tenant.id)).transpose()
}

fn no_tenant(name: &str) -> Failure {
    Failure::new(exit::FAILURE, format!("there is no tenant {name}"))
}

fn check(tenant: &Tenant) -> Result<(), Failure> {
    match mgmt::tenant_mistakes(tenant).first() {
        None => Ok(()),
        Some(wrong) => Err(Failure::new(exit::DATA, format!("{}: {}", wrong.field, wrong.detail))),
    }
}

fn as_json(tenant: &Tenant) -> Value {
    json!({ "id": tenant.id, "name": tenant.name, "description": tenant.description })
}
