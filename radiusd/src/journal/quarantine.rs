//! Records that the store refuses, one checksummed JSON line each, kept for a person to look at.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use md5::{Digest, Md5};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::folder::{create_private, private, sync_directory};
use super::log::State;
use super::now_ms;
use crate::accounting::Event;

pub struct Quarantine {
    state: Arc<State>,
    file: Mutex<Option<File>>,
}

impl Quarantine {
    pub fn new(state: Arc<State>) -> Quarantine {
        Quarantine { state, file: Mutex::new(None) }
    }

    /// On disk when it returns: the MD5 of the JSON text, a space, the JSON text.
    pub fn keep(&self, event: &Event, reason: &str) -> io::Result<()> {
        let line = line(event, reason, now_ms());
        if self.state.octets.load(Ordering::Relaxed) + line.len() as u64 > self.state.limit {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "full: accounting.journal_max_bytes",
            ));
        }
        let mut held = self.file.lock();
        let written = self.append(&mut held, line.as_bytes());
        if written.is_err() {
            // What a failed write or fsync left behind can't be trusted: the next begins a file.
            *held = None;
        } else {
            self.state.octets.fetch_add(line.len() as u64, Ordering::Relaxed);
            self.state.quarantined.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn append(&self, held: &mut Option<File>, line: &[u8]) -> io::Result<()> {
        let file = match held {
            Some(file) => file,
            None => held.insert(self.open()?),
        };
        file.write_all(line)?;
        file.sync_data()
    }

    fn open(&self) -> io::Result<File> {
        let directory = self.state.folder.quarantine();
        create_private(&directory)?;
        for number in 1u64.. {
            let path = directory.join(format!("{number:06}.jsonl"));
            match private().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    sync_directory(&directory)?;
                    return Ok(file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}

/// A line of the quarantine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub at_ms: i64,
    pub reason: String,
    pub event: Event,
}

/// What a file holds, and how many of its lines can't be read.
pub fn read(path: &Path) -> io::Result<(Vec<Kept>, u64)> {
    let text = fs::read(path)?;
    let (mut kept, mut unreadable) = (Vec::new(), 0);
    for line in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        let parsed = line.split_at_checked(33).and_then(|(sum, json)| {
            let right = sum.strip_suffix(b" ")? == hex::encode(Md5::digest(json)).as_bytes();
            serde_json::from_slice(json).ok().filter(|_| right)
        });
        match parsed {
            Some(line) => kept.push(line),
            None => unreadable += 1,
        }
    }
    Ok((kept, unreadable))
}

fn line(event: &Event, reason: &str, at_ms: i64) -> String {
    let mut line = json!({ "at_ms": at_ms, "reason": reason, "event": event }).to_string();
    let sum = hex::encode(Md5::digest(line.as_bytes()));
    line.insert_str(0, &format!("{sum} "));
    line.push('\n');
    line
}
