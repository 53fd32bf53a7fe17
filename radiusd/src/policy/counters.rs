//! The quotas that rows may name: what each measures, since when, and how it shows in the answer.

use jiff::ToSpan;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::need::{Ask, Direction};

/// FreeRADIUS's five counters first, in the order in which they run; then volumes, as sites make
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    Daily,
    Weekly,
    Monthly,
    Ever,
    SinceFirstLogin,
    AccessPeriod,
    Octets,
    Megabytes,
    TotalOctets,
    TotalOctetsDaily,
    TotalOctetsWeekly,
    TotalOctetsMonthly,
}

/// In a quota's unit; none while no session counts.
pub(super) type Used = Option<u64>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Seconds,
    SinceFirstLogin,
    Octets,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Week,
    Month,
    Never,
}

/// Which attribute tells the NAS what is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    SessionTimeout,
    ChilliSpotMaxTotalOctets,
    Nothing,
}

struct Facts {
    limit: Limit,
    /// The attribute of the quota.
    name: &'static str,
    /// The attribute of what is used; compared, never sent.
    used: &'static str,
    measure: Measure,
    period: Period,
    told: Told,
    octets_per_unit: u64,
}

const fn seconds(
    limit: Limit,
    name: &'static str,
    used: &'static str,
    period: Period,
    told: Told,
) -> Facts {
    Facts { limit, name, used, measure: Measure::Seconds, period, told, octets_per_unit: 1 }
}

const fn volume(limit: Limit, name: &'static str, period: Period, told: Told) -> Facts {
    Facts { limit, name, used: "", measure: Measure::Octets, period, told, octets_per_unit: 1 }
}

const ALL: [Facts; 12] = [
    seconds(
        Limit::Daily,
        "Max-Daily-Session",
        "Daily-Session-Time",
        Period::Day,
        Told::SessionTimeout,
    ),
    seconds(
        Limit::Weekly,
        "Max-Weekly-Session",
        "Weekly-Session-Time",
        Period::Week,
        Told::SessionTimeout,
    ),
    seconds(
        Limit::Monthly,
        "Max-Monthly-Session",
        "Monthly-Session-Time",
        Period::Month,
        Told::SessionTimeout,
    ),
    seconds(
        Limit::Ever,
        "Max-All-Session",
        "Max-All-Session-Time",
        Period::Never,
        Told::SessionTimeout,
    ),
    Facts {
        measure: Measure::SinceFirstLogin,
        ..seconds(
            Limit::SinceFirstLogin,
            "Expire-After",
            "Expire-After-Initial-Login",
            Period::Never,
            Told::SessionTimeout,
        )
    },
    Facts {
        measure: Measure::SinceFirstLogin,
        ..seconds(Limit::AccessPeriod, "Access-Period", "", Period::Never, Told::SessionTimeout)
    },
    volume(Limit::Octets, "Max-Octets", Period::Never, Told::Nothing),
    Facts {
        octets_per_unit: 1 << 20,
        ..volume(Limit::Megabytes, "Max-All-MB", Period::Never, Told::Nothing)
    },
    volume(Limit::TotalOctets, "CS-Total-Octets", Period::Never, Told::ChilliSpotMaxTotalOctets),
    volume(
        Limit::TotalOctetsDaily,
        "CS-Total-Octets-Daily",
        Period::Day,
        Told::ChilliSpotMaxTotalOctets,
    ),
    volume(
        Limit::TotalOctetsWeekly,
        "CS-Total-Octets-Weekly",
        Period::Week,
        Told::ChilliSpotMaxTotalOctets,
    ),
    volume(
        Limit::TotalOctetsMonthly,
        "CS-Total-Octets-Monthly",
        Period::Month,
        Told::ChilliSpotMaxTotalOctets,
    ),
];

impl Limit {
    /// By an attribute's name: a quota (`true`), or what is used of one.
    pub(super) fn of(name: &str) -> Option<(Limit, bool)> {
        let known = |facts: &&Facts| facts.name == name || (facts.used == name);
        let facts = ALL.iter().find(known).filter(|_| !name.is_empty())?;
        Some((facts.limit, facts.name == name))
    }

