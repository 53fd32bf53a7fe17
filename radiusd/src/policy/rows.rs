//! Rows compiled once: attributes found, values read, operators known, mistakes kept.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use dictionaries::{Attribute, Dictionary, Kind, NameError, Pair, Unquoted, Value, ValueError};
use hashbrown::HashMap;
use jiff::tz::TimeZone;
use proto::{BadPassword, Stored};
use regex::bytes::{Regex, RegexBuilder};

use super::op::Op;
use super::role::Role;
use super::template::{Template, Unsupported};

/// A user's groups in the order of priority; users in the same groups share one list.
pub type GroupNames = Arc<[Box<str>]>;

/// Lists that are kept to be shared.
const LISTS_MAX: usize = 4096;

/// A user's rows, ready to decide with.
#[derive(Debug)]
pub struct UserPolicy {
    pub(super) name: Box<str>,
    pub(super) check: Batch,
    pub(super) reply: Batch,
    pub(super) groups: GroupNames,
}

/// A group's.
#[derive(Debug)]
pub struct GroupPolicy {
    pub(super) name: Box<str>,
    pub(super) check: Batch,
    pub(super) reply: Batch,
}

/// The rows of one query: all of them, or the first one that cannot be read.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Box<[Item]>,
    pub(super) bad: Option<Box<BadRow>>,
}

/// A row ready to be compared and merged.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) op: Op,
    pub(super) role: Role,
    /// FreeRADIUS never takes two attributes without a name for the same one.
    named: bool,
    pub(super) pair: Pair,
    pub(super) more: Option<Box<More>>,
}

#[derive(Debug)]
pub(super) enum More {
    /// The value follows from the request.
    Template(Template),
    /// The value is an address, to be found by this name.
    Host(Box<str>),
    /// An unusable one matches nothing.
    Pattern(Result<Regex, BadPattern>),
    /// A password that isn't in clear.
    Stored(Result<Stored, BadPassword>),
}

/// Why a pattern matches nothing, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPattern {
    /// Nor does it at FreeRADIUS.
    Empty,
    /// It is none, or asks for what a search in linear time cannot do.
    Unusable(Box<str>),
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadPattern::Empty => f.write_str("the pattern is empty"),
            BadPattern::Unusable(why) => write!(f, "the pattern cannot be used: {why}"),
        }
    }
}

/// A row that refuses everybody for whom it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub id: i64,
    pub attribute: Box<str>,
    pub op: Box<str>,
    pub mistake: Mistake,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    NoAttribute,
    Name(NameError),
    /// The attribute belongs to a module that isn't there.
    Foreign,
    NoOperator,
    Value(ValueError),
    /// Of a secret value it isn't said what is wrong.
    SecretValue,
    /// The expansion needs more than attributes.
    Expansion(Unsupported),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::NoAttribute => f.write_str("the attribute is empty"),
            Mistake::Name(why) => why.fmt(f),
            Mistake::Foreign => f.write_str("the attribute is of a module that is not there"),
            Mistake::NoOperator => f.write_str("there is no such operator"),
            Mistake::Value(why) => why.fmt(f),
            Mistake::SecretValue => f.write_str("the value cannot be read"),
            Mistake::Expansion(Unsupported(what)) => {
                write!(f, "between back-ticks only attributes are expanded, not {what}")
            }
        }
    }
}

impl UserPolicy {
    /// As it stands in the tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In order of priority.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| &**group)
    }

    /// Octets of memory, roughly.
    pub fn size(&self) -> usize {
        size_of::<UserPolicy>() + self.name.len() + self.check.size() + self.reply.size()
    }

    /// Takes the list of its groups from `lists`, where most users find one that is there already.
    pub fn share_groups(&mut self, lists: &mut HashSet<GroupNames>) {
        if let Some(known) = lists.get(&self.groups) {
            self.groups = known.clone();
            return;
        }
        // Sites with more lists than that have users of many kinds: sharing would save little.
        if lists.len() >= LISTS_MAX {
            lists.clear();
        }
        lists.insert(self.groups.clone());
    }
}

impl GroupPolicy {
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Batch {
    fn compile(rows: &[schema::Row], dictionary: &Dictionary, zone: &TimeZone) -> Batch {
        // Room for just these: what is shrunk later keeps its place in many an allocator.
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            match Item::compile(row, dictionary, zone) {
                Ok(item) => items.push(item),
                Err(bad) => return Batch { items: Box::default(), bad: Some(Box::new(bad)) },
            }
        }
        Batch { items: items.into(), bad: None }
    }

