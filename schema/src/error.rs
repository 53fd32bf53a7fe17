//! Why the store did not do what it was asked, by what the caller can do about it.

/// The text is for an operator; it never holds a value of a row.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No connection, or the store can't work now: ask again later.
    #[error("the store is away: {0}")]
    Away(String),
    /// A value that was to be written is what the store refuses; the same again fails again.
    #[error("the store refuses a value ({code}): {message}")]
    Data { code: String, message: String },
    /// Somebody else was at the same rows: the same again may succeed.
    #[error("another writer was at the same rows")]
    Conflict,
    #[error("the store's role lacks a right: {0}")]
    Denied(String),
    /// The tables are not what they should be.
    #[error("{0}")]
    Schema(String),
    #[error("{0} exists already")]
    Exists(String),
    /// The rows are no longer those that the caller saw.
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// It is the last one, and one has to stay.
    #[error("the last {0} has to stay")]
    Last(String),
    #[error("{0} is in use")]
    InUse(String),
    /// What a row refers to is not there for whoever writes it.
    #[error("there is no {0}")]
    Missing(String),
    /// Nothing would be left of it.
    #[error("nothing would be left of {0}")]
    Empty(String),
    /// An option is wrong.
    #[error("{0}")]
    Options(String),
    #[error("the store failed: {0}")]
    Failed(String),
}

impl Error {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Away(_) | Error::Conflict)
    }
}
