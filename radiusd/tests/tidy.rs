//! The rules of the tree that no compiler knows: what README promises is checked here.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use radiusd::config::{Config, Sources, keys};

/// Lines of code a file may have, its tests and comments not counted.
const FILE_LINES: usize = 600;
/// Lines a function may have.
const FUNCTION_LINES: usize = 70;
/// Names that say nothing of what is inside.
const BANNED: [&str; 9] =
    ["util", "utils", "common", "helpers", "misc", "manager", "service", "types", "models"];
/// What a root shows. The rest is hidden, so that these names are the whole picture.
const ROOT: [&str; 12] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "benches",
    "dictionaries",
    "mgmt",
    "packaging",
    "radiusd",
    "schema",
];
/// What is made by building and running, and isn't part of the tree.
const MADE: [&str; 3] = ["target", "var", "node_modules"];

/// Each crate: its folder, and which of our crates it may use.
const ARROWS: [(&str, &[&str]); 6] = [
    ("dictionaries", &[]),
    ("radiusd/proto", &["dictionaries"]),
    ("schema", &[]),
    ("mgmt", &["schema", "dictionaries"]),
    ("radiusd", &["mgmt", "proto", "schema", "dictionaries"]),
    ("benches", &["radiusd", "proto", "schema", "dictionaries"]),
];
/// Places of schema, beside its engine, where PostgreSQL and SQLite go different ways. May only
/// fall.
const ENGINE_FORKS: usize = 30;
/// How SQL is spoken, by schema and nobody else.
const SQL: [&str; 4] = ["sqlx", "rusqlite", "tokio-postgres", "libsqlite3-sys"];
/// What would give the pure core a clock, a socket, randomness or a log.
const IMPURE: [&str; 9] =
    ["tokio", "tracing", "log", "nix", "socket2", "rand", "getrandom", "jiff", "crossbeam-channel"];

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent = rust_files().into_iter().filter(|file| !read(file).starts_with("//! "));
    nothing("begin with a `//!` sentence", silent.map(|file| show(&file)));
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let long = rust_files().into_iter().filter(|file| !is_test(file)).filter_map(|file| {
        let lines = code(&read(&file)).iter().filter(|line| counts(line)).count();
        (lines > FILE_LINES).then(|| format!("{}: {lines} lines of code", show(&file)))
    });
    nothing("have at most 600 lines of code", long);
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    for file in rust_files().into_iter().filter(|file| !is_test(file)) {
        for (name, line, lines) in functions(&code(&read(&file))) {
            if lines > FUNCTION_LINES {
                long.push(format!("{}:{line}: {name} has {lines} lines", show(&file)));
            }
        }
    }
    nothing("have functions of at most 70 lines", long);
}

#[test]
fn names_say_something() {
    let mut bad = Vec::new();
    for file in rust_files() {
        let path = show(&file);
        let stems = path.split('/').map(|part| part.trim_end_matches(".rs"));
        bad.extend(
            stems.filter(|stem| BANNED.contains(stem)).map(|stem| format!("{path}: {stem}")),
        );
        for (name, line, _) in functions(&code(&read(&file))) {
            if name.starts_with("get_") {
                bad.push(format!("{path}:{line}: {name} (say what it does, without get_)"));
            }
        }
    }
    nothing("have names that say something", bad);
}

#[test]
fn no_test_is_switched_off_and_no_lint_silenced() {
    let banned = ["#[ignore", "#[allow(", "#![allow("];
    let mut bad = Vec::new();
    for file in rust_files() {
        for (index, line) in read(&file).lines().enumerate() {
            let line = line.trim_start();
            if banned.iter().any(|start| line.starts_with(start)) {
                bad.push(format!("{}:{}: {line}", show(&file), index + 1));
            }
        }
    }
    nothing("neither ignore a test nor allow a lint (`#[expect(…, reason)]`)", bad);
}

#[test]
fn the_root_is_the_whole_picture() {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.into_string().unwrap());
    let seen: BTreeSet<_> =
        names.filter(|name| !name.starts_with('.') && !MADE.contains(&name.as_str())).collect();
    let meant: BTreeSet<_> = ROOT.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, meant, "the root's names");
}

