//! `radiusd user`: users as rows of FreeRADIUS's tables.

use clap::{Args, Subcommand};
use dictionaries::Dictionary;
use radiusd::exit::{self, Failure};
use radiusd::rows::password_row;
use schema::{Membership, Row, Scope, User};
use serde_json::{Value, json};

use super::edit::{self, Removals, Rows};
use super::hash::Hash;
use super::place::{Desk, Place};
use super::{done, input, note, say};

/// Users fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a user
    #[command(after_help = "Example:\n  radiusd user add alice --password - --group gold \
                            --reply 'Framed-IP-Address = 10.0.0.7'")]
    Add(Add),
    /// List users
    List(List),
    /// Show a user's rows
    Show(Show),
    /// Change a user
    Change(Change),
    /// Remove a user's rows; sessions stay
    Remove {
        name: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Password {
    /// The password; - reads standard input
    #[arg(long, short)]
    password: Option<String>,
    /// How the password is stored
    #[arg(long, value_enum, default_value_t, requires = "password")]
    hash: Hash,
}

#[derive(Args)]
pub(super) struct Add {
    name: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    rows: Rows,
    /// A group, with its priority if it isn't to come last
    #[arg(long, value_name = "GROUP[:PRIORITY]")]
    group: Vec<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct List {
    /// Those whose names begin so
    #[arg(default_value = "")]
    prefix: String,
    /// That many at most
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Show {
    name: String,
    #[arg(long)]
    json: bool,
    /// Show passwords too
    #[arg(long)]
    reveal: bool,
}

#[derive(Args)]
pub(super) struct Change {
    name: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    removals: Removals,
    /// A group to put the user in, with its priority if it isn't to come last
    #[arg(long, value_name = "GROUP[:PRIORITY]")]
    group: Vec<String>,
    /// A group to take the user out of
    #[arg(long, value_name = "GROUP")]
    remove_group: Vec<String>,
    /// Turn every login away (Auth-Type := Reject)
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Undo --disable
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
            Command::List(list) => list.run(&desk),
            Command::Show(show) => show.run(&desk),
            Command::Change(change) => change.run(&desk),
            Command::Remove { name, json } => {
                if !desk.wait(desk.store.remove_user(&desk.actor()?, Scope::Everything, &name))? {
                    return Err(no_user(&name));
                }
                done(json, format_args!("{name} is removed"), || {
                    Ok(json!({ "name": name, "removed": true }))
                })
            }
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let name = self.name.as_str();
        name_is_possible(name)?;
        let mut user = User { name: name.to_owned(), ..User::default() };
        self.password.put(&mut user.check, desk)?;
        self.rows.put(&mut user.check, &mut user.reply, desk)?;
        join(&mut user.groups, &self.group, desk)?;
        if user.check.is_empty() && user.reply.is_empty() && user.groups.is_empty() {
            let why = format!("{name} needs a row: --password, --check, --reply or --group");
            return Err(Failure::new(exit::USAGE, why));
        }
        match desk.wait(desk.store.add_user(&desk.actor()?, Scope::Everything, &user.into(), None))
        {
            Err(failure) if failure.code == exit::FAILURE => {
                let hint = format!("{failure}; radiusd user change {name} changes it");
                Err(Failure::new(exit::FAILURE, hint))
            }
            Err(failure) => Err(failure),
            Ok(()) => done(self.json, format_args!("{name} is added"), || now(name, desk)),
        }
    }
}

impl List {
    fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        let mut left = self.limit;
        while left > 0 {
            let page = desk.store.list_users(&self.prefix, after.as_deref(), PAGE.min(left));
            let page = desk.wait(page)?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            left -= page.len().min(left);
            for user in &page {
                if self.json {
                    all.push(as_json(user, &desk.dictionary, false));
                } else {
                    let groups: Vec<_> = user.groups.iter().map(|m| m.group.as_str()).collect();
                    let state = if user.is_disabled() { "disabled" } else { "" };
                    say(format_args!("{:32} {:24} {state}", user.name, groups.join(","))
                        .to_string()
                        .trim_end())?;
                }
            }
        }
        if self.json { super::json(&Value::Array(all)) } else { Ok(()) }
    }
}

impl Show {
    fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let user = find(&self.name, desk)?;
        if self.json {
            return super::json(&as_json(&user, &desk.dictionary, self.reveal));
        }
        let state = if user.is_disabled() { ", disabled" } else { "" };
        say(format_args!("{}{state}", user.name))?;
        edit::say_rows("check", &user.check, &desk.dictionary, self.reveal)?;
        edit::say_rows("reply", &user.reply, &desk.dictionary, self.reveal)?;
        if !user.groups.is_empty() {
            say("  groups")?;
        }
        let one =
            |member: &Membership| say(format_args!("    {:6}  {}", member.priority, member.group));
        user.groups.iter().try_for_each(one)
    }
}

