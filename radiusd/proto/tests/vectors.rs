//! Every vector in `vectors/`, read by one `check`.
#![expect(clippy::disallowed_methods, reason = "the vectors are files")]

use std::collections::HashMap;
use std::panic::catch_unwind;
use std::path::Path;

use dictionaries::{Dictionary, Pair};
use proto::digest::{Digest, Known, Part, Parts};
use proto::mschap::{self, V1, V2};
use proto::{
    Authenticator, Code, Malformed, Packet, Reply, Request, Secret, Stored, chap, verify_reply,
};

/// `key: value` lines up to an empty one.
struct Case<'t> {
    place: String,
    lines: HashMap<&'t str, String>,
}

impl<'t> Case<'t> {
    fn all(file: &str, text: &'t str) -> Vec<Case<'t>> {
        let mut cases = vec![];
        let mut lines: HashMap<&str, String> = HashMap::new();
        let mut last = "";
        for (number, line) in text.lines().chain([""]).enumerate() {
            match line.split_once(": ") {
                _ if line.starts_with('#') => {}
                _ if line.is_empty() => {
                    if !lines.is_empty() {
                        let place = format!("{file}:{number}");
                        cases.push(Case { place, lines: std::mem::take(&mut lines) });
                    }
                }
                _ if line.starts_with("  ") => {
                    lines.get_mut(last).expect("a line to go on with").push_str(line);
                }
                Some((key, value)) => {
                    last = key;
                    assert!(lines.insert(key, value.into()).is_none(), "{file}:{number}");
                }
                None => panic!("{file}:{number}: {line}"),
            }
        }
        cases
    }

    fn text(&self, key: &str) -> &str {
        self.find(key).unwrap_or_else(|| panic!("{}: no {key}", self.place))
    }

    fn find(&self, key: &str) -> Option<&str> {
        self.lines.get(key).map(String::as_str)
    }

    /// Hex, or text in quotes.
    fn octets(&self, key: &str) -> Vec<u8> {
        self.value(self.text(key))
    }

    fn value(&self, text: &str) -> Vec<u8> {
        match text.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').expect("a closing quote").into(),
            None => {
                hex::decode(text.replace(' ', "")).unwrap_or_else(|e| panic!("{}: {e}", self.place))
            }
        }
    }

    fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        self.octets(key).try_into().unwrap_or_else(|_| panic!("{}: length of {key}", self.place))
    }

    fn secret(&self) -> Secret {
        Secret::new(&self.octets("secret"))
    }
}

fn check(case: &Case<'_>) {
    match case.text("check") {
        "exchange" => exchange(case),
        "refused" => {
            let octets = case.octets("request");
            let packet = Packet::parse(&octets).expect("a packet");
            let refused = case.secret().verify_request(&packet).expect_err(&case.place);
            assert_eq!(refused.as_str(), case.text("why"), "{}", case.place);
        }
        "malformed" => {
            let octets = case.octets("request");
            let why = Packet::parse(&octets).err().map_or("fine", Malformed::as_str);
            assert_eq!(why, case.text("why"), "{}", case.place);
        }
        "chap" => {
            let octets = case.octets("request");
            let packet = Packet::parse(&octets).expect("a packet");
            let chap = chap::Chap::find(&packet).expect("a CHAP login").expect("its length");
            assert!(chap.check(&case.octets("password")), "{}", case.place);
            assert!(!chap.check(b"something else"), "{}", case.place);
        }
        "digest" => digest(case),
        "digest-request" => digest_request(case),
        "mschap1" => mschap1(case),
        "mschap2" => mschap2(case),
        "mppe" => {
            let hash = mschap::nt_hash(&case.octets("password")).expect("UTF-8");
            let response = case.array("response");
            assert_eq!(mschap::master_key(&hash, &response), case.array("master"));
            assert_eq!(mschap::keys(&hash, &response).send, case.array("send"));
        }
        "user-password" => user_password(case),
        "tunnel-password" => tunnel_password(case),
        "password" => password(case),
        "attributes" => attributes(case),
        "answer" => answer(case),
        other => panic!("{}: unknown check {other}", case.place),
    }
}

fn exchange(case: &Case<'_>) {
    let (request, reply) = (case.octets("request"), case.octets("reply"));
    let secret = case.secret();
    let packet = Packet::parse(&request).expect("a packet");
    let signed = secret.verify_request(&packet).expect(&case.place);
    assert_eq!(signed, case.text("signed") == "yes", "{}", case.place);
    verify_reply(&request, &reply, &secret).expect(&case.place);
    for at in 0..reply.len() {
        let mut turned = reply.clone();
        turned[at] ^= 1;
        assert!(verify_reply(&request, &turned, &secret).is_err(), "{}: octet {at}", case.place);
    }
    if case.find("password").is_some() {
        let hidden = packet.find(proto::attribute::USER_PASSWORD).expect("a password");
        let clear = secret.reveal_user_password(hidden, packet.authenticator()).expect("short");
        assert_eq!(clear.to_vec(), case.octets("password"), "{}", case.place);
    }
}

