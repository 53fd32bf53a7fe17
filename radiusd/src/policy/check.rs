//! Whether a check row fits the request.

use std::borrow::Cow;
use std::cmp::Ordering;

use dictionaries::{Pair, Value};
use proto::attribute::Instances;

use super::compare::{compare, fits};
use super::counters::{Limit, Used};
use super::login_time::{self, Allowed};
use super::op::Op;
use super::role::{Role, Virtual};
use super::rows::{Batch, Item, pattern};
use super::template::Scope;
use super::view::View;

/// What a comparison said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// The request lacks the attribute.
    NoAttribute,
    /// A quota's counter has to be known first.
    Lacks(Limit),
}

/// What else a match does: Prefix and Suffix leave a rest of the name.
pub(super) type Stripped = Option<Box<[u8]>>;

impl Item {
    /// Is the row looked at in the comparison at all?
    pub(super) fn is_compared(&self, view: &View<'_, '_>) -> bool {
        match self.role {
            _ if matches!(self.op, Op::Set | Op::Add) => false,
            Role::AuthType | Role::Ignored | Role::SessionType | Role::CryptPassword => false,
            Role::UserPassword => view.packet().find(2).is_some_and(|octets| !octets.is_empty()),
            _ => true,
        }
    }

    pub(super) fn matches(
        &self,
        batch: &Batch,
        scope: &Scope<'_, '_, '_>,
        used: impl Fn(Limit) -> Option<Used>,
    ) -> (Match, Stripped) {
        let row = Row::of(self, scope);
        let verdict = |yes| (if yes { Match::Yes } else { Match::No }, None);
        let view = scope.view;
        match self.role {
            Role::Virtual(_) | Role::Expiration | Role::ResponsePacketType
                if self.op == Op::Absent =>
            {
                verdict(false)
            }
            Role::Virtual(_) | Role::Expiration | Role::ResponsePacketType
                if self.op == Op::Present =>
            {
                verdict(true)
            }
            Role::Virtual(Virtual::Used(limit)) => match used(limit) {
                None => (Match::Lacks(limit), None),
                // Nothing is less than anything, zero too.
                Some(None) => verdict(self.op.allows(-1)),
                Some(Some(used)) => {
                    let wanted = row.pair.value.as_u64().unwrap_or(0);
                    verdict(self.op.allows(used.cmp(&wanted) as i32))
                }
            },
            Role::Virtual(which @ (Virtual::Prefix | Virtual::Suffix)) => {
                let (order, rest) = affix(which, &row.pair, view);
                let rest = rest.filter(|_| order == 0 && !keeps_name(batch));
                (verdict(self.op.allows(order)).0, rest.map(Into::into))
            }
            Role::Virtual(which) => verdict(self.virtual_fits(which, &row, scope)),
            Role::ResponsePacketType => verdict(self.op.allows(1)),
            Role::Expiration => {
                let end = row.pair.value.as_u64().and_then(|end| i64::try_from(end).ok());
                let late = end.is_none_or(|end| view.request.now > end);
                verdict(self.op.allows(i32::from(late)))
            }
            _ => (self.ordinary(&row, scope), None),
        }
    }

    /// Any one instance is enough, for the negative operators too.
    fn ordinary(&self, row: &Row<'_>, scope: &Scope<'_, '_, '_>) -> Match {
        let found = match self.is_named() {
            true => scope.view.values(&self.pair.attribute, self.role),
            false => Instances::new(),
        };
        if found.is_empty() {
            return if self.op == Op::Absent { Match::Yes } else { Match::NoAttribute };
        }
        let any = found.iter().any(|(tag, value)| match self.op {
            Op::Present => true,
            Op::Absent => false,
            Op::Like | Op::NotLike => self.like(row, value, scope),
            op => fits(op, &row.pair, *tag, value),
        });
        if any { Match::Yes } else { Match::No }
    }

    /// A pattern that is none matches neither way.
    fn like(&self, row: &Row<'_>, value: &Value, scope: &Scope<'_, '_, '_>) -> bool {
        let read = || pattern(&row.pair.attribute, &row.pair.value, scope.zone());
        let made = self.template().map(|_| read());
        let Some(Ok(pattern)) = made.as_ref().or(self.pattern()) else { return false };
        let found = match value {
            Value::String(octets) => pattern.is_match(octets),
            other => pattern.is_match(other.print_in(&row.pair.attribute, scope.zone()).as_bytes()),
        };
        found == (self.op == Op::Like)
    }

