//! What a session's row counts for, and for which hours: pure.
//!
//! A row that changes counts for what it holds now less what it held. That difference goes to the
//! hours between its two updates, by their share of the time; shares are cut so that their sum is
//! the difference, to the octet. So the usage of any set of rows is the sum of what they hold,
//! however often and in whatever order they were written.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::ops::{AddAssign, Sub};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Session;
use crate::layout::{Kind, Layout};

const HOUR: i64 = 3_600;
/// A difference goes to so many hours at most: beyond four days they are spread evenly over the
/// time. A NAS that tells a session time of a century costs no more.
const SHARES_MAX: i64 = 96;
/// What one session counts at most: an hour's sum then has room for more than a hundred of them.
pub(crate) const COUNTED_MAX: i64 = 1 << 56;

/// What is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    pub input_octets: i64,
    pub output_octets: i64,
    pub session_seconds: i64,
    /// Sessions that began.
    pub sessions: i64,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Whose<'s> {
    pub username: Cow<'s, str>,
    pub nasipaddress: Cow<'s, str>,
    pub calledstationid: Cow<'s, str>,
}

/// What a row counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted<'s> {
    pub whose: Whose<'s>,
    start: i64,
    update: i64,
    amount: Amount,
}

/// How the store keeps what a session is counted under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// PostgreSQL prints the NAS's address.
    pub inet: bool,
    pub calledstationid: bool,
}

impl Columns {
    pub fn of(layout: &Layout) -> Columns {
        let column = |name| layout.column("radacct", name);
        Columns {
            inet: column("nasipaddress").is_some_and(|column| column.kind == Kind::Address),
            calledstationid: column("calledstationid").is_some(),
        }
    }

    pub fn counted<'s>(self, session: &'s Session) -> Counted<'s> {
        let text = |text: &'s Option<String>| Cow::Borrowed(text.as_deref().unwrap_or_default());
        let nas = &session.nasipaddress;
        let update = session.acctupdatetime.or(session.acctstoptime);
        let update = update.or(session.acctstarttime).unwrap_or(0);
        let count = |value: Option<i64>| value.unwrap_or(0).clamp(0, COUNTED_MAX);
        Counted {
            whose: Whose {
                username: text(&session.username),
                nasipaddress: if self.inet { printed(nas) } else { Cow::Borrowed(nas) },
                calledstationid: match self.calledstationid {
                    true => text(&session.calledstationid),
                    false => Cow::Borrowed(""),
                },
            },
            start: session.acctstarttime.unwrap_or(update),
            update,
            amount: Amount {
                input_octets: count(session.acctinputoctets),
                output_octets: count(session.acctoutputoctets),
                session_seconds: count(session.acctsessiontime),
                sessions: 1,
            },
        }
    }
}

/// PostgreSQL writes the last four octets as of IPv4 where the others are zero.
fn printed(nas: &str) -> Cow<'_, str> {
    let old_form = |address: &Ipv6Addr| {
        let segments = address.segments();
        segments[..6] == [0; 6] && segments[6] != 0
    };
    match nas.starts_with("::").then(|| nas.parse()) {
        Some(Ok(address)) if old_form(&address) => {
            let [.., a, b, c, d] = address.octets();
            Cow::Owned(format!("::{a}.{b}.{c}.{d}"))
        }
        _ => Cow::Borrowed(nas),
    }
}

impl Counted<'_> {
    /// To outlive the row.
    pub fn into_owned(self) -> Counted<'static> {
        let Counted { whose, start, update, amount } = self;
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let whose = Whose {
            username: owned(whose.username),
            nasipaddress: owned(whose.nasipaddress),
            calledstationid: owned(whose.calledstationid),
        };
        Counted { whose, start, update, amount }
    }
}

/// A row of mgmt_usage in the making.
pub(crate) type Change<'s> = ((Whose<'s>, i64), Amount);

/// Differences, collected.
pub(crate) struct Changes<'s, 'z> {
    zone: &'z TimeZone,
    all: Vec<Change<'s>>,
}

