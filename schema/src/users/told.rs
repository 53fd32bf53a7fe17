//! What the audit log says of users and groups: every row, secrets named and never shown.

use serde_json::{Value as Json, json};

use super::Person;
use crate::Row;

/// Before and after, for the log. A secret that changed is told apart from one that did not.
pub(super) fn told(
    before: Option<&Person>,
    after: Option<&Person>,
) -> (Option<Json>, Option<Json>) {
    let person = |person: &Person, other: Option<&Person>| {
        let rows = |of: fn(&Person) -> &Vec<Row>| told_rows(of(person), other.map(of));
        let group = |one: &super::Membership| json!([one.group, one.priority]);
        let sealed = |of: fn(&Person) -> &Option<String>| {
            mask(of(person).is_some(), other.is_none_or(|other| of(other) == of(person)))
        };
        let details = &person.details;
        json!({
            "disabled": person.user.is_disabled(),
            "check": rows(|person| &person.user.check),
            "reply": rows(|person| &person.user.reply),
            "groups": person.user.groups.iter().map(group).collect::<Vec<_>>(),
            "full_name": details.full_name,
            "company": details.company,
            "email": details.email,
            "phone": details.phone,
            "custom": details.custom,
            "tags": details.tags,
            "notes": sealed(|person| &person.details.notes),
            "address": sealed(|person| &person.details.address),
            "tenant": person.tenant,
        })
    };
    (before.map(|one| person(one, None)), after.map(|one| person(one, before)))
}

pub(crate) fn told_rows(rows: &[Row], before: Option<&Vec<Row>>) -> Json {
    let one = |row: &Row| {
        let Row { attribute, op, value, .. } = row;
        if !is_secret(attribute) {
            return json!(format!("{attribute} {op} {value}"));
        }
        let same = before.is_none_or(|before| {
            before.iter().any(|old| old.attribute == *attribute && old.value == *value)
        });
        json!(format!("{attribute} {op} {}", if same { "…" } else { "… (new)" }))
    };
    rows.iter().map(one).collect()
}

fn mask(there: bool, same: bool) -> Json {
    match (there, same) {
        (false, _) => Json::Null,
        (true, true) => json!("…"),
        (true, false) => json!("… (new)"),
    }
}

/// By its name, which is all that is known here; rather one too many.
fn is_secret(attribute: &str) -> bool {
    let name = attribute.to_ascii_lowercase();
    let parts = ["pass", "secret", "chap", "mppe", "digest-", "eap-message", "hash", "token"];
    parts.iter().any(|part| name.contains(part))
        || ["-key", "-psk", "-pin", "-ha1"].iter().any(|end| name.ends_with(end))
        || ["state", "message-authenticator"].contains(&name.as_str())
        // A name that is a number may be any of these.
        || name.starts_with("attr-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_told_and_its_change_is() {
        let row = |attribute: &str, value: &str| Row {
            id: 1,
            attribute: attribute.into(),
            op: ":=".into(),
            value: value.into(),
        };
        let before = vec![row("Cleartext-Password", "old"), row("Session-Timeout", "60")];
        let after = vec![row("Cleartext-Password", "hidden"), row("Session-Timeout", "90")];
        let told = told_rows(&after, Some(&before));
        assert_eq!(told, json!(["Cleartext-Password := … (new)", "Session-Timeout := 90"]));
        assert_eq!(told_rows(&before, Some(&before))[0], "Cleartext-Password := …");
        for name in ["NT-Password", "Tunnel-Password:1", "MS-MPPE-Send-Key", "Attr-26.9.1"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("Framed-IP-Address") && !is_secret("Acct-Status-Type"));
    }
}
