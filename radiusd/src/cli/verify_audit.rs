//! `radiusd verify-audit`: whether the log of what people changed is what was written.

use clap::Args;
use radiusd::exit::{self, Failure};

use super::place::Place;
use super::say;

#[derive(Args)]
pub(super) struct VerifyAudit {
    #[arg(long)]
    json: bool,
}

impl VerifyAudit {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        let keys = desk.audit_keys()?;
        let verified = desk.wait(desk.store.verify_audit(&keys))?;
        if self.json {
            let value = serde_json::to_value(&verified);
            super::json(&value.map_err(|error| Failure::new(exit::SOFTWARE, error.to_string()))?)?;
        } else {
            for found in &verified.breaks {
                say(format_args!("row {}: {}", found.sequence, found.why))?;
            }
            if verified.breaks.is_empty() {
                let seal = verified.head.as_ref().map_or("", |(_, seal)| seal);
                say(format_args!(
                    "{} rows, each as it was written; the last seal is {seal}",
                    verified.rows
                ))?;
            }
        }
        if verified.breaks.is_empty() {
            return Ok(());
        }
        Err(Failure::new(exit::FAILURE, "the audit log is not what was written"))
    }
}
