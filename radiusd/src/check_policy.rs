//! Which rows of a store turn a user away by mistake, or are decided otherwise than FreeRADIUS would.
//!
//! Rows are looked at one by one, as FreeRADIUS's parser would: an attribute that nobody knows, an
//! operator that there isn't, a value that can't be read. What we do differently on purpose is
//! named with the number of the difference.

use std::collections::BTreeMap;

use dictionaries::{Attribute, Dictionary, Kind, Value, ValueError};
use jiff::tz::TimeZone;
use schema::{GroupRows, Row, Store, User};

use crate::policy::lookup_names;

/// What one attribute carries on the wire.
const WIRE_MAX: usize = 253;
/// Users and groups fetched at once.
const PAGE: usize = 500;
const OPERATORS: [&str; 16] =
    ["=", ":=", "==", "+=", "-=", "^=", "++", "!=", ">", ">=", "<", "<=", "=~", "!~", "=*", "!*"];

/// One row worth looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `radcheck`, `radreply`, `radgroupcheck`, `radgroupreply`.
    pub table: &'static str,
    pub id: i64,
    /// The user or the group.
    pub name: String,
    /// Attribute and operator; never the value, which may be a password.
    pub row: String,
    pub kind: Kinds,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Whoever this row is read for is turned away.
    Error,
    /// FreeRADIUS decides otherwise; the number of the difference.
    Differs(u8),
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub users: u64,
    pub groups: u64,
    pub rows: u64,
    /// Rows that FreeRADIUS looks at only when it is told to, by attribute (difference 4).
    pub limits: BTreeMap<String, u64>,
}

/// Looks at every row of the store and tells `found` of each finding.
pub async fn check(
    store: &Store,
    dictionary: &Dictionary,
    zone: &TimeZone,
    mut found: impl FnMut(Finding),
) -> Result<Summary, schema::Error> {
    let mut rows = Rows { dictionary, zone, found: &mut found, summary: Summary::default() };
    let mut after: Option<String> = None;
    loop {
        let page = store.list_users("", after.as_deref(), PAGE).await?;
        page.iter().for_each(|user| rows.user(user));
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
    }
    after = None;
    loop {
        let page = store.list_groups("", after.as_deref(), PAGE).await?;
        page.iter().for_each(|group| rows.group(group));
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
    }
    Ok(rows.summary)
}

struct Rows<'a> {
    dictionary: &'a Dictionary,
    zone: &'a TimeZone,
    found: &'a mut dyn FnMut(Finding),
    summary: Summary,
}

impl Rows<'_> {
    fn user(&mut self, user: &User) {
        self.summary.users += 1;
        let (_, escaped) = lookup_names(user.name.as_bytes());
        if escaped != user.name
            && let Some((table, row)) = first(user)
        {
            let why = format!("FreeRADIUS looks for this user as {escaped} and finds no row");
            self.tell(table, &user.name, row, Kinds::Differs(15), why);
        }
        self.table("radcheck", &user.name, &user.check);
        self.table("radreply", &user.name, &user.reply);
    }

    fn group(&mut self, group: &GroupRows) {
        self.summary.groups += 1;
        self.table("radgroupcheck", &group.name, &group.check);
        self.table("radgroupreply", &group.name, &group.reply);
    }

    fn table(&mut self, table: &'static str, name: &str, rows: &[Row]) {
        for row in rows {
            self.summary.rows += 1;
            let reply = table.ends_with("reply");
            match self.look(row, reply) {
                Ok(()) => {}
                Err((kind, why)) => self.tell(table, name, row, kind, why),
            }
        }
    }

    fn look(&mut self, row: &Row, reply: bool) -> Result<(), (Kinds, String)> {
        let error = |why: String| (Kinds::Error, why);
        if row.attribute.is_empty() {
            return Err(error("the attribute is empty".into()));
        }
        let (attribute, _) =
            self.dictionary.named(&row.attribute).map_err(|why| error(why.to_string()))?;
        // An empty operator is read as ==.
        let op = if row.op.is_empty() { "==" } else { row.op.as_str() };
        if !OPERATORS.contains(&op) {
            return Err(error(format!("there is no operator {op}")));
        }
        if !reply && is_limit(&attribute) {
            *self.summary.limits.entry(attribute.name.to_string()).or_default() += 1;
        }
        if matches!(op, "=~" | "!~") && !reply {
            return pattern(&row.value, &attribute);
        }
        match Value::parse(&attribute, &row.value, self.zone) {
            Ok(value) if reply => fits(&value, &attribute),
            Ok(_) => Ok(()),
            Err(ValueError::HostName(host)) => {
                let why =
                    format!("{host} is resolved ahead and refreshed, not in the packet's path");
                Err((Kinds::Differs(14), why))
            }
            Err(ValueError::Expansion(text)) if refers(&text) => Ok(()),
            Err(ValueError::Expansion(_)) => {
                Err(error("only attributes are expanded between back-ticks".into()))
            }
            Err(_) if is_password(&attribute) => Err(error("the password can't be read".into())),
            Err(why) => Err(error(why.to_string())),
        }
    }

    fn tell(&mut self, table: &'static str, name: &str, row: &Row, kind: Kinds, why: String) {
        let (id, name) = (row.id, name.to_owned());
        let row = format!("{} {}", row.attribute, row.op);
        (self.found)(Finding { table, id, name, row, kind, why });
    }
}

