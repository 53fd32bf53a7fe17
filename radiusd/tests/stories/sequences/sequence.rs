//! A sequence of Accounting-Requests, and of logins among them, as compact text.
//!
//! ```text
//! sequence late-start
//!   stop 600 ; Acct-Session-Time = 600
//!   start 0
//!   differs 5 acctupdatetime
//!   ours acctstarttime=0 acctstoptime=600
//! ```
//! `start`, `interim`, `stop`, `on`, `off` and `send` (no status of its own) are packets; the number is
//! Event-Timestamp, in seconds of the sequence's own clock, `-` sends none. User, session id and NAS
//! address are the sequence's own; `user X`, `session X`, `nas X` change them from there on, `none`
//! leaves them out. `again` repeats the last packet, octet for octet. `differs NUMBER COLUMN…` says
//! that our row differs in these columns by a deviation (`rows`: there are others altogether). It has
//! to (but for 7: FreeRADIUS drops a repetition too while it still holds the first), and exactly as the `ours` lines say: each is one of our rows, by start time, with its values
//! of such columns. Times are in the sequence's clock, `received` is the time of the test, ∅ is NULL.
//!
//! `accept`, `reject` and `silent` are logins of the user, with FreeRADIUS's answer, as a case of
//! `differential` has them; so are `check`, `reply`, `group`, `gcheck` and `greply`, rows of the user,
//! who is `known X` there. `answer NUMBER WHAT` says that our answer to the login before it differs.

use std::collections::BTreeSet;

use crate::differential::case::Case;
use crate::harness::ask::{self, Ask};

#[derive(Debug)]
pub struct Sequence {
    pub name: String,
    pub place: String,
    pub nas: String,
    pub steps: Vec<Step>,
    /// Columns in which our rows differ.
    pub differs: BTreeSet<String>,
    /// Those of them in which they need not.
    pub may: BTreeSet<String>,
    /// What our rows hold there, and elsewhere.
    pub ours: Vec<Vec<(String, String)>>,
    /// Some packet is timed by its receipt.
    pub by_receipt: bool,
    /// The user's rows, and the logins.
    pub case: Case,
    user: Option<String>,
    session: Option<String>,
    address: Option<String>,
}

#[derive(Debug)]
pub enum Step {
    Send(Ask),
    Again,
    /// By its number in the case.
    Login(usize),
}

const DEVIATIONS: [&str; 6] = ["3", "5", "6", "7", "15", "19"];

/// Second 0 of every sequence's clock.
pub fn epoch() -> i64 {
    ask::now() - 20_000
}

/// All sequences of a text. `first` is the number of the first one, for addresses.
pub fn parse(file: &str, text: &str, first: usize) -> Vec<Sequence> {
    let mut sequences: Vec<Sequence> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let place = format!("{file}.txt:{}", at + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("sequence ") {
            let number = first + sequences.len();
            sequences.push(Sequence::new(format!("{file}-{name}"), place, number));
            continue;
        }
        let sequence = sequences.last_mut().unwrap_or_else(|| panic!("{place}: no sequence yet"));
        sequence.line(line, &place).unwrap_or_else(|why| panic!("{place}: {why}"));
    }
    sequences
}

impl Sequence {
    fn new(name: String, place: String, number: usize) -> Sequence {
        let nas = format!("10.100.{}.{}", number / 200, number % 200 + 1);
        Sequence {
            user: Some(name.clone()),
            session: Some(format!("{name}-a")),
            address: Some(nas.clone()),
            case: Case::new(name.clone()),
            name,
            place,
            nas,
            steps: Vec::new(),
            differs: BTreeSet::new(),
            may: BTreeSet::new(),
            ours: Vec::new(),
            by_receipt: false,
        }
    }

    fn line(&mut self, line: &str, place: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let some = |text: String| (rest != "none").then_some(text);
        match word {
            "user" => self.user = some(rest.into()),
            "session" => self.session = some(format!("{}-{rest}", self.name)),
            "nas" => self.address = some(rest.into()),
            "start" => self.packet("Start", rest)?,
            "interim" => self.packet("Interim-Update", rest)?,
            "stop" => self.packet("Stop", rest)?,
            "on" => self.packet("Accounting-On", rest)?,
            "off" => self.packet("Accounting-Off", rest)?,
            "send" => self.packet("", rest)?,
            "again" => self.steps.push(Step::Again),
            "accept" | "reject" | "silent" => self.login(line, place)?,
            "check" | "reply" | "group" | "gcheck" | "greply" => self.case.line(line, place)?,
            "known" => self.case.line(&format!("user {rest}"), place)?,
            "answer" => self.case.line(&format!("differs {rest}"), place)?,
            "differs" => {
                let (deviation, columns) = rest.split_once(' ').ok_or("which columns?")?;
                if !DEVIATIONS.contains(&deviation) {
                    return Err(format!("no deviation {deviation:?} in accounting"));
                }
                let columns = columns.split(' ').map(str::to_owned);
                if deviation == "7" {
                    self.may.extend(columns.clone());
                }
                self.differs.extend(columns);
            }
            "ours" => {
                let pairs = rest.split(' ').map(|pair| {
                    let (column, value) = pair.split_once('=').ok_or("no =")?;
                    let value = String::from_utf8(ask::octets(value)?);
                    Ok((column.to_owned(), value.map_err(|error| error.to_string())?))
                });
                self.ours.push(pairs.collect::<Result<_, String>>()?);
            }
            _ => return Err(format!("no directive {word:?}")),
        }
        Ok(())
    }

    fn login(&mut self, line: &str, place: &str) -> Result<(), String> {
        let mut line = line.to_owned();
        for (item, value) in [("name ", &self.user), ("NAS-IP-Address = ", &self.address)] {
            if let Some(value) = value {
                line.push_str(&format!(" ; {item}{value}"));
            }
        }
        self.case.line(&line, place)?;
        self.steps.push(Step::Login(self.case.requests.len() - 1));
        Ok(())
    }

    fn packet(&mut self, status: &str, rest: &str) -> Result<(), String> {
        let (time, items) = rest.split_once(" ; ").unwrap_or((rest, ""));
        let mut text = Vec::new();
        let mut add = |name: &str, value: &Option<String>| {
            text.extend(value.as_ref().map(|value| format!("{name} = {value}")));
        };
        add("Acct-Status-Type", &(!status.is_empty()).then(|| status.to_owned()));
        add("User-Name", &self.user);
        add("Acct-Session-Id", &self.session);
        add("NAS-IP-Address", &self.address);
        if time == "-" {
            self.by_receipt = true;
        } else {
            let seconds: i64 = time.parse().map_err(|_| format!("no time: {time:?}"))?;
            add("Event-Timestamp", &Some((epoch() + seconds).to_string()));
        }
        text.push(items.to_owned());
        self.steps.push(Step::Send(Ask::accounting(&text.join(" ; "))?));
        Ok(())
    }
}
