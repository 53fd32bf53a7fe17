//! Usage beside radacct: the same octets, whatever happens to the daemon and its records.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::ask::{Ask, now};
use crate::harness::daemon::{self, Daemon, Settings};
use crate::harness::random::Random;
use crate::harness::scratch::{self, until};
use crate::harness::site::{Engine, Site, ZONE, on_both};

const PATIENCE: Duration = Duration::from_secs(120);
const SESSIONS: usize = 12;
const STEPS: usize = 6;

/// `radiusd usage … --json` beside the daemon of this directory.
fn usage(directory: &Path, args: &[&str]) -> (i32, Value) {
    let file = directory.join("radiusd.toml");
    let config = file.to_str().expect("a path of text");
    let (code, out, error) =
        daemon::run(&[&["usage"], args, &["--json", "--config", config]].concat());
    let value = serde_json::from_str(&out);
    (code, value.unwrap_or_else(|_| panic!("{code}: {out} {error}")))
}

/// What the sessions hold that are counted, once usage equals it, to the octet.
pub fn is_exact(directory: &Path) -> Value {
    let (code, mut found) = usage(directory, &["verify"]);
    assert_eq!((code, &found["differing"]), (0, &Value::from(0)), "{found:#}");
    assert_eq!(found["usage"], found["sessions"]);
    found["usage"].take()
}

/// Every session is counted.
fn until_filled(directory: &Path) {
    until("the back-fill", PATIENCE, || {
        (usage(directory, &["status"]).1["complete"] == true).then_some(())
    });
}

/// The events of some sessions of three users at two places; a Start, Interims, a Stop.
fn events(base: i64) -> Vec<Ask> {
    let event = |session: usize, step: usize| {
        let status = match step {
            0 => "Start",
            step if step == STEPS - 1 => "Stop",
            _ => "Interim-Update",
        };
        let seconds = 2_000 * step;
        let text = format!(
            "Acct-Status-Type = {status} ; User-Name = user{} ; Acct-Session-Id = s{session} ; \
             NAS-IP-Address = 127.0.0.1 ; Called-Station-Id = ap{} ; Event-Timestamp = {} ; \
             Acct-Session-Time = {seconds} ; Acct-Input-Octets = {} ; Acct-Output-Octets = {}",
            session % 3,
            session % 2,
            base + (100 * session + seconds) as i64,
            7 * step * (session + 1),
            1_001 * step,
        );
        Ask::accounting(&text).expect("a packet")
    };
    (0..SESSIONS).flat_map(|session| (0..STEPS).map(move |step| event(session, step))).collect()
}

/// Sends all of them, in an order of `seed`, a third of them twice; who gets no answer is sent
/// again later, to whoever serves then.
fn report(daemon: &Daemon, events: &[Ask], seed: u64) {
    let mut random = Random::new(seed);
    let mut order: Vec<&Ask> = events.iter().chain(events.iter().step_by(3)).collect();
    random.shuffle(&mut order);
    let mut nas = daemon.accounting_nas();
    for event in order {
        nas.ask(event).expect("an answer");
    }
}

fn whole(site: &mut Site) -> [i64; 3] {
    ["acctinputoctets", "acctoutputoctets", "acctsessiontime"].map(|column| {
        site.sql.number(&format!("SELECT CAST(sum({column}) AS bigint) FROM radacct"))
    })
}

fn numbers(amount: &Value) -> [i64; 3] {
    ["input_octets", "output_octets", "session_seconds"]
        .map(|name| amount[name].as_i64().expect("a number"))
}