fn digest(case: &Case<'_>) {
    let names =
        ["realm", "nonce", "method", "uri", "qop", "algorithm", "body", "cnonce", "count", "user"];
    let values = names.map(|name| case.find(name).map(|text| case.value(text)));
    let mut parts = Parts::default();
    for (part, value) in Part::ALL.into_iter().zip(&values) {
        value.iter().for_each(|value| parts.set(part, value));
    }
    let (clear, ha1) = ["password", "ha1"].map(|key| case.find(key).map(|t| case.value(t))).into();
    let known = match (&clear, &ha1) {
        (Some(clear), _) => Known::Clear(clear),
        (_, ha1) => Known::Ha1(ha1.as_ref().expect("a secret")),
    };
    let response = parts.response(known).expect(&case.place);
    assert_eq!(hex::encode(response).into_bytes(), case.octets("response"), "{}", case.place);
}

fn digest_request(case: &Case<'_>) {
    let octets = case.octets("request");
    let packet = Packet::parse(&octets).expect("a packet");
    let password = case.octets("password");
    let fits = match Digest::find(&packet).map(|digest| digest.check(Known::Clear(&password))) {
        None => "none".to_owned(),
        Some(Ok(fits)) => if fits { "yes" } else { "no" }.into(),
        Some(Err(why)) => format!("{why:?}"),
    };
    assert_eq!(fits, case.text("fits"), "{}", case.place);
}

fn mschap1(case: &Case<'_>) {
    let hash = mschap::nt_hash(&case.octets("password")).expect("UTF-8");
    assert_eq!(hash, case.array("nt-hash"));
    assert_eq!(mschap::lm_hash(&case.octets("password")), case.array("lm-hash"));
    let (challenge, response) = (case.array("challenge"), case.array("response"));
    let mut login = V1 { identifier: 1, challenge: &challenge, response: Some(&response) };
    assert!(login.check(&hash));
    assert!(!login.check(&[0; 16]));
    login.response = None;
    assert!(!login.check(&hash));
    let keys = mschap::keys_v1(&hash);
    assert_eq!(keys[..8], [0; 8]);
    assert_eq!(keys[8..], mschap::hash_nt_hash(&hash));
}

fn mschap2(case: &Case<'_>) {
    let hash = mschap::nt_hash(&case.octets("password")).expect("UTF-8");
    assert_eq!(hash, case.array("nt-hash"));
    assert_eq!(mschap::hash_nt_hash(&hash), case.array("hash-of-hash"));
    let (challenge, peer_challenge) = (case.array("challenge"), case.array("peer-challenge"));
    let response = case.array("response");
    let whole = case.octets("name");
    let name = mschap::peer_name(&whole);
    let hashed = mschap::challenge_hash(&peer_challenge, &challenge, name);
    assert_eq!(hashed, case.array("challenge-hash"));
    let login = V2 {
        identifier: 7,
        challenge: &challenge,
        peer_challenge: &peer_challenge,
        response: &response,
    };
    assert!(login.check(&hash, name));
    assert!(!login.check(&hash, b"user"));
    let success = login.success(&hash, name);
    assert_eq!(success[0], 7);
    assert_eq!(success[1..], case.octets("success"));
}

fn user_password(case: &Case<'_>) {
    let (secret, authenticator): (_, Authenticator) = (case.secret(), case.array("authenticator"));
    let mut hidden = vec![];
    secret.hide_user_password(&case.octets("clear"), &authenticator, &mut hidden);
    assert_eq!(hidden, case.octets("hidden"), "{}", case.place);
    let clear = secret.reveal_user_password(&hidden, &authenticator).expect("short enough");
    assert_eq!(clear.to_vec(), case.octets("clear"), "{}", case.place);
}

fn tunnel_password(case: &Case<'_>) {
    let (secret, authenticator): (_, Authenticator) = (case.secret(), case.array("authenticator"));
    let salt = u16::from_be_bytes(case.array("salt"));
    let mut hidden = vec![];
    secret.hide_tunnel(&case.octets("clear"), &authenticator, salt, &mut hidden);
    assert_eq!(hidden, case.octets("hidden"), "{}", case.place);
    let clear = secret.reveal_tunnel(&hidden, &authenticator).expect("well made");
    assert_eq!(clear.to_vec(), case.octets("clear"), "{}", case.place);
}

