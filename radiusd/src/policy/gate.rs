//! User names that are refused before any row is read: FreeRADIUS's `filter_username`.

/// The first rule that a name breaks, in words.
pub(super) fn objection(name: &[u8]) -> Option<&'static str> {
    let contains = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let mut parts = name.split(|octet| *octet == b'@');
    let realm = parts.nth(1);
    // FreeRADIUS's `$` looks past one line feed at the end.
    let line = |text: &'static str, part: &[u8]| {
        part.strip_suffix(b"\n").unwrap_or(part).ends_with(text.as_bytes())
    };
    if contains(b" ") {
        Some("the name contains a space")
    } else if parts.next().is_some() {
        Some("the name contains more than one @")
    } else if contains(b"..") {
        Some("the name contains two dots in a row")
    } else if realm.is_some_and(|realm| !has_inner_dot(realm)) {
        Some("the realm has no dot inside")
    } else if line(".", name) {
        Some("the name ends with a dot")
    } else if contains(b"@.") {
        Some("the realm begins with a dot")
    } else {
        None
    }
}

fn has_inner_dot(realm: &[u8]) -> bool {
    let realm = realm.strip_suffix(b"\n").unwrap_or(realm);
    !realm.contains(&b'\n')
        && realm
            .iter()
            .enumerate()
            .any(|(at, octet)| *octet == b'.' && at > 0 && at + 1 < realm.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_and_names_that_do_not() {
        for (name, passes) in [
            ("u", true),
            ("u ", false),
            (" u", false),
            ("a b", false),
            ("a@b", false),
            ("a@b.c", true),
            ("a@b@c.d", false),
            ("a@b.c.", false),
            ("a@.b.c", false),
            ("a..b", false),
            ("a.", false),
            (".a", true),
            ("a\tb", true),
            ("@b.c", true),
            ("a@", false),
            ("@", false),
            ("a@b.", false),
            ("a@b.c\n", true),
            ("a.\n", false),
        ] {
            assert_eq!(objection(name.as_bytes()).is_none(), passes, "{name:?}");
        }
    }
}