/// The row that stands for the user where it is the name that matters.
fn first(user: &User) -> Option<(&'static str, &Row)> {
    let check = user.check.first().map(|row| ("radcheck", row));
    check.or_else(|| user.reply.first().map(|row| ("radreply", row)))
}

/// What FreeRADIUS limits only when told to: `sql` in `session {}`, sqlcounter.
fn is_limit(attribute: &Attribute) -> bool {
    let name = &*attribute.name;
    name == "Simultaneous-Use" || (name.starts_with("Max-") && name.ends_with("-Session"))
}

fn is_password(attribute: &Attribute) -> bool {
    attribute.flags.secret || attribute.name.contains("Password")
}

fn pattern(text: &str, attribute: &Attribute) -> Result<(), (Kinds, String)> {
    if attribute.kind != Kind::String {
        let why = format!("{} isn't text: no pattern can match it", attribute.name);
        return Err((Kinds::Error, why));
    }
    match regex::bytes::Regex::new(text) {
        Ok(_) => Ok(()),
        Err(_) => Err((
            Kinds::Differs(13),
            "the pattern needs what a search in linear time can't do (or is no pattern)".into(),
        )),
    }
}

fn fits(value: &Value, attribute: &Attribute) -> Result<(), (Kinds, String)> {
    let length = value.as_octets().map_or(0, <[u8]>::len);
    if length > WIRE_MAX && !attribute.flags.concat && !attribute.is_internal() {
        let why = format!("of its {length} octets {WIRE_MAX} are sent");
        return Err((Kinds::Differs(12), why));
    }
    Ok(())
}

/// Whether a text between back-ticks names nothing but attributes: `%{User-Name}`,
/// `%{reply:Class}`, `%{%{A}:-%{B}}`.
fn refers(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut inside = String::new();
    let mut octets = text.chars().peekable();
    while let Some(c) = octets.next() {
        match c {
            '%' if octets.peek() == Some(&'{') => {
                octets.next();
                depth += 1;
            }
            // One letter is a date or a port: not known here.
            '%' if octets.peek() != Some(&'%') => return false,
            '%' => {
                octets.next();
            }
            '}' if depth > 0 => depth -= 1,
            other if depth > 0 => inside.push(other),
            _ => {}
        }
    }
    let lists = ["request:", "control:", "reply:"];
    let name = |part: &str| {
        let part = lists.iter().find_map(|list| part.strip_prefix(list)).unwrap_or(part);
        part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.[]".contains(c))
    };
    depth == 0 && inside.split(":-").all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The finding about one row, if there is one.
    fn look(table: &'static str, attribute: &str, op: &str, value: &str) -> Option<Finding> {
        let row = Row { id: 7, attribute: attribute.into(), op: op.into(), value: value.into() };
        let mut all = Vec::new();
        let dictionary = Dictionary::shipped();
        let mut found = |finding| all.push(finding);
        let zone = TimeZone::UTC;
        let summary = Summary::default();
        let mut rows = Rows { dictionary: &dictionary, zone: &zone, found: &mut found, summary };
        rows.table(table, "alice", &[row]);
        assert!(all.len() < 2);
        all.pop()
    }

    #[test]
    fn a_good_row_is_not_named() {
        for (table, attribute, op, value) in [
            ("radcheck", "Cleartext-Password", ":=", "x"),
            ("radcheck", "Simultaneous-Use", ":=", "1"),
            ("radcheck", "User-Name", "=~", "^al"),
            ("radreply", "Framed-IP-Address", "=", "10.0.0.1"),
            ("radreply", "Tunnel-Type:1", "=", "VLAN"),
            ("radreply", "Reply-Message", "=", "`hello %{User-Name}`"),
            ("radreply", "Attr-26.9.1", "=", "0x61"),
        ] {
            assert_eq!(look(table, attribute, op, value), None, "{attribute}");
        }
    }

    #[test]
    fn a_row_that_turns_away_or_differs_is_named() {
        let long = "x".repeat(300);
        for (table, attribute, op, value, kind) in [
            ("radcheck", "No-Such-Thing", ":=", "x", Kinds::Error),
            ("radcheck", "", ":=", "x", Kinds::Error),
            ("radcheck", "Simultaneous-Use", "?=", "1", Kinds::Error),
            ("radcheck", "Simultaneous-Use", ":=", "one", Kinds::Error),
            ("radcheck", "Cleartext-Password", ":=", "x\\", Kinds::Error),
            ("radcheck", "NAS-Port", "=~", "1", Kinds::Error),
            ("radcheck", "User-Name", "=~", "(a)\\1", Kinds::Differs(13)),
            ("radreply", "Reply-Message", "=", long.as_str(), Kinds::Differs(12)),
            ("radreply", "Reply-Message", "=", "`%{exec:/bin/true}`", Kinds::Error),
            ("radreply", "Framed-IP-Address", "=", "host.example", Kinds::Differs(14)),
        ] {
            let finding = look(table, attribute, op, value);
            let finding = finding.unwrap_or_else(|| panic!("{attribute} {op} {value}"));
            assert_eq!(finding.kind, kind, "{attribute}: {}", finding.why);
            assert_eq!((finding.table, finding.id), (table, 7));
        }
    }
}
