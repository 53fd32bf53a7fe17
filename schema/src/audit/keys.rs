//! The keys that seal the audit log, and the witness of its newest row: neither is in the store.

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Every key that was ever used, the current one last.
pub struct AuditKeys {
    keys: Vec<[u8; 32]>,
    /// A file with number and seal of the newest row, so that rows cut off at the end are missed.
    witness: Option<PathBuf>,
    writing: Mutex<()>,
}

impl std::fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKeys(…)")
    }
}

impl AuditKeys {
    /// `None` without any key.
    pub fn new(keys: Vec<[u8; 32]>, witness: Option<PathBuf>) -> Option<AuditKeys> {
        (!keys.is_empty()).then(|| AuditKeys { keys, witness, writing: Mutex::new(()) })
    }

    pub(super) fn current_id(&self) -> String {
        self.keys.last().map(id_of).unwrap_or_default()
    }

    /// `None` for a key that is not ours.
    pub(super) fn seal(
        &self,
        key_id: &str,
        sequence: i64,
        previous: &str,
        hash: &str,
    ) -> Option<String> {
        let key = self.keys.iter().find(|key| id_of(key) == key_id)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(&sequence.to_be_bytes());
        for part in [previous, hash] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(hex::encode(mac.finalize().into_bytes()))
    }

    /// Remembers the newest row outside of the store. What can't be written costs no change: the
    /// chain itself is whole without.
    pub(super) fn witness(&self, sequence: i64, seal: &str) {
        let Some(path) = &self.witness else { return };
        let _one = self.writing.lock();
        if self.witnessed().is_some_and(|(known, _)| known >= sequence) {
            return;
        }
        let fresh = path.with_extension("new");
        if write_private(&fresh, &format!("{sequence} {seal}\n")).is_ok() {
            std::fs::rename(&fresh, path).ok();
        }
    }

    pub(super) fn witnessed(&self) -> Option<(i64, String)> {
        let text = std::fs::read_to_string(self.witness.as_ref()?).ok()?;
        let (sequence, seal) = text.trim().split_once(' ')?;
        Some((sequence.parse().ok()?, seal.to_owned()))
    }
}

/// Tells keys apart and gives none of them away.
fn id_of(key: &[u8; 32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"audit key id");
    hasher.update(key);
    hex::encode(&hasher.finalize()[..8])
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
