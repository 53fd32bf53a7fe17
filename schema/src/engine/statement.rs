//! SQL texts, the values bound to them, and the rows they give: the same for both engines.
//!
//! Values are bound by name, `$1` … `$n`: SQLite numbers parameters by their first appearance,
//! so binding them by position would be right only by chance.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};

use crate::Error;

/// One statement.
pub(crate) enum Sql {
    /// The common subset.
    Both(&'static str),
    /// Where the engines truly differ.
    Each { postgres: &'static str, sqlite: &'static str },
    /// Put together for the columns that this store has.
    Built(Arc<str>),
}

pub(crate) const fn both(text: &'static str) -> Sql {
    Sql::Both(text)
}

pub(crate) const fn each(postgres: &'static str, sqlite: &'static str) -> Sql {
    Sql::Each { postgres, sqlite }
}

impl Sql {
    pub(crate) fn built(text: impl Into<Arc<str>>) -> Sql {
        Sql::Built(text.into())
    }

    pub(crate) fn postgres(&self) -> sqlx::SqlStr {
        use sqlx::{AssertSqlSafe, SqlSafeStr as _};
        match self {
            Sql::Both(text) | Sql::Each { postgres: text, .. } => text.into_sql_str(),
            Sql::Built(text) => AssertSqlSafe(text.clone()).into_sql_str(),
        }
    }

    pub(crate) fn sqlite(&self) -> Text {
        match self {
            Sql::Both(text) | Sql::Each { sqlite: text, .. } => Text::Fixed(text),
            Sql::Built(text) => Text::Built(text.clone()),
        }
    }
}

/// A text that can travel to SQLite's threads.
pub(crate) enum Text {
    Fixed(&'static str),
    Built(Arc<str>),
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Fixed(text) => text,
            Text::Built(text) => text,
        }
    }
}

/// Names statements and lists them, so that a test can prepare every one.
macro_rules! statements {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* $visibility static $name: $crate::engine::Sql = $sql;)*

        pub(crate) fn statements() -> Vec<(&'static str, &'static $crate::engine::Sql)> {
            vec![$((stringify!($name), &$name)),*]
        }
    };
}

/// A value to bind. Lists are arrays on PostgreSQL, `= ANY($1)`, and JSON on SQLite,
/// `IN (SELECT value FROM json_each($1))`.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Flag(bool),
    Ints(Vec<i64>),
    OptionalInts(Vec<Option<i64>>),
    Texts(Vec<String>),
    OptionalTexts(Vec<Option<String>>),
}

impl Value {
    /// Rows turned into one list per column. The columns of a batch are of one kind each.
    pub(crate) fn columns(rows: Vec<Vec<Value>>) -> Vec<Value> {
        let mut columns: Vec<Value> = Vec::new();
        for row in rows {
            for (at, value) in row.into_iter().enumerate() {
                if at == columns.len() {
                    columns.push(match value {
                        Value::Int(_) => Value::OptionalInts(Vec::new()),
                        _ => Value::OptionalTexts(Vec::new()),
                    });
                }
                match (&mut columns[at], value) {
                    (Value::OptionalInts(list), Value::Int(value)) => list.push(value),
                    (Value::OptionalTexts(list), Value::Text(value)) => list.push(value),
                    _ => {}
                }
            }
        }
        columns
    }
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::engine::Value::from($value)),*] };
}

pub(crate) use {statements, values};

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Value {
        Value::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Flag(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Value {
        Value::Text(Some(value.clone()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(Some(value))
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Value {
        Value::Text(value.clone())
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Value {
        Value::Text(value.map(str::to_owned))
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Value {
        Value::Ints(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Value {
        Value::Texts(value)
    }
}

impl From<&[&str]> for Value {
    fn from(value: &[&str]) -> Value {
        Value::Texts(value.iter().map(|&text| text.to_owned()).collect())
    }
}

impl From<&[String]> for Value {
    fn from(value: &[String]) -> Value {
        Value::Texts(value.to_vec())
    }
}

impl From<Vec<Option<String>>> for Value {
    fn from(value: Vec<Option<String>>) -> Value {
        Value::OptionalTexts(value)
    }
}

/// A row of an answer; columns by position. Types of other programs' columns vary (int4 or int8,
/// text or varchar), so what is read is the value and not its declared type.
pub(crate) enum Row<'r> {
    Postgres(&'r PgRow),
    Sqlite(&'r rusqlite::Row<'r>),
}

impl Row<'_> {
    pub(crate) fn int(&self, column: usize) -> Result<i64, Error> {
        Ok(self.int_or_null(column)?.unwrap_or_default())
    }

    pub(crate) fn int_or_null(&self, column: usize) -> Result<Option<i64>, Error> {
        match self {
            Row::Postgres(row) => {
                let value = row.try_get_raw(column)?;
                if value.is_null() {
                    return Ok(None);
                }
                let octets = value.as_bytes().map_err(unreadable)?;
                Ok(Some(match *octets {
                    [flag] => i64::from(flag),
                    [a, b] => i64::from(i16::from_be_bytes([a, b])),
                    [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
                    [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
                    _ => return Err(unreadable("not a whole number")),
                }))
            }
            Row::Sqlite(row) => {
                use rusqlite::types::ValueRef;
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => None,
                    ValueRef::Integer(value) => Some(value),
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "a REAL that holds seconds"
                    )]
                    ValueRef::Real(value) => Some(value as i64),
                    ValueRef::Text(text) | ValueRef::Blob(text) => {
                        std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok())
                    }
                })
            }
        }
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    /// A text; NULL is the empty one.
    pub(crate) fn text(&self, column: usize) -> Result<String, Error> {
        Ok(self.text_or_null(column)?.unwrap_or_default())
    }

    pub(crate) fn text_or_null(&self, column: usize) -> Result<Option<String>, Error> {
        match self {
            Row::Postgres(row) => {
                let value = row.try_get_raw(column)?;
                if value.is_null() {
                    return Ok(None);
                }
                Ok(Some(value.as_str().map_err(unreadable)?.to_owned()))
            }
            Row::Sqlite(row) => {
                use rusqlite::types::ValueRef;
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => None,
                    ValueRef::Integer(value) => Some(value.to_string()),
                    ValueRef::Real(value) => Some(value.to_string()),
                    ValueRef::Text(text) | ValueRef::Blob(text) => {
                        Some(String::from_utf8_lossy(text).into_owned())
                    }
                })
            }
        }
    }

    /// As `text_or_null`, with '' for NULL too.
    pub(crate) fn text_or_empty(&self, column: usize) -> Result<Option<String>, Error> {
        Ok(self.text_or_null(column)?.filter(|text| !text.is_empty()))
    }

    /// Epoch seconds of a timestamptz, or of the whole number that SQLite holds.
    pub(crate) fn time(&self, column: usize) -> Result<Option<i64>, Error> {
        /// PostgreSQL counts microseconds from 2000-01-01.
        const EPOCH: i64 = 946_684_800;
        match self {
            Row::Postgres(_) => Ok(self
                .int_or_null(column)?
                .filter(|&micros| micros != i64::MAX && micros != i64::MIN)
                .map(|micros| micros.div_euclid(1_000_000).saturating_add(EPOCH))),
            Row::Sqlite(_) => self.int_or_null(column),
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Failed(format!("a column can't be read: {error}"))
}
