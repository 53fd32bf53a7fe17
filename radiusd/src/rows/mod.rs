//! Rows of FreeRADIUS's tables as people write them, checked before they are written: by the shell and
//! by management alike.

mod password;

use std::sync::Arc;

use dictionaries::{Attribute, Dictionary, Value, ValueError};
use jiff::tz::TimeZone;
use mgmt::Side;
use schema::Row;

use crate::check_policy::look;
use crate::pairs::unknown;
use crate::policy::{Mistake, inspect};

pub use password::password_row;

/// Longest first, so that none is taken for the beginning of another.
const OPERATORS: [&str; 16] =
    [":=", "==", "+=", "-=", "^=", "++", "!=", ">=", "<=", "=~", "!~", "=*", "!*", ">", "<", "="];

/// Reads `Attribute op value`, and refuses what would do nothing or turn the user away.
pub fn row(
    side: Side,
    text: &str,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Row, String> {
    let Some((name, op, value)) = split(text) else {
        let usual = if side == Side::Check { ":=" } else { "=" };
        return Err(format!("{text}: expected ATTRIBUTE {usual} VALUE"));
    };
    let row = Row { id: 0, attribute: name.into(), op: op.into(), value: value.into() };
    checked(side, &row, dictionary, zone).map_err(|why| format!("{text}: {why}"))
}

/// The row as it is to be written, or why it would do nothing or turn the user away.
pub fn checked(
    side: Side,
    row: &Row,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Row, String> {
    let (name, op) = (row.attribute.as_str(), row.op.as_str());
    if !OPERATORS.contains(&op) {
        return Err(format!("there is no operator {op}"));
    }
    let (attribute, tag) =
        dictionary.named(name).map_err(|error| unknown(&error, name, dictionary))?;
    operator(side, op, &attribute)?;
    // The dictionary's spelling, so that `cleartext-password` is found by whoever looks for it.
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let row = Row { attribute: format!("{}{tag}", attribute.name), ..row.clone() };
    let reply = side == Side::Reply;
    if let Err(bad) = inspect(&row, reply, dictionary, zone) {
        return Err(explain(&bad.mistake, &attribute));
    }
    match look(&row, reply, dictionary, zone).into_iter().find(|(kind, _)| !kind.is_meant()) {
        Some((_, why)) => Err(why),
        None => Ok(row),
    }
}

/// Name, operator, value. A name may hold `-`, `.` and a tag after `:`.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim();
    let (at, op) = text.char_indices().find_map(|(at, _)| {
        let rest = text.get(at..)?;
        OPERATORS.iter().find(|op| rest.starts_with(**op)).map(|op| (at, *op))
    })?;
    let (name, rest) = text.split_at(at);
    let name = name.trim();
    (!name.is_empty()).then(|| (name, op, rest[op.len()..].trim()))
}

fn operator(side: Side, op: &str, attribute: &Attribute) -> Result<(), String> {
    match (side, op) {
        (_, "++") => Err("++ does nothing in these tables".into()),
        (Side::Check, "=") => {
            Err("= compares here, as == does; write == if that is meant, and := to set".into())
        }
        (Side::Check, "==") if attribute.name.ends_with("-Password") => {
            Err("== compares with what the request says, and rejects; a password is set by :="
                .into())
        }
        (Side::Reply, "!=" | ">" | "<" | "=~" | "!~" | "=*") => {
            Err(format!("{op} adds nothing to a reply; = adds, := replaces, += adds another"))
        }
        _ => Ok(()),
    }
}

/// A bad name of a value is answered with the good ones.
fn explain(mistake: &Mistake, attribute: &Attribute) -> String {
    let names: Vec<_> = attribute.values().map(|(_, name)| name).take(12).collect();
    match mistake {
        Mistake::Value(ValueError::UnknownName { .. }) if !names.is_empty() => {
            format!(
                "{mistake}; there are {}, … (radiusd dictionary show {})",
                names.join(", "),
                attribute.name
            )
        }
        _ => mistake.to_string(),
    }
}

/// Text as the value column must hold it, to be read as this very text: FreeRADIUS takes away
/// quotes around a whole value and reads backslashes.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    let first = escaped.chars().next();
    match first {
        Some(quote @ ('"' | '\'' | '`')) if escaped.len() > 1 && escaped.ends_with(quote) => {
            format!("\\{:03o}{}", u32::from(quote), &escaped[1..])
        }
        _ => escaped,
    }
}

