//! What NASes have sent and what was acknowledged, and which rows of radacct that allows.
//!
//! Written apart from the code that is tested. An event that was sent and not acknowledged may or
//! may not be in the row; each that was acknowledged must be. Since octets rise with every event,
//! a row tells which event is the latest in it, and everything else follows from that one.

use std::collections::HashMap;

/// What a NAS without a clock of its own is dated by: arrival, give or take.
const GUESS_SECONDS: i64 = 55;
const CAUSE_OF_REBOOT: &str = "NAS-Reboot";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Start,
    Interim,
    Stop,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub kind: Kind,
    pub time: i64,
    pub input: u64,
    pub output: u64,
    pub address: Option<String>,
    pub sent: bool,
    pub acknowledged: bool,
}

/// Its events in the order of their times, which is not always that in which they are sent.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub user: String,
    pub port: u32,
    pub calling: String,
    pub cause: &'static str,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub struct Reboot {
    pub at: i64,
    pub off: bool,
    pub cause: Option<&'static str>,
    pub sent: bool,
    pub acknowledged: bool,
}

/// All of one NAS.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub nas: String,
    /// Sends Event-Timestamp. Otherwise arrival and Acct-Delay-Time date its events.
    pub has_clock: bool,
    pub sessions: Vec<Session>,
    pub reboots: Vec<Reboot>,
}

/// A row as far as the ledger knows what has to be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub nas: String,
    pub id: String,
    pub user: String,
    pub port: String,
    pub calling: String,
    pub start: Option<i64>,
    pub update: Option<i64>,
    pub stop: Option<i64>,
    pub session_time: Option<i64>,
    pub input: Option<i64>,
    pub output: Option<i64>,
    pub cause: Option<String>,
    pub address: Option<String>,
}

/// What is wrong, by kind, with an example of each.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many, an example, and its Acct-Session-Id.
    pub of: HashMap<&'static str, (usize, String, String)>,
}

impl Findings {
    fn add(&mut self, kind: &'static str, id: &str, example: String) {
        self.of.entry(kind).or_insert((0, example, id.to_owned())).0 += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all: Vec<_> = self.of.iter().collect();
        all.sort();
        for (kind, (count, example, _)) in all {
            writeln!(f, "{count} times {kind}, as {example}")?;
        }
        Ok(())
    }
}

impl Session {
    pub fn start(&self) -> i64 {
        self.events[0].time
    }

    fn was_sent(&self) -> bool {
        self.events.iter().any(|event| event.sent)
    }

    fn was_acknowledged(&self) -> bool {
        self.events.iter().any(|event| event.acknowledged)
    }
}

impl Book {
    pub fn acknowledged(&self) -> usize {
        let events = self.sessions.iter().flat_map(|session| &session.events);
        let reboots = self.reboots.iter().filter(|reboot| reboot.acknowledged);
        events.filter(|event| event.acknowledged).count() + reboots.count()
    }
}

/// Holds the table against what was sent and acknowledged.
pub fn compare(books: &[Book], rows: Vec<Row>) -> Findings {
    let mut findings = Findings::default();
    let mut of: HashMap<(String, String), Vec<Row>> = HashMap::new();
    for row in rows {
        of.entry((row.nas.clone(), row.id.clone())).or_default().push(row);
    }
    for book in books {
        for session in &book.sessions {
            let mut mine = Vec::new();
            if let Some(rows) = of.get_mut(&(book.nas.clone(), session.id.clone())) {
                let is_near = |row: &mut Row| {
                    row.start.is_some_and(|at| at.abs_diff(session.start()) <= GUESS_SECONDS as u64)
                };
                mine.extend(rows.extract_if(.., is_near));
            }
            judge(book, session, &mine, &mut findings);
        }
    }
    for row in of.into_values().flatten() {
        findings.add("never sent", &row.id, format!("{row:?}"));
    }
    findings
}

fn judge(book: &Book, session: &Session, rows: &[Row], findings: &mut Findings) {
    let shown = || format!("of {}: {session:?}\nwith {:?}\nis {rows:?}", book.nas, book.reboots);
    match rows {
        [] if session.was_acknowledged() => findings.add("lost", &session.id, shown()),
        [] => {}
        [_] if !session.was_sent() => findings.add("never sent", &session.id, shown()),
        [row] => {
            if let Some(kind) = wrong(book, session, row) {
                findings.add(kind, &session.id, shown());
            }
        }
        _ => findings.add("doubled", &session.id, shown()),
    }
}

