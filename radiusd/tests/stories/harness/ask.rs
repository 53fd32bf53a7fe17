//! A request as text, and its octets: `pap secret ; NAS-Port = 7 ; Service-Type = Framed-User`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use dictionaries::{Attribute, Dictionary, Kind, Place};
use jiff::tz::TimeZone;
use proto::{Code, Request, Secret, chap, mschap};

use super::digest::Digest;
use super::nas::SECRET;
use super::random::Random;
use super::sign;

/// One request; what is random in it comes from a seed, so that two servers get the same octets.
#[derive(Clone, Debug)]
pub struct Ask {
    pub code: Code,
    login: Login,
    name: Option<Vec<u8>>,
    items: Vec<Item>,
    pub message_authenticator: bool,
    missigned: bool,
}

#[derive(Clone, Debug)]
enum Login {
    None,
    Pap(Vec<u8>),
    Chap(Vec<u8>),
    /// With a CHAP-Challenge of its own.
    ChapChallenge(Vec<u8>),
    MsChap(Vec<u8>),
    /// Only the LM response is flagged as good.
    MsChapLm(Vec<u8>),
    MsChap2(Vec<u8>),
    Digest(Box<Digest>),
}

#[derive(Clone, Debug)]
enum Item {
    Standard(u8, Vec<u8>),
    /// Octets put behind the attributes as they are.
    Octets(Vec<u8>),
}

impl Ask {
    pub fn new(code: Code) -> Ask {
        let message_authenticator = matches!(code, Code::AccessRequest | Code::StatusServer);
        let (login, name, items, missigned) = (Login::None, None, Vec::new(), false);
        Ask { code, login, name, items, message_authenticator, missigned }
    }

    /// `METHOD PASSWORD ; ITEM ; ITEM…` from `user`. `METHOD` is none, pap, chap, chap-challenge,
    /// mschap, mschap-lm, mschap2, digest, or status for a Status-Server; an item is
    /// `Attribute = value`, `name OTHER`, `noname`, `unsigned`, `missigned` (a wrong
    /// Message-Authenticator), `raw HEX`, or changes the digest (see `digest`).
    pub fn access(user: &str, text: &str) -> Result<Ask, String> {
        let mut ask = Ask::new(Code::AccessRequest);
        ask.name = Some(user.into());
        let mut parts = text.split(" ; ");
        let first = parts.next().unwrap_or_default();
        let (method, password) = first.split_once(' ').unwrap_or((first, ""));
        let password = octets(password)?;
        ask.login = match method.trim() {
            "none" => Login::None,
            "status" => {
                (ask.code, ask.name) = (Code::StatusServer, None);
                Login::None
            }
            "pap" => Login::Pap(password),
            "chap" => Login::Chap(password),
            "chap-challenge" => Login::ChapChallenge(password),
            "mschap" => Login::MsChap(password),
            "mschap-lm" => Login::MsChapLm(password),
            "mschap2" => Login::MsChap2(password),
            "digest" => Login::Digest(Digest::new(user, password).into()),
            other => return Err(format!("no method {other:?}")),
        };
        parts.try_for_each(|item| ask.item(item))?;
        Ok(ask)
    }

    pub fn pap(user: &str, password: &str) -> Ask {
        Ask::access(user, &format!("pap {password}")).expect("a login")
    }

    /// `Attribute = value ; …`
    pub fn accounting(text: &str) -> Result<Ask, String> {
        let mut ask = Ask::new(Code::AccountingRequest);
        text.split(" ; ").try_for_each(|item| ask.item(item))?;
        Ok(ask)
    }

    /// Adds one more item.
    pub fn with(mut self, item: &str) -> Ask {
        self.item(item).expect("an item");
        self
    }

