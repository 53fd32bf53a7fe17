//! The store is away, locked or slow amid accounting: what is acknowledged comes to radacct, once.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::Secret;

use crate::harness::ask::{Ask, now};
use crate::harness::daemon::{self, Daemon, Settings, text};
use crate::harness::nas::SECRET;
use crate::harness::postgres::{self, Cluster};
use crate::harness::scratch::{self, Process, until};
use crate::harness::site::{Engine, Site, ZONE};
use crate::harness::sql::Sql;
use crate::usage;

const STEPS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// Start, two Interim-Updates and the Stop of a session.
fn event(session: usize, step: usize) -> Ask {
    let status = ["Start", "Interim-Update", "Interim-Update", "Stop"][step];
    let seconds = 60 * step;
    let text = format!(
        "Acct-Status-Type = {status} ; User-Name = user{session} ; Acct-Session-Id = s{session} ; \
         NAS-IP-Address = 127.0.0.1 ; Event-Timestamp = {} ; Acct-Session-Time = {seconds} ; \
         Acct-Input-Octets = {} ; Acct-Output-Octets = {}",
        now() - 1_000 + seconds as i64,
        100 * step,
        10 * step + session
    );
    Ask::accounting(&text).expect("a packet")
}

/// An event on its way, to be sent again when it is due.
struct Sent {
    session: usize,
    step: usize,
    packet: Vec<u8>,
    /// When it is to be sent again. `None`: it was not sent yet.
    due: Option<Instant>,
}

impl Sent {
    fn new(session: usize, step: usize, identifier: usize, secret: &Secret) -> Sent {
        let seed = (session * STEPS + step) as u64;
        let packet = event(session, step).encode(identifier as u8, seed, secret);
        Sent { session, step, packet, due: None }
    }
}

/// How many new events may go out beyond what a story waits for: traffic goes on while it acts,
/// but can't be over by then, however slow the machine.
const AHEAD: usize = 1_000;

struct Traffic {
    answered: AtomicUsize,
    allowed: AtomicUsize,
}

impl Traffic {
    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    fn reach(&self, count: usize) {
        self.allowed.store(count + AHEAD, Ordering::Relaxed);
        let what = format!("{count} answers");
        until(&what, PATIENCE, || (self.answered() >= count).then_some(()));
    }
}

/// Reports these sessions, each event until it is answered, many sessions at a time.
fn report(to: SocketAddr, mut sessions: std::ops::Range<usize>, traffic: &Traffic) {
    let secret = Secret::new(SECRET.as_bytes());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let mut slots: [Option<Sent>; 100] = std::array::from_fn(|_| None);
    let mut buffer = [0; 4096];
    let begun = Instant::now();
    loop {
        for (identifier, slot) in slots.iter_mut().enumerate() {
            if slot.is_none() {
                let next = sessions.next();
                *slot = next.map(|session| Sent::new(session, 0, identifier, &secret));
            }
            let Some(sent) = slot else { continue };
            let is_due = match sent.due {
                Some(due) => due <= Instant::now(),
                None => traffic.answered() < traffic.allowed.load(Ordering::Relaxed),
            };
            if is_due {
                // The daemon may be gone for a while.
                socket.send_to(&sent.packet, to).ok();
                sent.due = Some(Instant::now() + Duration::from_millis(500));
            }
        }
        if slots.iter().all(Option::is_none) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{} answered in all", traffic.answered());
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let identifier = usize::from(buffer[1]);
        let Some(slot) = slots.get_mut(identifier) else { continue };
        let answers =
            |sent: &mut Sent| proto::verify_reply(&sent.packet, &buffer[..length], &secret).is_ok();
        let Some(Sent { session, step, .. }) = slot.take_if(answers) else { continue };
        traffic.answered.fetch_add(1, Ordering::Relaxed);
        let next = step + 1;
        *slot = (next < STEPS).then(|| Sent::new(session, next, identifier, &secret));
    }
}

