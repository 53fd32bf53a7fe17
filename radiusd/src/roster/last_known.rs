//! The NAS of the store as they were last read, kept in the data directory for a start while the
//! store is away.
//!
//! The file holds secrets: only its owner may read it, it is replaced whole, and nothing of it is
//! ever logged. Its first line names the format and its version and has the MD5 of the rest.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use schema::{Error, NamedNas, NasRow, Store};
use serde::{Deserialize, Serialize};

const FILE: &str = "nas.known";
const MAGIC: &str = "radiusd-nas";
const VERSION: &str = "1";

/// The rows of `nas`, and the NAS known by NAS-Identifier only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct List {
    pub nas: Vec<NasRow>,
    pub named: Vec<NamedNas>,
}

impl List {
    pub async fn read(store: &Store) -> Result<List, Error> {
        Ok(List { nas: store.list_nas().await?, named: store.list_named_nas().await? })
    }
}

/// Where the list is kept, and for which store.
#[derive(Clone)]
pub struct LastKnown {
    directory: PathBuf,
    /// A list of another store is none.
    place: String,
}

#[derive(Serialize, Deserialize)]
struct Content<'l> {
    place: String,
    list: Cow<'l, List>,
}

impl LastKnown {
    pub fn of(config: &crate::config::Config) -> LastKnown {
        LastKnown { directory: config.data_dir.clone(), place: config.store.options().place() }
    }

    #[cfg(test)]
    pub fn for_tests(directory: &Path) -> LastKnown {
        LastKnown { directory: directory.to_owned(), place: String::new() }
    }

    /// None when this store was never read, or what is there can't be trusted; the latter is said.
    pub fn load(&self) -> Option<List> {
        let path = self.directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return unusable(&path, &error.to_string()),
        };
        let (head, body) = text.split_once('\n').unwrap_or_default();
        match head.split(' ').collect::<Vec<_>>().as_slice() {
            [MAGIC, VERSION, sum] if *sum == checksum(body) => {}
            [MAGIC, VERSION, _] => return unusable(&path, "its checksum is wrong"),
            [MAGIC, _, _] => return unusable(&path, "it is of another version"),
            _ => return unusable(&path, "it is no list of NAS"),
        }
        match serde_json::from_str::<Content<'_>>(body) {
            Ok(content) if content.place == self.place => Some(content.list.into_owned()),
            Ok(_) => None,
            // What serde says may quote a value.
            Err(_) => unusable(&path, "it is not understood"),
        }
    }

    /// On disk when it returns.
    pub fn keep(&self, list: &List) -> io::Result<()> {
        let content = Content { place: self.place.clone(), list: Cow::Borrowed(list) };
        let body = serde_json::to_string(&content)?;
        let text = format!("{MAGIC} {VERSION} {}\n{body}", checksum(&body));
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let (new, path) = (self.directory.join("nas.new"), self.directory.join(FILE));
        // What a crash left behind might have another mode.
        fs::remove_file(&new).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.directory)?.sync_all()
    }
}

fn checksum(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

fn unusable(path: &Path, why: &str) -> Option<List> {
    tracing::warn!(file = %path.display(), why, "the NAS last known cannot be used");
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn list() -> List {
        let nas =
            NasRow { nasname: "10.0.0.1".into(), secret: "s3cr\"et".into(), ..NasRow::default() };
        List { nas: vec![nas], named: Vec::new() }
    }

    #[test]
    fn what_is_kept_is_private_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastKnown { directory: folder.path().join("data"), place: "a".into() };
        assert!(kept.load().is_none());
        for _ in 0..2 {
            kept.keep(&list()).unwrap();
            assert!(kept.load() == Some(list()));
        }
        let mode = fs::metadata(kept.directory.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(LastKnown { place: "b".into(), ..kept.clone() }.load().is_none(), "another store");
        assert_eq!(fs::read_dir(&kept.directory).unwrap().count(), 1);
    }

    #[test]
    fn what_is_damaged_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastKnown { directory: folder.path().to_owned(), place: "a".into() };
        kept.keep(&list()).unwrap();
        let path = folder.path().join(FILE);
        let good = fs::read_to_string(&path).unwrap();
        let cut = &good[..good.len() - 3];
        let other = good.replace("10.0.0.1", "10.0.0.2");
        let newer = good.replacen(" 1 ", " 2 ", 1);
        for bad in [cut, &other, &newer, "", "\n", "x"] {
            fs::write(&path, bad).unwrap();
            assert!(kept.load().is_none(), "{bad:?}");
        }
        fs::write(&path, good).unwrap();
        assert!(kept.load().is_some());
    }
}
