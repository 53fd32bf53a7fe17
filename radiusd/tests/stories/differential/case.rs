//! A case of the corpus: rows of FreeRADIUS's tables and requests, as compact text.
//!
//! ```text
//! case user-check-mismatch
//!   check Cleartext-Password := pw
//!   check NAS-Port == 7
//!   reply Reply-Message = hello
//!   group gold 1
//!   greply gold Framed-MTU = 1400
//!   accept pap pw ; NAS-Port = 7
//!   reject pap pw ; NAS-Port = 8
//! ```
//! The user's name is the file's and the case's, so that all cases live in one database; `user`
//! gives another. `check ATTRIBUTE OP VALUE` and `reply` are the user's rows, `gcheck` and `greply`
//! a group's, `group NAME PRIORITY` a membership, `member WHO NAME PRIORITY` that of `@{user}-WHO`,
//! `ucheck WHO` a check row of his. `session KEY=VALUE…` is a row of radacct, times relative to now;
//! `reload NAS SECONDS` one of nasreload; `hunt GROUP NAS [PORT]` one of radhuntgroup.
//! `accept`, `reject`, `challenge` and `silent` are requests (see `ask`) with FreeRADIUS's answer, `ask` one whose
//! answer depends on the clock. `differs NUMBER WHAT` allows our answer to the request before it to
//! differ, by a number of `deviations.md`: another code, or these attributes; where it makes no
//! difference it is a mistake. `at-end SECONDS PERIOD NUMBER WHAT` does so in the last seconds of
//! the day, week or month only.
//! `@{user}` and `@{g NAME}` are the names as they are in the tables; other `@{…}` as in `ask`.

use jiff::ToSpan;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::harness::ask::{self, Ask};
use crate::harness::site::ZONE;
use crate::harness::sql::quote;

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub text: String,
    pub requests: Vec<Request>,
    rows: Vec<Row>,
    user: String,
}

#[derive(Debug)]
pub struct Request {
    pub text: String,
    pub place: String,
    pub ask: Ask,
    /// FreeRADIUS's answer; `None` where it depends on the clock.
    pub expected: Option<Outcome>,
    pub differs: Vec<Differs>,
}

impl Request {
    /// At one of the two servers, as far as it is known.
    pub fn may_be_silent(&self) -> bool {
        let silent = How::Outcome(Outcome::Silent);
        self.expected == Some(Outcome::Silent) || self.differs.iter().any(|one| one.how == silent)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accept,
    Reject,
    Silent,
    Challenge,
}

/// What of our answer may differ, and by which deviation.
#[derive(Debug, PartialEq)]
pub struct Differs {
    pub deviation: u32,
    pub how: How,
    at_end: Option<(i64, Period)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Period {
    Day,
    Week,
    Month,
}

impl Differs {
    /// Whether there is to be a difference now.
    pub fn applies(&self) -> bool {
        self.at_end.is_none_or(|(seconds, period)| period.seconds_left() <= seconds)
    }
}

impl Period {
    /// By the servers' clock on the wall.
    fn seconds_left(self) -> i64 {
        let zone = TimeZone::get(ZONE).expect("a zone");
        let now = jiff::Timestamp::now();
        let today = zone.to_datetime(now).date();
        let next = match self {
            Period::Day => today.checked_add(1.day()),
            Period::Week => {
                let since_sunday = i64::from(today.weekday().since(Weekday::Sunday));
                today.checked_add((7 - since_sunday).days())
            }
            Period::Month => today.last_of_month().checked_add(1.day()),
        };
        let midnight = next.expect("a date").to_datetime(jiff::civil::Time::midnight());
        let next = zone.to_ambiguous_timestamp(midnight).compatible().expect("a time");
        next.as_second() - now.as_second()
    }
}

#[derive(Debug, PartialEq)]
pub enum How {
    Outcome(Outcome),
    Attributes(Vec<String>),
}

/// A table with its columns, and one row's values.
#[derive(Debug)]
struct Row {
    table: &'static str,
    values: String,
}

const CHECK: &str = "radcheck (username, attribute, op, value)";
const REPLY: &str = "radreply (username, attribute, op, value)";
const GROUP_CHECK: &str = "radgroupcheck (groupname, attribute, op, value)";
const GROUP_REPLY: &str = "radgroupreply (groupname, attribute, op, value)";
const MEMBER: &str = "radusergroup (username, groupname, priority)";
const SESSION: &str = "radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, \
     acctupdatetime, acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets, \
     framedipaddress, callingstationid, framedprotocol)";
const RELOAD: &str = "nasreload (nasipaddress, reloadtime)";
const HUNT: &str = "radhuntgroup (groupname, nasipaddress, nasportid)";

/// All cases of a text; `file` begins the users' names.
pub fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let place = format!("{file}.txt:{}", at + 1);
        let content = line.trim_start();
        if content.is_empty() || content.starts_with("# ") || content == "#" {
            continue;
        }
        if let Some(name) = content.strip_prefix("case ") {
            cases.push(Case::new(format!("{file}-{}", name.trim())));
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{place}: no case yet"));
        case.line(content, &place).unwrap_or_else(|why| panic!("{place}: {why}"));
        case.text.push_str(&format!("  {content}\n"));
    }
    cases
}

/// Statements that load the rows of all cases.
pub fn load<'c>(cases: impl IntoIterator<Item = &'c Case> + Clone) -> String {
    let mut sql = String::from("BEGIN;\n");
    for table in [CHECK, REPLY, GROUP_CHECK, GROUP_REPLY, MEMBER, SESSION, RELOAD, HUNT] {
        let rows =
            cases.clone().into_iter().flat_map(|case| &case.rows).filter(|row| row.table == table);
        let rows: Vec<&str> = rows.map(|row| row.values.as_str()).collect();
        // Ids are given in the order of the rows: FreeRADIUS reads by id.
        for chunk in rows.chunks(1000) {
            sql.push_str(&format!("INSERT INTO {table} VALUES\n{};\n", chunk.join(",\n")));
        }
    }
    sql + "COMMIT;\nANALYZE;\n"
}