/// Reports in several threads, and `amid` it does what the story is about.
fn reporting(to: SocketAddr, sessions: usize, amid: impl FnOnce(&Traffic)) {
    let traffic = Traffic { answered: AtomicUsize::new(0), allowed: AtomicUsize::new(AHEAD) };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let range = sessions * thread / 4..sessions * (thread + 1) / 4;
            let traffic = &traffic;
            scope.spawn(move || report(to, range, traffic));
        }
        amid(&traffic);
        traffic.allowed.store(usize::MAX, Ordering::Relaxed);
    });
    assert_eq!(traffic.answered(), sessions * STEPS);
}

/// Each session once, closed, with its last numbers, and its usage counted once.
fn all_there(sql: &mut Sql, sessions: usize, directory: &Path) {
    usage::is_exact(directory);
    let rows = sql.rows(
        "SELECT acctsessionid, count(*), count(acctstoptime), sum(acctsessiontime), \
         sum(acctinputoctets), sum(acctoutputoctets) FROM radacct GROUP BY 1",
    );
    assert_eq!(rows.len(), sessions);
    for row in rows {
        let session: usize = row[0][1..].parse().expect("a session");
        let right = ["1", "1", "180", "300", &(30 + session).to_string()].map(str::to_owned);
        assert_eq!(row[1..], right, "session {session}");
    }
}

/// Until `COMMIT`. The daemon may still be building an index, which makes a deadlock.
fn lock_sessions(sql: &mut Sql) {
    until("the lock", PATIENCE, || {
        let locked = sql.try_rows("BEGIN; LOCK TABLE radacct IN ACCESS EXCLUSIVE MODE");
        if locked.is_err() {
            sql.rows("ROLLBACK");
        }
        locked.ok()
    });
}

/// `radiusd journal …` beside the daemon of this directory.
fn journal(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let file = directory.join("radiusd.toml");
    let config = file.to_str().expect("a path of text");
    daemon::run(&[&["journal"], args, &["--config", config]].concat())
}

/// A cluster of its own, to be stopped.
struct Outage {
    cluster: Cluster,
    server: Option<Child>,
    directory: PathBuf,
    settings: Settings,
    url: String,
}

impl Outage {
    fn new() -> Outage {
        let (cluster, server) = Cluster::start();
        let url = cluster.url(&cluster.database());
        let directory = scratch::directory("outage");
        Sql::postgres(&url).rows(&format!(
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}')"
        ));
        let settings = Settings::new(&directory, &url, ZONE);
        Outage { cluster, server: Some(server), directory, settings, url }
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.directory, &self.settings)
    }

    /// At once, without a checkpoint.
    fn away(&mut self) {
        if let Some(server) = self.server.take() {
            postgres::end(server);
        }
    }

    fn back(&mut self) {
        self.server = Some(self.cluster.serve());
    }

    fn journal(&self, args: &[&str]) -> (i32, String, String) {
        journal(&self.directory, args)
    }

    fn sql(&self) -> Sql {
        Sql::postgres(&self.url)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.away();
    }
}

#[test]
fn a_store_stopped_amid_accounting_costs_no_record() {
    let mut outage = Outage::new();
    let daemon = outage.start();
    reporting(daemon.acct(), 2_000, |traffic| {
        traffic.reach(2_000);
        outage.away();
        traffic.reach(5_000);
        let (_, health) = daemon.get("/health/ready").expect("health");
        assert!(health.contains("records wait for the store"), "{health}");
        outage.back();
    });
    daemon.until_journal_is_empty();
    assert!(daemon.metric("radiusd_journal_journalled_total") > 1_000.0);
    assert!(daemon.metric("radiusd_journal_replayed_total") > 1_000.0);
    assert_eq!(daemon.metric("radiusd_journal_not_stored_total"), 0.0);
    all_there(&mut outage.sql(), 2_000, &outage.directory);
    // The way is straight again.
    let before = daemon.metric("radiusd_journal_journalled_total");
    assert!(daemon.accounting_nas().ask(&event(9_999, 0)).is_some());
    assert_eq!(daemon.metric("radiusd_journal_journalled_total"), before);
    let left = outage.directory.join("journal").read_dir().expect("a journal").flatten();
    let left: HashSet<_> = left.map(|file| file.file_name()).collect();
    assert_eq!(left, HashSet::from(["lock".into(), "position".into()]), "segments are removed");
}

