//! `radiusd check-policy`: rows whose outcome is an error, or differs from FreeRADIUS.

use clap::Args;
use radiusd::check_policy::{self, Kinds};
use radiusd::exit::{self, Failure};
use serde_json::json;

use super::place::Place;
use super::say;

#[derive(Args)]
pub(super) struct CheckPolicy {
    #[arg(long)]
    json: bool,
}

impl CheckPolicy {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk_as_it_is()?;
        let mut findings = Vec::new();
        let summary =
            desk.wait(check_policy::check(&desk.store, &desk.dictionary, &desk.zone, |finding| {
                findings.push(finding)
            }))?;
        if self.json {
            let all = findings.iter().map(|finding| {
                let (kind, number) = match finding.kind {
                    Kinds::Error => ("error", None),
                    Kinds::Differs(number) => ("differs", Some(number)),
                };
                json!({
                    "table": finding.table, "id": finding.id, "name": finding.name,
                    "row": finding.row, "kind": kind, "difference": number, "why": finding.why,
                })
            });
            super::json(&all.collect())?;
        } else {
            for finding in &findings {
                let kind = match finding.kind {
                    Kinds::Error => "error".to_owned(),
                    Kinds::Differs(number) => format!("differs ({number})"),
                };
                let (table, id, name, row) =
                    (finding.table, finding.id, &finding.name, &finding.row);
                say(format_args!("{table} {id}, {name}: {row}: {kind}: {}", finding.why))?;
            }
            for (attribute, rows) in &summary.limits {
                say(format_args!(
                    "{rows} rows of {attribute} act here at once; FreeRADIUS looks at them only \
                     with sql in session {{}} or with sqlcounter (4)"
                ))?;
            }
            let (users, groups, rows) = (summary.users, summary.groups, summary.rows);
            let named = findings.len();
            say(format_args!("{users} users, {groups} groups, {rows} rows; {named} named"))?;
        }
        if findings.is_empty() {
            return Ok(());
        }
        Err(Failure::new(exit::FAILURE, String::new()))
    }
}
