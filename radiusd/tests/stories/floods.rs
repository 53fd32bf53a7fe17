//! Floods: strangers, forged addresses, garbage, and one NAS that sends more than can be served.
//! Honest NAS are answered all the while.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::{Code, Secret};

use crate::harness::ask::Ask;
use crate::harness::daemon::Daemon;
use crate::harness::nas::{Nas, SECRET};
use crate::harness::random::Random;
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site};
use crate::wire::assert_all_counted;

/// Honest NAS, each with an address of its own, and what each asks under a flood.
const HONEST: u8 = 8;
const REQUESTS: usize = 40;
/// Datagrams of a flood, sent again and again.
const POOL: usize = 8_000;
/// What memory may grow by under all floods: the bounds that the story configures, with room.
const GROWTH_KIB: u64 = 150 << 10;

struct Flood {
    name: &'static str,
    from: Vec<IpAddr>,
    to: SocketAddr,
    datagrams: Vec<Vec<u8>>,
    /// How datagrams end that only this flood sends; empty where they are answered.
    outcome: &'static str,
}

fn address(third: u8, fourth: u8) -> IpAddr {
    Ipv4Addr::new(127, 77, third, fourth).into()
}

fn pool(make: impl Fn(usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..POOL).map(make).collect()
}

fn floods(daemon: &Daemon) -> Vec<Flood> {
    let secret = Secret::new(SECRET.as_bytes());
    let login = |user: String, password: &str| Ask::pap(&user, password);
    let encode = |ask: Ask, number: usize| ask.encode(number as u8, number as u64, &secret);
    let logins = pool(|n| encode(login("bob".into(), "hello"), n));
    let (auth, acct) = (daemon.auth(), daemon.acct());
    let nas = vec![address(2, 1)];
    let flood = |name, from: &[IpAddr], to, datagrams, outcome| Flood {
        name,
        from: from.to_vec(),
        to,
        datagrams,
        outcome,
    };
    let forged: Vec<_> = (0..200).map(|last| address(9, last)).collect();
    let status = |n| encode(Ask::new(Code::StatusServer), n);
    let starts = |n| {
        let text = format!(
            "Acct-Status-Type = Start ; User-Name = u{n} ; Acct-Session-Id = f{n} ; NAS-Port = {n}"
        );
        encode(Ask::accounting(&text).expect("a packet"), n)
    };
    let garbage = |n| {
        let mut random = Random::new(n as u64);
        (0..20 + random.below(200)).map(|_| random.next() as u8).collect()
    };
    let missigned = |n| encode(login("bob".into(), "hello").with("missigned"), n);
    vec![
        flood("strangers", &[address(9, 1)], auth, logins.clone(), "unknown-client"),
        flood("forged addresses", &forged, auth, logins.clone(), "unknown-client"),
        flood("garbage", &nas, auth, pool(garbage), "bad-length"),
        flood("wrong secret", &nas, auth, pool(missigned), "bad-message-authenticator"),
        flood("status", &nas, auth, pool(status), ""),
        flood("logins", &nas, auth, logins, ""),
        flood("rejects", &nas, auth, pool(|n| encode(login("bob".into(), "no"), n)), ""),
        flood("unknown users", &nas, auth, pool(|n| encode(login(format!("u{n}"), "x"), n)), ""),
        flood("accounting", &nas, acct, pool(starts), ""),
    ]
}

/// Datagrams of a flood in a second: many times what is asked beside it, and bounded, since other
/// stories run on the same machine. `FLOOD_PER_SECOND` asks for more.
fn per_second() -> u32 {
    std::env::var("FLOOD_PER_SECOND").ok().and_then(|text| text.parse().ok()).unwrap_or(15_000)
}

impl Flood {
    /// In bursts that the kernel takes at once, from several ports of each address.
    fn send(&self, ended: &AtomicBool, sent: &AtomicUsize) {
        const BURST: u32 = 250;
        let each = 8_usize.div_ceil(self.from.len());
        let sockets: Vec<_> = (self.from.iter())
            .flat_map(|from| (0..each).map(|_| UdpSocket::bind((*from, 0)).expect("a socket")))
            .collect();
        let pause = Duration::from_secs(1) * BURST / per_second();
        let mut all = self.datagrams.iter().cycle().zip(sockets.iter().cycle());
        while !ended.load(Ordering::Relaxed) {
            let due = Instant::now() + pause;
            for (datagram, socket) in all.by_ref().take(BURST as usize) {
                // Refused when the receiver's buffer is full; that is what a flood is.
                socket.send_to(datagram, self.to).ok();
            }
            sent.fetch_add(BURST as usize, Ordering::Relaxed);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}

/// What honest NAS ask, all at once, each as NAS do: again when no answer comes. Returns how long
/// all of it took, and how many stayed without an answer.
fn honest(daemon: &Daemon, round: usize) -> (Duration, usize) {
    let begun = Instant::now();
    let unanswered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..HONEST {
            let unanswered = &unanswered;
            scope.spawn(move || {
                let from = address(1, number);
                let mut auth = Nas::with(from, daemon.auth(), SECRET);
                let mut acct = Nas::with(from, daemon.acct(), SECRET);
                for nas in [&mut auth, &mut acct] {
                    // As NAS are shipped, but for the tries: how slow the machine is, is no matter.
                    (nas.timeout, nas.tries) = (Duration::from_secs(3), 20);
                }
                for request in 0..REQUESTS {
                    let login = auth.ask(&Ask::pap("bob", "hello"));
                    let text = format!(
                        "Acct-Status-Type = Start ; User-Name = bob ; NAS-Port = {number} ; \
                         Acct-Session-Id = s{round}-{number}-{request}"
                    );
                    let start = acct.ask(&Ask::accounting(&text).expect("a packet"));
                    let answered = [login.is_some_and(|a| a.is_accept()), start.is_some()];
                    let missing = answered.iter().filter(|answered| !**answered).count();
                    unanswered.fetch_add(missing, Ordering::Relaxed);
                }
            });
        }
    });
    (begun.elapsed(), unanswered.into_inner())
}

