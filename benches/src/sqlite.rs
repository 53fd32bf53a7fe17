//! A SQLite store for either server: FreeRADIUS's own schema, in WAL as whoever cares for speed has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const SCHEMA: &str = "/etc/freeradius/3.0/mods-config/sql/main/sqlite/schema.sql";

/// A fresh file in this folder, with one client.
pub fn make(folder: &Path, secret: &str) -> Result<PathBuf> {
    let file = folder.join("store.db");
    for ending in ["", "-wal", "-shm"] {
        let _not_there = fs::remove_file(folder.join(format!("store.db{ending}")));
    }
    let schema = fs::read_to_string(SCHEMA).context(SCHEMA)?;
    let client = format!(
        "PRAGMA journal_mode = WAL;\n\
         INSERT INTO nas (nasname, shortname, type, secret) VALUES ('127.0.0.1', 'bench', 'other', '{secret}');\n"
    );
    query(&file, &(schema + &client))?;
    Ok(file)
}

/// Runs statements; each row as its columns in text.
pub fn query(file: &Path, sql: &str) -> Result<Vec<Vec<String>>> {
    let script = file.with_extension("sql");
    fs::write(&script, sql)?;
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail", "-separator", "|"])
        .arg(file)
        .stdin(Stdio::from(fs::File::open(&script)?))
        .output()
        .context("run sqlite3")?;
    fs::remove_file(script)?;
    if !output.status.success() {
        bail!("sqlite3: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect())
}
