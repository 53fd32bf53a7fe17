//! `radiusd verify-audit`: whether the log of what people changed is what was written.

use std::path::{Path, PathBuf};

use clap::Args;
use radiusd::exit::{self, Failure};

use super::place::Place;
use super::say;

#[derive(Args)]
pub(super) struct VerifyAudit {
    /// Also against numbers and seals that were kept elsewhere: lines of `NUMBER SEAL`, as
    /// `radiusd audit head` prints them and audit.heads in the data directory has them; - reads standard input
    #[arg(long)]
    heads: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

impl VerifyAudit {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        let keys = desk.audit_keys()?;
        let heads = self.heads.as_deref().map_or(Ok(Vec::new()), heads)?;
        let verified = desk.wait(desk.store.verify_audit(&keys, &heads))?;
        if self.json {
            let value = serde_json::to_value(&verified);
            super::json(&value.map_err(|error| Failure::new(exit::SOFTWARE, error.to_string()))?)?;
        } else {
            for found in &verified.breaks {
                say(format_args!("row {}: {}", found.sequence, found.why))?;
            }
            if verified.breaks.is_empty() {
                let seal = verified.head.as_ref().map_or("", |(_, seal)| seal);
                let erased = match verified.erased {
                    0 => String::new(),
                    erased => format!(", {erased} of them erased"),
                };
                let rows = verified.rows;
                say(format_args!(
                    "{rows} rows, each as it was written{erased}; the last seal is {seal}"
                ))?;
            }
        }
        if verified.breaks.is_empty() {
            return Ok(());
        }
        Err(Failure::new(exit::FAILURE, "the audit log is not what was written"))
    }
}

/// The last two words of each line that has a number and a seal there; a time may stand before.
fn heads(file: &Path) -> Result<Vec<(i64, String)>, Failure> {
    let text = match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| Failure::io(file.display(), &error))?;
    let mut heads = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let mut words = line.split_whitespace().rev();
        let seal = words.next().filter(|seal| seal.len() == 64);
        let sequence = words.next().and_then(|word| word.parse().ok());
        let (Some(seal), Some(sequence)) = (seal, sequence) else {
            let why = format!("{}:{number}: expected NUMBER SEAL", file.display());
            return Err(Failure::new(exit::DATA, why));
        };
        heads.push((sequence, seal.to_owned()));
    }
    Ok(heads)
}