impl<'s, 'z> Changes<'s, 'z> {
    pub fn new(zone: &'z TimeZone) -> Changes<'s, 'z> {
        Changes { zone, all: Vec::new() }
    }

    /// A row that held `held` holds `new`; without either it is new.
    pub fn add(&mut self, held: Option<&Counted<'s>>, new: &Counted<'s>) {
        match held {
            Some(held) if held.whose == new.whose => {
                let span = (held.update.min(new.update), held.update.max(new.update));
                self.spread(&new.whose, span, new.amount - held.amount);
                if held.start != new.start {
                    self.began(held, -1);
                    self.began(new, 1);
                }
            }
            held => {
                if let Some(held) = held {
                    self.spread(&held.whose, held.span(), Amount::default() - held.amount);
                    self.began(held, -1);
                }
                self.spread(&new.whose, new.span(), new.amount);
                self.began(new, 1);
            }
        }
    }

    /// One for each key, in their order, so that two writers can't wait for each other.
    pub fn sums(mut self) -> Vec<Change<'s>> {
        self.all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.all.dedup_by(|(key, more), (kept, sum)| {
            let same = key == kept;
            if same {
                *sum += *more;
            }
            same
        });
        self.all.retain(|(_, sum)| *sum != Amount::default());
        self.all
    }

    fn began(&mut self, counted: &Counted<'s>, sessions: i64) {
        let key = (counted.whose.clone(), self.hour(counted.start));
        self.all.push((key, Amount { sessions, ..Amount::default() }));
    }

    fn spread(&mut self, whose: &Whose<'s>, (from, to): (i64, i64), whole: Amount) {
        let whole = Amount { sessions: 0, ..whole };
        if whole == Amount::default() {
            return;
        }
        let length = i128::from(to) - i128::from(from);
        let hours = length / i128::from(HOUR) + 2;
        let (mut at, mut given) = (from, Amount::default());
        for step in 1..=SHARES_MAX {
            let hour = self.hour(at);
            let end = match hours > i128::from(SHARES_MAX) {
                true => {
                    let share = length * i128::from(step) / i128::from(SHARES_MAX);
                    i64::try_from(i128::from(from) + share).unwrap_or(to)
                }
                false => hour.saturating_add(HOUR).max(at.saturating_add(1)),
            };
            let last = end >= to || step == SHARES_MAX;
            let until =
                if last { whole } else { whole.share(i128::from(end) - i128::from(from), length) };
            self.all.push(((whose.clone(), hour), until - given));
            if last {
                return;
            }
            (at, given) = (end, until);
        }
    }

    /// The beginning of the hour, as clocks show it there.
    fn hour(&self, time: i64) -> i64 {
        let offset = Timestamp::from_second(time)
            .map_or(0, |time| i64::from(self.zone.to_offset(time).seconds()));
        time.saturating_sub(time.saturating_add(offset).rem_euclid(HOUR))
    }
}

impl Counted<'_> {
    fn span(&self) -> (i64, i64) {
        (self.start.min(self.update), self.update)
    }
}

impl Amount {
    fn share(self, part: i128, whole: i128) -> Amount {
        // No part is larger than the whole, so the share fits.
        let of = |value: i64| i64::try_from(i128::from(value) * part / whole).unwrap_or(value);
        Amount {
            input_octets: of(self.input_octets),
            output_octets: of(self.output_octets),
            session_seconds: of(self.session_seconds),
            sessions: 0,
        }
    }
}

impl Sub for Amount {
    type Output = Amount;

