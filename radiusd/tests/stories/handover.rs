//! Restarts under systemd: sockets outlive the process, and no request is lost.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::{Code, Secret};

use crate::harness::ask::Ask;
use crate::harness::nas::SECRET;
use crate::harness::scratch::{self, until};
use crate::harness::site::{Engine, Site};
use crate::harness::systemd::Manager;

const SENDERS: usize = 4;
/// Requests of one sender that may be unanswered.
const OUTSTANDING: usize = 24;
/// How long an answer may take. A bound against waiting for ever.
const PATIENCE: Duration = Duration::from_secs(90);

fn start_of(session: usize) -> Ask {
    let text = format!(
        "Acct-Status-Type = Start ; User-Name = bob ; Acct-Session-Id = h{session} ; \
         NAS-IP-Address = 127.0.0.1 ; NAS-Port = 1"
    );
    Ask::accounting(&text).expect("a packet")
}

/// Asks one request after another, each sent *once*, until `ended`; returns how many were asked.
/// Every answer is verified, and must come.
fn talk(
    to: SocketAddr,
    ended: &AtomicBool,
    answered: &AtomicUsize,
    expected: Code,
    ask: impl Fn(usize) -> Ask,
) -> usize {
    let secret = Secret::new(SECRET.as_bytes());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    let mut waiting: HashMap<u8, (Instant, Vec<u8>)> = HashMap::new();
    let mut asked = 0;
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::Relaxed) || !waiting.is_empty() {
        let identifier = asked as u8;
        let room = waiting.len() < OUTSTANDING && !waiting.contains_key(&identifier);
        if room && !ended.load(Ordering::Relaxed) {
            let packet = ask(asked).encode(identifier, asked as u64, &secret);
            socket.send_to(&packet, to).expect("sending");
            waiting.insert(identifier, (Instant::now(), packet));
            asked += 1;
        }
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let (_, packet) = waiting.remove(&buffer[1]).expect("an answer to what was asked");
            let reply = proto::verify_reply(&packet, &buffer[..length], &secret);
            assert_eq!(reply.expect("a right answer").code(), expected);
            answered.fetch_add(1, Ordering::Relaxed);
        }
        let late = waiting.values().filter(|(sent, _)| sent.elapsed() > PATIENCE).count();
        assert_eq!(late, 0, "requests without an answer, of {asked}");
    }
    asked
}

