//! The same requests to FreeRADIUS and to us, on one database: the answers have to be equal.

mod attempts;
pub mod case;
mod checkrad;
mod generate;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto::Code;

use self::case::{Case, Differs, How, Outcome, Request};
use crate::harness::freeradius::FreeRadius;
use crate::harness::nas::{Answer, Nas};
use crate::harness::postgres;
use crate::harness::site::{Engine, Site, ZONE};

const SEED: u64 = 2865;
/// Octets of a State that a server makes up.
const DRAWN: usize = 16;
const GENERATED: usize = 2_500;
/// Requests on their way at a time.
const AT_ONCE: usize = 24;
/// How long an answer is waited for; each request is sent once.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where there may be none.
const SILENCE: Duration = Duration::from_millis(3000);
/// Answers that FreeRADIUS may take back: a reject is seldom sent unfiltered.
const CHANGED: usize = 5;
/// After so many complaints nothing more is asked.
const COMPLAINTS: usize = 50;

fn once(to: SocketAddr) -> Nas {
    let mut nas = Nas::new(to);
    nas.tries = 1;
    nas
}

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
        Some(Code::AccessChallenge) => Outcome::Challenge,
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
                    // A server that is gone is waited for a few times, not thousands.
                    if complaints.lock().expect("no panic").len() > COMPLAINTS {
                        return;
                    }
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

/// Both servers on one database: FreeRADIUS answers as the corpus says, and we as FreeRADIUS.
#[test]
fn radiusd_decides_as_freeradius() {
    let mut cases = corpus();
    // Another seed for a longer search.
    let seed = std::env::var("RADIUSD_SEED").ok();
    let seed = seed.map_or(SEED, |seed| seed.parse().expect("RADIUSD_SEED is a number"));
    assert!(cases.len() >= 300, "{} cases", cases.len());
    cases.extend(case::parse("generated", &generate::generate(seed, GENERATED)));
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows(&case::load(&cases));
    let database = site.sql.value("SELECT current_database()");
    let freeradius = FreeRadius::start(postgres::shared(), &database, ZONE);
    // One NAS here signs and doesn't, so it is not to be learned what it does (deviation 8); our
    // tables are there once we ran.
    drop(site.start());
    site.sql.rows("INSERT INTO mgmt.mgmt_nas_settings SELECT id, 'no', 'no' FROM nas");
    let daemon = site.start();
    let found: [AtomicUsize; 4] = std::array::from_fn(|_| AtomicUsize::new(0));
    let changed = AtomicUsize::new(0);
    let sockets = || [freeradius.auth, daemon.auth()].map(once).into();
    let wrong = for_each(&cases, sockets, |sockets, case, request, at| {
        let mut wrong = None;
        let mut before = None;
        for attempt in 0..3 {
            if attempt > 0 && case.uses_clock() {
                // FreeRADIUS reads a clock that may be a tick behind in a second's first moments.
                std::thread::sleep(Duration::from_millis(25));
            }
            for nas in &mut *sockets {
                nas.timeout = if request.may_be_silent() { SILENCE } else { PATIENCE };
            }
            let [theirs, ours] = [0, 1].map(|server| sockets[server].ask_seeded(&request.ask, at));
            let outcome = outcome(theirs.as_ref());
            wrong = judge(request, theirs.as_ref(), ours.as_ref());
            // What depends on the clock may differ when a second ends between the two. Else it is
            // FreeRADIUS that changed its mind, if we say what we said.
            let same = attempt == 0 || before == Some(ours.clone());
            if !same && !case.uses_clock() {
                break;
            }
            if wrong.is_none() {
                found[outcome as usize].fetch_add(1, Ordering::Relaxed);
                if attempt > 0 && !case.uses_clock() {
                    eprintln!("FreeRADIUS changed its mind: {} {}", request.place, request.text);
                    changed.fetch_add(1, Ordering::Relaxed);
                }
                return None;
            }
            before = Some(ours);
        }
        let Request { place, text, .. } = request;
        let wrong = wrong.unwrap_or_else(|| "another answer of ours the second time".into());
        Some(format!("{place} {}\n{}  {text}\n  {wrong}", case.name, case.text))
    });
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    let [accepts, rejects, silent, challenges] = found.map(AtomicUsize::into_inner);
    eprintln!("{} cases: {accepts} accepts, {rejects} rejects, {silent} silent", cases.len());
    assert!(challenges > 0, "no challenge");
    assert!(accepts.min(rejects) * 3 > accepts.max(rejects), "no mix: {accepts}, {rejects}");
    assert!(silent < 50, "{silent} without an answer");
    let changed = changed.into_inner();
    assert!(changed <= CHANGED, "FreeRADIUS changed its mind {changed} times");
}

/// What is wrong with the two answers to one request.
pub fn judge(request: &Request, theirs: Option<&Answer>, ours: Option<&Answer>) -> Option<String> {
    let both = [outcome(theirs), outcome(ours)];
    let shown = |answer: Option<&Answer>| answer.map_or("silence".into(), Answer::to_string);
    let shown = format!("FreeRADIUS: {}\n  radiusd:    {}", shown(theirs), shown(ours));
    if request.expected.is_some_and(|expected| expected != both[0]) {
        return Some(format!("the corpus says {:?}\n  {shown}", request.expected));
    }
    if ours.is_some_and(|ours| !ours.signed_first) {
        return Some(format!("no Message-Authenticator\n  {shown}"));
    }
    let mut ignored = Vec::new();
    for Differs { deviation, how, .. } in request.differs.iter().filter(|differs| differs.applies())
    {
        match how {
            How::Outcome(_) if both[0] == both[1] => {
                return Some(format!("deviation {deviation} makes no difference\n  {shown}"));
            }
            How::Outcome(outcome) if *outcome == both[1] => return None,
            How::Outcome(outcome) => {
                return Some(format!("deviation {deviation} means {outcome:?}\n  {shown}"));
            }
            How::Attributes(names) => {
                let values = |answer: Option<&Answer>, name: &String| {
                    let mut items = answer.map(Answer::by_name).unwrap_or_default();
                    items.retain(|item| item.name == *name);
                    items
                };
                if let Some(name) =
                    names.iter().find(|name| values(theirs, name) == values(ours, name))
                {
                    return Some(format!(
                        "deviation {deviation} makes no difference to {name}\n  {shown}"
                    ));
                }
                ignored.extend(names);
            }
        }
    }
    let [theirs, ours] = [theirs, ours].map(|answer| {
        let mut items = answer.map(Answer::by_name).unwrap_or_default();
        items.retain(|item| !ignored.contains(&&item.name));
        if both[0] == Outcome::Challenge {
            // Each draws its own.
            let drawn = items.iter_mut().filter(|item| item.name == "State");
            drawn.filter(|item| item.octets.len() == DRAWN).for_each(|item| item.octets.fill(0));
        }
        items
    });
    (both[0] != both[1] || theirs != ours).then_some(shown)
}