#[test]
fn crates_use_only_what_they_may() {
    let mut bad = Vec::new();
    let ours =
        |name: &str| ARROWS.iter().any(|(folder, _)| folder.rsplit('/').next() == Some(name));
    for (folder, allowed) in ARROWS {
        let manifest = manifest(folder);
        for (table, name) in dependencies(&manifest) {
            let name = name.as_str();
            let rules = [
                (ours(name) && !allowed.contains(&name), "is no arrow of ours"),
                (SQL.contains(&name) && folder != "schema", "only schema speaks SQL"),
                (
                    IMPURE.contains(&name) && folder == "radiusd/proto" && table == "dependencies",
                    "proto is pure",
                ),
                (name == "radius" && table != "dev-dependencies", "radius-rs is for tests only"),
            ];
            let broken = rules.into_iter().filter(|(broken, _)| *broken);
            bad.extend(broken.map(|(_, why)| format!("{folder}: {table}: {name}: {why}")));
        }
        if manifest.get("lints").and_then(|lints| lints.get("workspace")).is_none() {
            bad.push(format!("{folder}: [lints] workspace = true is missing"));
        }
    }
    nothing("use only what they may", bad);
}

/// Neither the world nor the clock: both are arguments.
#[test]
fn proto_touches_nothing() {
    let world = ["net::Udp", "net::Tcp", "fs", "process", "env", "thread", "os::unix::net"];
    let world = world.map(|module| format!("std::{module}"));
    let other = ["Instant", "SystemTime", "tracing::", "println!", "eprintln!", "std::io::std"];
    let mut bad = Vec::new();
    let folder = root().join("radiusd/proto/src");
    for file in rust_files().into_iter().filter(|file| file.starts_with(&folder)) {
        for (index, line) in read(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found =
                world.iter().map(String::as_str).chain(other).find(|what| code.contains(what));
            bad.extend(found.map(|what| format!("{}:{}: {what}", show(&file), index + 1)));
        }
    }
    nothing("keep I/O, clocks and logs out of proto", bad);
}

#[test]
fn every_crate_of_the_workspace_has_its_arrows() {
    let manifest = manifest("");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<_> = members.iter().map(|member| member.as_str().unwrap()).collect();
    assert_eq!(members, ARROWS.iter().map(|(folder, _)| *folder).collect());
}

#[test]
fn migrations_are_twins() {
    let of = |engine: &str| -> BTreeMap<String, BTreeSet<String>> {
        let folder = root().join("schema/migrations").join(engine);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let files = files.map(|entry| entry.unwrap().path());
        files.map(|path| (name(&path), tables(&read(&path)))).collect()
    };
    let (postgres, sqlite) = (of("postgres"), of("sqlite"));
    assert_eq!(postgres, sqlite, "migrations: postgres and sqlite");
    for (index, name) in postgres.keys().enumerate() {
        let number = format!("{:04}_", index + 1);
        assert!(name.starts_with(&number) && name.ends_with(".sql"), "{name}: {number}NAME.sql");
    }
}

#[test]
fn drivers_are_named_in_one_place_and_engines_seldom() {
    let mut named = Vec::new();
    let mut forks = 0;
    for file in rust_files() {
        let path = show(&file);
        if path.starts_with("schema/src/engine") || !path.starts_with("schema/src/") {
            continue;
        }
        for line in code(&read(&file)) {
            let line = line.trim();
            if ["sqlx::", "rusqlite::"].iter().any(|driver| line.contains(driver)) {
                named.push(format!("{path}: {line}"));
            }
            forks +=
                line.matches("Engine::Postgres").count() + line.matches("Tx::Postgres").count();
        }
    }
    nothing("name no driver, schema/src/engine does", named);
    assert!(forks <= ENGINE_FORKS, "{forks} places differ by engine; {ENGINE_FORKS} is the most");
}

#[test]
fn every_path_in_readme_exists() {
    let text = read(&root().join("README.md"));
    assert!(text.lines().count() <= 250, "README.md has {} lines", text.lines().count());
    let ends = [".rs", ".md", ".toml", ".sql", ".service", ".html", ".txt", "/"];
    let mut paths = Vec::new();
    for quoted in text.split("```").step_by(2) {
        let words = quoted.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
        paths.extend(words.filter(|word| {
            word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
                && !word.starts_with('/')
                && ends.iter().any(|end| word.ends_with(end))
        }));
    }
    assert!(paths.len() > 20, "README.md names its files: {paths:?}");
    let lost = paths.into_iter().filter(|path| !root().join(path).exists());
    nothing("exist, as README.md says", lost.map(str::to_owned));
}

#[test]
fn every_invariant_in_readme_has_its_test() {
    let text = read(&root().join("README.md"));
    let (_, after) = text.split_once("## Invariants").unwrap();
    let section = after.split("\n## ").next().unwrap();
    let mut bad = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<_> = row.trim_matches([' ', '|']).split('|').map(quoted).collect();
        let there = match cells.as_slice() {
            [_, Some(file), Some(test)] => {
                let path = root().join(file);
                path.is_file() && read(&path).contains(&format!("fn {test}"))
            }
            _ => false,
        };
        if !there {
            bad.push(row.to_owned());
        }
    }
    nothing("name a test that exists", bad);
}