/// Two restarts, each with another number of workers and so of sockets, under traffic that never
/// repeats itself.
#[test]
fn a_restart_under_systemd_loses_no_request() {
    let mut site = Site::new(Engine::Postgres);
    site.user("bob", "hello");
    let manager = Manager::new(&site.directory);
    site.settings.set("radius.workers", "2");
    let mut daemon = manager.start(&site.settings);
    let (auth, acct) = (daemon.auth(), daemon.acct());
    let (ended, answered, recorded) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let daemon = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (ended, answered, recorded) = (&ended, &answered, &recorded);
                scope.spawn(move || {
                    let accept = Code::AccessAccept;
                    talk(auth, ended, answered, accept, |_| Ask::pap("bob", "hello"))
                });
                let response = Code::AccountingResponse;
                let session = move |number| start_of(number * SENDERS + sender);
                scope.spawn(move || talk(acct, ended, recorded, response, session))
            })
            .collect();
        let more = |than: &[usize; 2]| {
            until("more answers", PATIENCE, || {
                let now = [&answered, &recorded].map(|count| count.load(Ordering::Relaxed));
                (now[0] > than[0] + 200 && now[1] > than[1] + 200).then_some(now)
            })
        };
        let mut so_far = more(&[0, 0]);
        for workers in ["3", "1"] {
            let status = daemon.stop();
            assert!(status.success(), "{status}");
            site.settings.set("radius.workers", workers);
            daemon = manager.start(&site.settings);
            so_far = more(&so_far);
        }
        ended.store(true, Ordering::Relaxed);
        let asked: usize = senders.into_iter().map(|one| one.join().expect("a sender")).sum();
        assert_eq!(asked, recorded.load(Ordering::Relaxed));
        daemon
    });
    // What the journal took while a daemon stopped is replayed by the next one.
    let recorded = recorded.load(Ordering::Relaxed) as i64;
    let begun = Instant::now();
    loop {
        let rows = site.sql.number("SELECT count(*) FROM radacct");
        assert!(rows <= recorded, "{rows} rows of {recorded} records");
        if rows == recorded {
            break;
        }
        let metrics = || daemon.metrics().into_iter().filter(|(name, _)| name.contains("journal"));
        assert!(
            begun.elapsed() < PATIENCE,
            "{rows} rows of {recorded} records; {:?}\n{}",
            metrics().collect::<Vec<_>>(),
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    // Three sockets for each port are served by one worker now, and pages and metrics as before.
    assert_eq!(manager.names().len(), 3 + 3 + 2, "{:?}", manager.names());
}

/// An address that is configured no more is given up, by systemd too, before what replaces it is
/// bound.
#[test]
fn what_is_configured_no_more_is_closed() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let manager = Manager::new(&site.directory);
    site.settings.set("radius.workers", "2");
    assert!(manager.start(&site.settings).stop().success());
    let (kept, old) = (site.settings.auth.port(), site.settings.acct);
    let before = manager.names();
    let still: Vec<_> = (0..2).map(|number| format!("auth-127.0.0.1-{kept}-{number}")).collect();
    assert!(still.iter().all(|name| before.contains(name)), "{before:?}");
    // The same port on all addresses collides with the socket there was.
    let new = SocketAddr::from(([0, 0, 0, 0], old.port()));
    site.settings.set("radius.acct", &format!("[\"{new}\"]"));
    site.settings.set("metrics.listen", "\"off\"");
    let daemon = manager.start(&site.settings);
    assert!(daemon.accounting_nas().ask(&start_of(1)).is_some());
    assert!(daemon.nas().ask(&Ask::pap("bob", "hello")).is_some_and(|answer| answer.is_accept()));
    let names = manager.names();
    assert!(still.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("acct-0.0.0.0-")), "{names:?}");
    let gone = |name: &String| name.starts_with("acct-127") || name.starts_with("metrics");
    assert!(!names.iter().any(gone), "{names:?}");
    std::net::TcpListener::bind(site.settings.metrics).expect("a port that was given up");
}

/// Sockets of a socket unit hold requests before the daemon has ever run. What it lacks it binds.
#[test]
fn what_came_before_the_first_start_is_answered() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let mut manager = Manager::new(&site.directory);
    let bind = |address: SocketAddr| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
        let socket = socket.expect("a socket");
        socket.set_reuse_port(true).expect("an option");
        socket.bind(&address.into()).expect("an address");
        socket
    };
    let stranger = bind(SocketAddr::from(([127, 0, 0, 1], scratch::port())));
    manager.unit = vec![stranger.into(), bind(site.settings.auth).into()];
    let secret = Secret::new(SECRET.as_bytes());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for identifier in 0..100 {
        let packet = Ask::pap("bob", "hello").encode(identifier, 7, &secret);
        socket.send_to(&packet, site.settings.auth).expect("sending");
    }
    site.settings.set("radius.workers", "2");
    let daemon = manager.start(&site.settings);
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    for _ in 0..100 {
        let (_, from) = socket.recv_from(&mut [0; 4096]).expect("an answer to each");
        assert_eq!(from, site.settings.auth);
    }
    assert!(daemon.accounting_nas().ask(&start_of(1)).is_some());
    let names = manager.names();
    let stored = names.iter().filter(|name| name.starts_with("auth-")).count();
    assert_eq!(stored, 1, "the second worker's: the unit keeps its own: {names:?}");
    assert!(daemon.log().contains("not configured: closed"), "{}", daemon.log());
}