/// What of a session's only row can't be, whatever came in of what wasn't acknowledged.
fn wrong(book: &Book, session: &Session, row: &Row) -> Option<&'static str> {
    let texts = (&row.user, &row.port, &row.calling);
    if texts != (&session.user, &session.port.to_string(), &session.calling) {
        return Some("other texts");
    }
    let counted = |event: &&Event| {
        let octets = (Some(event.input as i64), Some(event.output as i64));
        event.sent && (row.input, row.output) == octets
    };
    let Some(last) = session.events.iter().rfind(counted) else { return Some("octets") };
    let missed = session.events.iter().any(|event| event.acknowledged && event.time > last.time);
    if missed {
        return Some("an acknowledged event is missing");
    }
    let near = |is: Option<i64>, right: i64| {
        let most = if book.has_clock { 0 } else { GUESS_SECONDS as u64 };
        is.is_some_and(|is| is.abs_diff(right) <= most)
    };
    if !near(row.start, session.start()) {
        return Some("start");
    }
    let all = session.events.iter().all(|event| event.sent == event.acknowledged);
    let before = session.events.iter().filter(|event| event.sent && event.time <= last.time);
    let address = before.filter_map(|event| event.address.as_ref()).next_back();
    if all && row.address.as_ref() != address {
        return Some("address");
    }
    let lasted = last.time - session.start();
    let is_open = row.stop.is_none();
    if last.kind == Kind::Stop {
        let right = near(row.stop, last.time)
            && near(row.update, last.time)
            && row.session_time == Some(lasted)
            && row.cause.as_deref() == Some(session.cause);
        return match right {
            true => None,
            false if is_open => Some("open though it was stopped"),
            false => Some("how it ended"),
        };
    }
    // Of those that weren't acknowledged each may count or not.
    let later = book.reboots.iter().filter(|reboot| reboot.sent && reboot.at >= last.time);
    let mut must_be_closed = false;
    for reboot in later {
        let cause = reboot.cause.unwrap_or(CAUSE_OF_REBOOT);
        let lasted = reboot.at - session.start();
        if near(row.stop, reboot.at)
            && near(row.update, reboot.at)
            && near(row.session_time, lasted)
            && row.cause.as_deref() == Some(cause)
        {
            return None;
        }
        if reboot.acknowledged {
            must_be_closed = true;
            break;
        }
    }
    match (must_be_closed, is_open) {
        (true, true) => Some("open though its NAS rebooted"),
        (true, false) => Some("how its NAS's reboot ended it"),
        (false, false) => Some("closed though it goes on"),
        (false, true) => {
            let right = near(row.update, last.time) && row.session_time == Some(lasted);
            (!right).then_some("how far it is")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(acknowledged: [bool; 3]) -> Book {
        let event = |(at, acknowledged): (usize, bool)| Event {
            kind: [Kind::Start, Kind::Interim, Kind::Stop][at],
            time: 1_000 + 60 * at as i64,
            input: 7 * at as u64,
            output: 5 * at as u64,
            address: Some("10.0.0.1".into()),
            sent: true,
            acknowledged,
        };
        let session = Session {
            id: "s".into(),
            user: "bob".into(),
            port: 1,
            calling: "c".into(),
            cause: "User-Request",
            events: acknowledged.into_iter().enumerate().map(event).collect(),
        };
        let sessions = vec![session];
        Book { nas: "10.0.0.9".into(), has_clock: true, sessions, reboots: Vec::new() }
    }

    fn row(at: i64) -> Row {
        Row {
            nas: "10.0.0.9".into(),
            id: "s".into(),
            user: "bob".into(),
            port: "1".into(),
            calling: "c".into(),
            start: Some(1_000),
            update: Some(1_000 + 60 * at),
            stop: (at == 2).then_some(1_120),
            session_time: Some(60 * at),
            input: Some(7 * at),
            output: Some(5 * at),
            cause: (at == 2).then(|| "User-Request".into()),
            address: Some("10.0.0.1".into()),
        }
    }

    fn found(book: &Book, rows: &[Row]) -> Vec<&'static str> {
        compare(std::slice::from_ref(book), rows.to_vec()).of.into_keys().collect()
    }

    #[test]
    fn the_ledger_of_faults_sees_every_wrong_row() {
        let whole = book([true; 3]);
        assert_eq!(found(&whole, &[row(2)]), [""; 0]);
        assert_eq!(found(&whole, &[]), ["lost"]);
        assert_eq!(found(&whole, &[row(2), row(2)]), ["doubled"]);
        assert_eq!(found(&whole, &[row(1)]), ["an acknowledged event is missing"]);
        assert_eq!(found(&whole, &[Row { input: Some(15), ..row(2) }]), ["octets"]);
        assert_eq!(found(&whole, &[Row { stop: None, ..row(2) }]), ["open though it was stopped"]);
        assert_eq!(found(&whole, &[Row { start: Some(990), ..row(2) }]), ["start"]);
        assert_eq!(found(&whole, &[Row { address: None, ..row(2) }]), ["address"]);
        assert_eq!(found(&whole, &[Row { user: "eve".into(), ..row(2) }]), ["other texts"]);
        let other = Row { id: "t".into(), ..row(2) };
        assert_eq!(found(&whole, &[row(2), other]), ["never sent"]);
        // The Stop was not acknowledged: either is right.
        let open = book([true, true, false]);
        assert_eq!(found(&open, &[row(1)]), [""; 0]);
        assert_eq!(found(&open, &[row(2)]), [""; 0]);
        assert_eq!(found(&open, &[row(0)]), ["an acknowledged event is missing"]);
        let closed = Row { stop: Some(1_120), ..row(1) };
        assert_eq!(found(&open, &[closed]), ["closed though it goes on"]);
        assert_eq!(found(&book([false; 3]), &[]), [""; 0]);
    }

    #[test]
    fn the_ledger_of_faults_knows_reboots() {
        let mut open = book([true, true, false]);
        open.reboots.push(Reboot {
            at: 2_000,
            off: false,
            cause: None,
            sent: true,
            acknowledged: true,
        });
        assert_eq!(found(&open, &[row(1)]), ["open though its NAS rebooted"]);
        let closed = Row {
            stop: Some(2_000),
            update: Some(2_000),
            session_time: Some(1_000),
            cause: Some("NAS-Reboot".into()),
            ..row(1)
        };
        assert_eq!(found(&open, std::slice::from_ref(&closed)), [""; 0]);
        let late = Row { stop: Some(2_060), ..closed };
        assert_eq!(found(&open, &[late]), ["how its NAS's reboot ended it"]);
        assert_eq!(found(&open, &[row(2)]), [""; 0], "its Stop came through");
    }
}
