//! Secrets on a command line: given there, read from standard input, or from where they lie.

use std::io::Read;
use std::path::Path;

use radiusd::config::Secret;
use radiusd::exit::{self, Failure};

/// `-` is the first line of standard input; anything else is itself.
pub(super) fn password(argument: &str) -> Result<String, Failure> {
    if argument == "-" { first_line("the password") } else { Ok(argument.to_owned()) }
}

/// As `password`, and also `file:PATH`, `env:NAME` and `credential:NAME`.
pub(super) fn secret(argument: &str) -> Result<Secret, Failure> {
    if argument == "-" {
        return first_line("the secret").map(Secret::new);
    }
    let secret = Secret::resolve(argument, Path::new("."));
    secret.map_err(|why| Failure::new(exit::USAGE, format!("the secret: {why}")))
}

fn first_line(what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| Failure::new(exit::DATA, format!("{what} on standard input: {error}")))?;
    let line = text.split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::new(exit::DATA, format!("{what} on standard input is empty")));
    }
    Ok(line.to_owned())
}
