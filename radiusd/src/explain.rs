//! A decision in plain words: each row that was read, matched, failed or overrode, and the answer.

use crate::policy::{Ask, Direction, Effect, Lacks, Shown, TraceStep};

/// The sentences of a trace as it was kept; what a later version wrote is left out.
pub fn sentences(trace: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Kept {
        steps: Vec<serde_json::Value>,
    }
    let kept: Kept = serde_json::from_str(trace).unwrap_or(Kept { steps: Vec::new() });
    let step = |step| serde_json::from_value::<TraceStep>(step).ok();
    kept.steps.into_iter().filter_map(step).map(|step| sentence(&step)).collect()
}

/// One sentence for a step. Secrets are named and never shown: a step doesn't hold them.
pub fn sentence(step: &TraceStep) -> String {
    match step {
        TraceStep::Request { sent } if sent.is_empty() => "The NAS sent no attribute.".into(),
        TraceStep::Request { sent } => format!("The NAS sent {}.", sent.join(", ")),
        TraceStep::User { .. }
        | TraceStep::BadName { .. }
        | TraceStep::NoCheckRows
        | TraceStep::Unreadable { .. }
        | TraceStep::Compared { .. }
        | TraceStep::Merged { .. } => rows(step),
        TraceStep::Group { .. }
        | TraceStep::GroupPassedOver { .. }
        | TraceStep::GroupsEnd { .. }
        | TraceStep::Profile { .. } => groups(step),
        TraceStep::Limit { .. }
        | TraceStep::SessionTimeout { .. }
        | TraceStep::Expired { .. }
        | TraceStep::OutsideLoginTime { .. }
        | TraceStep::SessionsUncounted
        | TraceStep::SessionGone { .. }
        | TraceStep::Sessions { .. } => limits(step),
        TraceStep::Waits { lacks } => format!("This needs {} first.", lack(lacks)),
        _ => login(step),
    }
}

fn rows(step: &TraceStep) -> String {
    match step {
        TraceStep::User { name, found_as: None } => {
            format!("User \"{name}\": no table holds a row for this name.")
        }
        TraceStep::User { name, found_as: Some(found) } if found == name => {
            format!("User \"{name}\": rows were found.")
        }
        TraceStep::User { name, found_as: Some(found) } => {
            format!("User \"{name}\": rows were found under the escaped name \"{found}\".")
        }
        TraceStep::BadName { why } => format!("A name like this never reaches the tables: {why}."),
        TraceStep::NoCheckRows => {
            "radcheck holds nothing for the user, so radreply is not read; groups still are.".into()
        }
        TraceStep::Unreadable { row, why } => {
            format!("{} cannot be read: {why}. It refuses everybody whom it concerns.", place(row))
        }
        TraceStep::Compared { row, unusable: Some(why), .. } => {
            format!("{} fits nothing: {why}.", place(row))
        }
        TraceStep::Compared { row, fits, unusable: None, sent } => {
            let sent = match sent.as_slice() {
                [] => "the request has no such attribute".to_owned(),
                sent => format!("the request says {}", sent.join(", ")),
            };
            let verdict = if *fits { "fits" } else { "does not fit" };
            format!("{} {verdict}: {sent}.", place(row))
        }
        TraceStep::Merged { row, effect } => format!("{} {}.", place(row), done(*effect)),
        _ => String::new(),
    }
}

fn place(row: &Shown) -> String {
    let Shown { table, owner, id, attribute, op, value } = row;
    let value = value.as_deref().map_or("(not shown)".into(), |value| format!("\"{value}\""));
    format!("{} row {id} of {owner}, {attribute} {op} {value},", table.as_str())
}

fn done(effect: Effect) -> &'static str {
    match effect {
        Effect::Added => "counts",
        Effect::Replaced => "takes the place of an earlier value",
        Effect::Kept => "changes nothing: there is a value already",
        Effect::Removed => "takes other values away",
        Effect::Nothing => "adds nothing, because of its operator",
    }
}

fn groups(step: &TraceStep) -> String {
    match step {
        TraceStep::Group { name, known: true } => format!("Group \"{name}\" is looked at."),
        TraceStep::Group { name, known: false } => {
            format!("Group \"{name}\" has no rows: it fits everybody and gives nothing.")
        }
        TraceStep::GroupPassedOver { name } => {
            format!("Group \"{name}\" is passed over: its check rows do not fit.")
        }
        TraceStep::GroupsEnd { why, left_out } if left_out.is_empty() => {
            format!("No further group: {why}.")
        }
        TraceStep::GroupsEnd { why, left_out } => {
            format!("No further group: {why}. Left out: {}.", left_out.join(", "))
        }
        TraceStep::Profile { name, known: true } => {
            format!("User-Profile \"{name}\": the groups of that name follow.")
        }
        TraceStep::Profile { name, known: false } => {
            format!("User-Profile \"{name}\": there is no such name in radusergroup.")
        }
        _ => String::new(),
    }
}