    fn item(&mut self, item: &str) -> Result<(), String> {
        let item = item.trim_matches(' ');
        if item == "noname" {
            self.name = None;
        } else if item == "unsigned" {
            self.message_authenticator = false;
        } else if item == "missigned" {
            self.missigned = true;
        } else if let Some(name) = item.strip_prefix("name ") {
            self.name = Some(octets(name)?);
        } else if let (Some(change), Login::Digest(digest)) =
            (item.strip_prefix("digest "), &mut self.login)
        {
            digest.change(change)?;
        } else if let Some(raw) = item.strip_prefix("raw ") {
            let raw = hex::decode(octets(raw)?).map_err(|error| format!("{item}: {error}"))?;
            self.items.push(Item::Octets(raw));
        } else if let Some((name, value)) = item.split_once(" = ") {
            self.items.push(pair(name.trim(), value)?);
        } else if !item.is_empty() {
            return Err(format!("no item {item:?}"));
        }
        Ok(())
    }

    /// The request's octets.
    pub fn encode(&self, identifier: u8, seed: u64, secret: &Secret) -> Vec<u8> {
        let mut random = Random::new(seed);
        let authenticator: [u8; 16] = random.octets();
        let mut request =
            Request::with(self.code, identifier, authenticator, self.message_authenticator);
        if let Some(name) = &self.name {
            request.raw(1, name);
        }
        self.login(&mut request, &authenticator, &mut random, secret);
        let mut behind = Vec::new();
        for item in &self.items {
            match item {
                Item::Standard(number, octets) => assert!(request.raw(*number, octets)),
                Item::Octets(octets) => behind.extend_from_slice(octets),
            }
        }
        let mut packet = request.finish(secret);
        if !behind.is_empty() {
            packet.extend_from_slice(&behind);
            sign::again(&mut packet, SECRET);
        }
        if let Some(at) = sign::message_authenticator(&packet).filter(|_| self.missigned) {
            packet[at] ^= 1;
        }
        packet
    }

    fn login(
        &self,
        request: &mut Request,
        authenticator: &[u8; 16],
        random: &mut Random,
        secret: &Secret,
    ) {
        let identifier = random.octets::<1>()[0];
        match &self.login {
            Login::None => {}
            Login::Digest(digest) => digest.write(request),
            Login::Pap(password) => assert!(request.user_password(password, secret)),
            Login::Chap(password) => {
                let response = chap::response(identifier, password, authenticator);
                request.raw(3, &[&[identifier], &response[..]].concat());
            }
            Login::ChapChallenge(password) => {
                let challenge: [u8; 20] = random.octets();
                let response = chap::response(identifier, password, &challenge);
                request.raw(3, &[&[identifier], &response[..]].concat());
                request.raw(60, &challenge);
            }
            Login::MsChap(password) | Login::MsChapLm(password) => {
                let challenge: [u8; 8] = random.octets();
                let hash = mschap::nt_hash(password).expect("a password of text");
                let answer = mschap::challenge_response(&challenge, &hash);
                let is_nt = matches!(self.login, Login::MsChap(_));
                let mut response = vec![identifier, u8::from(is_nt)];
                let parts = if is_nt { [[0; 24], answer] } else { [answer, [0; 24]] };
                response.extend_from_slice(&parts.concat());
                microsoft(request, 11, &challenge);
                microsoft(request, 1, &response);
            }
            Login::MsChap2(password) => {
                let challenge: [u8; 16] = random.octets();
                let peer: [u8; 16] = random.octets();
                let name = mschap::peer_name(self.name.as_deref().unwrap_or_default());
                let hash = mschap::nt_hash(password).expect("a password of text");
                let hashed = mschap::challenge_hash(&peer, &challenge, name);
                let answer = mschap::challenge_response(&hashed, &hash);
                let response = [&[identifier, 0][..], &peer, &[0; 8], &answer].concat();
                microsoft(request, 11, &challenge);
                microsoft(request, 25, &response);
            }
        }
    }
}

fn microsoft(request: &mut Request, number: u8, octets: &[u8]) {
    let length = u8::try_from(octets.len() + 2).expect("a short value");
    request.raw(26, &[&311_u32.to_be_bytes()[..], &[number, length], octets].concat());
}

