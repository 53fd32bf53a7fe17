//! Keys that are not in the store: `keys/` in the data directory, for this user's eyes only.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use schema::AuditKeys;

use crate::FieldKeys;

/// The keys of the audit log, made at the first call.
pub fn audit_keys(data_dir: &Path) -> io::Result<AuditKeys> {
    let witness = data_dir.join("keys/audit.head");
    AuditKeys::new(read(data_dir, "audit")?, Some(witness)).ok_or_else(no_keys)
}

/// The keys of what lies encrypted in the store, made at the first call.
pub fn field_keys(data_dir: &Path) -> io::Result<FieldKeys> {
    FieldKeys::new(read(data_dir, "fields")?).ok_or_else(no_keys)
}

fn no_keys() -> io::Error {
    let what = "not a list of keys, each of 64 hexadecimal digits in a line of its own";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// One a line, in hex, the newest last; nodes of one store share them.
fn read(data_dir: &Path, name: &str) -> io::Result<Vec<[u8; 32]>> {
    let folder = data_dir.join("keys");
    let file = folder.join(name);
    if !file.exists() {
        make_folder(data_dir)?;
        make_folder(&folder)?;
        make_key(&folder, &file)?;
    }
    let text = fs::read_to_string(&file)?;
    let key = |line: &str| {
        let mut key = [0; 32];
        hex::decode_to_slice(line.trim(), &mut key).ok().map(|()| key)
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(key).collect::<Option<Vec<_>>>().ok_or_else(no_keys)
}

/// A file for this user's eyes only, owned by whoever owns the folder: a command run by root
/// must leave nothing that the daemon can't read.
pub fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut open = options.open(file)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    give_away(file)
}

/// Of two processes that make it at once, one wins and the other reads what it made.
fn make_key(folder: &Path, file: &Path) -> io::Result<()> {
    let key: [u8; 32] = rand::random();
    let fresh = folder.join(format!("new.{:016x}", rand::random::<u64>()));
    write_private(&fresh, &format!("{}\n", hex::encode(key)))?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    give_away(folder)
}

fn give_away(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let (ours, theirs) = (fs::metadata(path)?, fs::metadata(parent)?);
    if ours.uid() == 0 && theirs.uid() != 0 {
        std::os::unix::fs::chown(path, Some(theirs.uid()), Some(theirs.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        audit_keys(folder.path()).unwrap();
        let file = folder.path().join("keys/audit");
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!((first.len(), fs::metadata(&file).unwrap().mode() & 0o777), (65, 0o600));
        audit_keys(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1);
        fs::write(&file, "not hex\n").unwrap();
        assert!(audit_keys(folder.path()).is_err());
        fs::write(&file, "\n").unwrap();
        assert!(audit_keys(folder.path()).is_err());
    }
}