fn password(case: &Case<'_>) {
    let stored = Stored::from_pair(case.text("attribute"), &case.octets("value"));
    let stored = stored.unwrap_or_else(|| panic!("{}: no password", case.place));
    let fits = match stored {
        Err(_) => "bad",
        Ok(stored) if stored.pap(&case.octets("clear")) => "yes",
        Ok(_) => "no",
    };
    assert_eq!(fits, case.text("fits"), "{}: {}", case.place, case.text("value"));
}

/// Octets to pairs, and pairs to octets (`encoded`, where they aren't the same).
fn attributes(case: &Case<'_>) {
    let dictionary = Dictionary::shipped();
    let secret = Secret::new(b"xyzzy5461");
    let octets = case.octets("octets");
    let datagram = with_header(&octets);
    let packet = Packet::parse(&datagram).expect(&case.place);
    let mut pairs = packet.pairs(&dictionary, &secret);
    assert_eq!(&*pairs.remove(0).attribute.name, "Message-Authenticator");
    let got: Vec<_> = pairs.iter().map(shown).collect();
    let wanted: Vec<_> = case.text("pairs").split('|').map(|pair| wanted(case, pair)).collect();
    assert_eq!(got, wanted, "{}", case.place);

    let mut request = Request::with(Code::AccessRequest, 0, [9; 16], true);
    for pair in pairs {
        let written = request.pair(&pair.attribute, pair.tag, &pair.value, &secret);
        written.unwrap_or_else(|why| panic!("{}: {} {why}", case.place, pair.attribute.name));
        let found = packet.instances(&pair.attribute, &dictionary, &secret);
        assert!(found.contains(&(pair.tag, pair.value)), "{}", case.place);
    }
    let written = request.finish(&secret);
    let encoded = case.find("encoded").map_or(octets, |_| case.octets("encoded"));
    assert_eq!(hex::encode(&written[38..]), hex::encode(encoded), "{}", case.place);
}

/// What another server answered, and what we would in its place.
fn answer(case: &Case<'_>) {
    let (dictionary, secret) = (Dictionary::shipped(), case.secret());
    let (request, reply) = (case.octets("request"), case.octets("reply"));
    let request_packet = Packet::parse(&request).expect("a packet");
    let theirs = verify_reply(&request, &reply, &secret).expect(&case.place);
    let pairs = theirs.pairs_of_reply(&dictionary, &secret, request_packet.authenticator());
    let got: Vec<_> = pairs.iter().map(shown).collect();
    let wanted: Vec<_> = case.text("pairs").split('|').map(|pair| wanted(case, pair)).collect();
    assert_eq!(got, wanted, "{}", case.place);

    let mut ours = Reply::new(theirs.code(), &request_packet);
    for pair in &pairs {
        if &*pair.attribute.name != "Proxy-State" {
            ours.pair(&pair.attribute, pair.tag, &pair.value, &secret).expect(&case.place);
        }
    }
    ours.proxy_state(&request_packet);
    let ours = ours.finish(&secret);
    assert_eq!(ours[20..22], [80, 18], "Message-Authenticator is first");
    let ours = verify_reply(&request, &ours, &secret).expect(&case.place);
    let again = ours.pairs_of_reply(&dictionary, &secret, request_packet.authenticator());
    assert_eq!(again[1..], pairs, "{}", case.place);
}

/// EAP-Message may not be without Message-Authenticator.
fn with_header(attributes: &[u8]) -> Vec<u8> {
    let mut request = vec![1, 0];
    request.extend(u16::try_from(38 + attributes.len()).expect("short").to_be_bytes());
    request.extend([9; 16]);
    request.extend([80, 18]);
    request.extend([0; 16]);
    request.extend(attributes);
    request
}

type Shown = (String, Option<u8>, String);

fn shown(pair: &Pair) -> Shown {
    let mut octets = vec![];
    pair.value.encode(&mut octets);
    (pair.attribute.name.to_string(), pair.tag, hex::encode(octets))
}

/// `Name:tag = value`.
fn wanted(case: &Case<'_>, text: &str) -> Shown {
    let (name, value) = text.split_once(" = ").expect("name and value");
    let (name, tag) = match name.trim().split_once(':') {
        Some((name, tag)) => (name, Some(tag.parse().expect("a tag"))),
        None => (name.trim(), None),
    };
    (name.into(), tag, hex::encode(case.value(value.trim())))
}

#[test]
fn vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let (mut cases, mut failed) = (0, 0);
    for entry in folder.read_dir().expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let of_file = Case::all(&file, &text);
        assert!(!of_file.is_empty(), "{file}");
        cases += of_file.len();
        failed += of_file.iter().filter(|case| catch_unwind(|| check(case)).is_err()).count();
    }
    assert_eq!(failed, 0, "of {cases}");
    assert!(cases > 450, "{cases}");
}
