//! The figures of a run, and what is concluded from them.

use crate::scale::{Growth, Start};
use crate::sessions::Audit;
use crate::upsert::Ceiling;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Server {
    FreeRadius,
    Ours,
    Null,
}

impl Server {
    pub fn name(self) -> &'static str {
        match self {
            Server::FreeRadius => "FreeRADIUS",
            Server::Ours => "radiusd",
            Server::Null => "null server",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, clap::ValueEnum)]
pub enum Case {
    Pap,
    Chap,
    Mschap2,
    /// Each attempt stored in radpostauth.
    PapStored,
    /// Each user for the first time since the start.
    PapCold,
    Status,
    AccountingEmpty,
    AccountingFull,
    /// Five times as full.
    AccountingLarge,
    AccountingSqlite,
}

impl Case {
    pub const ALL: [Case; 10] = [
        Case::Pap,
        Case::Chap,
        Case::Mschap2,
        Case::PapStored,
        Case::PapCold,
        Case::Status,
        Case::AccountingEmpty,
        Case::AccountingFull,
        Case::AccountingLarge,
        Case::AccountingSqlite,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Case::Pap => "PAP",
            Case::Chap => "CHAP",
            Case::Mschap2 => "MS-CHAPv2",
            Case::PapStored => "PAP, every attempt stored",
            Case::PapCold => "PAP, every user cold",
            Case::Status => "Status-Server",
            Case::AccountingEmpty => "accounting, empty radacct",
            Case::AccountingFull => "accounting, full radacct",
            Case::AccountingLarge => "accounting, five times as full",
            Case::AccountingSqlite => "accounting, SQLite",
        }
    }

    pub fn is_accounting(self) -> bool {
        use Case::{AccountingEmpty, AccountingFull, AccountingLarge, AccountingSqlite};
        matches!(self, AccountingEmpty | AccountingFull | AccountingLarge | AccountingSqlite)
    }
}

/// A peak of one server in one round.
#[derive(Clone, Debug)]
pub struct Peak {
    pub case: Case,
    pub server: Server,
    pub round: usize,
    pub rate: f64,
    pub window: usize,
    pub server_us: f64,
    pub store_us: f64,
    pub generator_us: f64,
    pub rss_mib: f64,
    pub faults: String,
    pub audit: Option<Audit>,
    /// The share of the machine that others used meanwhile.
    pub others: f64,
}

/// Latency at one offered load.
#[derive(Clone, Debug)]
pub struct Latency {
    pub case: Case,
    pub server: Server,
    pub label: String,
    /// Percent of the server's own peak, if that is what was offered.
    pub percent: Option<u32>,
    pub offered: f64,
    pub reached: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub repeated: u64,
    pub faults: String,
}

#[derive(Default)]
pub struct Results {
    pub machine: Vec<String>,
    pub setting: Vec<String>,
    pub echo: Vec<(&'static str, f64, f64)>,
    pub upsert: Vec<Ceiling>,
    pub peaks: Vec<Peak>,
    pub latencies: Vec<Latency>,
    pub ready_ms: Vec<f64>,
    pub starts: Vec<Start>,
    pub growth: Vec<Growth>,
    pub seconds: f64,
}

/// Least, middle and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread { min, median, max })
    }
}

impl Results {
    pub fn of(&self, case: Case, server: Server) -> impl Iterator<Item = &Peak> {
        self.peaks.iter().filter(move |peak| peak.case == case && peak.server == server)
    }

    pub fn spread(&self, case: Case, server: Server, of: fn(&Peak) -> f64) -> Option<Spread> {
        Spread::of(self.of(case, server).map(of))
    }

    pub fn median(&self, case: Case, server: Server, of: fn(&Peak) -> f64) -> Option<f64> {
        self.spread(case, server, of).map(|spread| spread.median)
    }

    /// How many times `above` does what `below` does, round by round.
    pub fn ratio(
        &self,
        case: Case,
        above: Server,
        below: Server,
        of: fn(&Peak) -> f64,
    ) -> Option<Spread> {
        // FreeRADIUS keeps nothing of a user: cold is what it always is.
        let other =
            if below == Server::FreeRadius && case == Case::PapCold { Case::Pap } else { case };
        Spread::of(self.of(case, above).filter_map(|mine| {
            let theirs = self.of(other, below).find(|peak| peak.round == mine.round)?;
            Some(of(mine) / of(theirs))
        }))
    }

    pub fn latency(&self, case: Case, server: Server, percent: u32) -> Option<&Latency> {
        self.latencies.iter().find(|latency| {
            (latency.case, latency.server, latency.percent) == (case, server, Some(percent))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_few() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
    }
}