#[test]
fn kills_and_a_journal_count_nothing_twice() {
    on_both(|mut site| {
        site.settings.set("store.timezone", &daemon::text(ZONE));
        let events = events(now() - 50_000);
        let daemon = site.start();
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let (daemon, events) = (&daemon, &events[..events.len() / 2]);
                scope.spawn(move || report(daemon, events, seed));
            }
        });
        daemon.kill();
        let daemon = site.start();
        // The store hangs: what comes now goes by the journal, and the daemon is killed over it.
        site.sql.rows(match site.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN; LOCK TABLE radacct IN ACCESS EXCLUSIVE MODE",
        });
        report(&daemon, &events, 3);
        daemon.kill();
        site.sql.rows("COMMIT");
        let daemon = site.start();
        report(&daemon, &events, 4);
        daemon.until_journal_is_empty();
        until_filled(&site.directory);
        let counted = is_exact(&site.directory);
        assert_eq!(numbers(&counted), whole(&mut site));
        assert_eq!(counted["sessions"], SESSIONS);
        let shown = usage(&site.directory, &["show", "--by", "called"]).1;
        let octets = |at: usize| shown[at]["input_octets"].as_i64().expect("a number");
        assert_eq!(octets(0) + octets(1), numbers(&counted)[0], "{shown:#}");
        let hours = usage(&site.directory, &["show", "--by", "hour", "--user", "user1"]).1;
        let hours = hours.as_array().expect("a list");
        assert!(hours.len() >= 3, "{hours:?}");
        let half = |hour: &Value| hour["key"].as_str().expect("a time").ends_with(":00:00+05:30");
        assert!(hours.iter().all(half), "hours of the zone: {hours:?}");
    });
}

/// Two daemons are told the same by a NAS that repeats.
#[test]
fn two_daemons_on_one_store_count_each_octet_once() {
    let mut site = Site::new(Engine::Postgres);
    let events = events(now() - 50_000);
    let one = site.start();
    let directory = scratch::directory("second");
    let settings = Settings::new(&directory, &site.url, ZONE);
    let two = Daemon::start(&directory, &settings);
    std::thread::scope(|scope| {
        for (daemon, seed) in [(&one, 1), (&two, 2), (&one, 3), (&two, 4)] {
            let events = &events;
            scope.spawn(move || report(daemon, events, seed));
        }
    });
    for daemon in [&one, &two] {
        daemon.until_journal_is_empty();
    }
    until_filled(&site.directory);
    assert_eq!(numbers(&is_exact(&site.directory)), whole(&mut site));
}

/// A site that has sessions already: they are counted in the background.
#[test]
fn sessions_that_were_there_are_counted_beside_new_ones() {
    on_both(|mut site| {
        site.settings.set("accounting.usage", "false");
        let events = events(now() - 50_000);
        let daemon = site.start();
        report(&daemon, &events[..events.len() / 2 + 2], 1);
        assert_eq!(usage(&site.directory, &["status"]).1["begun"], false);
        daemon.stop();
        site.settings.unset("accounting.usage");
        let daemon = site.start();
        report(&daemon, &events, 2);
        until_filled(&site.directory);
        assert_eq!(numbers(&is_exact(&site.directory)), whole(&mut site));
        until("the metric", PATIENCE, || {
            (daemon.metric("radiusd_usage_backfill_left") == 0.0).then_some(())
        });
    });
}

/// Sessions that ended long ago leave radacct; their usage stays, and a late record finds them.
#[test]
fn old_sessions_go_to_the_archive_and_stay_counted() {
    on_both(|mut site| {
        site.settings.set("accounting.archive_after_days", "2");
        let old = events(now() - 10 * 86_400);
        let daemon = site.start();
        report(&daemon, &old, 1);
        until_filled(&site.directory);
        let before = is_exact(&site.directory);
        daemon.stop();
        let daemon = site.start();
        let count = "SELECT count(*) FROM radacct";
        until("an empty radacct", PATIENCE, || (site.sql.number(count) == 0).then_some(()));
        assert_eq!(is_exact(&site.directory), before);
        assert_eq!(daemon.metric("radiusd_sessions_archived_total"), SESSIONS as f64);
        report(&daemon, &old, 2);
        assert_eq!(is_exact(&site.directory), before);
    });
}
