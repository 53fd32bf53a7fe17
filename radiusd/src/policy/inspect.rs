//! One row as the engine reads it, for those who look at rows without deciding.

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use proto::{BadPassword, digest};

use super::counters::{Period, Told};
use super::op::Op;
use super::role::{Role, Virtual};
use super::rows::{BadPattern, BadRow, Item, More};

/// What one attribute carries on the wire.
const WIRE_MAX: usize = 253;

/// What a row that can be read is worth a second look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Its value is the address of this host.
    Host(Box<str>),
    /// Compared with a pattern that fits nothing.
    Pattern(BadPattern),
    /// Nobody can log in with this password.
    Password(BadPassword),
    /// Compared with what no request says: the row fits nobody.
    FitsNobody,
    /// Neither compared, for its attribute, nor set, for its operator.
    DoesNothing,
    /// A limit that FreeRADIUS looks at only when told to: `sql` in `session {}`, sqlcounter.
    Limit,
    /// A limit of a day, a week or a month, whose end bounds the session.
    Period,
    /// So many octets, of which not all are sent.
    TooLong(usize),
}

/// Reads a check row, or a reply row. What cannot be read refuses whomever it is read for.
pub fn inspect(
    row: &schema::Row,
    reply: bool,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Vec<Remark>, BadRow> {
    let item = Item::compile(row, dictionary, zone)?;
    let mut remarks = Vec::new();
    if let Some(host) = item.host() {
        remarks.push(Remark::Host(host.into()));
    }
    match reply {
        true => remarks.extend(too_long(&item)),
        false => of_check(&item, &mut remarks),
    }
    Ok(remarks)
}

fn of_check(item: &Item, remarks: &mut Vec<Remark>) {
    let sets = matches!(item.op, Op::Set | Op::Add);
    let keeps = sets || matches!(item.op, Op::Assign | Op::Prepend | Op::AtMost | Op::AtLeast);
    match item.role {
        Role::AuthType | Role::Ignored | Role::SessionType | Role::CryptPassword if !keeps => {
            remarks.push(Remark::DoesNothing);
        }
        Role::Password
        | Role::PasswordWithHeader
        | Role::DigestHa1
        | Role::SimultaneousUse
        | Role::Limit(_)
        | Role::LoginTime
        | Role::UserProfile
        | Role::FallThrough
            if !sets && item.op != Op::Absent =>
        {
            remarks.push(Remark::FitsNobody);
        }
        Role::SimultaneousUse => remarks.push(Remark::Limit),
        Role::Limit(limit) => {
            remarks.push(Remark::Limit);
            if limit.told() == Told::SessionTimeout && limit.period() != Period::Never {
                remarks.push(Remark::Period);
            }
        }
        Role::Virtual(Virtual::Used(_)) if !sets => remarks.push(Remark::Limit),
        Role::DigestHa1 if item.more.is_none() => {
            let text = item.pair.value.as_octets().unwrap_or_default();
            remarks.extend(digest::read_ha1(text).err().map(Remark::Password));
        }
        _ => {}
    }
    match item.more.as_deref() {
        Some(More::Pattern(Err(why))) => remarks.push(Remark::Pattern(why.clone())),
        Some(More::Stored(Err(why))) if sets => remarks.push(Remark::Password(*why)),
        _ => {}
    }
}

fn too_long(item: &Item) -> Option<Remark> {
    let attribute = &item.pair.attribute;
    let length = item.pair.value.as_octets().map_or(0, <[u8]>::len);
    (length > WIRE_MAX && !attribute.flags.concat && !attribute.is_internal())
        .then_some(Remark::TooLong(length))
}
