//! Values that must never be printed, and the places they may come from.

use std::fmt;
use std::path::Path;

/// A shared secret, or a URL that may hold a password. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself, for the code that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Follows `file:PATH`, `env:NAME` and `credential:NAME`; any other text is the secret itself.
    /// `base` is what a relative path is relative to.
    pub fn resolve(text: &str, base: &Path) -> Result<Secret, String> {
        if let Some(path) = text.strip_prefix("file:") {
            return read(&base.join(path));
        }
        if let Some(name) = text.strip_prefix("env:") {
            return match std::env::var(name) {
                Ok(value) => not_empty(value, &format!("the environment variable {name}")),
                Err(error) => Err(format!("the environment variable {name}: {error}")),
            };
        }
        if let Some(name) = text.strip_prefix("credential:") {
            let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
                return Err(format!(
                    "credential {name}: systemd gave none; the unit needs LoadCredential={name}:PATH"
                ));
            };
            if name.is_empty() || name.contains('/') {
                return Err("a credential's name has no '/'".into());
            }
            return read(&Path::new(&folder).join(name));
        }
        not_empty(text.to_owned(), "the value")
    }
}

fn read(path: &Path) -> Result<Secret, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            not_empty(text.to_owned(), &format!("the file {}", path.display()))
        }
        Err(error) => Err(format!("the file {}: {error}", path.display())),
    }
}

fn not_empty(text: String, place: &str) -> Result<Secret, String> {
    if text.is_empty() { Err(format!("{place} is empty")) } else { Ok(Secret::new(text)) }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_followed_to_where_it_lies_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("nas"), "from a file\n").unwrap();
        let at = |text: &str| Secret::resolve(text, folder.path());
        assert_eq!(at("plain").unwrap().reveal(), "plain");
        assert_eq!(at("file:nas").unwrap().reveal(), "from a file");
        assert!(at("file:absent").unwrap_err().contains("absent"));
        assert!(at("env:RADIUSD_TEST_NO_SUCH_NAME").is_err());
        assert!(at("credential:nas").unwrap_err().contains("LoadCredential"));
        assert!(at("").is_err());
        assert_eq!(format!("{:?}", at("plain").unwrap()), "Secret(…)");
    }
}
