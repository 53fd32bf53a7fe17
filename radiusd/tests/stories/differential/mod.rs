//! The same requests to FreeRADIUS and to us, on one database: the answers have to be equal.

mod case;
mod generate;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::Code;

use self::case::{Case, Outcome, Request};
use crate::harness::freeradius::FreeRadius;
use crate::harness::nas::{Answer, Nas, SECRET};
use crate::harness::postgres;
use crate::harness::site::ZONE;
use crate::harness::sql::Sql;

const SEED: u64 = 2865;
const GENERATED: usize = 2_500;
/// Requests on their way at a time.
const AT_ONCE: usize = 24;

/// The cases written by hand.
fn corpus() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let mut files: Vec<_> =
        fs::read_dir(directory).expect("the corpus").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let parse = |file: &std::path::PathBuf| {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a file's name");
        case::parse(name, &fs::read_to_string(file).expect("the corpus"))
    };
    files.iter().flat_map(parse).collect()
}

fn outcome(answer: Option<&Answer>) -> Outcome {
    match answer.map(|answer| answer.code) {
        Some(Code::AccessAccept) => Outcome::Accept,
        Some(Code::AccessReject) => Outcome::Reject,
        None => Outcome::Silent,
        Some(other) => panic!("an answer with {other:?}"),
    }
}

/// Makes every request, many at a time; the strings that `each` returns are complaints.
fn for_each(
    cases: &[Case],
    socket: impl Fn() -> Vec<Nas> + Sync,
    each: impl Fn(&mut [Nas], &Case, &Request, u64) -> Option<String> + Sync,
) -> Vec<String> {
    let of_case = |case| move |request| (case, request);
    let requests: Vec<(&Case, &Request)> =
        cases.iter().flat_map(|case| case.requests.iter().map(of_case(case))).collect();
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut sockets = socket();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, request)) = requests.get(at) else { return };
                    let complaint = each(&mut sockets, case, request, at as u64);
                    complaints.lock().expect("no panic").extend(complaint.map(|text| (at, text)));
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().expect("no panic");
    complaints.sort();
    complaints.into_iter().map(|(_, text)| text).collect()
}

/// The corpus is about something: FreeRADIUS answers as it says, and the generated cases are a mix.
#[test]
fn freeradius_answers_as_the_corpus_says() {
    let mut cases = corpus();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    cases.extend(case::parse("generated", &generate::generate(SEED, GENERATED)));
    let cluster = postgres::shared();
    let database = cluster.database();
    let mut sql = Sql::postgres(&cluster.url(&database));
    let nas = format!("('127.0.0.1', 'lab', '{SECRET}')");
    sql.rows(&format!("INSERT INTO nas (nasname, shortname, secret) VALUES {nas}"));
    sql.rows(&case::load(&cases));
    let freeradius = FreeRadius::start(cluster, &database, ZONE);
    let found: [AtomicUsize; 3] = std::array::from_fn(|_| AtomicUsize::new(0));
    let socket = || vec![Nas::new(freeradius.auth)];
    let wrong = for_each(&cases, socket, |sockets, case, request, at| {
        let answer = sockets[0].ask_seeded(&request.ask, at);
        let outcome = outcome(answer.as_ref());
        found[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let wrong = request.expected.is_some_and(|expected| expected != outcome);
        let answer = answer.map_or_else(|| "silence".into(), |answer| answer.to_string());
        let place = &request.place;
        wrong.then(|| format!("{place} {} | {} | {answer}", case.name, request.text))
    });
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    let [accepts, rejects, silent] = found.map(AtomicUsize::into_inner);
    eprintln!("{} cases: {accepts} accepts, {rejects} rejects, {silent} silent", cases.len());
    assert!(accepts.min(rejects) * 3 > accepts.max(rejects), "no mix: {accepts}, {rejects}");
    assert!(silent < 50, "{silent} without an answer");
}