#[test]
fn the_shipped_configuration_is_the_default_and_documents_every_key() {
    let file = root().join("packaging/radiusd.toml");
    assert_eq!(load(&file), Config::default());

    // The same with every key taken at its word.
    let text = read(&file);
    let key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let spoken =
        text.lines().map(|line| line.strip_prefix('#').filter(|line| key(line)).unwrap_or(line));
    let spoken: String = spoken.map(|line| format!("{line}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("radiusd.toml");
    fs::write(&copy, &spoken).unwrap();
    assert_eq!(load(&copy), Config::default());

    let written: toml::Value = toml::Value::Table(spoken.parse().unwrap());
    let documented = |key: &String| match key.strip_prefix("clients.NAME.") {
        Some(key) => text.contains(&format!("#   {key} = ")),
        None if key.starts_with("clients") => text.contains("[clients."),
        None => key.split('.').try_fold(&written, |value, part| value.get(part)).is_some(),
    };
    let silent = keys().into_iter().filter(|key| !documented(key));
    nothing("are documented in packaging/radiusd.toml", silent);
}

/// What stands between back-ticks.
fn quoted(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

fn load(file: &Path) -> Config {
    match Config::load(&Sources { file: Some(file.to_owned()), ..Sources::default() }) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn show(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

/// Fails with every one of those that don't.
fn nothing(should: &str, those: impl IntoIterator<Item = String>) {
    let those: Vec<_> = those.into_iter().collect();
    assert!(those.is_empty(), "these should {should}:\n{}", those.join("\n"));
}

/// Every Rust file of the tree.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') || MADE.contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_test(file: &Path) -> bool {
    show(file).split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// The file's lines up to the tests at its foot.
fn code(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let test = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{');
    let foot = lines.windows(2).position(test);
    lines[..foot.unwrap_or(lines.len())].to_vec()
}

fn counts(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// Name, line and length of each function, as rustfmt lays them out.
fn functions(lines: &[&str]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let Some(at) = words.find("fn ") else { continue };
        let modifier = |word: &str| {
            ["const", "async", "unsafe", "extern", "\"C\"", "pub"].contains(&word)
                || word.starts_with("pub(")
        };
        if !words[..at].split_whitespace().all(modifier) {
            continue;
        }
        let name = words[at + 3..].split(['(', '<']).next().unwrap_or_default().to_owned();
        let indent = &line[..line.len() - words.len()];
        let ends = |line: &str| {
            let rest = line.strip_prefix(indent);
            rest.is_some_and(|rest| rest == "}" || (rest.starts_with(')') && rest.ends_with(';')))
        };
        let one_line = line.ends_with('}') || line.ends_with(';');
        let length = match lines[index + 1..].iter().position(|line| ends(line)) {
            Some(more) if !one_line => more + 2,
            _ => 1,
        };
        found.push((name, index + 1, length));
    }
    found
}

fn manifest(folder: &str) -> toml::Table {
    read(&root().join(folder).join("Cargo.toml")).parse().unwrap()
}

/// Every dependency of a manifest, with the table it stands in.
fn dependencies(manifest: &toml::Table) -> Vec<(String, String)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let places: Vec<_> = targets.filter_map(toml::Value::as_table).chain([manifest]).collect();
    let mut all = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for place in &places {
            let table = place.get(kind).and_then(toml::Value::as_table);
            let names = table.into_iter().flat_map(|table| table.keys());
            all.extend(names.map(|name| (kind.to_owned(), name.clone())));
        }
    }
    all
}

/// The names after CREATE TABLE, without the schema they are put in.
fn tables(sql: &str) -> BTreeSet<String> {
    let sql = sql.to_ascii_lowercase();
    let words: Vec<_> = sql
        .split(|c: char| c.is_whitespace() || c == '(')
        .filter(|word| !word.is_empty())
        .collect();
    let mut names = BTreeSet::new();
    for (index, pair) in words.windows(2).enumerate() {
        if pair == ["create", "table"] {
            let rest = words[index + 2..].iter();
            let mut rest = rest.skip_while(|word| ["if", "not", "exists"].contains(word));
            let name = rest.next().copied().unwrap_or_default();
            names.insert(name.rsplit('.').next().unwrap_or_default().to_owned());
        }
    }
    names
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}
