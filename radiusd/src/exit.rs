//! How the process ends: a sentence for the person, and a code of sysexits for the script.

use std::fmt;

/// Something was asked for that can't be had: `check-config` found a mistake, a user isn't there.
pub const FAILURE: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 64;
/// The data given is wrong.
pub const DATA: u8 = 65;
/// The store or an address can't be had now.
pub const UNAVAILABLE: u8 = 69;
/// A mistake of ours.
pub const SOFTWARE: u8 = 70;
/// The operating system refused something that it should not.
pub const SYSTEM: u8 = 71;
/// A file can't be written.
pub const CANNOT_CREATE: u8 = 73;
/// The operating system or the store refuses for want of a right.
pub const DENIED: u8 = 77;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;

/// Why the process ends.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
}

impl Failure {
    pub fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// An error of the operating system while doing `what`, with the code that fits it.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Failure {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::PermissionDenied => DENIED,
            ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable => UNAVAILABLE,
            ErrorKind::NotFound | ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem => {
                CANNOT_CREATE
            }
            _ => SYSTEM,
        };
        Failure::new(code, format!("{what}: {error}"))
    }
}

impl From<schema::Error> for Failure {
    fn from(error: schema::Error) -> Failure {
        use schema::Error;
        let code = match error {
            Error::Away(_) | Error::Conflict => UNAVAILABLE,
            Error::Data { .. } => DATA,
            Error::Denied(_) => DENIED,
            Error::Schema(_) | Error::Options(_) => CONFIG,
            Error::Exists(_)
            | Error::Changed(_)
            | Error::Last(_)
            | Error::Missing(_)
            | Error::Empty(_)
            | Error::InUse(_) => FAILURE,
            Error::Failed(_) => SOFTWARE,
        };
        let lacks_table = ["no such table", "does not exist"];
        let hint = match &error {
            Error::Schema(why) if lacks_table.iter().any(|lack| why.contains(lack)) => {
                "; radiusd migrate makes the tables of an empty store"
            }
            _ => "",
        };
        Failure::new(code, format!("{error}{hint}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