    /// Are there no rows at all?
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.bad.is_none()
    }

    fn size(&self) -> usize {
        let value = |item: &Item| {
            item.pair.value.as_octets().map_or(0, |octets| octets.len() + 8)
                + item.more.as_ref().map_or(0, |_| size_of::<More>() + 64)
        };
        size_of_val::<[Item]>(&self.items) + self.items.iter().map(value).sum::<usize>()
    }
}

impl Item {
    /// Reads one row as FreeRADIUS does, which takes all or nothing.
    pub(super) fn compile(
        row: &schema::Row,
        dictionary: &Dictionary,
        zone: &TimeZone,
    ) -> Result<Item, BadRow> {
        Item::read(row, dictionary, zone).map_err(|mistake| BadRow {
            id: row.id,
            attribute: row.attribute.as_str().into(),
            op: row.op.as_str().into(),
            mistake,
        })
    }

    fn read(row: &schema::Row, dictionary: &Dictionary, zone: &TimeZone) -> Result<Item, Mistake> {
        if row.attribute.is_empty() {
            return Err(Mistake::NoAttribute);
        }
        let op = Op::parse(&row.op).ok_or(Mistake::NoOperator)?;
        let (attribute, tag) = dictionary.named(&row.attribute).map_err(Mistake::Name)?;
        let named = dictionary.at(&attribute.place).is_some() && !is_numbered(&attribute.name);
        let role = Role::of(&attribute);
        if role == Role::Foreign {
            return Err(Mistake::Foreign);
        }
        let (value, more) = read_value(&attribute, role, op, &row.value, dictionary, zone)?;
        let pair = Pair { attribute, tag, value };
        Ok(Item { id: row.id, op, role, named, pair, more: more.map(Box::new) })
    }

    /// Does the row speak of this attribute?
    pub(super) fn is_same(&self, attribute: &Arc<Attribute>) -> bool {
        let mine = &self.pair.attribute;
        self.named
            && (Arc::ptr_eq(mine, attribute)
                || (mine.place == attribute.place && !is_numbered(&attribute.name)))
    }

    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    pub(super) fn pattern(&self) -> Option<&Result<Regex, BadPattern>> {
        match self.more.as_deref() {
            Some(More::Pattern(pattern)) => Some(pattern),
            _ => None,
        }
    }

    pub(super) fn template(&self) -> Option<&Template> {
        match self.more.as_deref() {
            Some(More::Template(template)) => Some(template),
            _ => None,
        }
    }

    pub(super) fn host(&self) -> Option<&str> {
        match self.more.as_deref() {
            Some(More::Host(host)) => Some(host),
            _ => None,
        }
    }

    /// The address of a host that has some, as this attribute holds it.
    pub(super) fn address(&self, found: &[IpAddr]) -> Option<Value> {
        let v4 = || {
            found.iter().find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            })
        };
        let v6 = || {
            found.iter().find_map(|address| match address {
                IpAddr::V6(address) => Some(*address),
                IpAddr::V4(_) => None,
            })
        };
        match self.pair.attribute.kind {
            Kind::Ipaddr => v4().map(Value::Ipaddr),
            Kind::Ipv6addr => v6().map(Value::Ipv6addr),
            Kind::Ipv4prefix => v4().map(|address| Value::Ipv4prefix(address, 32)),
            Kind::Ipv6prefix => v6().map(|address| Value::Ipv6prefix(address, 128)),
            Kind::ComboIp => v4().map(Value::Ipaddr).or_else(|| v6().map(Value::Ipv6addr)),
            _ => None,
        }
    }
}

