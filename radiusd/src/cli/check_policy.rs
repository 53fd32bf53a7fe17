//! `radiusd check-policy`: rows whose outcome is an error, or differs from FreeRADIUS.

use std::collections::BTreeMap;

use clap::Args;
use radiusd::check_policy::{self, Finding, Kinds, Summary};
use radiusd::exit::{self, Failure};
use serde_json::{Value, json};

use super::place::Place;
use super::say;

/// Exit codes: 0 when every row does what it says, 1 when one does not.
#[derive(Args)]
pub(super) struct CheckPolicy {
    #[arg(long)]
    json: bool,
}

/// So many rows of an attribute that is merely looked at here and not there are named in words.
const EXAMPLES: usize = 5;

impl CheckPolicy {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk_as_it_is()?;
        let mut findings = Vec::new();
        let look = check_policy::check(&desk.store, &desk.config, &desk.dictionary, |finding| {
            findings.push(finding)
        });
        let summary = desk.wait(look)?;
        if self.json {
            super::json(&findings.iter().map(as_json).collect())?;
        } else {
            in_words(&findings)?;
            let Summary { users, groups, nas, rows } = summary;
            let named = findings.len();
            say(format_args!(
                "{users} users, {groups} groups, {nas} NAS, {rows} rows; {named} named"
            ))?;
        }
        match findings.iter().all(|finding| finding.kind.is_meant()) {
            true => Ok(()),
            false => Err(Failure::new(exit::FAILURE, String::new())),
        }
    }
}

fn in_words(findings: &[Finding]) -> Result<(), Failure> {
    let mut alike: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for finding in findings {
        let Finding { table, id, name, row, kind, why } = finding;
        let kind = match kind {
            Kinds::Differs(number) => format!("differs ({number})"),
            other => other.as_str().to_owned(),
        };
        if let Kinds::Differs(number) = finding.kind
            && finding.kind.is_meant()
        {
            let seen = alike.entry((number, row)).or_default();
            *seen += 1;
            if *seen > EXAMPLES {
                continue;
            }
        }
        say(format_args!("{table} {id}, {name}: {row}: {kind}: {why}"))?;
    }
    for ((number, row), seen) in alike.into_iter().filter(|(_, seen)| *seen > EXAMPLES) {
        let more = seen - EXAMPLES;
        say(format_args!("{row}: differs ({number}): {more} more rows; --json names them all"))?;
    }
    Ok(())
}

fn as_json(finding: &Finding) -> Value {
    let Finding { table, id, name, row, kind, why } = finding;
    let number = match kind {
        Kinds::Differs(number) => Some(number),
        _ => None,
    };
    json!({
        "table": table, "id": id, "name": name, "row": row, "kind": kind.as_str(),
        "difference": number, "why": why,
    })
}
