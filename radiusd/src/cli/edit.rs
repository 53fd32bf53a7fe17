//! Check and reply rows: given on a command line, put among those that are there, shown.

use clap::Args;
use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use mgmt::Side;
use radiusd::exit::{self, Failure};
use radiusd::policy;
use radiusd::rows::row;
use schema::Row;
use serde_json::{Value, json};

use super::place::Desk;
use super::say;

/// Rows to write. Those of the same attribute that are there give way.
#[derive(Args)]
pub(super) struct Rows {
    /// A check row, such as 'Simultaneous-Use := 1' or 'NAS-IP-Address == 192.0.2.1'
    #[arg(long, value_name = "ROW")]
    check: Vec<String>,
    /// A reply row, such as 'Framed-IP-Address = 10.0.0.7'
    #[arg(long, value_name = "ROW")]
    reply: Vec<String>,
}

/// Rows to take away.
#[derive(Args)]
pub(super) struct Removals {
    /// Removes the check rows of this attribute
    #[arg(long, value_name = "ATTRIBUTE")]
    remove_check: Vec<String>,
    /// Removes the reply rows of this attribute
    #[arg(long, value_name = "ATTRIBUTE")]
    remove_reply: Vec<String>,
}

impl Rows {
    pub fn is_empty(&self) -> bool {
        self.check.is_empty() && self.reply.is_empty()
    }

    /// Puts them into what is there.
    pub fn put(
        &self,
        check: &mut Vec<Row>,
        reply: &mut Vec<Row>,
        desk: &Desk,
    ) -> Result<(), Failure> {
        let read = |side, texts: &[String]| read(side, texts, &desk.dictionary, &desk.zone);
        let (new_check, new_reply) =
            (read(Side::Check, &self.check)?, read(Side::Reply, &self.reply)?);
        replace(check, new_check);
        replace(reply, new_reply);
        Ok(())
    }
}

impl Removals {
    pub fn is_empty(&self) -> bool {
        self.remove_check.is_empty() && self.remove_reply.is_empty()
    }

    pub fn take(&self, check: &mut Vec<Row>, reply: &mut Vec<Row>) -> Result<(), Failure> {
        let pairs = [("check", check, &self.remove_check), ("reply", reply, &self.remove_reply)];
        for (table, rows, names) in pairs {
            for name in names {
                let before = rows.len();
                rows.retain(|row| !row.attribute.eq_ignore_ascii_case(name));
                if rows.len() == before {
                    let why = format!("there is no {table} row of {name}");
                    return Err(Failure::new(exit::FAILURE, why));
                }
            }
        }
        Ok(())
    }
}

fn read(
    side: Side,
    texts: &[String],
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Vec<Row>, Failure> {
    let read = texts.iter().map(|text| row(side, text, dictionary, zone));
    read.collect::<Result<_, _>>().map_err(|why| Failure::new(exit::USAGE, why))
}

/// Puts rows in the place of those of the same attributes, which keep their ids where they can.
pub(super) fn replace(rows: &mut Vec<Row>, new: Vec<Row>) {
    let same = |one: &Row, other: &Row| one.attribute.eq_ignore_ascii_case(&other.attribute);
    let mut old: Vec<Row> = Vec::new();
    rows.retain(|row| {
        let gives_way = new.iter().any(|new| same(new, row));
        if gives_way {
            old.push(row.clone());
        }
        !gives_way
    });
    for mut row in new {
        if let Some(at) = old.iter().position(|old| same(old, &row)) {
            row.id = old.remove(at).id;
        }
        rows.push(row);
    }
    // New rows have no id yet and will get the highest.
    rows.sort_by_key(|row| if row.id == 0 { i64::MAX } else { row.id });
}

/// Whether a row's value is for nobody's eyes.
fn is_secret(row: &Row, dictionary: &Dictionary) -> bool {
    match dictionary.named(&row.attribute) {
        Ok((attribute, _)) => policy::is_secret(&attribute, dictionary),
        // A password under a mistyped name is a password all the same.
        Err(_) => row.attribute.to_ascii_lowercase().contains("pass"),
    }
}

pub(super) fn say_rows(
    title: &str,
    rows: &[Row],
    dictionary: &Dictionary,
    reveal: bool,
) -> Result<(), Failure> {
    if !rows.is_empty() {
        say(format_args!("  {title}"))?;
    }
    for row in rows {
        let hidden = !reveal && is_secret(row, dictionary);
        let value = if hidden { "…" } else { &row.value };
        say(format_args!("    {:6}  {} {} {value}", row.id, row.attribute, row.op))?;
    }
    Ok(())
}

pub(super) fn rows_as_json(rows: &[Row], dictionary: &Dictionary, reveal: bool) -> Value {
    let one = |row: &Row| {
        let hidden = !reveal && is_secret(row, dictionary);
        let value = (!hidden).then_some(&row.value);
        json!({ "id": row.id, "attribute": row.attribute, "op": row.op, "value": value })
    };
    rows.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_attribute_give_way_and_leave_their_ids() {
        let row = |id, attribute: &str, value: &str| Row {
            id,
            attribute: attribute.into(),
            op: ":=".into(),
            value: value.into(),
        };
        let mut rows = vec![row(3, "A", "1"), row(5, "B", "1"), row(7, "a", "2"), row(9, "C", "1")];
        replace(&mut rows, vec![row(0, "A", "4"), row(0, "D", "1")]);
        let expected = vec![row(3, "A", "4"), row(5, "B", "1"), row(9, "C", "1"), row(0, "D", "1")];
        assert_eq!(rows, expected);
    }
}
