//! `radiusd audit`: the log of what people changed, taken out of the store, and a person out of it.

use clap::Subcommand;
use radiusd::exit::{self, Failure};
use schema::AuditEntry;
use serde_json::json;

use super::place::{Desk, Place};
use super::{done, say};

/// Entries fetched at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the log, the oldest first: one JSON object a line
    Export {
        /// Not before, such as 2026-01-31T12:00:00Z
        #[arg(long)]
        from: Option<jiff::Timestamp>,
        /// Before
        #[arg(long)]
        to: Option<jiff::Timestamp>,
        /// After the entry of this number
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Print number and seal of the newest entry, to be kept elsewhere
    Head {
        #[arg(long)]
        json: bool,
    },
    /// Take a person's data out of the log; the log still verifies
    #[command(after_help = "Example:\n  radiusd audit erase user alice --reason \"request of \
                            2026-01-31\"\n\nWho changed something, what kind of change it was and \
                            when stays.")]
    Erase {
        /// The first word of the actions: user
        noun: String,
        /// Whose entries
        object: String,
        /// Why; it stays in the log
        #[arg(long)]
        reason: String,
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Export { from, to, after } => {
                let ms = |time: Option<jiff::Timestamp>| time.map(|time| time.as_millisecond());
                export(&desk, after, ms(from), ms(to))
            }
            Command::Head { json } => {
                let head = desk.wait(desk.store.audit_head())?;
                let Some((sequence, seal)) = head else {
                    return Err(Failure::new(exit::FAILURE, "the audit log is empty"));
                };
                let now = || Ok(json!({ "sequence": sequence, "seal": seal }));
                done(json, format_args!("{sequence} {seal}"), now)
            }
            Command::Erase { noun, object, reason, json } => {
                let actor = desk.actor()?;
                let erased = desk.store.erase_audit(&actor, &noun, &object, &reason);
                let entries = desk.wait(erased)?;
                if entries == 0 {
                    let why = format!("no entry is about a {noun} {object}");
                    return Err(Failure::new(exit::FAILURE, why));
                }
                let now = || Ok(json!({ "entries": entries }));
                done(json, format_args!("{entries} entries erased"), now)
            }
        }
    }
}

fn export(
    desk: &Desk,
    mut after: i64,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
) -> Result<(), Failure> {
    loop {
        let entries = desk.wait(desk.store.read_audit(after, PAGE))?;
        for entry in &entries {
            if from_ms.is_none_or(|from| entry.at_ms >= from)
                && to_ms.is_none_or(|to| entry.at_ms < to)
            {
                say(line(entry)?)?;
            }
        }
        match entries.last() {
            Some(last) if entries.len() == PAGE => after = last.sequence,
            _ => return Ok(()),
        }
    }
}

/// With its time as people read it.
fn line(entry: &AuditEntry) -> Result<String, Failure> {
    let broken = |error: serde_json::Error| Failure::new(exit::SOFTWARE, error.to_string());
    let mut value = serde_json::to_value(entry).map_err(broken)?;
    if let Ok(at) = jiff::Timestamp::from_millisecond(entry.at_ms) {
        value["at"] = json!(at.to_string());
    }
    Ok(value.to_string())
}
