//! Rows of FreeRADIUS's tables as people write them, checked before they are written.

use std::sync::Arc;

use dictionaries::{Attribute, Dictionary, Kind, Value, ValueError};
use jiff::tz::TimeZone;
use radiusd::exit::{self, Failure};
use schema::Row;

use super::pairs;

/// What fits into one attribute on the wire.
const WIRE_MAX: usize = 253;
/// Longest first, so that none is taken for the beginning of another.
const OPERATORS: [&str; 16] =
    [":=", "==", "+=", "-=", "^=", "++", "!=", ">=", "<=", "=~", "!~", "=*", "!*", ">", "<", "="];

/// Which kind of table a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// `radcheck`, `radgroupcheck`: what the request must be, and what is set for it.
    Check,
    /// `radreply`, `radgroupreply`: what the answer says.
    Reply,
}

/// Reads `Attribute op value`, and refuses what would do nothing or turn the user away.
pub(super) fn row(
    side: Side,
    text: &str,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Row, Failure> {
    let wrong = |why: String| Failure::new(exit::USAGE, format!("{text}: {why}"));
    let Some((name, op, value)) = split(text) else {
        let usual = if side == Side::Check { ":=" } else { "=" };
        return Err(wrong(format!("expected ATTRIBUTE {usual} VALUE")));
    };
    let (attribute, tag) =
        dictionary.named(name).map_err(|error| wrong(pairs::unknown(&error, name, dictionary)))?;
    operator(side, op, &attribute).map_err(&wrong)?;
    let value = readable(op, value, &attribute, zone).map_err(&wrong)?;
    if side == Side::Reply {
        fits(&value, &attribute, zone).map_err(&wrong)?;
    }
    // The dictionary's spelling, so that `cleartext-password` is found by whoever looks for it.
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    Ok(Row { id: 0, attribute: format!("{}{tag}", attribute.name), op: op.to_owned(), value })
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

/// The value as it goes into the column, if FreeRADIUS can read it there.
fn readable(
    op: &str,
    value: &str,
    attribute: &Attribute,
    zone: &TimeZone,
) -> Result<String, String> {
    if matches!(op, "=~" | "!~") {
        if attribute.kind != Kind::String {
            return Err(format!("{} isn't text: no pattern can match it", attribute.name));
        }
        let pattern = regex::Regex::new(value);
        pattern.map_err(|error| format!("no pattern: {error}"))?;
        return Ok(value.to_owned());
    }
    match Value::parse(attribute, value, zone) {
        Ok(_) | Err(ValueError::HostName(_) | ValueError::Expansion(_)) => Ok(value.to_owned()),
        Err(error) => Err(explain(&error, attribute)),
    }
}

/// A bad name of a value is answered with the good ones.
fn explain(error: &ValueError, attribute: &Attribute) -> String {
    let names: Vec<_> = attribute.values().map(|(_, name)| name).take(12).collect();
    match error {
        ValueError::UnknownName { .. } if !names.is_empty() => {
            format!(
                "{error}; there are {}, … (radiusd dictionary show {})",
                names.join(", "),
                attribute.name
            )
        }
        _ => error.to_string(),
    }
}

fn fits(value: &str, attribute: &Attribute, zone: &TimeZone) -> Result<(), String> {
    let Ok(value) = Value::parse(attribute, value, zone) else { return Ok(()) };
    let long = value.as_octets().is_some_and(|octets| octets.len() > WIRE_MAX);
    if long && !attribute.flags.concat && !attribute.is_internal() {
        return Err(format!("it is longer than the {WIRE_MAX} octets that an attribute can carry"));
    }
    Ok(())
}

/// Text as the value column must hold it, to be read as this very text: FreeRADIUS takes away
/// quotes around a whole value and reads backslashes.
pub(super) fn literal(text: &str) -> String {
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
pub(super) fn literal_checked(
    text: &str,
    attribute: &Arc<Attribute>,
    zone: &TimeZone,
) -> Result<String, Failure> {
    let column = literal(text);
    match Value::parse(attribute, &column, zone) {
        Ok(value) if value.as_octets() == Some(text.as_bytes()) => Ok(column),
        _ => Err(Failure::new(
            exit::DATA,
            format!("{}: FreeRADIUS's tables can't hold this text", attribute.name),
        )),
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
        for (result, words) in [
            (check("Simultaneous-Use = 1"), ":= to set"),
            (check("Cleartext-Password == x"), "set by :="),
            (check("Simultaneus-Use := 1"), "Simultaneous-Use"),
            (check("Simultaneous-Use := many"), "many"),
            (check("NAS-Port =~ 1"), "no pattern can match"),
            (check("User-Name =~ ("), "no pattern"),
            (reply("Framed-IP-Address != 10.0.0.1"), "adds nothing"),
            (reply("Framed-IP-Address = 10.0.0.300"), "10.0.0.300"),
            (reply("Service-Type = Framed-Usr"), "Framed-User"),
            (reply(&format!("Reply-Message = {}", "x".repeat(254))), "253"),
            (reply("Reply-Message"), "ATTRIBUTE = VALUE"),
        ] {
            let failure = result.unwrap_err();
            assert!(failure.message.contains(words), "{failure}: {words}");
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