impl Change {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let nothing = self.password.password.is_none()
            && self.rows.is_empty()
            && self.removals.is_empty()
            && self.group.is_empty()
            && self.remove_group.is_empty();
        if nothing && !self.disable && !self.enable {
            return Err(Failure::new(
                exit::USAGE,
                "say what to change: radiusd user change --help",
            ));
        }
        let person = desk.wait(desk.store.find_person(Scope::Everything, &self.name))?;
        let before = person.ok_or_else(|| no_user(&self.name))?;
        let mut after = before.clone();
        let user = &mut after.user;
        self.removals.take(&mut user.check, &mut user.reply)?;
        for group in &self.remove_group {
            let members = user.groups.len();
            user.groups.retain(|member| member.group != *group);
            if user.groups.len() == members {
                let why = format!("{} isn't in the group {group}", self.name);
                return Err(Failure::new(exit::FAILURE, why));
            }
        }
        self.password.put(&mut user.check, desk)?;
        self.rows.put(&mut user.check, &mut user.reply, desk)?;
        join(&mut user.groups, &self.group, desk)?;
        if self.enable || self.disable {
            user.set_disabled(self.disable);
        }
        if after == before {
            let words = format_args!("{} is as it was", self.name);
            return done(self.json, words, || now(&self.name, desk));
        }
        let user = &after.user;
        if user.check.is_empty() && user.reply.is_empty() && user.groups.is_empty() {
            let why = format!("nothing would be left of {}: radiusd user remove", self.name);
            return Err(Failure::new(exit::FAILURE, why));
        }
        desk.wait(desk.store.update_user(&desk.actor()?, Scope::Everything, &before, &after))?;
        done(self.json, format_args!("{} is changed", self.name), || now(&self.name, desk))
    }
}

impl Password {
    /// Puts the password in the place of whatever password is there.
    fn put(&self, check: &mut Vec<Row>, desk: &Desk) -> Result<(), Failure> {
        let Some(password) = &self.password else { return Ok(()) };
        let password = input::password(password)?;
        let row = password_row(self.hash.into(), &password, &desk.dictionary, &desk.zone);
        let mut row = row.map_err(|why| Failure::new(exit::DATA, why))?;
        let is_password = |row: &Row| {
            let name = row.attribute.as_str();
            let known = desk.dictionary.attribute(name).map_or(name, |known| &known.name);
            proto::Stored::from_pair(known, b"").is_some()
        };
        row.id = check.iter().find(|row| is_password(row)).map_or(0, |row| row.id);
        check.retain(|row| !is_password(row));
        edit::replace(check, vec![row]);
        Ok(())
    }
}

fn name_is_possible(name: &str) -> Result<(), Failure> {
    let Some(why) = mgmt::name_mistake(name) else { return Ok(()) };
    Err(Failure::new(exit::DATA, format!("{name:?} could never log in: {why}")))
}

/// Puts the user into groups; those without a priority come last, in the order they are given.
fn join(groups: &mut Vec<Membership>, texts: &[String], desk: &Desk) -> Result<(), Failure> {
    for text in texts {
        let split = text.rsplit_once(':');
        let (group, priority) = match split.map(|(group, number)| (group, number.parse::<i64>())) {
            Some((group, Ok(priority))) => (group, Some(priority)),
            _ => (text.as_str(), None),
        };
        groups.retain(|member| member.group != group);
        let last = groups.iter().map(|member| member.priority).max().unwrap_or(0);
        let priority = priority.unwrap_or_else(|| last.saturating_add(1));
        groups.push(Membership { priority, group: group.to_owned() });
        let rows = desk.wait(desk.store.find_group(Scope::Everything, group))?;
        if rows.is_none_or(|rows| rows.check.is_empty() && rows.reply.is_empty()) {
            note(format_args!(
                "the group {group} has no rows yet: it adds nothing, and as a \
                               first match ends the search"
            ));
        }
    }
    groups.sort();
    Ok(())
}

fn find(name: &str, desk: &Desk) -> Result<User, Failure> {
    desk.wait(desk.store.find_user(Scope::Everything, name))?.ok_or_else(|| no_user(name))
}

/// As it stands in the tables, with the ids that its rows got.
fn now(name: &str, desk: &Desk) -> Result<Value, Failure> {
    Ok(as_json(&find(name, desk)?, &desk.dictionary, false))
}

fn no_user(name: &str) -> Failure {
    Failure::new(exit::FAILURE, format!("there is no user {name}"))
}

fn as_json(user: &User, dictionary: &Dictionary, reveal: bool) -> Value {
    let group = |member: &Membership| json!({ "group": member.group, "priority": member.priority });
    json!({
        "name": user.name,
        "disabled": user.is_disabled(),
        "check": edit::rows_as_json(&user.check, dictionary, reveal),
        "reply": edit::rows_as_json(&user.reply, dictionary, reveal),
        "groups": user.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_never_log_in_is_refused() {
        for name in ["alice", "alice@example.org", "00:11:22:33:44:55", "o'bob", "ü", "a.b"] {
            assert!(name_is_possible(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a@b@c.d", "a..b", "a@localhost", "a@.example", "a@example.org."] {
            assert!(name_is_possible(name).is_err(), "{name}");
        }
    }
}
