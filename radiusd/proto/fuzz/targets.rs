//! What is done with any octets that come in, and what must hold; each returns a number that says
//! which way they went, so that a test without coverage can tell new ways from old.

use std::sync::LazyLock;

use dictionaries::{Attribute, Dictionary, Encrypt, Kind, Pair, Place, Value};
use jiff::tz::TimeZone;
use proto::chap::Chap;
use proto::digest::{Digest, Known, Part, Unusable};
use proto::mschap::MsChap;
use proto::{Code, Packet, Refused, Reply, Request, Secret, Stored, verify_reply};

/// Of 253 octets a tag and a salt leave fifteen blocks, and one octet of those is a length.
const TUNNEL_MAX: usize = 15 * 16 - 1;

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new(b"xyzzy5461"));

/// A datagram: parse, rebuild, parse; verified, answered, and the answer verified.
pub fn packet(octets: &[u8]) -> u64 {
    let packet = match Packet::parse(octets) {
        Ok(packet) => packet,
        Err(malformed) => return way(&[1, malformed as u64]),
    };
    let mut rebuilt = packet.octets()[..20].to_vec();
    let mut numbers = vec![];
    for (number, value) in packet.attributes() {
        rebuilt.extend([number, u8::try_from(value.len() + 2).expect("checked")]);
        rebuilt.extend(value);
        numbers.push(u64::from(number));
    }
    assert!(numbers.len() <= 200);
    assert_eq!(rebuilt, packet.octets());
    let verified = SECRET.verify_request(&packet);

    let mut reply = Reply::new(Code::AccessAccept, &packet);
    for (number, value) in packet.attributes().filter(|(number, _)| *number != 80) {
        reply.raw(number, value);
    }
    reply.proxy_state(&packet);
    let reply = reply.finish(&SECRET);
    assert!(reply.len() <= 4096);
    if let Ok(reply) = Packet::parse(&reply) {
        assert!(SECRET.verify_reply(&reply, packet.authenticator()).is_ok());
        let states = |packet: &Packet<'_>| {
            let all = packet.find_all(33).filter(|state| !state.is_empty());
            all.map(<[u8]>::to_vec).collect()
        };
        let (sent, back): (Vec<_>, Vec<_>) = (states(&packet), states(&reply));
        assert!(back.ends_with(&sent) || reply.octets().len() + 18 > 4096);
    }

    let chap = Chap::find(&packet).map(|chap| chap.is_ok_and(|chap| chap.check(b"hello")));
    let mschap = MsChap::find(&packet).map(|login| match login {
        Ok(MsChap::V1(login)) => login.check(&[7; 16]),
        Ok(MsChap::V2(login)) => {
            assert_eq!(login.success(&[7; 16], b"bob").len(), 43);
            login.check(&[7; 16], b"bob")
        }
        Err(_) => false,
    });
    let digest = Digest::find(&packet).map(|login| {
        assert!(Part::ALL.into_iter().any(|part| login.all(part).next().is_some()));
        let ha1 = login.check(Known::Ha1(&[b'a'; 32]));
        (login.check(Known::Clear(b"hello")), ha1.is_ok())
    });
    let digest = match digest {
        None => 0,
        Some((Ok(fits), _)) => 1 + u64::from(fits),
        Some((Err(Unusable::Lacks(part)), _)) => 10 + part as u64,
        Some((Err(_), ha1)) => 3 + u64::from(ha1),
    };
    let flags = [verified.is_ok(), verified == Ok(true), chap.is_some(), mschap.is_some()];
    let code = u64::from(u8::from(packet.code()));
    numbers.sort_unstable();
    numbers.dedup();
    numbers.truncate(4);
    way(&[&[2, code, digest], &flags.map(u64::from)[..], &numbers].concat())
}

/// Attributes: to pairs and back, and to the same pairs again.
pub fn pairs(octets: &[u8]) -> u64 {
    let dictionary = Dictionary::shipped();
    let Some(datagram) = without_empty(octets) else { return 0 };
    let Ok(packet) = Packet::parse(&datagram) else { return 1 };
    let mut first = packet.pairs(&dictionary, &SECRET);
    first.remove(0); // Message-Authenticator
    for pair in first.iter().take(8) {
        let mut of_pairs = first.iter().filter(|other| other.attribute.name == pair.attribute.name);
        let instances = packet.instances(&pair.attribute, &dictionary, &SECRET);
        let is_raw = pair.attribute.name.starts_with("Attr-");
        let same = instances.iter().all(|(tag, value)| {
            of_pairs.next().is_some_and(|other| (&other.tag, &other.value) == (tag, value))
        });
        assert!(is_raw || same && of_pairs.next().is_none(), "{}", pair.attribute.name);
    }
    let Some(encoded) = encode(&first) else { return 2 };
    let Ok(packet) = Packet::parse(&encoded) else { return 3 };
    let mut second = packet.pairs(&dictionary, &SECRET);
    second.remove(0);
    let sent: Vec<_> = first.iter().filter(|pair| !is_empty(&pair.value)).cloned().collect();
    if is_strict(&sent) {
        assert_eq!(sent, second);
        assert_eq!(encode(&second).as_deref(), Some(&*encoded));
    }
    let mut ways: Vec<u64> = second.iter().map(kind).collect();
    ways.sort_unstable();
    ways.dedup();
    way(&ways)
}