    /// In the order in which they run.
    pub(super) fn all() -> impl Iterator<Item = Limit> {
        ALL.iter().map(|facts| facts.limit)
    }

    fn facts(self) -> &'static Facts {
        let [first, ..] = &ALL;
        ALL.iter().find(|facts| facts.limit == self).unwrap_or(first)
    }

    pub(super) fn name(self) -> &'static str {
        self.facts().name
    }

    pub(super) fn period(self) -> Period {
        self.facts().period
    }

    pub(super) fn told(self) -> Told {
        self.facts().told
    }

    /// What has to be known of the user.
    pub(super) fn ask(self, now: i64, zone: &TimeZone) -> Ask {
        let since = || self.period().span(now, zone).map(|(since, _)| since);
        match self.facts().measure {
            Measure::Seconds => Ask::SessionSeconds { since: since() },
            Measure::SinceFirstLogin => Ask::FirstLogin,
            Measure::Octets => Ask::Volume { since: since(), direction: Direction::Both },
        }
    }

    /// In the quota's unit, from what was answered.
    pub(super) fn used(self, answer: i64, now: i64) -> u64 {
        let used = match self.facts().measure {
            Measure::SinceFirstLogin if answer <= 0 => 0,
            Measure::SinceFirstLogin => now.saturating_sub(answer),
            _ => answer,
        };
        // A negative sum is a very large number, to FreeRADIUS too.
        (used as u64) / self.facts().octets_per_unit
    }

    /// The words of FreeRADIUS.
    pub(super) fn message(self) -> String {
        let word = match self.period() {
            Period::Day => "daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Never => "never",
        };
        format!("Your maximum {word} usage time has been reached")
    }
}

impl Period {
    /// From when to when the present period goes, epoch seconds, by the clock on the wall.
    /// `None`: for ever.
    pub(super) fn span(self, now: i64, zone: &TimeZone) -> Option<(i64, i64)> {
        let today = zone.to_datetime(jiff::Timestamp::from_second(now).ok()?).date();
        let (first, next) = match self {
            Period::Day => (today, today.checked_add(1.day()).ok()?),
            Period::Week => {
                let since_sunday = i64::from(today.weekday().since(Weekday::Sunday));
                let sunday = today.checked_sub(since_sunday.days()).ok()?;
                (sunday, sunday.checked_add(7.days()).ok()?)
            }
            Period::Month => {
                (today.first_of_month(), today.last_of_month().checked_add(1.day()).ok()?)
            }
            Period::Never => return None,
        };
        let second = |date: jiff::civil::Date| {
            let midnight = date.to_datetime(jiff::civil::Time::midnight());
            Some(zone.to_ambiguous_timestamp(midnight).compatible().ok()?.as_second())
        };
        Some((second(first)?, second(next)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_by_the_wall_clock() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
        // The night in which the clock goes back.
        let now = at("2026-10-25T12:00:00Z");
        for (period, first, next) in [
            (Period::Day, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            (Period::Week, "2026-10-24T22:00:00Z", "2026-10-31T23:00:00Z"),
            (Period::Month, "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        ] {
            assert_eq!(period.span(now, &zone), Some((at(first), at(next))));
        }
        assert_eq!(Period::Never.span(now, &zone), None);
    }

    #[test]
    fn every_limit_has_its_facts() {
        let dictionary = dictionaries::Dictionary::shipped();
        for limit in Limit::all() {
            assert_eq!(Limit::of(limit.name()), Some((limit, true)));
            assert!(dictionary.attribute(limit.name()).is_some(), "{}", limit.name());
        }
        assert_eq!(Limit::of("Daily-Session-Time"), Some((Limit::Daily, false)));
        assert_eq!(Limit::of("Class"), None);
        assert_eq!(Limit::Megabytes.used(3 << 20, 0), 3);
        assert_eq!(Limit::SinceFirstLogin.used(40, 100), 60);
        assert_eq!(Limit::SinceFirstLogin.used(0, 100), 0);
    }
}
