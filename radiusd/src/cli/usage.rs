//! `radiusd usage`: what was used, and whether that is what the sessions say.

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use radiusd::exit::{self, Failure};
use schema::{Amount, By, Compared, Filled, Total, UsageFilter};
use serde_json::{Value, json};

use super::place::{Desk, Place};
use super::{note, say};

/// Sessions counted in one transaction, which keeps the daemons' writers waiting.
const STEP: usize = 1_000;
/// Hours are added up to days and months here; more of them are nobody's question.
const HOURS_MAX: usize = 1_000_000;
/// Differences that are named.
const NAMED: usize = 100;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Octets, time and sessions by user, NAS, Called-Station-Id or time
    #[command(after_help = "Examples:\n  radiusd usage show --user alice --by day\n  \
                            radiusd usage show --by user --since 2026-11-01 --limit 20")]
    Show(Show),
    /// Compare it with the sessions, to the octet; exit code 1 if anything differs
    Verify(Brief),
    /// How far the sessions are counted that were there before usage was kept
    Status(Brief),
    /// Count everything anew, as the sessions are now
    Rebuild,
}

#[derive(Args)]
pub(super) struct Brief {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Show {
    /// Of this user
    #[arg(long)]
    user: Option<String>,
    /// At the NAS with this address
    #[arg(long, value_name = "ADDRESS")]
    nas: Option<String>,
    /// At this Called-Station-Id
    #[arg(long, value_name = "STATION")]
    called: Option<String>,
    /// What is added up
    #[arg(long, value_enum, default_value_t = Sum::Day)]
    by: Sum,
    /// From then on: a day, or a time such as 2026-11-01T00:00:00Z [default: 30 days ago]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to then, without it [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// That many lines at most: the largest, or the first of a time
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sum {
    User,
    Nas,
    Called,
    Hour,
    Day,
    Month,
}

impl Command {
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let desk = place.desk()?;
        match self {
            Command::Show(show) => show.run(&desk),
            Command::Verify(brief) => verify(&desk, brief.json),
            Command::Status(brief) => status(&desk, brief.json),
            Command::Rebuild => rebuild(&desk),
        }
    }
}

impl Show {
    fn run(self, desk: &Desk) -> Result<(), Failure> {
        let now = Timestamp::now();
        let month_ago =
            now.to_zoned_datetime(desk.zone.clone()).saturating_sub(30.days()).timestamp();
        let time = |text: &Option<String>, default: Timestamp| match text {
            Some(text) => time(text, &desk.zone),
            None => Ok(default),
        };
        let filter = UsageFilter {
            since: time(&self.since, month_ago)?.as_second(),
            until: time(&self.until, now)?.as_second(),
            username: self.user,
            nasipaddress: self.nas,
            calledstationid: self.called,
        };
        let (by, most) = match self.by {
            Sum::User => (By::User, self.limit),
            Sum::Nas => (By::Nas, self.limit),
            Sum::Called => (By::CalledStation, self.limit),
            Sum::Hour | Sum::Day | Sum::Month => (By::Hour, HOURS_MAX),
        };
        let totals = desk.wait(desk.store.usage_totals(&filter, by, most))?;
        let totals = match by {
            By::Hour => spans(totals, self.by, &desk.zone),
            _ => totals,
        };
        let shown = totals.into_iter().take(self.limit);
        if self.json {
            let each = |Total { key, amount }: Total| with(json!({ "key": key }), &amount);
            return super::json(&Value::Array(shown.map(each).collect()));
        }
        say("input octets\toutput octets\tseconds\tsessions\t")?;
        for Total { key, amount } in shown {
            let Amount { input_octets, output_octets, session_seconds, sessions } = amount;
            say(format_args!(
                "{input_octets}\t{output_octets}\t{session_seconds}\t{sessions}\t{key}"
            ))?;
        }
        Ok(())
    }
}

/// Hours in order become the days or months in which they lie.
fn spans(hours: Vec<Total>, by: Sum, zone: &TimeZone) -> Vec<Total> {
    let form = match by {
        Sum::Month => "%Y-%m",
        Sum::Day => "%Y-%m-%d",
        _ => "%Y-%m-%dT%H:%M:%S%:z",
    };
    let mut spans: Vec<Total> = Vec::new();
    for Total { key, amount } in hours {
        let hour = key.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let hour = hour.unwrap_or(Timestamp::MIN).to_zoned_datetime(zone.clone());
        let key = hour.strftime(form).to_string();
        match spans.last_mut().filter(|last| last.key == key) {
            Some(last) => last.amount += amount,
            None => spans.push(Total { key, amount }),
        }
    }
    spans
}

fn time(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let day = || text.parse::<Date>().ok()?.to_zoned_datetime(zone.clone()).ok();
    let time = text.parse::<Timestamp>().ok().or_else(|| Some(day()?.timestamp()));
    time.ok_or_else(|| {
        let expected = "expected a day such as 2026-11-01, or a time such as 2026-11-01T00:00:00Z";
        Failure::new(exit::USAGE, format!("{text}: {expected}"))
    })
}

fn with(mut value: Value, amount: &Amount) -> Value {
    value["input_octets"] = amount.input_octets.into();
    value["output_octets"] = amount.output_octets.into();
    value["session_seconds"] = amount.session_seconds.into();
    value["sessions"] = amount.sessions.into();
    value
}

fn verify(desk: &Desk, as_json: bool) -> Result<(), Failure> {
    let filled = desk.wait(desk.store.usage_filled())?;
    let compared = desk.wait(desk.store.compare_usage(NAMED))?;
    let Compared { compared: count, differing, usage, sessions, differences } = &compared;
    if as_json {
        let each = |difference: &schema::Difference| {
            json!({
                "username": difference.username,
                "nasipaddress": difference.nasipaddress,
                "calledstationid": difference.calledstationid,
                "usage": with(json!({}), &difference.usage),
                "sessions": with(json!({}), &difference.sessions),
            })
        };
        super::json(&json!({
            "compared": count,
            "differing": differing,
            "usage": with(json!({}), usage),
            "sessions": with(json!({}), sessions),
            "left": filled.left(),
            "begun": filled.upto.is_some(),
            "differences": differences.iter().map(each).collect::<Vec<_>>(),
        }))?;
    } else {
        for found in differences {
            let whose = [&found.username, &found.nasipaddress, &found.calledstationid];
            say(format_args!("{whose:?}: usage {}", told(&found.usage)))?;
            say(format_args!("  but the sessions have {}", told(&found.sessions)))?;
        }
        say(format_args!("{count} users at a NAS compared: {}", told(usage)))?;
        print(&filled)?;
    }
    if *differing > 0 {
        let why = format!(
            "{differing} differ: another program wrote or removed sessions; radiusd usage rebuild \
             counts them as they are"
        );
        return Err(Failure::new(exit::FAILURE, why));
    }
    Ok(())
}

fn told(amount: &Amount) -> String {
    let Amount { input_octets, output_octets, session_seconds, sessions } = amount;
    format!(
        "{input_octets} octets in, {output_octets} out, {session_seconds} s, {sessions} sessions"
    )
}

fn status(desk: &Desk, as_json: bool) -> Result<(), Failure> {
    let filled = desk.wait(desk.store.usage_filled())?;
    if !as_json {
        return print(&filled);
    }
    super::json(&json!({
        "begun": filled.upto.is_some(),
        "complete": filled.is_complete(),
        "counted_to": filled.filled,
        "to_count_to": filled.upto,
        "left": filled.left(),
        "archived_to": filled.archived_to,
    }))
}

fn print(filled: &Filled) -> Result<(), Failure> {
    if let Ok(time) = Timestamp::from_second(filled.archived_to)
        && filled.archived_to > 0
    {
        say(format_args!("the archive holds sessions that ended by {time}"))?;
    }
    match filled.upto {
        None => say("usage is not kept yet: radiusd serve begins to"),
        Some(_) if filled.is_complete() => say("all sessions are counted"),
        Some(upto) => say(format_args!(
            "of the sessions that were there, those up to radacctid {} of {upto} are counted",
            filled.filled
        )),
    }
}

fn rebuild(desk: &Desk) -> Result<(), Failure> {
    let mut filled = desk.wait(desk.store.rebuild_usage())?;
    while !filled.is_complete() {
        match desk.wait(async { Ok::<_, Failure>(desk.store.fill_usage(STEP).await) })? {
            Ok(more) => filled = more,
            Err(schema::Error::Conflict) => {}
            Err(error) => {
                note("what is left is counted by radiusd serve");
                return Err(error.into());
            }
        }
    }
    say("all sessions are counted")
}