/// An answer of our own making verifies; with any bit turned it does not.
pub fn reply(octets: &[u8]) -> u64 {
    let [code, identifier, at_high, at_low, mask, attributes @ ..] = octets else { return 0 };
    let (request_code, reply_code) = match code % 6 {
        0 => (Code::AccessRequest, Code::AccessAccept),
        1 => (Code::AccessRequest, Code::AccessChallenge),
        2 => (Code::AccountingRequest, Code::AccountingResponse),
        3 => (Code::StatusServer, Code::AccountingResponse),
        4 => (Code::DisconnectRequest, Code::DisconnectNak),
        _ => (Code::CoARequest, Code::CoAAck),
    };
    let mut request = Request::new(request_code, *identifier, [*code; 16]);
    request.raw(33, attributes);
    let request = request.finish(&SECRET);
    let packet = Packet::parse(&request).expect("our own");
    SECRET.verify_request(&packet).expect("our own");

    // As it came: hardly ever right, never a panic.
    let stranger = verify_reply(&request, octets, &SECRET).err().map_or(99, |why| why as u64);

    let mut reply = Reply::new(reply_code, &packet);
    let mut rest = attributes;
    while let [number @ 1..=255, length, after @ ..] = rest {
        let (value, next) = after.split_at(usize::from(*length).min(after.len()));
        if !matches!(number, 79 | 80) {
            reply.raw(*number, value);
        }
        rest = next;
    }
    let mut reply = reply.finish(&SECRET);
    if Packet::parse(&reply).is_err() {
        return 1; // more than 200 attributes
    }
    verify_reply(&request, &reply, &SECRET).expect("our own");
    let at = usize::from(u16::from_be_bytes([*at_high, *at_low])) % reply.len();
    reply[at] ^= mask;
    let turned = verify_reply(&request, &reply, &SECRET);
    assert_eq!(turned.is_ok(), *mask == 0);
    way(&[3, u64::from(code % 6), stranger, turned.err().map_or(99, |why| why as u64)])
}

/// The attributes that hold passwords.
const PASSWORDS: [&str; 20] = [
    "Password-With-Header",
    "Crypt-Password",
    "PBKDF2-Password",
    "NT-Password",
    "LM-Password",
    "MD5-Password",
    "SMD5-Password",
    "SHA-Password",
    "SSHA-Password",
    "SHA2-Password",
    "SSHA2-224-Password",
    "SSHA2-256-Password",
    "SSHA2-384-Password",
    "SSHA2-512-Password",
    "SSHA3-256-Password",
    "NS-MTA-MD5-Password",
    "PBKDF2-SHA1-Password",
    "PBKDF2-SHA256-Password",
    "PBKDF2-SHA256-LEGACY",
    "Cleartext-Password",
];

/// A stored password: the first octet chooses its attribute.
pub fn password(octets: &[u8]) -> u64 {
    let Some((form, value)) = octets.split_first() else { return 0 };
    let at = usize::from(*form) % PASSWORDS.len();
    let stored = Stored::from_pair(PASSWORDS[at], value).expect("a password attribute");
    let stored = match stored {
        Ok(stored) => stored,
        Err(why) => return way(&[1, at as u64, why as u64]),
    };
    let mut fits = false;
    if stored.microseconds() < 2000 {
        fits = stored.pap(b"hello") | stored.pap(value);
    }
    let chap = stored.chap(7, &[7; 16], b"challenge");
    let cost = u64::from(stored.microseconds().checked_ilog2().unwrap_or_default());
    let nt = stored.nt_hash().is_some();
    let form =
        stored.form().bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) ^ u64::from(byte));
    way(&[2, at as u64, form, cost, fits.into(), nt.into(), chap.is_some().into()])
}

/// The text of a dictionary.
pub fn dictionary(octets: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(octets);
    match Dictionary::from_text(&text) {
        Ok(dictionary) => {
            let mut kinds: Vec<u64> = dictionary.attributes().map(|a| a.kind as u64).collect();
            for attribute in dictionary.attributes() {
                assert!(dictionary.attribute(&attribute.name).is_some(), "{}", attribute.name);
            }
            kinds.sort_unstable();
            kinds.dedup();
            way(&[&[1], &kinds[..]].concat())
        }
        Err(error) => {
            let words = error.why.split(' ').filter(|w| w.bytes().all(|b| b.is_ascii_lowercase()));
            way(&words.flat_map(str::bytes).map(u64::from).collect::<Vec<_>>())
        }
    }
}