/// An attribute on the wire, encoded apart from the code that is tested.
fn pair(name: &str, value: &str) -> Result<Item, String> {
    let (attribute, tag) =
        Dictionary::shipped().named(name).map_err(|error| format!("{name}: {error}"))?;
    let mut content =
        encode(&attribute, value).ok_or_else(|| format!("{name} = {value}: no value"))?;
    if let Some(tag) = tag {
        if attribute.kind == Kind::Integer {
            content[0] = tag;
        } else {
            content.insert(0, tag);
        }
    }
    let Place::Wire { vendor, path } = &attribute.place else {
        return Err(format!("{name} is never on the wire"));
    };
    match (vendor, path.as_slice()) {
        (0, [number]) => Ok(Item::Standard(*number as u8, content)),
        (vendor, [number]) => {
            let head = [*number as u8, content.len() as u8 + 2];
            Ok(Item::Standard(26, [&vendor.to_be_bytes()[..], &head, &content].concat()))
        }
        _ => Err(format!("{name}: write it as raw octets")),
    }
}

fn encode(attribute: &Attribute, text: &str) -> Option<Vec<u8>> {
    Some(match attribute.kind {
        Kind::Octets if text.starts_with("0x") => hex::decode(octets(&text[2..]).ok()?).ok()?,
        Kind::String | Kind::Octets => octets(text).ok()?,
        Kind::Integer | Kind::Date => {
            let text = String::from_utf8(octets(text).ok()?).ok()?;
            let number = text.parse().ok().or_else(|| attribute.value_named(&text))?;
            number.to_be_bytes().into()
        }
        Kind::Ipaddr => text.parse::<Ipv4Addr>().ok()?.octets().into(),
        Kind::Ipv6addr => text.parse::<Ipv6Addr>().ok()?.octets().into(),
        Kind::Ipv6prefix => {
            let (address, length) = text.split_once('/')?;
            let address = address.parse::<Ipv6Addr>().ok()?.octets();
            [&[0, length.parse().ok()?], &address[..]].concat()
        }
        Kind::Ifid => {
            let parts: Result<Vec<u16>, _> =
                text.split(':').map(|part| u16::from_str_radix(part, 16)).collect();
            parts.ok()?.into_iter().flat_map(u16::to_be_bytes).collect()
        }
        _ => return None,
    })
}

/// Text with `@{…}`: `@{}` nothing, `@{sp}` a space, `@{nl}` `@{cr}` `@{tab}`, `@{x00ff}` octets,
/// `@{rep a 300}` a text so many times, `@{now+60}` seconds of the epoch, `@{hhmm-5}` a clock time
/// so many minutes from now.
pub fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        out.extend_from_slice(before.as_bytes());
        let (word, after) = after.split_once('}').ok_or_else(|| format!("no }} in {text:?}"))?;
        rest = after;
        match word {
            "" => {}
            "sp" => out.push(b' '),
            "nl" => out.push(b'\n'),
            "cr" => out.push(b'\r'),
            "tab" => out.push(b'\t'),
            _ if word.starts_with('x') => {
                out.extend(hex::decode(&word[1..]).map_err(|error| format!("{word}: {error}"))?);
            }
            _ if word.starts_with("rep ") => {
                let (what, times) = word[4..].rsplit_once(' ').ok_or(word)?;
                out.extend(what.repeat(number(times)?).into_bytes());
            }
            _ if word.starts_with("now") => {
                out.extend((now() + signed(&word[3..])?).to_string().into_bytes());
            }
            _ if word.starts_with("hhmm") => {
                let zone = TimeZone::get(super::site::ZONE).map_err(|error| error.to_string())?;
                let then = jiff::Timestamp::from_second(now() + 60 * signed(&word[4..])?);
                let then = then.map_err(|error| error.to_string())?.to_zoned_datetime(zone);
                out.extend(then.strftime("%H%M").to_string().into_bytes());
            }
            _ => return Err(format!("no @{{{word}}}")),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// The one clock time of a run, so that what a corpus says twice is the same twice.
pub fn now() -> i64 {
    static NOW: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_second());
    *NOW
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("no number: {text:?}"))
}

fn signed(text: &str) -> Result<i64, String> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| format!("no number: {text:?}")) }
}
