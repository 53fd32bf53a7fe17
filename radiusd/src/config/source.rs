//! The file, the environment and the command line, gathered into one tree of values that know
//! where they were written.
//!
//! Later places win: the file, then `RADIUSD__SECTION__KEY`, then `--set section.key=value`, then
//! options with a name of their own such as `--auth`. A list is replaced whole.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a file is looked for when none is named.
const USUAL_FILE: &str = "/etc/radiusd/radiusd.toml";
const PREFIX: &str = "RADIUSD__";

/// Everything a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, which must be there if it is named.
    pub file: Option<PathBuf>,
    /// `RADIUSD__SECTION__KEY` and its text.
    pub environment: Vec<(String, String)>,
    /// `section.key=value`.
    pub set: Vec<String>,
    /// The option as it was written, the key it stands for, and its values.
    pub options: Vec<(&'static str, &'static str, Vec<String>)>,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf, usize),
    Environment(String),
    Set(String),
    Option(&'static str),
    Default,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// From the environment or the command line: its type is whatever the key asks for.
    Untyped(String),
    String(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Array(Vec<Value>),
    Table(Table),
    Date(String),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub value: Value,
    pub origin: Origin,
}

pub(super) type Table = BTreeMap<String, Entry>;

impl Sources {
    /// This file or the usual one, and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Sources {
        let named = || std::env::var_os("RADIUSD_CONFIG").map(PathBuf::from);
        let usual = || Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists());
        let text = |name: std::ffi::OsString| name.into_string().ok();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, value.to_string_lossy().into_owned())))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Sources { file: file.or_else(named).or_else(usual), environment, ..Sources::default() }
    }

    /// What a relative `file:` or dictionary is relative to.
    pub(super) fn base(&self) -> PathBuf {
        self.file.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }

    /// The tree, and what is wrong with the way it is written.
    pub(super) fn gather(&self) -> (Table, Vec<String>) {
        let mut root = Table::new();
        let mut mistakes = Vec::new();
        if let Some(file) = &self.file {
            match std::fs::read_to_string(file) {
                Ok(text) => root = parse(file, &text, &mut mistakes),
                Err(error) => mistakes.push(format!("{}: {error}", file.display())),
            }
        }
        let mut environment = self.environment.clone();
        environment.sort();
        for (name, value) in environment {
            let key = name.strip_prefix(PREFIX).unwrap_or(&name);
            let path: Vec<_> = key.split("__").map(str::to_ascii_lowercase).collect();
            put(&mut root, &path, Value::Untyped(value), Origin::Environment(name.clone()));
        }
        for text in &self.set {
            match text.split_once('=').and_then(|(key, value)| Some((dotted(key)?, value))) {
                Some((path, value)) => {
                    let value = Value::Untyped(value.trim().to_owned());
                    put(&mut root, &path, value, Origin::Set(path.join(".")));
                }
                None => mistakes.push(format!("--set {text}: expected section.key=value")),
            }
        }
        for (option, key, values) in &self.options {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            let value = match values.as_slice() {
                [] => continue,
                [one] => Value::Untyped(one.clone()),
                many => Value::Array(many.iter().cloned().map(Value::Untyped).collect()),
            };
            put(&mut root, &path, value, Origin::Option(option));
        }
        (root, mistakes)
    }
}

fn parse(file: &Path, text: &str, mistakes: &mut Vec<String>) -> Table {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(5) {
        let line = line_of(text, error.span().map_or(text.len(), |span| span.start));
        mistakes.push(format!("{}:{line}: {}", file.display(), error.message()));
    }
    let origin = |at: usize| Origin::File(file.to_owned(), line_of(text, at));
    convert_table(table.into_inner(), &origin)
}

fn convert_table(table: DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    let entry = |(key, value): (Spanned<_>, Spanned<_>)| {
        let origin_here = origin(key.span().start);
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        (key.into_owned(), Entry { value: convert(value, origin), origin: origin_here })
    };
    table.into_iter().map(entry).collect()
}

fn convert(value: Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) -> Value {
    match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Float(f64::INFINITY),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => Value::Bool(yes),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| convert(item, origin)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, origin)),
    }
}

/// `a."b c".d` as TOML reads it.
fn dotted(key: &str) -> Option<Vec<String>> {
    let text = format!("{key} = 0");
    let mut table = DeTable::parse(&text).ok()?.into_inner();
    let mut path = Vec::new();
    loop {
        let mut entries = std::mem::take(&mut table).into_iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
        path.push(key.into_inner().into_owned());
        match value.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

/// Puts a value at a path. A key that is there already is found whatever its case, because the
/// environment has only one.
fn put(table: &mut Table, path: &[String], value: Value, origin: Origin) {
    let Some((first, rest)) = path.split_first() else { return };
    let there = table.keys().find(|key| key.eq_ignore_ascii_case(first)).cloned();
    let key = there.unwrap_or_else(|| first.clone());
    if rest.is_empty() {
        table.insert(key, Entry { value, origin });
        return;
    }
    let entry = table
        .entry(key)
        .or_insert_with(|| Entry { value: Value::Table(Table::new()), origin: origin.clone() });
    if !matches!(entry.value, Value::Table(_)) {
        *entry = Entry { value: Value::Table(Table::new()), origin: origin.clone() };
    }
    if let Value::Table(inner) = &mut entry.value {
        put(inner, rest, value, origin);
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    1 + text.as_bytes().iter().take(at).filter(|octet| **octet == b'\n').count()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file, line) => write!(f, "{}:{line}", file.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Set(key) => write!(f, "--set {key}"),
            Origin::Option(option) => f.write_str(option),
            Origin::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Untyped(text) => f.write_str(text),
            Value::String(text) => write!(f, "{text:?}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Bool(yes) => write!(f, "{yes}"),
            Value::Date(text) => f.write_str(text),
            Value::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Table(_) => f.write_str("{ … }"),
        }
    }
}
