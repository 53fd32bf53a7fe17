//! Usage by user, NAS, Called-Station-Id and hour: what quotas, charts and reports read instead
//! of radacct.
//!
//! `spread` says what a row counts for and in which hours; `keeping` writes that beside the row,
//! in its transaction; `fill` counts the sessions that were there before; `check` compares all of
//! it with radacct; `totals` reads it.

mod check;
mod fill;
mod keeping;
mod spread;
mod totals;

use crate::engine::Sql;
use crate::layout::Layout;
use crate::{Error, Session, Store};

pub use check::{Compared, Difference};
pub use fill::Filled;
pub(crate) use keeping::{Keeper, Part, State, add, rows};
pub use spread::Amount;
pub(crate) use spread::{COUNTED_MAX, Change, Columns, Counted};
pub use totals::{By, Total, UsageFilter};

/// What a user used at a NAS and Called-Station-Id in an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage {
    pub username: String,
    /// Epoch seconds of the hour's beginning.
    pub hour: i64,
    pub nasipaddress: String,
    pub calledstationid: String,
    pub amount: Amount,
}

/// Statements made for what a store has.
pub(crate) struct Texts {
    keeps: bool,
    compare: Sql,
    totals: [Sql; 8],
}

impl Texts {
    pub(crate) fn of(layout: &Layout) -> Texts {
        let compare = check::statement(layout, &["radacct", "mgmt_radacct_archive"]);
        Texts { keeps: layout.keeps_usage(), compare, totals: totals::built() }
    }

    pub(crate) fn built(&self) -> impl Iterator<Item = (&'static str, &Sql)> {
        let totals = self.totals.iter().map(|sql| ("USAGE_TOTALS", sql));
        totals.chain([("USAGE_COMPARE", &self.compare)]).filter(|_| self.keeps)
    }
}

/// Statements of all files here.
pub(crate) fn all_statements() -> Vec<(&'static str, &'static crate::engine::Sql)> {
    [keeping::statements(), fill::statements(), totals::statements()].concat()
}

/// What is added to the usage when a row that held `held` holds `new`; hours are those of `zone`.
pub fn usage_of(zone: &jiff::tz::TimeZone, held: Option<&Session>, new: &Session) -> Vec<Usage> {
    let columns = Columns { inet: true, calledstationid: true };
    let mut changes = spread::Changes::new(zone);
    changes.add(held.map(|held| columns.counted(held)).as_ref(), &columns.counted(new));
    let usage = |((whose, hour), amount): Change<'_>| Usage {
        username: whose.username.into_owned(),
        hour,
        nasipaddress: whose.nasipaddress.into_owned(),
        calledstationid: whose.calledstationid.into_owned(),
        amount,
    };
    changes.sums().into_iter().map(usage).collect()
}

impl Store {
    /// Whether usage is kept: it needs tables of ours.
    pub fn keeps_usage(&self) -> Result<bool, Error> {
        Ok(self.known()?.layout.keeps_usage())
    }

    pub(crate) fn needs_usage(&self) -> Result<(), Error> {
        match self.known()?.layout.keeps_usage() {
            true => Ok(()),
            false => Err(Error::Schema(
                "usage is not kept: the store has no mgmt_usage that this role may use; see \
                 radiusd migrate --print-sql"
                    .into(),
            )),
        }
    }
}