/// Killed while the store is away, and again in the middle of the replay.
#[test]
fn killed_in_the_outage_and_in_the_replay_no_record_is_lost_or_doubled() {
    let mut outage = Outage::new();
    let daemon = outage.start();
    reporting(daemon.acct(), 1_000, |traffic| {
        traffic.reach(500);
        outage.away();
        traffic.reach(2_000);
        daemon.kill();
        outage.back();
        outage.settings.set("accounting.batch_max", "3");
        for round in 0..3 {
            let daemon = outage.start();
            until("some of the replay", PATIENCE, || {
                (daemon.metric("radiusd_journal_replayed_total") > 30.0).then_some(())
            });
            daemon.kill();
            let (code, out, error) = outage.journal(&["status", "--json"]);
            assert_eq!(code, 0, "{error}");
            let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            assert!(status["records"].as_u64() > Some(0), "round {round}: {out}");
            assert_eq!(status["in_use"], false);
        }
        outage.settings.unset("accounting.batch_max");
        let daemon = outage.start();
        traffic.reach(4_000);
        daemon.until_journal_is_empty();
        all_there(&mut outage.sql(), 1_000, &outage.directory);
    });
}

/// A daemon that stops while the store hangs: what it takes until then is in the journal.
#[test]
fn a_stop_while_the_store_hangs_keeps_what_is_under_way() {
    let mut outage = Outage::new();
    outage.settings.set("accounting.spill_after", "\"3s\"");
    let daemon = outage.start();
    let mut sql = outage.sql();
    lock_sessions(&mut sql);
    let to = daemon.acct();
    let waiting = std::thread::spawn(move || {
        let mut nas = crate::harness::nas::Nas::new(to);
        (nas.tries, nas.timeout) = (1, Duration::from_secs(30));
        nas.ask(&event(0, 3)).is_some()
    });
    until("the record to wait", PATIENCE, || {
        (daemon.metric("radiusd_journal_queued") == 1.0).then_some(())
    });
    let status = daemon.stop();
    assert!(status.success(), "{status}");
    assert!(waiting.join().expect("no panic"), "answered before the end");
    sql.rows("COMMIT");
    let (code, out, error) = outage.journal(&["replay"]);
    assert_eq!((code, out.trim()), (0, "1 records are in the store"), "{error}");
    all_there(&mut sql, 1, &outage.directory);
    let (_, out, _) = outage.journal(&["status"]);
    assert!(out.starts_with("0 records"), "{out}");
}

/// The table is locked: accounting is acknowledged from the journal, logins don't notice, and a
/// retransmission of what waits is dropped.
#[test]
fn a_store_that_hangs_delays_neither_accounting_nor_logins() {
    let mut outage = Outage::new();
    outage.settings.set("accounting.spill_after", "\"2s\"");
    let mut sql = outage.sql();
    sql.rows(
        "INSERT INTO radcheck (username, attribute, op, value) \
         VALUES ('bob', 'Cleartext-Password', ':=', 'hello')",
    );
    let daemon = outage.start();
    let login = Ask::pap("bob", "hello");
    assert!(daemon.nas().ask(&login).is_some_and(|answer| answer.is_accept()));
    lock_sessions(&mut sql);
    let mut nas = daemon.accounting_nas();
    let packet = event(0, 3).encode(7, 7, &nas.secret);
    (0..4).for_each(|_| nas.send(&packet));
    (nas.tries, nas.timeout) = (1, Duration::from_secs(30));
    assert!(nas.exchange(&packet).is_some());
    let ignored = "radiusd_datagrams_total{outcome=\"duplicate-ignored\"}";
    assert_eq!(daemon.metrics()[ignored], 4.0);
    for session in 1..50 {
        assert!(nas.ask(&event(session, 3)).is_some());
        assert!(daemon.nas().ask(&login).is_some_and(|answer| answer.is_accept()));
    }
    assert_eq!(daemon.metric("radiusd_journal_records"), 50.0);
    sql.rows("COMMIT");
    daemon.until_journal_is_empty();
    all_there(&mut sql, 50, &outage.directory);
}