/// `literal`, or an error where the text can't be said in a column at all.
fn literal_checked(
    text: &str,
    attribute: &Arc<Attribute>,
    zone: &TimeZone,
) -> Result<String, String> {
    let column = literal(text);
    match Value::parse(attribute, &column, zone) {
        Ok(value) if value.as_octets() == Some(text.as_bytes()) => Ok(column),
        _ => Err(format!("{}: FreeRADIUS's tables can't hold this text", attribute.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_falls_into_name_operator_and_value() {
        for (text, parts) in [
            ("Simultaneous-Use := 1", ("Simultaneous-Use", ":=", "1")),
            ("Tunnel-Type:1=VLAN", ("Tunnel-Type:1", "=", "VLAN")),
            ("Tunnel-Type:1:=VLAN", ("Tunnel-Type:1", ":=", "VLAN")),
            ("Cisco-AVPair += \"a=b\"", ("Cisco-AVPair", "+=", "\"a=b\"")),
            ("User-Name =~ ^a.*=$", ("User-Name", "=~", "^a.*=$")),
            ("NAS-Port-=7", ("NAS-Port", "-=", "7")),
            ("Attr-26.9.1 = 0x61", ("Attr-26.9.1", "=", "0x61")),
            ("Reply-Message=", ("Reply-Message", "=", "")),
        ] {
            assert_eq!(split(text), Some(parts), "{text}");
        }
        assert_eq!(split("Simultaneous-Use 1"), None);
        assert_eq!(split(":= 1"), None);
    }

    #[test]
    fn a_row_that_would_do_harm_is_refused() {
        let dictionary = Dictionary::shipped();
        let check = |text: &str| row(Side::Check, text, &dictionary, &TimeZone::UTC);
        let reply = |text: &str| row(Side::Reply, text, &dictionary, &TimeZone::UTC);
        let good = check("simultaneous-use := 2").unwrap();
        assert_eq!(good.attribute, "Simultaneous-Use");
        for text in ["NAS-Port =~ 10", "Max-Daily-Session := 60", "NAS-IP-Address == nas.example"] {
            assert!(check(text).is_ok(), "{text}");
        }
        for (result, words) in [
            (check("Simultaneous-Use = 1"), ":= to set"),
            (check("Cleartext-Password == x"), "set by :="),
            (check("Simultaneus-Use := 1"), "Simultaneous-Use"),
            (check("Simultaneous-Use := many"), "many"),
            (check("Service-Type =~ ^Framed"), "^Framed"),
            (check("User-Name =~ ("), "unclosed group"),
            (check("User-Name =~ (a)\\\\1"), "backreferences"),
            (check("LDAP-Group == x"), "module"),
            (check("NT-Password := abc"), "wrong length"),
            (check("Auth-Type == Reject"), "neither compared nor set"),
            (reply("Reply-Message = `%{md5:x}`"), "md5"),
            (reply("Framed-IP-Address != 10.0.0.1"), "adds nothing"),
            (reply("Framed-IP-Address = 10.0.0.300"), "10.0.0.300"),
            (reply("Service-Type = Framed-Usr"), "Framed-User"),
            (reply(&format!("Reply-Message = {}", "x".repeat(254))), "253"),
            (reply("Reply-Message"), "ATTRIBUTE = VALUE"),
        ] {
            let failure = result.unwrap_err();
            assert!(failure.contains(words), "{failure}: {words}");
        }
    }

    #[test]
    fn a_password_is_read_back_as_it_was_typed() {
        let dictionary = Dictionary::shipped();
        let attribute = dictionary.attribute("Cleartext-Password").unwrap();
        for text in
            ["plain", "a\\b", "\"quoted\"", "'q'", "`id`", "\"", "tab\there", "ü€", "%{x}", "\\"]
        {
            let column = literal_checked(text, attribute, &TimeZone::UTC).unwrap();
            let value = Value::parse(attribute, &column, &TimeZone::UTC).unwrap();
            assert_eq!(value.as_octets(), Some(text.as_bytes()), "{text} as {column}");
        }
    }
}
