//! `radiusd journal`: accounting records that wait on disk for the store.

use clap::{Args, Subcommand};
use radiusd::exit::{self, Failure};
use radiusd::journal::{self, Status};

use super::{Place, json, say};

#[derive(Subcommand)]
pub(super) enum Command {
    /// How many records wait, since when, and what was set aside
    Status(Show),
    /// Read every record and say what is damaged; changes nothing
    Verify(Show),
    /// Write the records to the store while the daemon is stopped
    Replay,
    /// Records that the store refuses
    #[command(subcommand)]
    Quarantine(Quarantine),
}

#[derive(Subcommand)]
pub(super) enum Quarantine {
    /// Show each with the reason
    List(Show),
    /// Try them again while the daemon is stopped; what is still refused stays
    Retry,
}

#[derive(Args)]
pub(super) struct Show {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Command::Status(show) => {
                let status = look(place)?;
                if show.json { as_json(&status) } else { print(&status) }
            }
            Command::Verify(show) => verify(place, &show),
            Command::Replay => replay(place),
            Command::Quarantine(Quarantine::List(show)) => list(place, &show),
            Command::Quarantine(Quarantine::Retry) => retry(place),
        }
    }
}

fn look(place: &Place) -> Result<Status, Failure> {
    journal::status(&journal::Config::of(&place.load()?.config))
}

fn as_json(status: &impl serde::Serialize) -> Result<(), Failure> {
    let value = serde_json::to_value(status);
    json(&value.map_err(|error| Failure::new(exit::SOFTWARE, error.to_string()))?)
}

fn print(status: &Status) -> Result<(), Failure> {
    let Status { records, octets, segments, damaged, quarantined, .. } = status;
    say(format_args!("{records} records wait for the store"))?;
    if let Some(age) = status.oldest_age_seconds {
        say(format_args!("the oldest came {age} s ago"))?;
    }
    say(format_args!("{} segments, {octets} octets in all", segments.len()))?;
    say(format_args!("{damaged} damaged segments kept aside in damaged/"))?;
    say(format_args!("{quarantined} records that the store refuses in quarantine/"))?;
    say(if status.in_use { "a radiusd is using it" } else { "no radiusd is using it" })
}

fn verify(place: &Place, show: &Show) -> Result<(), Failure> {
    let status = look(place)?;
    if show.json {
        as_json(&status)?;
    } else {
        for segment in &status.segments {
            let found = match segment.newer_version {
                Some(version) => format!("version {version}, of a newer radiusd"),
                None => format!(
                    "{} records, {} octets damaged, {} torn at the end",
                    segment.records, segment.damaged_octets, segment.torn_octets
                ),
            };
            say(format_args!("{}: {found}", segment.file))?;
        }
        print(&status)?;
    }
    if status.is_damaged() {
        return Err(Failure::new(exit::FAILURE, "the journal is damaged"));
    }
    Ok(())
}

fn replay(place: &Place) -> Result<(), Failure> {
    let desk = place.desk()?;
    let config = journal::Config::of(&desk.config);
    let count = desk.wait(journal::replay_all(desk.store.clone(), &config))?;
    say(format_args!("{count} records are in the store"))
}

fn list(place: &Place, show: &Show) -> Result<(), Failure> {
    let config = journal::Config::of(&place.load()?.config);
    let (kept, unreadable) = journal::quarantined(&config)?;
    if show.json {
        as_json(&kept)?;
    } else {
        for kept in &kept {
            let at = jiff::Timestamp::from_millisecond(kept.at_ms).unwrap_or_default();
            let event = serde_json::to_string(&kept.event).unwrap_or_default();
            say(format_args!("{at} {}\n  {event}", kept.reason))?;
        }
    }
    if unreadable > 0 {
        return Err(Failure::new(exit::FAILURE, format!("{unreadable} lines can't be read")));
    }
    Ok(())
}

fn retry(place: &Place) -> Result<(), Failure> {
    let desk = place.desk()?;
    let config = journal::Config::of(&desk.config);
    let (stored, refused) = desk.wait(journal::retry_quarantine(desk.store.clone(), &config))?;
    say(format_args!("{stored} records are in the store, {refused} are still refused"))
}