/// Another program holds the file for longer than anybody waits.
#[test]
fn a_locked_sqlite_file_costs_no_record() {
    let mut site = Site::new(Engine::Sqlite);
    let daemon = site.start();
    reporting(daemon.acct(), 1_000, |traffic| {
        traffic.reach(500);
        site.sql.rows("BEGIN EXCLUSIVE");
        traffic.reach(2_500);
        site.sql.rows("COMMIT");
    });
    daemon.until_journal_is_empty();
    assert!(daemon.metric("radiusd_journal_journalled_total") > 500.0);
    all_there(&mut site.sql, 1_000, &site.directory);
}

/// No file may grow, as on a full disk: what the store can't take goes to the journal, whose
/// segments meet the same limit one after the other.
#[test]
fn a_sqlite_store_that_can_not_grow_costs_no_record() {
    let mut site = Site::new(Engine::Sqlite);
    let database = std::fs::metadata(site.directory.join("radiusd.db")).expect("a store").len();
    let limit = |process: Process| process.with_files_up_to(database + 200_000);
    let mut daemon = Daemon::launch_as(&site.directory, &site.settings, limit);
    daemon.until_ready();
    reporting(daemon.acct(), 1_000, |_| {});
    assert!(daemon.metric("radiusd_journal_journalled_total") > 500.0);
    assert!(daemon.metric("radiusd_journal_records") > 0.0);
    daemon.kill();
    let daemon = site.start();
    daemon.until_journal_is_empty();
    all_there(&mut site.sql, 1_000, &site.directory);
}

/// What earlier runs have left, a segment each, is long in coming to the store: new records go
/// behind it and are answered.
#[test]
fn new_records_do_not_wait_for_what_an_outage_left() {
    let mut outage = Outage::new();
    outage.settings.set("accounting.spill_after", "\"3s\"");
    outage.settings.set("clients.lab.address", "\"127.0.0.1\"");
    outage.settings.set("clients.lab.secret", &format!("\"{SECRET}\""));
    assert!(outage.start().accounting_nas().ask(&event(1, 0)).is_some());
    outage.away();
    outage.settings.set("accounting.spill_after", "\"1s\"");
    for session in 0..2 {
        let daemon = Daemon::launch(&outage.directory, &outage.settings);
        let mut nas = daemon.accounting_nas();
        (nas.tries, nas.timeout) = (60, Duration::from_millis(500));
        assert!(nas.ask(&event(session, 3)).is_some());
        daemon.kill();
    }
    outage.settings.set("accounting.spill_after", "\"3s\"");
    outage.back();
    let mut sql = outage.sql();
    sql.rows("BEGIN; SELECT * FROM radacct WHERE acctsessionid = 's1' FOR UPDATE");
    let daemon = outage.start();
    until("the first segment to be in the store", PATIENCE, || {
        (daemon.metric("radiusd_journal_replayed_total") == 1.0).then_some(())
    });
    let mut nas = daemon.accounting_nas();
    (nas.tries, nas.timeout) = (1, Duration::from_secs(15));
    assert!(nas.ask(&event(2, 3)).is_some());
    assert_eq!(daemon.metric("radiusd_journal_records"), 2.0);
    sql.rows("COMMIT");
    daemon.until_journal_is_empty();
    all_there(&mut sql, 3, &outage.directory);
}

