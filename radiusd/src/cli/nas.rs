//! `radiusd nas`: who may send packets.

use clap::{Args, Subcommand, ValueEnum};
use radiusd::config::{ClientAddress, Tri};
use radiusd::exit::{self, Failure};
use schema::{NamedNas, NasRow};
use serde_json::{Value, json};

use super::place::{Desk, Place};
use super::{done, input, note, say};

/// A secret below this can be guessed from one captured packet.
const SECRET_MIN: usize = 12;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a NAS
    #[command(after_help = "Examples:\n  radiusd nas add 192.0.2.1 --secret - --name tower-1\n  \
                            radiusd nas add --identifier tower-2 --secret file:secret")]
    Add(Add),
    /// List them
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show one
    Show {
        /// Its id, address or name
        nas: String,
        #[arg(long)]
        json: bool,
        /// Show the secret too
        #[arg(long)]
        reveal: bool,
    },
    /// Change one
    Change(Change),
    /// Remove one
    Remove {
        /// Its id, address or name
        nas: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// Its address, a prefix such as 192.0.2.0/24, or a host name
    #[arg(required_unless_present = "identifier")]
    address: Option<String>,
    /// Instead of an address, its NAS-Identifier; it must always send Message-Authenticator
    #[arg(long, conflicts_with = "address")]
    identifier: Option<String>,
    /// The shared secret; - reads standard input, file:PATH and env:NAME work too
    #[arg(long)]
    secret: String,
    #[command(flatten)]
    fields: Fields,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Change {
    /// Its id, address or name
    nas: String,
    /// Another address
    #[arg(long)]
    address: Option<String>,
    /// Another secret; - reads standard input, file:PATH and env:NAME work too
    #[arg(long)]
    secret: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Fields {
    /// A short name
    #[arg(long)]
    name: Option<String>,
    /// FreeRADIUS's nas_type: cisco, mikrotik, other …
    #[arg(long)]
    r#type: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// Whether a request without Message-Authenticator is dropped
    #[arg(long, value_enum)]
    require_message_authenticator: Option<Rule>,
    /// Whether a request with Proxy-State and without Message-Authenticator is dropped
    #[arg(long, value_enum)]
    limit_proxy_state: Option<Rule>,
    /// Where it takes Disconnect-Request; 0 is the usual port, 3799
    #[arg(long)]
    coa_port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rule {
    Auto,
    Yes,
    No,
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

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Add(add) => add.run(&desk),
            Command::List { json } => list(json, &desk),
            Command::Show { nas, json, reveal } => {
                if let Some(named) = find_named(&nas, &desk)? {
                    return show_named(&named, json, reveal);
                }
                let nas = find(&nas, &desk)?;
                if json {
                    return super::json(&as_json(&nas, reveal));
                }
                show(&nas, reveal)
            }
            Command::Change(change) => change.run(&desk),
            Command::Remove { nas, json } => remove(&nas, json, &desk),
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let secret = secret(&self.secret)?;
        let Fields {
            name,
            r#type,
            description,
            require_message_authenticator,
            limit_proxy_state,
            coa_port,
        } = self.fields;
        let r#type = r#type.unwrap_or_else(|| "other".into());
        let limit_proxy_state = limit_proxy_state.map(Tri::from).unwrap_or_default();
        if let Some(identifier) = self.identifier {
            if require_message_authenticator.is_some_and(|rule| rule != Rule::Yes) {
                let why = "a NAS known by its identifier must always send Message-Authenticator";
                return Err(Failure::new(exit::USAGE, why));
            }
            let shortname = name.unwrap_or_else(|| identifier.clone());
            let nas =
                NamedNas { identifier, shortname, r#type, secret, description, limit_proxy_state };
            desk.wait(desk.store.add_named_nas(&desk.actor()?, &nas))?;
            return done(self.json, format_args!("{} is added", nas.identifier), || {
                Ok(named_as_json(&nas, false))
            });
        }
        let nasname = address(&self.address.unwrap_or_default())?;
        let rule = require_message_authenticator.map(Tri::from).unwrap_or_default();
        let twins = desk.wait(desk.store.find_nas(&nasname))?;
        if let Some(twin) = twins.iter().find(|twin| twin.nasname == nasname) {
            let why =
                format!("{nasname} is there already, with id {}; radiusd nas change", twin.id);
            return Err(Failure::new(exit::FAILURE, why));
        }
        let mut nas = NasRow {
            shortname: name.unwrap_or_else(|| nasname.clone()),
            nasname,
            r#type,
            secret,
            description,
            require_message_authenticator: rule,
            limit_proxy_state,
            coa_port: coa_port.filter(|port| *port != 0),
            ..NasRow::default()
        };
        nas.id = desk.wait(desk.store.add_nas(&desk.actor()?, &nas, None))?;
        let words = format_args!("{} is added, with id {}", nas.nasname, nas.id);
        done(self.json, words, || Ok(as_json(&nas, false)))
    }
}

impl Change {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let before = find(&self.nas, desk)?;
        let mut nas = before.clone();
        if let Some(text) = &self.address {
            nas.nasname = address(text)?;
        }
        if let Some(text) = &self.secret {
            nas.secret = secret(text)?;
        }
        let fields = self.fields;
        nas.shortname = fields.name.unwrap_or(nas.shortname);
        nas.r#type = fields.r#type.unwrap_or(nas.r#type);
        nas.description = fields.description.or(nas.description);
        if let Some(rule) = fields.require_message_authenticator {
            nas.require_message_authenticator = rule.into();
        }
        if let Some(rule) = fields.limit_proxy_state {
            nas.limit_proxy_state = rule.into();
        }
        if let Some(port) = fields.coa_port {
            nas.coa_port = Some(port).filter(|port| *port != 0);
        }
        if nas == before {
            let words = format_args!("{} is as it was", nas.nasname);
            return done(self.json, words, || Ok(as_json(&nas, false)));
        }
        if !desk.wait(desk.store.update_nas(&desk.actor()?, &before, &nas))? {
            return Err(no_nas(&self.nas));
        }
        done(self.json, format_args!("{} is changed", nas.nasname), || Ok(as_json(&nas, false)))
    }
}

fn list(json: bool, desk: &Desk) -> Result<(), Failure> {
    let all = desk.wait(desk.store.list_nas())?;
    let named = desk.wait(desk.store.list_named_nas())?;
    if json {
        let named = named.iter().map(|nas| named_as_json(nas, false));
        let all = all.iter().map(|nas| as_json(nas, false)).chain(named);
        return super::json(&all.collect());
    }
    for nas in &all {
        say(format_args!("{:6}  {:40} {:24} {}", nas.id, nas.nasname, nas.shortname, nas.r#type))?;
    }
    named.iter().try_for_each(|nas| {
        say(format_args!("{:6}  {:40} {:24} {}", "", nas.identifier, nas.shortname, nas.r#type))
    })
}

fn show(nas: &NasRow, reveal: bool) -> Result<(), Failure> {
    let secret = if reveal { nas.secret.as_str() } else { "…" };
    say(format_args!("{} (id {})", nas.nasname, nas.id))?;
    say(format_args!("  name         {}", nas.shortname))?;
    say(format_args!("  type         {}", nas.r#type))?;
    say(format_args!("  secret       {secret}"))?;
    if let Some(description) = &nas.description {
        say(format_args!("  description  {description}"))?;
    }
    let rule = word(nas.require_message_authenticator);
    say(format_args!("  require_message_authenticator  {rule}"))?;
    say(format_args!("  limit_proxy_state              {}", word(nas.limit_proxy_state)))
}

fn show_named(nas: &NamedNas, json: bool, reveal: bool) -> Result<(), Failure> {
    if json {
        return super::json(&named_as_json(nas, reveal));
    }
    let secret = if reveal { nas.secret.as_str() } else { "…" };
    say(format_args!("{} (by NAS-Identifier)", nas.identifier))?;
    say(format_args!("  name         {}", nas.shortname))?;
    say(format_args!("  type         {}", nas.r#type))?;
    say(format_args!("  secret       {secret}"))?;
    if let Some(description) = &nas.description {
        say(format_args!("  description  {description}"))?;
    }
    say(format_args!("  limit_proxy_state              {}", word(nas.limit_proxy_state)))
}

fn remove(name: &str, json: bool, desk: &Desk) -> Result<(), Failure> {
    if desk.wait(desk.store.remove_named_nas(&desk.actor()?, name))? {
        return done(json, format_args!("{name} is removed"), || {
            Ok(json!({ "identifier": name, "removed": true }))
        });
    }
    let nas = find(name, desk)?;
    if !desk.wait(desk.store.remove_nas(&desk.actor()?, nas.id))? {
        return Err(no_nas(name));
    }
    done(json, format_args!("{} is removed", nas.nasname), || {
        Ok(json!({ "id": nas.id, "address": nas.nasname, "removed": true }))
    })
}

fn find_named(name: &str, desk: &Desk) -> Result<Option<NamedNas>, Failure> {
    let all = desk.wait(desk.store.list_named_nas())?;
    Ok(all.into_iter().find(|nas| nas.identifier == name))
}

/// By id, address or name, whichever leads to exactly one.
fn find(name: &str, desk: &Desk) -> Result<NasRow, Failure> {
    let mut found = desk.wait(desk.store.find_nas(name))?;
    if found.is_empty()
        && let Ok(id) = name.parse::<i64>()
    {
        found = desk.wait(desk.store.list_nas())?;
        found.retain(|nas| nas.id == id);
    }
    match found.as_slice() {
        [] => Err(no_nas(name)),
        [one] => Ok(one.clone()),
        many => {
            let ids: Vec<_> = many.iter().map(|nas| nas.id.to_string()).collect();
            let why = format!("{name} is more than one; say its id: {}", ids.join(", "));
            Err(Failure::new(exit::FAILURE, why))
        }
    }
}

fn no_nas(name: &str) -> Failure {
    Failure::new(exit::FAILURE, format!("there is no NAS {name}"))
}

/// The address as it goes into the row: a prefix without bits behind it.
fn address(text: &str) -> Result<String, Failure> {
    match text.parse::<ClientAddress>() {
        Ok(ClientAddress::Net(net)) if net.prefix_len() == net.max_prefix_len() => {
            Ok(net.addr().to_string())
        }
        Ok(ClientAddress::Net(net)) => Ok(net.to_string()),
        Ok(ClientAddress::Host(host)) => Ok(host),
        Err(allowed) => Err(Failure::new(exit::USAGE, format!("{text}: {allowed}"))),
    }
}

fn secret(argument: &str) -> Result<String, Failure> {
    let secret = input::secret(argument)?.reveal().to_owned();
    if secret.len() < SECRET_MIN {
        note("this secret is short: one captured packet is enough to guess it");
    }
    Ok(secret)
}

fn word(rule: Tri) -> &'static str {
    match rule {
        Tri::Auto => "auto",
        Tri::Yes => "yes",
        Tri::No => "no",
    }
}

fn as_json(nas: &NasRow, reveal: bool) -> Value {
    json!({
        "id": nas.id,
        "address": nas.nasname,
        "name": nas.shortname,
        "type": nas.r#type,
        "secret": reveal.then_some(&nas.secret),
        "description": nas.description,
        "require_message_authenticator": word(nas.require_message_authenticator),
        "limit_proxy_state": word(nas.limit_proxy_state),
        "coa_port": nas.coa_port,
    })
}

fn named_as_json(nas: &NamedNas, reveal: bool) -> Value {
    json!({
        "identifier": nas.identifier,
        "name": nas.shortname,
        "type": nas.r#type,
        "secret": reveal.then_some(&nas.secret),
        "description": nas.description,
        "limit_proxy_state": word(nas.limit_proxy_state),
    })
}