impl Case {
    pub fn new(name: String) -> Case {
        let (user, text) = (name.clone(), String::new());
        Case { name, text, requests: Vec::new(), rows: Vec::new(), user }
    }

    /// Anything but the case's first line.
    pub fn line(&mut self, line: &str, place: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "user" => self.user = text(rest)?,
            "check" => self.policy(CHECK, self.user.clone(), rest)?,
            "reply" => self.policy(REPLY, self.user.clone(), rest)?,
            "gcheck" | "greply" => {
                let (group, rest) = rest.split_once(' ').ok_or("no group")?;
                let table = if word == "gcheck" { GROUP_CHECK } else { GROUP_REPLY };
                self.policy(table, self.group(group), rest)?;
            }
            "ucheck" => {
                let (who, rest) = rest.split_once(' ').ok_or("no user")?;
                self.policy(CHECK, format!("{}-{who}", self.user), rest)?;
            }
            "group" => self.member(self.user.clone(), rest)?,
            "member" => {
                let (who, rest) = rest.split_once(' ').ok_or("no user")?;
                self.member(format!("{}-{who}", self.user), rest)?;
            }
            "session" => self.session(rest)?,
            "reload" => {
                let (nas, seconds) = rest.split_once(' ').ok_or("no time")?;
                self.push(RELOAD, format!("{}, {}", quote(nas), time(seconds)?));
            }
            "hunt" => {
                let (group, rest) = rest.split_once(' ').ok_or("no address")?;
                let (nas, port) = rest.split_once(' ').map_or((rest, None), |(a, b)| (a, Some(b)));
                let port = port.map_or("NULL".into(), quote);
                let group = self.expand(group)?;
                self.push(HUNT, format!("{}, {}, {port}", quote(&group), quote(nas)));
            }
            "accept" => self.request(Some(Outcome::Accept), rest, place)?,
            "reject" => self.request(Some(Outcome::Reject), rest, place)?,
            "silent" => self.request(Some(Outcome::Silent), rest, place)?,
            "challenge" => self.request(Some(Outcome::Challenge), rest, place)?,
            "ask" => self.request(None, rest, place)?,
            "differs" => self.differs(rest, None)?,
            "at-end" => {
                let [seconds, period, rest] =
                    rest.splitn(3, ' ').collect::<Vec<_>>().try_into().map_err(|_| "when?")?;
                let seconds = seconds.parse().map_err(|_| "no seconds")?;
                let period = match period {
                    "day" => Period::Day,
                    "week" => Period::Week,
                    "month" => Period::Month,
                    _ => return Err(format!("no period {period:?}")),
                };
                self.differs(rest, Some((seconds, period)))?;
            }
            _ => return Err(format!("no directive {word:?}")),
        }
        Ok(())
    }

    /// Whether the answer depends on when it is given, to the second.
    pub fn uses_clock(&self) -> bool {
        const CLOCKS: [&str; 12] = [
            "@{now",
            "@{hhmm",
            "Expire-After",
            "Expiration",
            "Initial-Login",
            "Daily",
            "Weekly",
            "Monthly",
            "Access-Period",
            "Login-Time",
            "Event-Timestamp",
            // Compared, it is read by FreeRADIUS from memory that it has freed: seldom, another value.
            "check Max-All-Session-Time",
        ];
        CLOCKS.iter().any(|clock| self.text.contains(clock))
    }

    fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// `@{user}` and `@{g NAME}`, then what `ask` knows.
    fn expand(&self, text_: &str) -> Result<String, String> {
        let mut expanded = text_.replace("@{user}", &self.user);
        while let Some((before, after)) = expanded.split_once("@{g ") {
            let (name, after) = after.split_once('}').ok_or("no }")?;
            expanded = format!("{before}{}{after}", self.group(name));
        }
        text(&expanded)
    }

    fn push(&mut self, table: &'static str, values: String) {
        self.rows.push(Row { table, values: format!("({values})") });
    }

    fn policy(&mut self, table: &'static str, owner: String, rest: &str) -> Result<(), String> {
        let (attribute, rest) = rest.split_once(' ').ok_or("no operator")?;
        let (op, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let fields = [&self.expand(attribute)?, &self.expand(op)?, &self.expand(value)?];
        let fields = fields.map(|field| quote(field)).join(", ");
        self.push(table, format!("{}, {fields}", quote(&owner)));
        Ok(())
    }

    fn member(&mut self, who: String, rest: &str) -> Result<(), String> {
        let (group, priority) = rest.split_once(' ').unwrap_or((rest, "1"));
        let priority: i32 = priority.parse().map_err(|_| "no priority")?;
        let group = self.group(group);
        self.push(MEMBER, format!("{}, {}, {priority}", quote(&who), quote(&group)));
        Ok(())
    }

    fn session(&mut self, rest: &str) -> Result<(), String> {
        let id = format!("{}-s{}", self.name, self.rows.len());
        let mut column = ["NULL"; 10].map(str::to_owned);
        let [name, nas, start, stop, seconds, input, output, address, calling, protocol] =
            &mut column;
        *name = quote(&self.user);
        *nas = "'127.0.0.1'".into();
        for pair in rest.split_whitespace() {
            let (key, value) = pair.split_once('=').ok_or("no =")?;
            let value_text = quote(&text(value)?);
            match key {
                "name" => *name = value_text,
                "nas" => *nas = value_text,
                "start" => *start = time(value)?,
                "stop" => *stop = time(value)?,
                "time" => *seconds = value.into(),
                "in" => *input = value.into(),
                "out" => *output = value.into(),
                "ip" => *address = value_text,
                "calling" => *calling = value_text,
                "protocol" => *protocol = value_text,
                _ => return Err(format!("no key {key:?}")),
            }
        }
        let update = if stop == "NULL" { &*start } else { &*stop };
        let values = format!(
            "{0}, {0}, {name}, {nas}, {start}, {update}, {stop}, {seconds}, {input}, {output}, \
             {address}, {calling}, {protocol}",
            quote(&id)
        );
        self.push(SESSION, values);
        Ok(())
    }

    fn request(
        &mut self,
        expected: Option<Outcome>,
        rest: &str,
        place: &str,
    ) -> Result<(), String> {
        let expanded = rest.replace("@{user}", &self.user);
        let ask = Ask::access(&self.user, &expanded)?;
        let (text, place) = (rest.into(), place.into());
        self.requests.push(Request { text, place, ask, expected, differs: Vec::new() });
        Ok(())
    }

    fn differs(&mut self, rest: &str, at_end: Option<(i64, Period)>) -> Result<(), String> {
        let (number, how) = rest.split_once(' ').ok_or("how?")?;
        let deviation = number.parse().map_err(|_| "no number of a deviation")?;
        let how = match how {
            "accept" => How::Outcome(Outcome::Accept),
            "reject" => How::Outcome(Outcome::Reject),
            "silent" => How::Outcome(Outcome::Silent),
            names => How::Attributes(names.split(' ').map(str::to_owned).collect()),
        };
        let request = self.requests.last_mut().ok_or("no request yet")?;
        request.differs.push(Differs { deviation, how, at_end });
        Ok(())
    }
}

fn text(text: &str) -> Result<String, String> {
    String::from_utf8(ask::octets(text)?).map_err(|error| error.to_string())
}

/// Seconds from now, as SQL.
fn time(seconds: &str) -> Result<String, String> {
    let seconds: i64 = seconds.parse().map_err(|_| format!("no number: {seconds:?}"))?;
    Ok(format!("to_timestamp({})", ask::now() + seconds))
}
