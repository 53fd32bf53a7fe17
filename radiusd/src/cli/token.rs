//! `radiusd token`: programs' ways in.

use clap::{Args, Subcommand};
use radiusd::exit::{self, Failure};
use schema::{Scope, Token};
use serde_json::{Value, json};

use super::operator::{self, time};
use super::place::{Desk, Place};
use super::{done, say};

/// Tokens fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token; its secret is printed here and never again
    #[command(
        after_help = "Example:\n  radiusd token add backup --operator ann --scope audit:read"
    )]
    Add(Add),
    /// List tokens
    List {
        #[arg(long)]
        json: bool,
    },
    /// Remove a token
    Remove {
        /// Its id, or its name if no other one bears it
        token: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// What it is for
    name: String,
    /// For whom it acts
    #[arg(long)]
    operator: String,
    /// A permission; it has those of its scopes that its operator has
    #[arg(long, required = true)]
    scope: Vec<String>,
    /// Days until it expires
    #[arg(long, default_value_t = 90)]
    days: i64,
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Add(add) => add.run(&desk),
            Command::List { json } => list(json, &desk),
            Command::Remove { token, json } => remove(&token, json, &desk),
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let operator = operator::find(&self.operator, desk)?;
        let made = mgmt::new_token(&self.name, &operator, &self.scope, Some(self.days));
        let (token, secret, hash) =
            made.map_err(|problem| Failure::new(exit::DATA, problem.detail()))?;
        desk.wait(desk.store.add_token(&desk.actor()?, &token, &hash))?;
        if self.json {
            let mut value = as_json(&token);
            value["secret"] = json!(secret);
            return super::json(&value);
        }
        say(format_args!("{} is added, until {}", token.name, time(token.expires_ms)))?;
        say(format_args!("secret: {secret}"))
    }
}

fn all(desk: &Desk) -> Result<Vec<Token>, Failure> {
    let mut all: Vec<Token> = Vec::new();
    loop {
        let after = all.last().map(|token| token.id);
        let page = desk.wait(desk.store.list_tokens(Scope::Everything, after, PAGE))?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

fn list(json: bool, desk: &Desk) -> Result<(), Failure> {
    let all = all(desk)?;
    if json {
        return super::json(&all.iter().map(as_json).collect());
    }
    all.iter().try_for_each(|token| {
        let scopes = token.scopes.join(" ");
        let (id, name, operator) = (token.id, &token.name, &token.operator_name);
        say(format_args!(
            "{id}  {name:24} {operator:16} until {}  {scopes}",
            time(token.expires_ms)
        ))
    })
}

fn remove(name: &str, json: bool, desk: &Desk) -> Result<(), Failure> {
    let mut found = all(desk)?;
    found.retain(|token| token.id.to_string() == name || token.name == name);
    let token = match found.as_slice() {
        [one] => one,
        [] => return Err(Failure::new(exit::FAILURE, format!("there is no token {name}"))),
        many => {
            let ids: Vec<_> = many.iter().map(|token| token.id.to_string()).collect();
            let why = format!("{name} is more than one; say its id: {}", ids.join(", "));
            return Err(Failure::new(exit::FAILURE, why));
        }
    };
    desk.wait(desk.store.remove_token(&desk.actor()?, Scope::Everything, token.id))?;
    done(json, format_args!("{name} is removed"), || {
        Ok(json!({ "id": token.id, "name": token.name, "removed": true }))
    })
}

fn as_json(token: &Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "operator": token.operator_name,
        "scopes": token.scopes,
        "created": time(token.created_ms),
        "expires": time(token.expires_ms),
        "last_used": token.used_ms.map(time),
    })
}
