//! FreeRADIUS's dictionary format.

use std::path::PathBuf;

/// Why a dictionary could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {why}", file.display())]
pub struct ParseError {
    pub file: PathBuf,
    /// From 1; 0 when the whole file is meant.
    pub line: u32,
    pub why: Box<str>,
}
