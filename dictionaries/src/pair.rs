//! An attribute with its value, and how people write it.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::attribute::Attribute;
use crate::dictionary::{Dictionary, NameError};
use crate::value::{Value, ValueError};

/// One attribute of a packet or of a policy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    pub attribute: Arc<Attribute>,
    pub tag: Option<u8>,
    pub value: Value,
}

/// Why a text is no pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    #[error("\"{0}\" is not like Attribute = value")]
    Shape(Box<str>),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{name}: {why}")]
    Value { name: Box<str>, why: ValueError },
}

/// The operators of FreeRADIUS, the longer ones first.
const OPERATORS: [&str; 15] =
    ["!*", "!=", "!~", "++", "+=", ":=", "<=", "=*", "==", "=~", ">=", "-=", "^=", "<", ">"];

impl Pair {
    /// Reads `Name:tag operator value`; the operator is not looked at.
    pub fn parse(dictionary: &Dictionary, text: &str, zone: &TimeZone) -> Result<Pair, PairError> {
        let (name, _, value) = Pair::split(text).ok_or_else(|| PairError::Shape(text.into()))?;
        let (attribute, tag) = dictionary.named(name)?;
        let value = Value::parse(&attribute, value, zone)
            .map_err(|why| PairError::Value { name: name.into(), why })?;
        Ok(Pair { attribute, tag, value })
    }

    /// Reads pairs that stand in lines, or between commas as radclient takes them. A `#` at the
    /// start of a line makes it a comment.
    pub fn parse_list(
        dictionary: &Dictionary,
        text: &str,
        zone: &TimeZone,
    ) -> Result<Vec<Pair>, PairError> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let texts = lines.flat_map(split_commas).filter(|text| !text.trim().is_empty());
        texts.map(|text| Pair::parse(dictionary, text, zone)).collect()
    }

    /// Splits `Name:tag operator value` into its three parts.
    pub fn split(text: &str) -> Option<(&str, &str, &str)> {
        let text = text.trim();
        let in_name = |(at, c): (usize, char)| match c {
            // A tag, not the operator `:=`.
            ':' => text
                .get(at.saturating_add(1)..)
                .is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit() || c == '*')),
            // Part of the name, not the operators `-=`.
            '-' => !text.get(at..).is_some_and(|from| from.starts_with("-=")),
            '*' => text.get(..at).is_some_and(|name| name.ends_with(':')),
            c => c.is_ascii_alphanumeric() || "_./".contains(c),
        };
        let end = text.char_indices().find(|place| !in_name(*place)).map(|(at, _)| at)?;
        let (name, rest) = text.split_at_checked(end)?;
        let rest = rest.trim_start();
        let known = OPERATORS.into_iter().find(|known| rest.starts_with(known));
        let (operator, value) = rest.split_at_checked(known.unwrap_or("=").len())?;
        let is_pair = !name.is_empty() && (known.is_some() || operator == "=");
        is_pair.then(|| (name, operator, value.trim()))
    }

    /// `Name:tag = value`, with dates in a zone.
    pub fn print_in(&self, zone: &TimeZone) -> String {
        let name = &self.attribute.name;
        let value = self.value.print_quoted(&self.attribute, zone);
        match self.tag.filter(|_| self.attribute.flags.has_tag) {
            Some(tag) => format!("{name}:{tag} = {value}"),
            None => format!("{name} = {value}"),
        }
    }
}

impl fmt::Display for Pair {
    /// `Name:tag = value`, with dates in the system's zone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print_in(&TimeZone::system()))
    }
}

/// Splits at commas that no quotes enclose.
fn split_commas(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in line.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'' | '`', None) => quote = Some(c),
            (',', None) => {
                parts.extend(line.get(start..at));
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.extend(line.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of pairs and prints it, `;` between them; `!` is an error.
    fn check(cases: &[(&str, &str)]) {
        let dictionary = Dictionary::shipped();
        for (text, expected) in cases {
            let printed = match Pair::parse_list(&dictionary, text, &TimeZone::UTC) {
                Ok(pairs) => {
                    let pairs = pairs.iter().map(|pair| pair.print_in(&TimeZone::UTC));
                    pairs.collect::<Vec<_>>().join("; ")
                }
                Err(error) => format!("! {error}"),
            };
            let matches = match expected.strip_prefix("! ") {
                Some(why) => printed.starts_with('!') && printed.contains(why),
                None => printed == *expected,
            };
            assert!(matches, "{text}: {printed:?}, not {expected:?}");
        }
    }

    #[test]
    fn lists() {
        check(&[
            ("User-Name=bob", "User-Name = \"bob\""),
            ("User-Name = \"b, o\", NAS-Port := 7", "User-Name = \"b, o\"; NAS-Port = 7"),
            ("# none\n\n NAS-Port=1\nNAS-Port+=2,", "NAS-Port = 1; NAS-Port = 2"),
            ("Tunnel-Type:1:=VLAN", "Tunnel-Type:1 = VLAN"),
            ("Tunnel-Type:*=VLAN", "Tunnel-Type = VLAN"),
            ("NAS-Port-=5", "NAS-Port = 5"),
            ("Reply-Message = a=b", "Reply-Message = \"a=b\""),
            ("Reply-Message = \"a\\nb\"", "Reply-Message = \"a\\nb\""),
            ("Attr-26.9.1 = 0x6162", "Attr-26.9.1 = 0x6162"),
            ("Event-Timestamp = 0", "Event-Timestamp = \"Jan  1 1970 00:00:00 UTC\""),
            ("User-Name", "! not like Attribute = value"),
            ("= x", "! not like Attribute = value"),
            ("User-Name bob", "! not like Attribute = value"),
            ("Nothing = 1", "! unknown attribute \"Nothing\""),
            ("NAS-Port = x", "! NAS-Port: NAS-Port has no value named \"x\""),
            ("", ""),
        ]);
    }

    #[test]
    fn splits_at_the_operator() {
        let operators =
            ["=", ":=", "==", "+=", "-=", "^=", "!=", "<", "<=", ">", ">=", "=~", "!~", "=*", "!*"];
        for operator in operators {
            let text = format!("A-b.1:2 {operator} c d");
            assert_eq!(Pair::split(&text), Some(("A-b.1:2", operator, "c d")));
            let text = format!("A-b{operator}c");
            assert_eq!(Pair::split(&text), Some(("A-b", operator, "c")));
        }
    }
}
