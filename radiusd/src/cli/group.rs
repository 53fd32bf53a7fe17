//! `radiusd group`: groups as rows of FreeRADIUS's tables.

use clap::{Args, Subcommand};
use dictionaries::Dictionary;
use radiusd::exit::{self, Failure};
use schema::{GroupRows, Scope};
use serde_json::{Value, json};

use super::edit::{self, Removals, Rows};
use super::place::{Desk, Place};
use super::{done, say};

/// Groups fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a group
    #[command(after_help = "Example:\n  radiusd group add gold \
                            --reply 'Mikrotik-Rate-Limit = 10M/10M' --check 'Simultaneous-Use := 1'")]
    Add(Add),
    /// List groups
    List(List),
    /// Show a group's rows
    Show(Show),
    /// Change a group
    Change(Change),
    /// Remove a group's rows
    Remove(Remove),
}

#[derive(Args)]
pub(super) struct Add {
    name: String,
    #[command(flatten)]
    rows: Rows,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct List {
    /// Those whose names begin so
    #[arg(default_value = "")]
    prefix: String,
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
    rows: Rows,
    #[command(flatten)]
    removals: Removals,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Remove {
    name: String,
    /// Also when users are in it; they leave it
    #[arg(long)]
    with_members: bool,
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
            Command::Remove(remove) => remove.run(&desk),
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let name = self.name;
        if name.trim().is_empty() {
            return Err(Failure::new(exit::DATA, "a group's name can't be empty"));
        }
        let mut group = GroupRows { name: name.clone(), ..GroupRows::default() };
        self.rows.put(&mut group.check, &mut group.reply, desk)?;
        if group.check.is_empty() && group.reply.is_empty() {
            let why = format!("a group is its rows; {name} needs one: --check or --reply");
            return Err(Failure::new(exit::USAGE, why));
        }
        match desk.wait(desk.store.find_group(Scope::Everything, &name))? {
            // Users are in it, and it has no rows yet.
            Some(before) if before.check.is_empty() && before.reply.is_empty() => {
                desk.wait(desk.store.update_group(
                    &desk.actor()?,
                    Scope::Everything,
                    &before,
                    &group,
                ))?;
            }
            Some(_) => {
                let why =
                    format!("group {name} exists already; radiusd group change {name} changes it");
                return Err(Failure::new(exit::FAILURE, why));
            }
            None => desk.wait(desk.store.add_group(&desk.actor()?, &group, None))?,
        }
        done(self.json, format_args!("{name} is added"), || now(&name, desk))
    }
}

impl List {
    fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = desk.wait(desk.store.list_groups(
                Scope::Everything,
                &self.prefix,
                after.as_deref(),
                PAGE,
            ))?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for group in &page {
                if self.json {
                    all.push(as_json(group, None, &desk.dictionary, false));
                } else {
                    let (check, reply) = (group.check.len(), group.reply.len());
                    say(format_args!("{:32} {check} check, {reply} reply", group.name))?;
                }
            }
        }
        if self.json { super::json(&Value::Array(all)) } else { Ok(()) }
    }
}

impl Show {
    fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let group = find(&self.name, desk)?;
        let members = desk.wait(desk.store.count_members(&self.name))?;
        if self.json {
            return super::json(&as_json(&group, Some(members), &desk.dictionary, self.reveal));
        }
        say(format_args!("{}, {members} members", group.name))?;
        edit::say_rows("check", &group.check, &desk.dictionary, self.reveal)?;
        edit::say_rows("reply", &group.reply, &desk.dictionary, self.reveal)
    }
}

impl Change {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        if self.rows.is_empty() && self.removals.is_empty() {
            return Err(Failure::new(
                exit::USAGE,
                "say what to change: radiusd group change --help",
            ));
        }
        let before = find(&self.name, desk)?;
        let mut group = before.clone();
        self.removals.take(&mut group.check, &mut group.reply)?;
        self.rows.put(&mut group.check, &mut group.reply, desk)?;
        if group == before {
            let words = format_args!("{} is as it was", self.name);
            return done(self.json, words, || now(&self.name, desk));
        }
        desk.wait(desk.store.update_group(&desk.actor()?, Scope::Everything, &before, &group))?;
        done(self.json, format_args!("{} is changed", self.name), || now(&self.name, desk))
    }
}

impl Remove {
    fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let name = &self.name;
        let members = desk.wait(desk.store.count_members(name))?;
        if members > 0 && !self.with_members {
            let why =
                format!("{members} users are in {name}: --with-members removes it all the same");
            return Err(Failure::new(exit::FAILURE, why));
        }
        match desk.wait(desk.store.remove_group(&desk.actor()?, Scope::Everything, name))? {
            None => Err(no_group(name)),
            Some(members) => {
                let left = match members {
                    0 => String::new(),
                    members => format!("; {members} users were in it"),
                };
                done(self.json, format_args!("{name} is removed{left}"), || {
                    Ok(json!({ "name": name, "removed": true, "members": members }))
                })
            }
        }
    }
}

fn find(name: &str, desk: &Desk) -> Result<GroupRows, Failure> {
    desk.wait(desk.store.find_group(Scope::Everything, name))?.ok_or_else(|| no_group(name))
}

/// As it stands in the tables, with the ids that its rows got.
fn now(name: &str, desk: &Desk) -> Result<Value, Failure> {
    let group = find(name, desk)?;
    let members = desk.wait(desk.store.count_members(name))?;
    Ok(as_json(&group, Some(members), &desk.dictionary, false))
}

fn no_group(name: &str) -> Failure {
    Failure::new(exit::FAILURE, format!("there is no group {name}"))
}

fn as_json(
    group: &GroupRows,
    members: Option<u64>,
    dictionary: &Dictionary,
    reveal: bool,
) -> Value {
    let mut value = json!({
        "name": group.name,
        "check": edit::rows_as_json(&group.check, dictionary, reveal),
        "reply": edit::rows_as_json(&group.reply, dictionary, reveal),
    });
    if let Some(members) = members {
        value["members"] = members.into();
    }
    value
}
