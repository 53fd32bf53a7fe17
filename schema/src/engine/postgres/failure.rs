//! What an error of sqlx or a SQLSTATE means for the caller.

use crate::Error;

/// The plan was made for a table that has changed since, or a pooler forgot the statement. It
/// is true of each connection once.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.code().as_deref() {
        Some("26000") => true,
        Some("0A000") => error.message().starts_with("cached plan"),
        _ => false,
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        use sqlx::Error as Sqlx;
        match &error {
            Sqlx::Database(_) if is_stale(&error) => Error::Conflict,
            Sqlx::Database(database) => {
                classify(&database.code().unwrap_or_default(), database.message())
            }
            Sqlx::Io(_)
            | Sqlx::Tls(_)
            | Sqlx::Protocol(_)
            | Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed => Error::Away(error.to_string()),
            Sqlx::Configuration(reason) => Error::Options(reason.to_string()),
            _ => Error::Failed(error.to_string()),
        }
    }
}

fn classify(code: &str, message: &str) -> Error {
    let data = || Error::Data { code: code.to_owned(), message: message.to_owned() };
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "57014" | "25006" | "25P03") => Error::Away(message.to_owned()),
        (_, "55P03" | "55006") | ("40", _) => Error::Conflict,
        // 54000: a value too large for an index.
        (_, "54000") | ("22" | "23", _) => data(),
        (_, "42501") | ("28", _) => Error::Denied(message.to_owned()),
        ("08" | "53" | "57" | "58", _) => Error::Away(message.to_owned()),
        // No such database: not made yet, or the wrong server answers.
        (_, "3D000") => Error::Away(message.to_owned()),
        ("42" | "3F", _) => Error::Schema(message.to_owned()),
        _ => Error::Failed(format!("{message} ({code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_say_what_the_caller_can_do() {
        let of = |code| classify(code, "x");
        assert!(matches!(of("08006"), Error::Away(_)));
        assert!(matches!(of("57P01"), Error::Away(_)));
        assert!(matches!(of("53300"), Error::Away(_)));
        assert!(matches!(of("25006"), Error::Away(_)), "a primary that became a standby");
        assert!(matches!(of("40001"), Error::Conflict));
        assert!(matches!(of("40P01"), Error::Conflict));
        assert!(matches!(of("55P03"), Error::Conflict));
        assert!(matches!(of("22021"), Error::Data { .. }));
        assert!(matches!(of("22P02"), Error::Data { .. }));
        assert!(matches!(of("23502"), Error::Data { .. }));
        assert!(matches!(of("54000"), Error::Data { .. }));
        assert!(matches!(of("42501"), Error::Denied(_)));
        assert!(matches!(of("28P01"), Error::Denied(_)));
        assert!(matches!(of("42P01"), Error::Schema(_)));
        assert!(matches!(of("3D000"), Error::Away(_)));
        assert!(matches!(of("XX000"), Error::Failed(_)));
    }
}