#[test]
fn honest_nas_are_served_under_any_flood() {
    let mut site = Site::new(Engine::Postgres);
    site.user("bob", "hello");
    let nas = format!("('127.77.1.0/24', 'honest', '{SECRET}'), ('127.77.2.1', 'one', '{SECRET}')");
    site.sql.rows(&format!("INSERT INTO nas (nasname, shortname, secret) VALUES {nas}"));
    site.settings.set("radius.users_cache", "2000");
    site.settings.set("accounting.queue_max", "10000");
    site.settings.set("radius.reject_delay", "\"1s\"");
    let daemon = site.start();
    let floods = floods(&daemon);
    honest(&daemon, 0);
    let (calm, missing) = honest(&daemon, 1);
    assert_eq!(missing, 0, "without any flood");
    let before = daemon.rss_kib();
    let each = f64::from(HONEST) * REQUESTS as f64 * 2.0;
    eprintln!("no flood: {:.0} honest requests in a second", each / calm.as_secs_f64());
    for (round, flood) in floods.iter().enumerate() {
        let outcome = format!("radiusd_datagrams_total{{outcome=\"{}\"}}", flood.outcome);
        let counted = daemon.metric(&outcome);
        let received = daemon.metric("radiusd_datagrams_received_total");
        let (ended, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (took, missing) = std::thread::scope(|scope| {
            scope.spawn(|| flood.send(&ended, &sent));
            until("a flood", Duration::from_secs(20), || {
                (sent.load(Ordering::Relaxed) >= 2_000).then_some(())
            });
            let served = honest(&daemon, round + 2);
            ended.store(true, Ordering::Relaxed);
            served
        });
        let (sent, name) = (sent.into_inner(), flood.name);
        let received = daemon.metric("radiusd_datagrams_received_total") - received - each;
        eprintln!(
            "{name}: {:.0} honest requests in a second, {:.2} of calm; {:.0} of the flood sent in a \
             second, {:.2} of it read; {} KiB resident; {} dropped by the kernel",
            each / took.as_secs_f64(),
            calm.as_secs_f64() / took.as_secs_f64(),
            sent as f64 / took.as_secs_f64(),
            received / sent as f64,
            daemon.rss_kib(),
            daemon.metric("radiusd_datagrams_overflown_total"),
        );
        assert_eq!(missing, 0, "{name}: honest requests without an answer");
        if !flood.outcome.is_empty() {
            assert!(daemon.metric(&outcome) > counted, "{name}: none counted as {}", flood.outcome);
        }
        // What this flood left under way is not the next one's.
        std::thread::sleep(Duration::from_millis(1200));
    }
    let growth = daemon.rss_kib().saturating_sub(before);
    assert!(growth < GROWTH_KIB, "{growth} KiB more than before the floods");
    assert_all_counted(&daemon);
}

/// Requests of one NAS that wait, here for `reject_delay`, take no more than their part of the
/// places.
#[test]
fn one_nas_cannot_take_all_places() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let nas = format!("('127.77.2.1', 'one', '{SECRET}')");
    site.sql.rows(&format!("INSERT INTO nas (nasname, shortname, secret) VALUES {nas}"));
    site.settings.set("radius.workers", "1");
    site.settings.set("radius.inflight_max", "64");
    site.settings.set("radius.inflight_source_max", "16");
    site.settings.set("radius.reject_delay", "\"3s\"");
    let daemon = site.start();
    let flooder = Nas::with(address(2, 1), daemon.auth(), SECRET);
    for number in 0..100 {
        flooder.send(&Ask::pap("bob", "wrong").encode(number, 7, &flooder.secret));
    }
    let over = "radiusd_datagrams_total{outcome=\"source-over-limit\"}";
    until("the limit", Duration::from_secs(20), || (daemon.metric(over) == 84.0).then_some(()));
    let reject = daemon.nas().ask(&Ask::pap("bob", "wrong"));
    assert!(reject.is_none() || reject.is_some_and(|answer| answer.is_reject()));
    assert!(daemon.nas().ask(&Ask::pap("bob", "hello")).is_some_and(|answer| answer.is_accept()));
    assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"overloaded\"}"), 0.0);
    assert_all_counted(&daemon);
}
