//! Records that the store refuses, one checksummed JSON line each, kept for a person to look at.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use md5::{Digest, Md5};
use parking_lot::Mutex;
use serde_json::json;

use crate::accounting::Event;

pub struct Quarantine {
    directory: PathBuf,
    file: Mutex<Option<File>>,
}

impl Quarantine {
    pub fn new(directory: PathBuf) -> Quarantine {
        Quarantine { directory, file: Mutex::new(None) }
    }

    /// On disk when it returns: the MD5 of the JSON text, a space, the JSON text.
    pub fn keep(&self, event: &Event, reason: &str, now_ms: i64) -> io::Result<()> {
        let mut line = json!({ "at_ms": now_ms, "reason": reason, "event": event }).to_string();
        let sum = hex::encode(Md5::digest(line.as_bytes()));
        line.insert_str(0, &format!("{sum} "));
        line.push('\n');
        let mut held = self.file.lock();
        let written = self.append(&mut held, line.as_bytes());
        if written.is_err() {
            // What a failed write or fsync left behind can't be trusted: the next begins a file.
            *held = None;
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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for number in 1u64.. {
            let path = self.directory.join(format!("{number:06}.jsonl"));
            match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    File::open(&self.directory)?.sync_all()?;
                    return Ok(file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}
