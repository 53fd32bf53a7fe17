//! The same sequences of accounting packets and logins to FreeRADIUS and to us, each on a database of its
//! own: the rows of radacct have to be equal, column by column, and the answers.

mod sequence;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::Code;

use self::sequence::{Sequence, Step, epoch};
use crate::differential::{case, judge};
use crate::harness::ask;
use crate::harness::freeradius::FreeRadius;
use crate::harness::nas::{Answer, Nas, SECRET};
use crate::harness::postgres;
use crate::harness::site::{Engine, Site, ZONE};
use crate::harness::sql::Sql;

/// All of radacct but the row's number, times as seconds.
const COLUMNS: [&str; 28] = [
    "acctsessionid",
    "acctuniqueid",
    "username",
    "realm",
    "nasipaddress",
    "nasportid",
    "nasporttype",
    "acctstarttime",
    "acctupdatetime",
    "acctstoptime",
    "acctinterval",
    "acctsessiontime",
    "acctauthentic",
    "connectinfo_start",
    "connectinfo_stop",
    "acctinputoctets",
    "acctoutputoctets",
    "calledstationid",
    "callingstationid",
    "acctterminatecause",
    "servicetype",
    "framedprotocol",
    "framedipaddress",
    "framedipv6address",
    "framedipv6prefix",
    "framedinterfaceid",
    "delegatedipv6prefix",
    "class",
];

/// One row of radacct by column.
type Row = BTreeMap<&'static str, String>;

fn sequences() -> Vec<Sequence> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sequences");
    let files = fs::read_dir(directory).expect("the sequences").flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a file's name");
        let text = fs::read_to_string(&file).expect("the sequences");
        let more = sequence::parse(name, &text, all.len());
        all.extend(more);
    }
    all
}

/// The answers to a sequence's logins.
type Answers = Vec<Option<Answer>>;

/// Plays all sequences, several at a time; each packet waits for the answer to the one before.
fn play(sequences: &[Sequence], auth: SocketAddr, acct: SocketAddr) -> Vec<Answers> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![Vec::new(); sequences.len()]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(sequence) = sequences.get(at) else { return };
                    let given = play_one(sequence, &mut Nas::new(auth), &Nas::new(acct));
                    answers.lock().expect("no panic")[at] = given;
                }
            });
        }
    });
    answers.into_inner().expect("no panic")
}

fn play_one(sequence: &Sequence, auth: &mut Nas, acct: &Nas) -> Answers {
    let mut last = Vec::new();
    let mut answers = Vec::new();
    for (at, step) in sequence.steps.iter().enumerate() {
        match step {
            Step::Login(number) => {
                let ask = &sequence.case.requests[*number].ask;
                answers.push(auth.ask_seeded(ask, at as u64));
                continue;
            }
            Step::Send(ask) => last = ask.encode(at as u8, at as u64, &acct.secret),
            Step::Again => {}
        }
        let code = acct.exchange(&last).map(|answer| answer.code);
        assert_eq!(code, Some(Code::AccountingResponse), "{:?}", (&sequence.place, at));
    }
    answers
}

/// The rows of each sequence, by start, times in its clock.
fn rows(sql: &mut Sql, sequences: &[Sequence]) -> Vec<Vec<Row>> {
    let selected: Vec<String> = COLUMNS
        .iter()
        .map(|column| match column.strip_suffix("time") {
            Some("acctstart" | "acctupdate" | "acctstop") => {
                format!("extract(epoch FROM {column})::bigint - {}", epoch())
            }
            _ => (*column).to_owned(),
        })
        .collect();
    let order = "acctstarttime, acctuniqueid";
    let all = sql.rows(&format!("SELECT {} FROM radacct ORDER BY {order}", selected.join(", ")));
    let mut of_each: Vec<Vec<Row>> = sequences.iter().map(|_| Vec::new()).collect();
    for values in all {
        let row: Row = COLUMNS.into_iter().zip(values).collect();
        // The longest name wins: one may begin another.
        let is_of = |(_, sequence): &(usize, &Sequence)| {
            row["acctsessionid"].starts_with(&format!("{}-", sequence.name))
                || row["acctsessionid"].is_empty() && row["nasipaddress"] == sequence.nas
        };
        let of = sequences.iter().enumerate().filter(is_of).max_by_key(|(_, of)| of.name.len());
        let (at, _) = of.unwrap_or_else(|| panic!("whose row? {row:?}"));
        of_each[at].push(row);
    }
    of_each
}

fn nas_row() -> String {
    format!("INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}')")
}

/// The users' rows.
fn load(sql: &mut Sql, sequences: &[Sequence]) {
    sql.rows(&case::load(sequences.iter().map(|sequence| &sequence.case)));
}