fn limits(step: &TraceStep) -> String {
    match step {
        TraceStep::Limit { attribute, limit, used, reached } => {
            let verdict = if *reached { "it is used up" } else { "something is left" };
            format!("{attribute} is {limit}, used are {used}: {verdict}.")
        }
        TraceStep::SessionTimeout { seconds, because_of } => {
            format!("Session-Timeout is {seconds} s because of {because_of}.")
        }
        TraceStep::Expired { since } => format!("The account expired on {since}."),
        TraceStep::OutsideLoginTime { hours } => {
            format!("Login-Time \"{hours}\" does not allow this hour.")
        }
        TraceStep::SessionsUncounted => {
            "Session-Type sends the count of sessions to a section that is not there: it is left out."
                .into()
        }
        TraceStep::SessionGone { nas, session } => format!(
            "The NAS {nas} no longer has the session {session}: it does not count, and is closed."
        ),
        TraceStep::Sessions { open, limit, allowed, why } => {
            let verdict = if *allowed { "allows" } else { "does not allow" };
            format!(
                "Simultaneous-Use is {limit}, open are {open}: it {verdict} this session ({why})."
            )
        }
        _ => String::new(),
    }
}

fn login(step: &TraceStep) -> String {
    match step {
        TraceStep::Login { method } => format!("The request is a {method} login."),
        TraceStep::AuthType { name } => format!("Auth-Type {name} decides."),
        TraceStep::Password { attribute, fits: true } => {
            format!("The password fits the stored {attribute}.")
        }
        TraceStep::Password { attribute, fits: false } => {
            format!("The password does not fit the stored {attribute}.")
        }
        TraceStep::NoPassword { why } => format!("No password is compared: {why}."),
        TraceStep::LeftOut { attribute } => format!("The answer does not carry {attribute}."),
        TraceStep::Accepted => "The login is accepted.".into(),
        TraceStep::Overruled { reason } => format!(
            "The login would be refused ({}), but Response-Packet-Type says Access-Accept.",
            reason.as_str()
        ),
        TraceStep::Challenged => {
            "Response-Packet-Type says that the answer is an Access-Challenge.".into()
        }
        TraceStep::Silenced => "Response-Packet-Type says that nothing is answered.".into(),
        TraceStep::Rejected { reason } => format!("The login is refused: {}", reason.text()),
        _ => String::new(),
    }
}

fn lack(lacks: &Lacks) -> String {
    match lacks {
        Lacks::Profile(name) => format!("the groups of \"{name}\""),
        Lacks::Counter(Ask::SessionSeconds { since: None }) => "the time used so far".into(),
        Lacks::Counter(Ask::SessionSeconds { .. }) => "the time used in this period".into(),
        Lacks::Counter(Ask::FirstLogin) => "the time of the first login".into(),
        Lacks::Counter(Ask::Volume { direction, .. }) => match direction {
            Direction::Input => "the octets sent by the user".into(),
            Direction::Output => "the octets sent to the user".into(),
            Direction::Both => "the octets used".into(),
        },
        Lacks::OpenSessions => "the sessions that are open".into(),
        Lacks::LiveSessions => "to know which of them their NAS still have".into(),
        Lacks::Host(name) => format!("the address of {name}"),
        Lacks::PasswordCheck => "a password check that takes long".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Reason, Table};

    #[test]
    fn sentences() {
        let row = |value: Option<&str>| Shown {
            table: Table::RadCheck,
            owner: "bob".into(),
            id: 7,
            attribute: "NAS-Port".into(),
            op: "==".into(),
            value: value.map(Into::into),
        };
        for (step, expected) in [
            (
                TraceStep::Compared {
                    row: row(Some("7")),
                    fits: false,
                    unusable: None,
                    sent: vec!["8".into()],
                },
                "radcheck row 7 of bob, NAS-Port == \"7\", does not fit: the request says 8.",
            ),
            (
                TraceStep::Compared {
                    row: row(Some("(")),
                    fits: false,
                    unusable: Some("the pattern cannot be used: unclosed group".into()),
                    sent: vec!["8".into()],
                },
                "radcheck row 7 of bob, NAS-Port == \"(\", fits nothing: the pattern cannot be used: \
                 unclosed group.",
            ),
            (
                TraceStep::Merged { row: row(None), effect: Effect::Kept },
                "radcheck row 7 of bob, NAS-Port == (not shown), changes nothing: there is a \
                 value already.",
            ),
            (
                TraceStep::Rejected { reason: Reason::WrongPassword },
                "The login is refused: The password is wrong.",
            ),
            (
                TraceStep::Waits { lacks: Lacks::OpenSessions },
                "This needs the sessions that are open first.",
            ),
        ] {
            assert_eq!(sentence(&step), expected);
            let kept = serde_json::json!({ "steps": [step, { "step": "of-tomorrow" }] });
            assert_eq!(super::sentences(&kept.to_string()), [expected]);
        }
    }
}
