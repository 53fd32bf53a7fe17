//! `radiusd migrate`: the store's tables brought to the newest version.

use clap::Args;
use radiusd::exit::{self, Failure};

use super::place::{Desk, Place};
use super::say;

#[derive(Args)]
pub(super) struct Migrate {
    /// Say what there is and what is missing, and change nothing; exit code 1 if anything is
    #[arg(long, conflicts_with = "print_sql")]
    status: bool,
    /// Print what the owner of the tables has to run, where this role may not
    #[arg(long)]
    print_sql: bool,
}

impl Migrate {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk_as_it_is()?;
        if self.status {
            return status(&desk);
        }
        if self.print_sql {
            return say(desk.wait(desk.store.print_sql())?.trim_end());
        }
        let report = desk.wait(desk.store.migrate())?;
        if report.taken {
            say("FreeRADIUS's tables are there and stay as they are")?;
        }
        for name in report.applied.iter().chain(&report.added) {
            say(format_args!("added {name}"))?;
        }
        for lacking in &report.lacking {
            say(format_args!("missing: {lacking}"))?;
        }
        if !report.lacking.is_empty() {
            say("radiusd migrate --print-sql prints what the owner of the tables can run")?;
        } else if report.applied.is_empty() && report.added.is_empty() {
            say("nothing was missing")?;
        }
        Ok(())
    }
}

fn status(desk: &Desk) -> Result<(), Failure> {
    let status = desk.wait(desk.store.status())?;
    say(format_args!("{} {}", status.engine, status.version))?;
    for (name, done) in &status.migrations {
        say(format_args!("  {} {name}", if *done { "done   " } else { "missing" }))?;
    }
    say(match status.notified {
        true => "changes by other programs are told at once",
        false => "changes by other programs are seen within 2 s",
    })?;
    if !status.ours {
        say("without tables of our own: no reasons, no traces")?;
    }
    for lacking in &status.lacking {
        say(format_args!("missing: {lacking}"))?;
    }
    if status.lacking.is_empty() && status.migrations.iter().all(|(_, done)| *done) {
        return Ok(());
    }
    Err(Failure::new(exit::FAILURE, String::new()))
}
