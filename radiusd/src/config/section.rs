//! Reads a tree of values key by key, and names what is wrong: where, which key, what is allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::source::{Entry, Origin, Table, Value};

/// One key with its value, as `check-config --print` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub key: String,
    pub value: String,
    pub origin: String,
}

/// What a value of some type may look like.
pub(super) trait Setting: Sized {
    /// Values of this type are never shown.
    const HIDDEN: bool = false;

    /// Reads the value, or says what is allowed.
    fn read(value: &Value, base: &Path) -> Result<Self, String>;

    /// The value as TOML writes it.
    fn show(&self) -> String;
}

/// Collects what is found while reading.
#[derive(Default)]
pub(super) struct Reader {
    base: PathBuf,
    pub mistakes: Vec<String>,
    pub shown: Vec<Shown>,
    /// Sections and keys that there are, `NAME` standing for a free one.
    pub known: Vec<String>,
    /// Keys that nobody asked for; looked at when all known keys are.
    unknown: Vec<(String, Origin)>,
}

impl Reader {
    pub fn new(base: PathBuf, mistakes: Vec<String>) -> Reader {
        Reader { base, mistakes, ..Reader::default() }
    }

    pub fn root(&mut self, table: Table) -> Section<'_> {
        Section { reader: self, path: String::new(), table, origin: Origin::Default }
    }

    /// Says of each unknown key which known one is nearest.
    pub fn finish(&mut self) {
        for (key, origin) in std::mem::take(&mut self.unknown) {
            let hint = match nearest(&key, self.known.iter().map(String::as_str)) {
                Some(known) => format!("; the nearest one is {known}"),
                None => String::new(),
            };
            self.mistakes.push(format!("{origin}: there is no key {key}{hint}"));
        }
    }
}

/// One table of the tree.
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    path: String,
    table: Table,
    origin: Origin,
}

impl Section<'_> {
    /// The value of a key, or its default.
    pub fn get<T: Setting>(&mut self, key: &str, default: T) -> T {
        let found = self.find(key);
        found.unwrap_or_else(|| {
            self.note(key, &default, &Origin::Default);
            default
        })
    }

    /// The value of a key that must be between two others.
    pub fn within<T>(&mut self, key: &str, allowed: RangeInclusive<T>, default: T) -> T
    where
        T: Setting + PartialOrd,
    {
        let origin = self.table.get(key).map(|entry| entry.origin.clone());
        let value = self.get(key, default);
        if let Some(origin) = origin
            && !allowed.contains(&value)
        {
            let (low, high) = (allowed.start().show(), allowed.end().show());
            let shown = value.show();
            self.wrong(&origin, key, &shown, &format!("expected {low} to {high}"));
        }
        value
    }

    /// The value of a key that has no default.
    pub fn required<T: Setting>(&mut self, key: &str) -> Option<T> {
        let there = self.table.contains_key(key);
        let found = self.find(key);
        if !there {
            let (origin, path) = (self.origin.clone(), self.path.clone());
            self.reader.mistakes.push(format!("{origin}: {path} needs the key {key}"));
        }
        found
    }

    /// A table below this one.
    pub fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let path = self.key(key);
        self.reader.known.push(path.clone());
        let (table, origin) = match self.table.remove(key) {
            None => (Table::new(), Origin::Default),
            Some(Entry { value: Value::Table(table), origin }) => (table, origin),
            Some(Entry { value, origin }) => {
                self.wrong(&origin, key, &value, &format!("expected a section, [{path}]"));
                (Table::new(), origin)
            }
        };
        let mut section = Section { reader: self.reader, path, table, origin };
        let read = read(&mut section);
        section.close();
        read
    }

    /// Tables below this one whose names are free.
    pub fn each<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&str, &mut Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        let mut learn = Reader::default();
        let path = format!("{}.NAME", self.key(key));
        let (table, origin) = (Table::new(), Origin::Default);
        read("NAME", &mut Section { reader: &mut learn, path, table, origin });
        self.reader.known.append(&mut learn.known);
        self.section(key, |section| {
            for name in section.table.keys().cloned().collect::<Vec<_>>() {
                all.extend(section.section(&name, |section| read(&name, section)));
            }
        });
        all
    }

    /// Notes what no type can say: two keys that don't go together.
    pub fn reject(&mut self, key: &str, why: &str) {
        let key = self.key(key);
        let shown = self.reader.shown.iter().rfind(|shown| shown.key == key);
        let (origin, value) = match shown {
            Some(shown) => (shown.origin.clone(), shown.value.clone()),
            None => (self.origin.to_string(), String::new()),
        };
        self.reader.mistakes.push(format!("{origin}: {key} = {value}: {why}"));
    }

    fn find<T: Setting>(&mut self, key: &str) -> Option<T> {
        let path = self.key(key);
        self.reader.known.push(path);
        let Entry { value, origin } = self.table.remove(key)?;
        match T::read(&value, &self.reader.base) {
            Ok(read) => {
                self.note(key, &read, &origin);
                Some(read)
            }
            Err(allowed) if T::HIDDEN => {
                self.wrong(&origin, key, &"…", &allowed);
                None
            }
            Err(allowed) => {
                self.wrong(&origin, key, &value, &allowed);
                None
            }
        }
    }

    fn note<T: Setting>(&mut self, key: &str, value: &T, origin: &Origin) {
        let key = self.key(key);
        let value = value.show();
        self.reader.shown.push(Shown { key, value, origin: origin.to_string() });
    }

    fn wrong(&mut self, origin: &Origin, key: &str, value: &dyn Display, allowed: &str) {
        let key = self.key(key);
        self.reader.mistakes.push(format!("{origin}: {key} = {value}: {allowed}"));
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whatever nobody asked for is unknown.
    pub fn close(&mut self) {
        for (key, entry) in std::mem::take(&mut self.table) {
            unknown(self.key(&key), entry, &mut self.reader.unknown);
        }
    }
}

/// Of a section that isn't known, its keys: they are what was meant.
fn unknown(key: String, entry: Entry, all: &mut Vec<(String, Origin)>) {
    match entry.value {
        Value::Table(table) if !table.is_empty() => {
            for (name, entry) in table {
                unknown(format!("{key}.{name}"), entry, all);
            }
        }
        _ => all.push((key, entry.origin)),
    }
}

/// The known key that takes the fewest changes.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned).unwrap_or_default();
    let distance = |candidate: &&str| {
        let whole = strsim::damerau_levenshtein(key, candidate);
        // The right key in the wrong section is nearer than a wrong key in the right one.
        let elsewhere = 1 + strsim::damerau_levenshtein(&last(key), &last(candidate)) * 2;
        whole.min(elsewhere)
    };
    known.min_by_key(distance)
}