    fn sub(self, other: Amount) -> Amount {
        Amount {
            input_octets: self.input_octets - other.input_octets,
            output_octets: self.output_octets - other.output_octets,
            session_seconds: self.session_seconds - other.session_seconds,
            sessions: self.sessions - other.sessions,
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Amount) {
        self.input_octets = self.input_octets.saturating_add(more.input_octets);
        self.output_octets = self.output_octets.saturating_add(more.output_octets);
        self.session_seconds = self.session_seconds.saturating_add(more.session_seconds);
        self.sessions = self.sessions.saturating_add(more.sessions);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_700_000_000 - 1_700_000_000 % HOUR;
    const COLUMNS: Columns = Columns { inet: true, calledstationid: true };

    fn session(start: i64, update: i64, octets: i64) -> Session {
        Session {
            username: Some("bob".into()),
            nasipaddress: "10.0.0.1".into(),
            acctstarttime: Some(start),
            acctupdatetime: Some(update),
            acctinputoctets: Some(octets),
            acctsessiontime: Some(update.saturating_sub(start).max(0)),
            ..Session::default()
        }
    }

    /// Hours, counted from noon where they are whole, and octets.
    fn hours(zone: &str, rows: &[&Session]) -> Vec<(i64, i64)> {
        let zone = TimeZone::get(zone).unwrap();
        let counted: Vec<_> = rows.iter().map(|row| COLUMNS.counted(row)).collect();
        let mut changes = Changes::new(&zone);
        for (at, new) in counted.iter().enumerate() {
            changes.add(at.checked_sub(1).and_then(|at| counted.get(at)), new);
        }
        let sums = changes.sums().into_iter();
        sums.map(|((_, hour), sum)| (hour.saturating_sub(NOON), sum.input_octets)).collect()
    }

    #[test]
    fn octets_go_to_the_hours_in_which_they_flowed() {
        let first = session(NOON + 1_800, NOON + 1_800, 0);
        let later = session(NOON + 1_800, NOON + 9_000, 1_001);
        assert_eq!(hours("UTC", &[&first, &later]), [(0, 250), (3_600, 500), (7_200, 251)]);
        let last = session(NOON + 1_800, NOON + 9_060, 1_041);
        assert_eq!(hours("UTC", &[&later, &last])[2], (7_200, 251 + 40));
        let sooner = hours("Asia/Kolkata", &[&first, &later]);
        assert_eq!(sooner, [(1_800, 500), (5_400, 501)]);
    }

    #[test]
    fn a_century_costs_no_more_than_four_days() {
        let row = session(NOON - 4_000_000_000, NOON, 96_000);
        let found = hours("UTC", &[&row]);
        assert!(found.len() <= 97, "{}", found.len());
        assert_eq!(found.iter().map(|(_, octets)| octets).sum::<i64>(), 96_000);
        let extreme = session(i64::MIN, i64::MAX, i64::MAX);
        assert_eq!(hours("UTC", &[&extreme]).iter().map(|(_, o)| o).sum::<i64>(), COUNTED_MAX);
    }

    #[test]
    fn addresses_are_written_as_postgresql_prints_them() {
        for (nas, shown) in [
            ("::102:304", "::1.2.3.4"),
            ("::1", "::1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(printed(nas), shown);
        }
    }

    fn any_row() -> impl Strategy<Value = Session> {
        let user = prop::sample::select(vec!["bob", "alice"]);
        let time = 0..2_000_000i64;
        (user, time.clone(), time, any::<i64>(), 0..1_000_000i64).prop_map(
            |(user, start, update, octets, seconds)| Session {
                username: Some(user.into()),
                acctsessiontime: Some(seconds),
                acctoutputoctets: Some(seconds * 7),
                ..session(NOON + start, NOON + update, octets)
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_a_row_held_before_it_counts_for_what_it_holds(
            rows in prop::collection::vec(any_row(), 1..8),
            zone in prop::sample::select(vec!["UTC", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let counted: Vec<_> = rows.iter().map(|row| COLUMNS.counted(row)).collect();
            let mut changes = Changes::new(&zone);
            for (at, new) in counted.iter().enumerate() {
                changes.add(at.checked_sub(1).and_then(|at| counted.get(at)), new);
            }
            let last = counted.last().unwrap();
            let mut sums = [Amount::default(); 2];
            for ((whose, _), sum) in changes.sums() {
                sums[usize::from(whose == last.whose)] += sum;
            }
            prop_assert_eq!(sums, [Amount::default(), last.amount]);
        }
    }
}