/// The journal's limit is reached: unanswered and counted, until there is room again.
#[test]
fn a_full_journal_leaves_records_unanswered() {
    let mut outage = Outage::new();
    outage.settings.set("accounting.journal_max_bytes", "65536");
    let daemon = outage.start();
    let mut nas = daemon.accounting_nas();
    assert!(nas.ask(&event(0, 3)).is_some());
    outage.away();
    nas.tries = 1;
    let answered = (1..200).take_while(|session| nas.ask(&event(*session, 3)).is_some()).count();
    assert!((20..150).contains(&answered), "{answered}");
    assert!(daemon.metric("radiusd_journal_journal_full_total") > 0.0);
    let (_, health) = daemon.get("/health/ready").expect("health");
    assert!(health.contains("takes no records: full"), "{health}");
    outage.back();
    daemon.until_journal_is_empty();
    all_there(&mut outage.sql(), answered + 1, &outage.directory);
    assert!(nas.ask(&event(answered + 1, 3)).is_some());
    let (_, health) = daemon.get("/health/ready").expect("health");
    assert!(!health.contains("takes no records"), "{health}");
}

/// A segment reaches the limit that the kernel sets for a file, as on a disk that is full: the
/// records go to the next one.
#[test]
fn a_write_that_fails_is_made_good_in_a_new_segment() {
    let mut outage = Outage::new();
    let limit = |process: Process| process.with_files_up_to(40_000);
    let mut daemon = Daemon::launch_as(&outage.directory, &outage.settings, limit);
    daemon.until_ready();
    outage.away();
    let mut nas = daemon.accounting_nas();
    for session in 0..300 {
        assert!(nas.ask(&event(session, 3)).is_some());
    }
    let (_, out, _) = outage.journal(&["verify", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(status["segments"].as_array().is_some_and(|all| all.len() > 2), "{out}");
    assert_eq!(status["records"], 300);
    outage.back();
    daemon.until_journal_is_empty();
    all_there(&mut outage.sql(), 300, &outage.directory);
}

/// The log's disk is full, and that of standard error: what can't be said is not said.
#[test]
fn a_log_that_can_not_be_written_costs_no_record() {
    let mut outage = Outage::new();
    std::os::unix::fs::symlink("/dev/full", outage.directory.join("log")).expect("a link");
    let daemon = outage.start();
    outage.away();
    let mut nas = daemon.accounting_nas();
    assert!((0..20).all(|session| nas.ask(&event(session, 3)).is_some()));
    outage.back();
    daemon.until_journal_is_empty();
    assert!((20..40).all(|session| nas.ask(&event(session, 3)).is_some()));
    all_there(&mut outage.sql(), 40, &outage.directory);
}

/// What the start makes of damage: all that can be read is replayed, the rest is shown.
#[test]
fn damage_is_shown_and_costs_no_neighbour() {
    let mut outage = Outage::new();
    let daemon = outage.start();
    outage.away();
    let mut nas = daemon.accounting_nas();
    for session in 0..20 {
        assert!(nas.ask(&event(session, 3)).is_some());
    }
    let refused = outage.journal(&["replay"]);
    assert_eq!(refused.0, 69, "{refused:?}");
    daemon.kill();
    let segment = outage.directory.join("journal/000000000001.segment");
    let mut octets = std::fs::read(&segment).expect("a segment");
    let mode = std::fs::metadata(&segment).expect("a segment").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    // In the middle of record 10, and the last one torn.
    let at = octets.len() / 2;
    octets[at] ^= 1;
    octets.truncate(octets.len() - 3);
    std::fs::write(&segment, &octets).expect("a segment");
    let (code, out, said) = outage.journal(&["verify"]);
    assert_eq!(code, 1, "{out}{said}");
    assert!(out.contains("18 records"), "{out}");
    outage.back();
    let daemon = outage.start();
    daemon.until_journal_is_empty();
    assert_eq!(daemon.metric("radiusd_journal_damaged_segments"), 1.0);
    let (_, health) = daemon.get("/health/ready").expect("health");
    assert!(health.contains("1 damaged segments"), "{health}");
    assert_eq!(outage.sql().number("SELECT count(*) FROM radacct"), 18);
    let kept = outage.directory.join("journal/damaged/000000000001.segment");
    assert_eq!(std::fs::read(kept).expect("kept aside"), octets);
    let (code, out, _) = outage.journal(&["verify"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("1 damaged segments"), "{out}");
}

#[test]
fn two_daemons_never_share_a_journal() {
    let site = Site::new(Engine::Sqlite);
    let _daemon = site.start();
    let mut other = Settings::new(&site.directory, "sqlite:/nowhere", ZONE);
    let file = site.directory.join("radiusd.db");
    other.set("store.url", &text(&format!("sqlite:{}", file.display())));
    let mut second = Daemon::launch(&scratch::directory("second"), &other);
    let status = second.wait(Duration::from_secs(60));
    assert_eq!(status.code(), Some(69), "{}", second.log());
    assert!(second.log().contains("another radiusd is using the journal"), "{}", second.log());
}

/// Not there when it is needed: unanswered and said so; there again: used.
#[test]
fn a_journal_that_can_not_be_written_is_tried_again() {
    let mut outage = Outage::new();
    let daemon = outage.start();
    outage.away();
    let (journal, aside) = (outage.directory.join("journal"), outage.directory.join("aside"));
    std::fs::rename(&journal, &aside).expect("a journal");
    std::fs::write(&journal, "in the way").expect("a file");
    let mut nas = daemon.accounting_nas().impatient();
    assert_eq!(nas.ask(&event(0, 3)), None);
    assert!(daemon.metric("radiusd_journal_journal_failed_total") > 0.0);
    std::fs::remove_file(&journal).expect("a file");
    std::fs::rename(&aside, &journal).expect("a journal");
    assert!(nas.ask(&event(0, 3)).is_some());
    outage.back();
    daemon.until_journal_is_empty();
    all_there(&mut outage.sql(), 1, &outage.directory);
}

/// Set aside, shown, tried again by hand, and in the store once it takes them.
#[test]
fn what_the_store_refuses_can_be_tried_again() {
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows("ALTER TABLE radacct ADD CONSTRAINT odd CHECK (username <> 'user7')");
    let daemon = site.start();
    let mut nas = daemon.accounting_nas();
    for session in 0..10 {
        assert!(nas.ask(&event(session, 3)).is_some());
    }
    assert_eq!(daemon.metric("radiusd_journal_quarantine_records"), 1.0);
    let (_, health) = daemon.get("/health/ready").expect("health");
    assert!(health.contains("1 records that the store refuses"), "{health}");
    let (code, out, _) = journal(&site.directory, &["quarantine", "list"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("23514") && out.contains("user7"), "{out}");
    let (code, _, said) = journal(&site.directory, &["quarantine", "retry"]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("the daemon is running"), "{said}");
    assert!(daemon.stop().success());
    let retry = || journal(&site.directory, &["quarantine", "retry"]);
    let (code, out, said) = retry();
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, "0 records are in the store, 1 are still refused\n");
    site.sql.rows("ALTER TABLE radacct DROP CONSTRAINT odd");
    assert_eq!(retry().1, "1 records are in the store, 0 are still refused\n");
    all_there(&mut site.sql, 10, &site.directory);
    let (_, out, _) = journal(&site.directory, &["status"]);
    assert!(out.contains("\n0 records that the store refuses"), "{out}");
}

/// An error that says nothing of its cause: it goes round by the journal and is found there, since
/// its neighbours succeed.
#[test]
fn a_record_that_fails_for_no_known_reason_does_not_block_the_others() {
    let mut site = Site::new(Engine::Postgres);
    site.sql.rows(
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.username = 'user7' THEN RAISE 'odd' USING ERRCODE = 'XX000'; END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER odd BEFORE INSERT ON radacct FOR EACH ROW EXECUTE FUNCTION odd()",
    );
    let daemon = site.start();
    let mut nas = daemon.accounting_nas();
    for session in [0, 1, 7, 2, 3] {
        assert!(nas.ask(&event(session, 3)).is_some(), "{session}");
    }
    daemon.until_journal_is_empty();
    assert_eq!(daemon.metric("radiusd_journal_quarantine_records"), 1.0);
    all_there(&mut site.sql, 4, &site.directory);
    let (_, out, _) = journal(&site.directory, &["quarantine", "list"]);
    assert!(out.contains("XX000") && out.contains("user7"), "{out}");
}