    fn virtual_fits(&self, which: Virtual, row: &Row<'_>, scope: &Scope<'_, '_, '_>) -> bool {
        let view = scope.view;
        let order = match which {
            Virtual::PacketType => {
                i32::from(view.computed(which).as_ref() != Some(&row.pair.value))
            }
            Virtual::SqlGroup => {
                let name = row.pair.value.as_octets().unwrap_or_default();
                let belongs = view.groups.iter().any(|group| group.as_bytes() == name);
                i32::from(!belongs || name.is_empty())
            }
            // Nobody is a user of this machine.
            Virtual::UnixGroup => -1,
            Virtual::CurrentTime => {
                let text = row.pair.value.as_octets().unwrap_or_default();
                let request = view.request;
                match login_time::allowed(text, request.now, request.zone) {
                    Allowed::No => -1,
                    _ => 0,
                }
            }
            Virtual::TimeOfDay => time_of_day(&row.pair, view),
            _ => self.computed(which, row, scope),
        };
        self.op.allows(order)
    }

    /// FreeRADIUS compares, and then takes "yes" for equal and "no" for more. A pattern is held
    /// against the first attribute of the request, whatever that is.
    fn computed(&self, which: Virtual, row: &Row<'_>, scope: &Scope<'_, '_, '_>) -> i32 {
        let view = scope.view;
        let yes = match self.op {
            Op::Like | Op::NotLike => {
                let request = view.request;
                let pairs = request.packet.pairs(request.dictionary, request.secret);
                pairs.first().is_some_and(|first| {
                    let printed = first.value.print_in(&first.attribute, scope.zone());
                    self.like(row, &Value::String(printed.into_bytes().into()), scope)
                })
            }
            Op::Equal | Op::NotEqual | Op::Less | Op::AtMost | Op::Greater | Op::AtLeast => {
                let order = view.computed(which).map(|found| compare(&row.pair, None, &found));
                order.is_some_and(|order| self.op.allows(order))
            }
            _ => false,
        };
        i32::from(!yes)
    }
}

/// A row with its value expanded.
struct Row<'a> {
    pair: Cow<'a, Pair>,
}

impl<'a> Row<'a> {
    fn of(item: &'a Item, scope: &Scope<'_, '_, '_>) -> Row<'a> {
        let value = scope.value(item);
        let pair = value.map(|value| Cow::Owned(Pair { value, ..item.pair.clone() }));
        Row { pair: pair.unwrap_or(Cow::Borrowed(&item.pair)) }
    }
}

impl Op {
    /// Does the operator accept this order of what was found against the row's value?
    pub(super) fn allows(self, order: i32) -> bool {
        match self {
            Op::NotEqual => order != 0,
            Op::Greater => order > 0,
            Op::AtLeast => order >= 0,
            Op::Less => order < 0,
            Op::AtMost => order <= 0,
            _ => order == 0,
        }
    }
}

/// How the beginning or end of the name compares, and what is left without it.
fn affix<'v>(which: Virtual, row: &Pair, view: &'v View<'_, '_>) -> (i32, Option<&'v [u8]>) {
    let affix = row.value.as_octets().unwrap_or_default();
    let name = view.rest_of_user();
    let (part, rest) = match which {
        Virtual::Prefix => match name.split_at_checked(affix.len()) {
            Some((part, rest)) => (part, rest),
            None => (name, [].as_slice()),
        },
        _ => match name.len().checked_sub(affix.len()) {
            Some(at) => (name.get(at..).unwrap_or_default(), name.get(..at).unwrap_or_default()),
            None => return (Ordering::Less as i32, None),
        },
    };
    (part.cmp(affix) as i32, Some(rest))
}

/// `Strip-User-Name = No` among the same rows.
fn keeps_name(batch: &Batch) -> bool {
    let no = |item: &&Item| {
        &*item.pair.attribute.name == "Strip-User-Name" && item.pair.value.as_u64() == Some(0)
    };
    batch.items.iter().find(no).is_some()
}

/// `HH:MM` or `HH:MM:SS` against the clock on the wall.
fn time_of_day(row: &Pair, view: &View<'_, '_>) -> i32 {
    let text = row.value.as_octets().unwrap_or_default();
    let wanted = std::str::from_utf8(text).ok().and_then(seconds_of_day);
    let now = jiff::Timestamp::from_second(view.request.now).ok();
    match (wanted, now) {
        (Some(wanted), Some(now)) => {
            let time = view.request.zone.to_datetime(now).time();
            let (hour, minute) = (i32::from(time.hour()), i32::from(time.minute()));
            let now = hour * 3600 + minute * 60 + i32::from(time.second());
            now.cmp(&wanted) as i32
        }
        _ => -1,
    }
}

fn seconds_of_day(text: &str) -> Option<i32> {
    if !text.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b':' | b' ')) {
        return None;
    }
    let number = |text: &str| {
        let text = text.trim_start_matches(' ');
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse::<i32>().ok()
    };
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let hours = number(hours)?.checked_mul(3600)?;
    let minutes = number(minutes)?.checked_mul(60)?;
    hours.checked_add(minutes)?.checked_add(number(seconds).unwrap_or(0))
}
