//! A user's name in the two forms in which its rows may be stored.

use std::borrow::Cow;

/// The name as it is sent, and as FreeRADIUS escapes it before it asks its tables; equal for most.
/// Text that isn't UTF-8 cannot stand in a table: its raw form is then the escaped one.
pub fn lookup_names(raw: &[u8]) -> (Cow<'_, str>, Cow<'_, str>) {
    match std::str::from_utf8(raw) {
        Ok(name) => (Cow::Borrowed(name), Cow::Borrowed(name)),
        Err(_) => (String::from_utf8_lossy(raw), String::from_utf8_lossy(raw)),
    }
}
