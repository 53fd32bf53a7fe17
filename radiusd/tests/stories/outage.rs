//! The store is away, locked or slow amid accounting: what is acknowledged comes to radacct, once.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::Secret;

use crate::harness::ask::{Ask, now};
use crate::harness::daemon::{Daemon, Settings};
use crate::harness::nas::SECRET;
use crate::harness::postgres::Cluster;
use crate::harness::scratch::{self, until};
use crate::harness::site::ZONE;
use crate::harness::sql::Sql;

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
    due: Instant,
}

impl Sent {
    fn new(session: usize, step: usize, identifier: usize, secret: &Secret) -> Sent {
        let seed = (session * STEPS + step) as u64;
        let packet = event(session, step).encode(identifier as u8, seed, secret);
        Sent { session, step, packet, due: Instant::now() }
    }
}

/// Reports these sessions, each event until it is answered, many sessions at a time.
fn report(to: SocketAddr, mut sessions: std::ops::Range<usize>, answered: &AtomicUsize) {
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
            if let Some(sent) = slot
                && sent.due <= Instant::now()
            {
                // The daemon may be gone for a while.
                socket.send_to(&sent.packet, to).ok();
                sent.due = Instant::now() + Duration::from_millis(500);
            }
        }
        if slots.iter().all(Option::is_none) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{} answered in all", answered.load(Ordering::Relaxed));
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let identifier = usize::from(buffer[1]);
        let Some(slot) = slots.get_mut(identifier) else { continue };
        let answers =
            |sent: &mut Sent| proto::verify_reply(&sent.packet, &buffer[..length], &secret).is_ok();
        let Some(Sent { session, step, .. }) = slot.take_if(answers) else { continue };
        answered.fetch_add(1, Ordering::Relaxed);
        let next = step + 1;
        *slot = (next < STEPS).then(|| Sent::new(session, next, identifier, &secret));
    }
}

/// Reports in several threads, and `amid` it does what the story is about.
fn reporting(to: SocketAddr, sessions: usize, amid: impl FnOnce(&AtomicUsize)) {
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let range = sessions * thread / 4..sessions * (thread + 1) / 4;
            let answered = &answered;
            scope.spawn(move || report(to, range, answered));
        }
        amid(&answered);
    });
    assert_eq!(answered.load(Ordering::Relaxed), sessions * STEPS);
}

fn reach(answered: &AtomicUsize, count: usize) {
    let what = format!("{count} answers");
    until(&what, PATIENCE, || (answered.load(Ordering::Relaxed) >= count).then_some(()));
}

/// Each session once, closed, with its last numbers.
fn all_there(sql: &mut Sql, sessions: usize) {
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

fn drained(daemon: &Daemon) {
    until("the journal to be empty", PATIENCE, || {
        let metrics = daemon.metrics();
        let empty = ["records", "spilling"]
            .iter()
            .all(|name| metrics.get(&format!("radiusd_journal_{name}")) == Some(&0.0));
        empty.then_some(())
    });
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
        let Some(mut server) = self.server.take() else { return };
        let pid = Pid::from_raw(i32::try_from(server.id()).expect("a pid"));
        kill(pid, Signal::SIGQUIT).expect("PostgreSQL");
        server.wait().expect("PostgreSQL");
    }

    fn back(&mut self) {
        self.server = Some(self.cluster.serve());
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
    reporting(daemon.acct(), 2_000, |answered| {
        reach(answered, 2_000);
        outage.away();
        reach(answered, 5_000);
        let (_, health) = daemon.get("/health/ready").expect("health");
        assert!(health.contains("records wait for the store"), "{health}");
        outage.back();
    });
    drained(&daemon);
    assert!(daemon.metric("radiusd_journal_journalled_total") > 1_000.0);
    assert!(daemon.metric("radiusd_journal_replayed_total") > 1_000.0);
    assert_eq!(daemon.metric("radiusd_journal_not_stored_total"), 0.0);
    all_there(&mut outage.sql(), 2_000);
    // The way is straight again.
    let before = daemon.metric("radiusd_journal_journalled_total");
    assert!(daemon.accounting_nas().ask(&event(9_999, 0)).is_some());
    assert_eq!(daemon.metric("radiusd_journal_journalled_total"), before);
    let left = outage.directory.join("journal").read_dir().expect("a journal").flatten();
    let left: HashSet<_> = left.map(|file| file.file_name()).collect();
    assert_eq!(left, HashSet::from(["lock".into(), "position".into()]), "segments are removed");
}