/// FreeRADIUS's rows after all sequences, and its answers.
fn reference(sequences: &[Sequence]) -> (Vec<Vec<Row>>, Vec<Answers>) {
    let cluster = postgres::shared();
    let database = cluster.database();
    let mut sql = Sql::postgres(&cluster.url(&database));
    sql.rows(&nas_row());
    load(&mut sql, sequences);
    let freeradius = FreeRadius::start(cluster, &database, ZONE);
    let answers = play(sequences, freeradius.auth, freeradius.acct);
    (rows(&mut sql, sequences), answers)
}

#[test]
fn radacct_holds_what_freeradius_writes() {
    let sequences = sequences();
    assert!(sequences.len() >= 100, "{} sequences", sequences.len());
    let logins = sequences.iter().map(|sequence| sequence.case.requests.len()).sum::<usize>();
    assert!(logins >= 60, "{logins} logins");
    let (their_rows, their_answers) = reference(&sequences);
    let mut site = Site::new(Engine::Postgres);
    load(&mut site.sql, &sequences);
    let daemon = site.start();
    let our_answers = play(&sequences, daemon.auth(), daemon.acct());
    let our_rows = rows(&mut site.sql, &sequences);
    let mut complaints = Vec::new();
    for (at, sequence) in sequences.iter().enumerate() {
        let mut wrong = compare(sequence, &their_rows[at], &our_rows[at]);
        let answers = their_answers[at].iter().zip(&our_answers[at]);
        for (request, (theirs, ours)) in sequence.case.requests.iter().zip(answers) {
            let judged = judge(request, theirs.as_ref(), ours.as_ref());
            wrong.extend(judged.map(|why| format!("{}: {}: {why}", request.place, request.text)));
        }
        if !wrong.is_empty() {
            let (place, name) = (&sequence.place, &sequence.name);
            complaints.push(format!("{place} {name}\n  {}", wrong.join("\n  ")));
        }
    }
    assert!(complaints.is_empty(), "{} sequences:\n{}", complaints.len(), complaints.join("\n"));
}

/// What has to be said of a row that FreeRADIUS doesn't have.
const TOLD: [&str; 8] = [
    "acctstarttime",
    "acctupdatetime",
    "acctstoptime",
    "acctinterval",
    "acctsessiontime",
    "acctinputoctets",
    "acctoutputoctets",
    "acctterminatecause",
];

/// What is wrong: a difference that no allowance covers, one that isn't as it says, and an
/// allowance that makes none.
fn compare(sequence: &Sequence, theirs: &[Row], ours: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let told = |at: usize, column: &str| {
        let row = sequence.ours.get(at).into_iter().flatten();
        row.into_iter().any(|(told, _)| told == column)
    };
    let other_rows = sequence.differs.contains("rows");
    if other_rows {
        needed.extend((theirs.len() != ours.len()).then_some("rows"));
        for (at, row) in ours.iter().enumerate() {
            let silent = TOLD.into_iter().filter(|column| !told(at, column));
            wrong.extend(
                silent.map(|column| format!("row {at}: not told: {column}={}", row[column])),
            );
        }
        if ours.len() != sequence.ours.len() {
            wrong.push(format!("{} rows, not {}: {ours:?}", ours.len(), sequence.ours.len()));
        }
    } else if theirs.len() != ours.len() {
        wrong.push(format!("{} rows, not {}: {ours:?}", ours.len(), theirs.len()));
    }
    for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate().filter(|_| !other_rows) {
        for column in COLUMNS {
            let (theirs, ours) = (&theirs[column], &ours[column]);
            let allowed = sequence.differs.contains(column);
            if theirs == ours || !allowed && sequence.by_receipt && near(column, theirs, ours) {
                continue;
            }
            needed.insert(column);
            if !allowed {
                wrong.push(format!("row {at}: {column} = {ours}, FreeRADIUS {theirs}"));
            } else if !told(at, column) {
                wrong.push(format!("row {at}: not told: {column}={ours}"));
            }
        }
    }
    for (at, expected) in sequence.ours.iter().enumerate() {
        for (column, value) in expected {
            let found = ours.get(at).and_then(|row| row.get(column.as_str()));
            let found = found.map_or("no such row or column", String::as_str);
            let received =
                value == "received" && near(column, found, &(ask::now() - epoch()).to_string());
            if found != value && !received {
                wrong.push(format!("row {at}: {column} = {found}, not {value}"));
            }
        }
    }
    let needed = |column: &&String| needed.contains(column.as_str());
    let needless = sequence.differs.difference(&sequence.may).filter(|column| !needed(column));
    wrong.extend(needless.map(|column| format!("needless: {column}")));
    wrong
}

/// Times of receipt: both servers were asked, one after the other, on a machine that may be slow.
fn near(column: &str, one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.parse::<i64>().ok());
    let time = column.ends_with("time") || column == "acctinterval";
    let lasted = jiff::Timestamp::now().as_second() - ask::now();
    time && one.zip(other).is_some_and(|(one, other)| (one - other).abs() < 60 + lasted)
}