/// One of every kind.
const KINDS: [&str; 23] = [
    "User-Name",
    "Class",
    "NAS-IP-Address",
    "PMIP6-Home-IPv4-HoA",
    "NAS-IPv6-Address",
    "Framed-IPv6-Prefix",
    "WiMAX-RRQ-HA-IP",
    "Service-Type",
    "WiMAX-PFDv2-Packet-Data-Flow-Id",
    "WiMAX-Accounting-Capabilities",
    "MIP6-Feature-Vector",
    "Event-Timestamp",
    "Framed-Interface-Id",
    "WiMAX-PFDv2-Src-MAC-Address",
    "Ascend-Data-Filter",
    "MS-CHAP-Response",
    "Tunnel-Type",
    "Tunnel-Password",
    "Vendor-Specific",
    "WiMAX-Capability",
    "Max-Daily-Session",
    "Expiration",
    "3GPP2-GMT-Time-Zone-Offset",
];

/// The text of a value: the first octet chooses its attribute.
pub fn value(octets: &[u8]) -> u64 {
    let Some((kind, text)) = octets.split_first() else { return 0 };
    let Ok(text) = std::str::from_utf8(text) else { return 1 };
    let dictionary = Dictionary::shipped();
    let name = KINDS[usize::from(*kind) % KINDS.len()];
    let attribute = dictionary.attribute(name).expect(name);
    let kind = attribute.kind as u64;
    let Ok(value) = Value::parse(attribute, text, &TimeZone::UTC) else { return way(&[0, kind]) };
    let printed = value.print(attribute);
    let mut encoded = vec![];
    value.encode(&mut encoded);
    if !encoded.is_empty() {
        assert_eq!(Value::decode(attribute, &encoded), Some(value), "{name}");
    }
    let length = u64::from(printed.len().checked_ilog2().unwrap_or_default());
    way(&[1, kind, length, encoded.len().min(20) as u64])
}

/// The attributes with a header, without what says nothing.
fn without_empty(octets: &[u8]) -> Option<Vec<u8>> {
    let mut datagram = vec![1, 7, 0, 0];
    datagram.extend([9; 16]);
    datagram.extend([80, 18]);
    datagram.extend([0; 16]);
    let mut rest = octets;
    while let [number @ 1..=255, length @ 2..=255, ..] = rest {
        let (whole, next) = rest.split_at_checked(usize::from(*length))?;
        if whole.len() > 2 && !matches!(number, 2 | 3 | 70 | 80) {
            datagram.extend(whole);
        }
        rest = next;
    }
    let length = u16::try_from(datagram.len()).ok()?.to_be_bytes();
    datagram[2..4].copy_from_slice(&length);
    Some(datagram)
}

/// `None`: taken apart they need more room than a packet has.
fn encode(pairs: &[Pair]) -> Option<Vec<u8>> {
    let mut request = Request::with(Code::AccessRequest, 7, [9; 16], true);
    for pair in pairs {
        match request.pair(&pair.attribute, pair.tag, &pair.value, &SECRET) {
            Ok(()) | Err(Refused::Internal | Refused::Empty) => {}
            Err(Refused::Full) => return None,
            Err(Refused::Impossible) => panic!("{} came in and cannot go out", pair.attribute.name),
        }
    }
    Some(request.finish(&SECRET))
}

fn is_empty(value: &Value) -> bool {
    value.as_octets().is_some_and(<[u8]>::is_empty)
}

/// Not with parts of values whose rest was missing, nor with two long values that were apart:
/// once what stood between them is gone they may fit together. Nor with a tunnel's password whose last
/// block was not whole: it has more octets than whole blocks of one attribute hold.
fn is_strict(pairs: &[Pair]) -> bool {
    let loose = |a: &Attribute| matches!(&*a.name, "Attr-26" | "Attr-245" | "Attr-246");
    let joins = |a: &Attribute| a.flags.concat || a.place == Place::standard(92);
    let adjacent = |two: &[Pair]| match two {
        [one, other] => joins(&one.attribute) && one.attribute.same(&other.attribute),
        _ => false,
    };
    let alters = |pair: &Pair| pair.tag.is_none() && pair.attribute.flags.has_tag;
    let cut = |pair: &Pair| {
        let length = pair.value.as_octets().map_or(0, <[u8]>::len);
        pair.attribute.flags.encrypt == Encrypt::Tunnel && length > TUNNEL_MAX
    };
    let odd = |pair: &Pair| {
        loose(&pair.attribute) || alters(pair) && is_like_a_tag(&pair.value) || cut(pair)
    };
    !pairs.iter().any(odd) && !pairs.windows(2).any(adjacent)
}

/// Without a tag, as FreeRADIUS reads and sends them: numbers lose an octet, strings get a tag.
fn is_like_a_tag(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number > 0xff_ffff,
        _ => matches!(value.as_octets(), Some([0..0x20, _, ..])),
    }
}

fn kind(pair: &Pair) -> u64 {
    let deep = match &pair.attribute.place {
        Place::Wire { vendor, path } => u64::from(*vendor != 0) * 8 + path.len() as u64,
        Place::Internal(_) => 99,
    };
    let raw = u64::from(pair.attribute.kind == Kind::Octets);
    way(&[pair.attribute.kind as u64, deep, u64::from(pair.tag.is_some()), raw])
}

fn way(parts: &[u64]) -> u64 {
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    })
}
