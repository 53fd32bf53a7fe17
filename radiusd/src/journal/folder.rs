//! The files of a journal: `lock`, `position`, numbered segments, and beside them `damaged/` and
//! `quarantine/`. Only their owner can read them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::segment;
use crate::exit::{self, Failure};

const SEGMENT: &str = "segment";

/// Where the replay has come to: everything before it in this segment is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Held as long as this process may write to the folder.
#[derive(Debug)]
pub struct Lock {
    #[expect(dead_code, reason = "its end is what counts")]
    file: File,
}

impl Folder {
    pub fn new(path: PathBuf) -> Folder {
        Folder { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn quarantine(&self) -> PathBuf {
        self.path.join("quarantine")
    }

    pub fn damaged(&self) -> PathBuf {
        self.path.join("damaged")
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:012}.{SEGMENT}"))
    }

    /// Makes the folder and locks it, or says who doesn't let us.
    pub fn lock(&self) -> Result<Lock, Failure> {
        let failed =
            |error: &io::Error| Failure::io(format!("the journal {}", self.path.display()), error);
        create_private(&self.path).map_err(|error| failed(&error))?;
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.path, mode).map_err(|error| failed(&error))?;
        let mut options = private();
        let file = options.create(true).append(true).open(self.path.join("lock"));
        let file = file.map_err(|error| failed(&error))?;
        // Who only looks (`is_locked`) holds it for a moment.
        for _ in 0..20 {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
        Err(Failure::new(
            exit::UNAVAILABLE,
            format!("another radiusd is using the journal {}", self.path.display()),
        ))
    }

    /// Whether a running process holds the lock.
    pub fn is_locked(&self) -> bool {
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(self.path.join("lock")).is_ok_and(held)
    }

    /// Numbers of the segments there are, in order.
    pub fn segments(&self) -> io::Result<Vec<u64>> {
        numbers(&self.path, SEGMENT)
    }

    /// A number that no segment has or had.
    pub fn unused(&self) -> io::Result<u64> {
        let mut taken = self.segments()?;
        taken.extend(numbers(&self.damaged(), SEGMENT)?);
        taken.extend(self.position().map(|position| position.segment));
        Ok(taken.into_iter().max().unwrap_or(0).saturating_add(1))
    }

    pub fn position(&self) -> Option<Position> {
        let octets = fs::read(self.path.join("position")).ok()?;
        let (content, check) = octets.first_chunk::<24>()?.split_at(16);
        if segment::check::<8>(&[content]) != check {
            return None;
        }
        let number = |at: usize| content.get(at..)?.first_chunk().map(|n| u64::from_le_bytes(*n));
        Some(Position { segment: number(0)?, offset: number(8)? })
    }

    /// Keeps the position, durable when this returns. A position that is lost or torn costs
    /// nothing but time: the segment is then replayed from its beginning, which changes no row.
    pub fn keep_position(&self, position: Position) -> io::Result<()> {
        let mut octets = [0; 24];
        octets[..8].copy_from_slice(&position.segment.to_le_bytes());
        octets[8..16].copy_from_slice(&position.offset.to_le_bytes());
        let check = segment::check::<8>(&[&octets[..16]]);
        octets[16..].copy_from_slice(&check);
        let mut options = private();
        let file = options.create(true).write(true).truncate(false);
        let file = file.open(self.path.join("position"))?;
        file.write_all_at(&octets, 0)?;
        file.sync_data()
    }

    /// Keeps a second name of a segment in `damaged/`, so that a person can look at it when it
    /// has been replayed.
    pub fn keep_aside(&self, number: u64) -> io::Result<()> {
        create_private(&self.damaged())?;
        let (from, to) =
            (self.segment(number), self.damaged().join(format!("{number:012}.segment")));
        match fs::hard_link(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                fs::copy(&from, &to)?;
                File::open(&to)?.sync_all()?;
            }
            other => other?,
        }
        sync_directory(&self.damaged())
    }

    /// How many damaged segments are kept.
    pub fn count_damaged(&self) -> u64 {
        numbers(&self.damaged(), SEGMENT).map_or(0, |numbers| numbers.len() as u64)
    }

    /// Lines in the quarantine.
    pub fn count_quarantined(&self) -> u64 {
        let files = self.quarantine_files().unwrap_or_default();
        let lines = |path: &PathBuf| {
            let octets = fs::read(path).unwrap_or_default();
            octets.iter().filter(|octet| **octet == b'\n').count() as u64
        };
        files.iter().map(lines).sum()
    }

    /// Files of the quarantine, oldest first.
    pub fn quarantine_files(&self) -> io::Result<Vec<PathBuf>> {
        let directory = self.quarantine();
        let numbers = numbers(&directory, "jsonl")?;
        Ok(numbers.iter().map(|number| directory.join(format!("{number:06}.jsonl"))).collect())
    }

    /// Octets of all files below the folder; one with two names counts once.
    pub fn octets(&self) -> u64 {
        let mut seen = std::collections::HashSet::new();
        [self.path.clone(), self.damaged(), self.quarantine()]
            .iter()
            .flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten())
            .filter_map(|entry| entry.metadata().ok())
            .filter(|file| file.is_file() && seen.insert(file.ino()))
            .map(|file| file.len())
            .sum()
    }
}

/// New files and directories must survive a power cut too.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Options for a file that only its owner can read.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

pub fn create_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Where segments are written to; a test's one fails as disks do.
pub trait Medium: Send + 'static {
    /// A new file, on disk with its header and its name when this returns.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Sink>>;
}

/// A segment that is being written.
pub trait Sink: Send {
    /// Appends, and has it on disk when this returns.
    fn append(&mut self, octets: &[u8]) -> io::Result<()>;
    /// Drops what was appended behind this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Real files.
pub struct Files;

impl Medium for Files {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let mut file = private().write(true).create_new(true).open(path)?;
        file.write_all(&segment::header())?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), sync_directory)?;
        Ok(Box::new(file))
    }
}

impl Sink for File {
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write_all(octets)?;
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// Octets of a segment from `from` up to `until`, given in pieces until `take` has enough.
pub fn read_pieces(
    path: &Path,
    from: u64,
    until: u64,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(from))?;
    let mut file = file.take(until.saturating_sub(from));
    let mut piece = vec![0; 1 << 17];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 || !take(piece.get(..length).unwrap_or_default()) {
            return Ok(());
        }
    }
}

fn numbers(directory: &Path, extension: &str) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = PathBuf::from(entry?.file_name());
        let ours = path.extension().is_some_and(|other| other == extension);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        found.extend(stem.filter(|_| ours).and_then(|stem| stem.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