/// Called by its number, whether it has a name or not.
fn is_numbered(name: &str) -> bool {
    name.strip_prefix("Attr-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn read_value(
    attribute: &Attribute,
    role: Role,
    op: Op,
    text: &str,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<(Value, Option<More>), Mistake> {
    let text = match dictionaries::unquote(text) {
        Unquoted::Text(text) => text,
        Unquoted::Expansion(text) => {
            let template = Template::parse(&text, dictionary).map_err(Mistake::Expansion)?;
            return Ok((zero(attribute.kind), Some(More::Template(template))));
        }
    };
    let value = match Value::parse_plain(attribute, &text, zone) {
        Ok(value) => value,
        Err(ValueError::HostName(host)) => {
            return Ok((zero(attribute.kind), Some(More::Host(host))));
        }
        Err(_) if role.is_password() => return Err(Mistake::SecretValue),
        Err(why) => return Err(Mistake::Value(why)),
    };
    let more = match (op, role) {
        (Op::Like | Op::NotLike, _) => Some(More::Pattern(pattern(attribute, &value, zone))),
        (_, Role::Password | Role::PasswordWithHeader | Role::CryptPassword) => {
            stored(&attribute.name, &value).map(More::Stored)
        }
        _ => None,
    };
    Ok((value, more))
}

/// `None`: in clear, to be compared as it is.
pub(super) fn stored(name: &str, value: &Value) -> Option<Result<Stored, BadPassword>> {
    if name == "Cleartext-Password" {
        return None;
    }
    Stored::from_pair(name, value.as_octets()?)
}

/// Of what isn't text the printed form is the pattern.
pub(super) fn pattern(
    attribute: &Attribute,
    value: &Value,
    zone: &TimeZone,
) -> Result<Regex, BadPattern> {
    let printed;
    let text = match value {
        Value::String(octets) => std::str::from_utf8(octets)
            .map_err(|_| BadPattern::Unusable("it is not UTF-8".into()))?,
        other => {
            printed = other.print_in(attribute, zone);
            &printed
        }
    };
    if text.is_empty() {
        return Err(BadPattern::Empty);
    }
    let made = RegexBuilder::new(text).unicode(false).size_limit(1 << 20).build();
    made.map_err(|error| BadPattern::Unusable(reason(&error).into()))
}

/// The last line of what the library draws under the pattern.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large".into(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// What an attribute holds whose expansion failed.
pub(super) fn zero(kind: Kind) -> Value {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match kind {
        Kind::String => Value::String(Box::default()),
        Kind::Abinary => Value::Abinary(Box::default()),
        Kind::Integer => Value::Integer(0),
        Kind::Short => Value::Short(0),
        Kind::Byte => Value::Byte(0),
        Kind::Integer64 => Value::Integer64(0),
        Kind::Signed => Value::Signed(0),
        Kind::Bool => Value::Bool(false),
        Kind::Date => Value::Date(0),
        Kind::Ipaddr | Kind::ComboIp => Value::Ipaddr(Ipv4Addr::UNSPECIFIED),
        Kind::Ipv4prefix => Value::Ipv4prefix(Ipv4Addr::UNSPECIFIED, 0),
        Kind::Ipv6addr => Value::Ipv6addr(Ipv6Addr::UNSPECIFIED),
        Kind::Ipv6prefix => Value::Ipv6prefix(Ipv6Addr::UNSPECIFIED, 0),
        Kind::Ifid => Value::Ifid([0; 8]),
        Kind::Ether => Value::Ether([0; 6]),
        _ => Value::Octets(Box::default()),
    }
}

pub fn compile_user(
    rows: &schema::UserRows,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> UserPolicy {
    UserPolicy {
        name: rows.name.as_str().into(),
        check: Batch::compile(&rows.check, dictionary, zone),
        reply: Batch::compile(&rows.reply, dictionary, zone),
        groups: rows.groups.iter().map(|group| group.as_str().into()).collect(),
    }
}

pub fn compile_group(
    rows: &schema::GroupRows,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> GroupPolicy {
    GroupPolicy {
        name: rows.name.as_str().into(),
        check: Batch::compile(&rows.check, dictionary, zone),
        reply: Batch::compile(&rows.reply, dictionary, zone),
    }
}

/// All groups; cheap to copy with a few of them replaced.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    by_name: HashMap<Box<str>, Arc<GroupPolicy>, ahash::RandomState>,
}

impl Groups {
    pub fn insert(&mut self, group: GroupPolicy) {
        self.by_name.insert(group.name.clone(), Arc::new(group));
    }

    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub fn get(&self, name: &str) -> Option<&GroupPolicy> {
        self.by_name.get(name).map(|group| &**group)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl FromIterator<GroupPolicy> for Groups {
    fn from_iter<I: IntoIterator<Item = GroupPolicy>>(groups: I) -> Groups {
        let mut all = Groups::default();
        groups.into_iter().for_each(|group| all.insert(group));
        all
    }
}
