//! A digest login as a SIP server passes it on, right or with something wrong.

use md5::{Digest as _, Md5};
use proto::Request;

use super::ask::octets;

const NAMES: [&str; 10] =
    ["realm", "nonce", "method", "uri", "qop", "algorithm", "body", "cnonce", "count", "user"];

#[derive(Clone, Debug)]
pub struct Digest {
    /// As numbered by Digest-Attributes, from 1.
    parts: [Option<Vec<u8>>; NAMES.len()],
    password: Vec<u8>,
    /// Computed with, and not sent.
    unsent: Vec<usize>,
    /// Sent in place of what was computed.
    response: Option<Vec<u8>>,
    capitals: bool,
    /// All parts in as few attributes as they fit into.
    packed: bool,
}

impl Digest {
    pub fn new(user: &str, password: Vec<u8>) -> Digest {
        let mut parts = [const { None }; NAMES.len()];
        for (name, value) in [
            ("realm", "example.com"),
            ("nonce", "3bada1a0"),
            ("method", "INVITE"),
            ("uri", "sip:555@example.com"),
            ("user", user),
        ] {
            parts[at(name)] = Some(value.into());
        }
        let (unsent, response) = (Vec::new(), None);
        Digest { parts, password, unsent, response, capitals: false, packed: false }
    }

    /// `NAME = VALUE` for a part, `no NAME`, `unsent NAME` (computed with), `response = TEXT`,
    /// `capitals`, `packed`.
    pub fn change(&mut self, text: &str) -> Result<(), String> {
        let known = |name: &str| NAMES.iter().position(|known| *known == name).ok_or("no part");
        match text {
            "capitals" => self.capitals = true,
            "packed" => self.packed = true,
            _ => match text.split_once(" = ") {
                Some(("response", value)) => self.response = Some(octets(value)?),
                Some((name, value)) => self.parts[known(name)?] = Some(octets(value)?),
                None => match text.split_once(' ') {
                    Some(("no", name)) => self.parts[known(name)?] = None,
                    Some(("unsent", name)) => self.unsent.push(known(name)?),
                    _ => return Err(format!("no change of a digest: {text:?}")),
                },
            },
        }
        Ok(())
    }

    pub fn write(&self, request: &mut Request) {
        let mut response = self.response.clone().unwrap_or_else(|| self.response().into_bytes());
        if self.capitals {
            response.make_ascii_uppercase();
        }
        request.raw(206, &response);
        let sent = self.parts.iter().enumerate().filter(|(at, _)| !self.unsent.contains(at));
        let mut all = Vec::new();
        for (at, value) in sent {
            let Some(value) = value else { continue };
            let head = [at as u8 + 1, value.len() as u8 + 2];
            all.push([&head[..], value].concat());
        }
        if self.packed {
            all = vec![all.concat()];
        }
        all.iter().for_each(|part| assert!(request.raw(207, part)));
    }

    /// RFC 2617 §3.2.2.
    fn response(&self) -> String {
        let part = |name: &str| self.parts[at(name)].clone().unwrap_or_default();
        let is = |name: &str, value: &str| part(name).eq_ignore_ascii_case(value.as_bytes());
        let mut first = md5(&[&part("user"), &part("realm"), &self.password]);
        if is("algorithm", "MD5-sess") {
            first = md5(&[first.as_bytes(), &part("nonce"), &part("cnonce")]);
        }
        let second = match is("qop", "auth-int") {
            true => md5(&[&part("method"), &part("uri"), &part("body")]),
            false => md5(&[&part("method"), &part("uri")]),
        };
        match self.parts[at("qop")] {
            None => md5(&[first.as_bytes(), &part("nonce"), second.as_bytes()]),
            Some(_) => md5(&[
                first.as_bytes(),
                &part("nonce"),
                &part("count"),
                &part("cnonce"),
                &part("qop"),
                second.as_bytes(),
            ]),
        }
    }
}

fn at(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("a part")
}

fn md5(parts: &[&[u8]]) -> String {
    hex::encode(Md5::digest(parts.join(&b':')))
}
