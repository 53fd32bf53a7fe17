//! Datagrams that no NAS sends: nothing crashes, what must be dropped is, and logins go on.

use std::net::UdpSocket;
use std::time::Duration;

use proto::{Packet, Secret};

use crate::harness::ask::Ask;
use crate::harness::nas::SECRET;
use crate::harness::random::Random;
use crate::harness::sign;
use crate::harness::site::{Engine, Site, on_both};
use crate::wire::assert_all_counted;

#[path = "../../proto/fuzz/mutations.rs"]
mod mutations;
#[path = "../../fuzz/targets.rs"]
mod targets;

/// `FUZZ_DATAGRAMS` in the environment asks for more.
fn datagrams() -> usize {
    std::env::var("FUZZ_DATAGRAMS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// What the last third may have more than the second.
const GROWTH_KIB: u64 = 4 << 10;

/// Requests to begin with.
fn seeds(secret: &Secret) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for login in [
        "pap hello",
        "chap hello",
        "chap-challenge hello",
        "mschap hello",
        "mschap2 hello",
        "none",
        "pap hello ; NAS-Port = 7 ; Proxy-State = 0x0102 ; Called-Station-Id = here",
        "pap hello ; raw 1a0c00000009010361010362 ; raw f1070100000001 ; raw f506010001ff",
        "pap hello ; Tunnel-Type:1 = VLAN ; Framed-IPv6-Prefix = 2001:db8::/32",
        "pap hello ; raw 1a0e000060b50108000105312e30",
        "none ; raw 4f0602010005 ; raw 0201",
    ] {
        let ask = Ask::access("bob", login).expect("a login");
        seeds.push(ask.encode(0, seeds.len() as u64, secret));
    }
    for status in ["Start", "Interim-Update", "Stop", "Accounting-On", "9"] {
        let text = format!(
            "Acct-Status-Type = {status} ; User-Name = bob ; Acct-Session-Id = fuzz ; \
             Acct-Session-Time = 5 ; Acct-Input-Octets = 7 ; Framed-IP-Address = 10.0.0.1 ; \
             Class = 0x61693a30 ; Event-Timestamp = 1700000000"
        );
        seeds.push(Ask::accounting(&text).expect("a packet").encode(0, 1, secret));
    }
    seeds.push(Ask::new(proto::Code::StatusServer).encode(0, 1, secret));
    seeds
}

/// One of the ways in which a packet can be wrong, or still right.
fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut packet = seed.to_vec();
    packet[1] = random.next() as u8;
    for _ in 0..=random.below(3) {
        let at = random.below(packet.len());
        match random.below(9) {
            0 => packet[at] = random.next() as u8,
            1 => packet[at] ^= 1 << random.below(8),
            2 => packet.truncate(at.max(1)),
            3 => packet.extend(std::iter::repeat_n(random.next() as u8, random.below(300))),
            4 => packet.insert(at, random.next() as u8),
            5 => drop(packet.remove(at)),
            6 if packet.len() > 22 => packet[21] = random.next() as u8,
            7 => {
                let attributes = packet.get(20..).unwrap_or_default().to_vec();
                packet.extend(attributes);
            }
            _ => packet.truncate(4096),
        }
        if packet.is_empty() {
            packet.push(0);
        }
    }
    // Half are signed again, so that they get behind the signatures.
    if packet.len() >= 20 && packet.len() <= 4096 && random.chance(50) {
        sign::again(&mut packet, SECRET);
    }
    packet
}

#[test]
fn fuzz_malformed_datagrams() {
    on_both(|mut site| {
        site.user("bob", "hello");
        // What memory may hold is held early.
        site.settings.set("radius.users_cache", "1000");
        let mut daemon = site.start();
        let secret = Secret::new(SECRET.as_bytes());
        let seeds = seeds(&secret);
        let mut random = Random::new(2865);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let count = datagrams();
        let mut refused = 0_usize;
        // The most that was resident in each third.
        let mut thirds = [0; 3];
        for sent in 0..count {
            let seed = random.pick(&seeds);
            let packet = mutate(seed, &mut random);
            let to = if seed[0] == 4 { daemon.acct() } else { daemon.auth() };
            socket.send_to(&packet, to).expect("sending");
            drain(&socket);
            // Let it keep up: a datagram that the kernel drops tests nothing.
            if sent % 256 == 255 {
                let mut nas = daemon.nas();
                nas.tries = 20;
                assert!(nas.status().is_some(), "no answer after {sent}: {}", daemon.log());
                let third = &mut thirds[sent * 3 / count];
                *third = daemon.rss_kib().max(*third);
            }
            refused += usize::from(Packet::parse(&packet).is_err());
        }
        assert!(daemon.is_running());
        let answer = daemon.nas().ask(&Ask::pap("bob", "hello")).expect("an answer");
        assert!(answer.is_accept());
        eprintln!("resident at most, by thirds: {thirds:?} KiB");
        assert!(thirds[2] < thirds[1] + GROWTH_KIB, "memory grew: {thirds:?} KiB by thirds");
        assert_eq!(daemon.metric("radiusd_datagrams_total{outcome=\"panicked\"}"), 0.0);
        assert!(refused > count / 10, "only {refused} of {count} were malformed");
        assert_all_counted(&daemon);
    });
}

fn drain(socket: &UdpSocket) {
    let mut buffer = [0; 4096];
    while socket.recv_from(&mut buffer).is_ok() {}
}

/// Each malformed datagram alone: not one gets an answer.
#[test]
fn fuzz_what_must_be_dropped_is_not_answered() {
    let mut site = Site::new(Engine::Sqlite);
    site.user("bob", "hello");
    let daemon = site.start();
    let secret = Secret::new(SECRET.as_bytes());
    let seeds = seeds(&secret);
    let mut random = Random::new(2866);
    let mut malformed = Vec::new();
    while malformed.len() < 2_000 {
        let seed = random.pick(&seeds);
        let packet = mutate(seed, &mut random);
        let sound =
            Packet::parse(&packet).is_ok_and(|packet| secret.verify_request(&packet).is_ok());
        if !sound {
            malformed.push((seed[0], packet));
        }
    }
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    for (code, packet) in &malformed {
        let to = if *code == 4 { daemon.acct() } else { daemon.auth() };
        socket.send_to(packet, to).expect("sending");
    }
    let mut buffer = [0; 4096];
    let answer =
        socket.recv_from(&mut buffer).ok().map(|(length, _)| hex::encode(&buffer[..length]));
    assert_eq!(answer, None);
    assert_all_counted(&daemon);
}

/// Makes the checks of the first frame right, so that what is behind them is reached.
fn with_checks(segment: &mut [u8], dice: &mut mutations::Dice) {
    use radiusd::journal::segment::{HEADER, check};
    const HEAD: usize = 28;
    if dice.below(4) == 0 || segment.len() < HEADER + HEAD {
        return;
    }
    let (head, rest) = segment[HEADER..].split_at_mut(HEAD);
    let next = rest.windows(4).position(|four| four == [0xf7, b'R', b'J', 0xf7]);
    let content = &rest[..next.unwrap_or(rest.len())];
    head[..4].copy_from_slice(&[0xf7, b'R', b'J', 0xf7]);
    head[4..8].copy_from_slice(&(content.len() as u32).to_le_bytes());
    let body = check::<8>(&[content]);
    head[20..28].copy_from_slice(&body);
    let sum = check::<4>(&[&head[..16], &body]);
    head[16..20].copy_from_slice(&sum);
}

#[test]
fn fuzz_segment() {
    mutations::run("segment", targets::segment, with_checks);
}
