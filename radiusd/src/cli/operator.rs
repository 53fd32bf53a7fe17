//! `radiusd operator`: who manages, from the shell of the machine itself.

use clap::{Args, Subcommand};
use mgmt::{password, permission};
use radiusd::exit::{self, Failure};
use schema::{Operator, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::place::{Desk, Place};
use super::{done, input, say, tenant};

/// Operators fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add an operator
    #[command(after_help = "Example:\n  radiusd operator add ann --role support\n\nWithout \
                            --password one is made up and printed. Either has to be changed at \
                            the first sign-in.")]
    Add(Add),
    /// List operators
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show an operator
    Show {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Change an operator; one who gets another role or is disabled is signed out
    Change(Change),
    /// Remove an operator, with logins and tokens
    Remove {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Give an operator a one-time password, when he is locked out; ends his logins
    Reset {
        name: String,
        /// Instead, for one whose app is lost: no code is asked for any more, the password stays
        #[arg(long, conflicts_with = "password")]
        second_factor: bool,
        /// This one instead of one made up; - reads standard input
        #[arg(long, short)]
        password: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(super) struct Add {
    name: String,
    /// administrator, manager, support, billing, read-only, or a role of your own
    #[arg(long)]
    role: String,
    /// A tenant, which then is all that this operator sees
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long, default_value = "")]
    full_name: String,
    #[arg(long, default_value = "")]
    email: String,
    /// The first password; - reads standard input
    #[arg(long, short)]
    password: Option<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Change {
    name: String,
    /// Another name
    #[arg(long)]
    rename: Option<String>,
    #[arg(long)]
    role: Option<String>,
    /// A tenant, which then is all that this operator sees
    #[arg(long, conflicts_with = "no_tenant")]
    tenant: Option<String>,
    /// Lifts the confinement to a tenant
    #[arg(long)]
    no_tenant: bool,
    #[arg(long)]
    full_name: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// Signed out, and not let in again
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Let in again
    #[arg(long)]
    enable: bool,
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Add(add) => add.run(&desk),
            Command::List { json } => list(json, &desk),
            Command::Show { name, json } => {
                let operator = find(&name, &desk)?;
                if json { super::json(&as_json(&operator)) } else { show(&operator, &desk) }
            }
            Command::Change(change) => change.run(&desk),
            Command::Remove { name, json } => {
                let operator = find(&name, &desk)?;
                if !desk.wait(desk.store.remove_operator(&desk.actor()?, &operator))? {
                    return Err(no_operator(&name));
                }
                done(json, format_args!("{name} is removed"), || {
                    Ok(json!({ "name": operator.name, "removed": true }))
                })
            }
            Command::Reset { name, second_factor: true, json, .. } => {
                let operator = find(&name, &desk)?;
                if !desk.wait(desk.store.remove_factor(&desk.actor()?, &operator))? {
                    let why = format!("{name} has no second factor");
                    return Err(Failure::new(exit::FAILURE, why));
                }
                let words = format_args!("{name} is asked for the password alone");
                done(json, words, || Ok(as_json(&operator)))
            }
            Command::Reset { name, password, json, .. } => reset(&name, password, json, &desk),
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let operator = Operator {
            id: Uuid::now_v7(),
            role: role(&self.role, desk)?,
            tenant: tenant::id_of(self.tenant.as_deref(), desk)?,
            name: self.name,
            full_name: self.full_name,
            email: self.email,
            must_change: true,
            ..Operator::default()
        };
        check(&operator)?;
        let (password, made_up) = first_password(self.password.as_deref(), &operator)?;
        let hash = password::hash(&password);
        desk.wait(desk.store.add_operator(&desk.actor()?, &operator, Some(&hash)))?;
        let what = format!("{} is added", operator.name);
        tell(self.json, &what, &operator.name, made_up.then_some(&password), desk)
    }
}

impl Change {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let before = find(&self.name, desk)?;
        let mut after = before.clone();
        after.name = self.rename.unwrap_or(after.name);
        after.full_name = self.full_name.unwrap_or(after.full_name);
        after.email = self.email.unwrap_or(after.email);
        after.disabled = (after.disabled || self.disable) && !self.enable;
        if let Some(name) = &self.role {
            after.role = role(name, desk)?;
        }
        if self.tenant.is_some() || self.no_tenant {
            after.tenant = tenant::id_of(self.tenant.as_deref(), desk)?;
        }
        check(&after)?;
        if after == before {
            let words = format_args!("{} is as it was", before.name);
            return done(self.json, words, || Ok(as_json(&before)));
        }
        desk.wait(desk.store.update_operator(&desk.actor()?, &before, &after))?;
        done(self.json, format_args!("{} is changed", after.name), || Ok(as_json(&after)))
    }
}

fn reset(name: &str, password: Option<String>, json: bool, desk: &Desk) -> Result<(), Failure> {
    let operator = find(name, desk)?;
    let (password, made_up) = first_password(password.as_deref(), &operator)?;
    let hash = password::hash(&password);
    let actor = desk.actor()?;
    if !desk.wait(desk.store.set_password(&actor, operator.id, &hash, true, None))? {
        return Err(no_operator(name));
    }
    let what = match operator.disabled {
        true => format!(
            "{name} has a new password, and is disabled: radiusd operator change {name} --enable"
        ),
        false => format!("{name} has a new password"),
    };
    tell(json, &what, name, made_up.then_some(&password), desk)
}

/// What was done, and the password that nobody else has seen.
fn tell(
    json: bool,
    what: &str,
    name: &str,
    password: Option<&String>,
    desk: &Desk,
) -> Result<(), Failure> {
    if json {
        let mut value = as_json(&find(name, desk)?);
        value["one_time_password"] = json!(password);
        return super::json(&value);
    }
    say(what)?;
    match password {
        Some(password) => say(format_args!("one-time password: {password}")),
        None => Ok(()),
    }
}

/// Given or made up, and whether it was made up.
fn first_password(given: Option<&str>, operator: &Operator) -> Result<(String, bool), Failure> {
    let Some(given) = given else { return Ok((password::generate(), true)) };
    let password = input::password(given)?;
    let about = [operator.name.as_str(), &operator.full_name, &operator.email];
    password::check(&password, &about)
        .map_err(|why| Failure::new(exit::DATA, format!("the password: {why}")))?;
    Ok((password, false))
}

fn list(json: bool, desk: &Desk) -> Result<(), Failure> {
    let mut all: Vec<Operator> = Vec::new();
    loop {
        let after = all.last().map(|operator| operator.name.clone());
        let page =
            desk.wait(desk.store.list_operators(Scope::Everything, after.as_deref(), PAGE))?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    if json {
        return super::json(&all.iter().map(as_json).collect());
    }
    let roles = desk.wait(desk.store.list_roles())?;
    all.iter().try_for_each(|operator| {
        let state = if operator.disabled { "  disabled" } else { "" };
        let role = role_name(&operator.role, &roles);
        say(format_args!("{:24} {role:16} {}{state}", operator.name, operator.full_name))
    })
}

fn show(operator: &Operator, desk: &Desk) -> Result<(), Failure> {
    let roles = desk.wait(desk.store.list_roles())?;
    say(&operator.name)?;
    say(format_args!("  full name   {}", operator.full_name))?;
    say(format_args!("  e-mail      {}", operator.email))?;
    say(format_args!("  role        {}", role_name(&operator.role, &roles)))?;
    say(format_args!("  disabled    {}", if operator.disabled { "yes" } else { "no" }))?;
    let time = operator.last_login_ms.map_or("never".to_owned(), time);
    say(format_args!("  last login  {time}"))
}

pub(super) fn find(name: &str, desk: &Desk) -> Result<Operator, Failure> {
    desk.wait(desk.store.find_operator_named(name))?.ok_or_else(|| no_operator(name))
}

fn no_operator(name: &str) -> Failure {
    Failure::new(exit::FAILURE, format!("there is no operator {name}"))
}

fn check(operator: &Operator) -> Result<(), Failure> {
    match mgmt::mistakes(operator).first() {
        None => Ok(()),
        Some(wrong) => Err(Failure::new(exit::DATA, format!("{}: {}", wrong.field, wrong.detail))),
    }
}

/// As the store names it: a built-in one, or one of the site's by name or id.
fn role(name: &str, desk: &Desk) -> Result<String, Failure> {
    if permission::BuiltIn::named(name).is_some() {
        return Ok(name.to_owned());
    }
    let roles = desk.wait(desk.store.list_roles())?;
    let own = roles.iter().find(|role| {
        role.id.to_string() == name || role.name.to_lowercase() == name.to_lowercase()
    });
    own.map(|role| role.id.to_string()).ok_or_else(|| {
        let built_in = permission::BuiltIn::ALL.map(permission::BuiltIn::name);
        let own = roles.iter().map(|role| role.name.as_str());
        let all: Vec<_> = built_in.into_iter().chain(own).collect();
        Failure::new(exit::DATA, format!("there is no role {name}; there are {}", all.join(", ")))
    })
}

fn role_name<'n>(role: &'n str, roles: &'n [schema::Role]) -> &'n str {
    roles.iter().find(|own| own.id.to_string() == role).map_or(role, |own| &own.name)
}

pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

fn as_json(operator: &Operator) -> Value {
    json!({
        "id": operator.id,
        "name": operator.name,
        "full_name": operator.full_name,
        "email": operator.email,
        "role": operator.role,
        "tenant": operator.tenant,
        "disabled": operator.disabled,
        "must_change_password": operator.must_change,
        "last_login": operator.last_login_ms.map(time),
    })
}
