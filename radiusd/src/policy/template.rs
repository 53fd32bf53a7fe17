//! Values in back-ticks: text with references to attributes, read once, expanded per request.

use std::sync::Arc;

use dictionaries::{Attribute, Dictionary, Kind, Value};
use jiff::tz::TimeZone;

use super::list::{List, values_in};
use super::need::Answers;
use super::role::Role;
use super::rows::{Item, More};
use super::view::View;

/// What a row's text between back-ticks says.
#[derive(Debug)]
pub(super) enum Template {
    Pieces(Box<[Piece]>),
    /// FreeRADIUS takes the row, and finds nothing to put in its place.
    Broken,
}

#[derive(Debug)]
pub(super) enum Piece {
    Text(Box<[u8]>),
    Reference(Reference),
    /// `%{%{A}:-B}`
    Either(Box<Piece>, Box<[Piece]>),
}

#[derive(Debug)]
pub(super) struct Reference {
    list: ListName,
    attribute: Arc<Attribute>,
    role: Role,
    tag: Option<u8>,
    which: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListName {
    Request,
    Control,
    Reply,
    /// Of a proxied or tunnelled request, which this isn't.
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    At(usize),
    Last,
    All,
    Count,
}

/// It asks for more than attributes: `%{md5:…}`, `%l`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub Box<str>);

/// Why reading stopped.
enum Stop {
    Broken,
    Unsupported(Box<str>),
}

/// What FreeRADIUS expands besides attributes.
const FUNCTIONS: [&str; 40] = [
    "sql",
    "md4",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "hmacmd5",
    "hmacsha1",
    "tolower",
    "toupper",
    "integer",
    "hex",
    "string",
    "xlat",
    "map",
    "module",
    "debug",
    "debug_attr",
    "expr",
    "length",
    "strlen",
    "rand",
    "randstr",
    "escape",
    "unescape",
    "urlquote",
    "urlunquote",
    "base64",
    "base64tohex",
    "nexttime",
    "lastlogin",
    "lpad",
    "rpad",
    "client",
    "config",
    "exec",
    "explode",
    "pairs",
];

/// One letter behind a percent sign.
const LETTERS: &str = "cdelmntCDGHIMSTYv";

impl Template {
    pub(super) fn parse(text: &str, dictionary: &Dictionary) -> Result<Template, Unsupported> {
        let mut reader = Reader { rest: text, dictionary };
        match reader.pieces(false) {
            Ok(pieces) => Ok(Template::Pieces(pieces.into())),
            Err(Stop::Broken) => Ok(Template::Broken),
            Err(Stop::Unsupported(what)) => Err(Unsupported(what)),
        }
    }

    /// The value for an attribute. `None`: FreeRADIUS keeps an instance that it never sends.
    pub(super) fn expand(&self, attribute: &Attribute, scope: &Scope<'_, '_, '_>) -> Option<Value> {
        let Template::Pieces(pieces) = self else { return None };
        let mut out = Vec::new();
        pieces.iter().for_each(|piece| piece.expand(scope, &mut out));
        match attribute.kind {
            Kind::String => Some(Value::String(out.into())),
            _ => Value::parse_plain(attribute, std::str::from_utf8(&out).ok()?, scope.zone()).ok(),
        }
    }
}

/// The lists that references look into.
pub(super) struct Scope<'s, 'v, 'a> {
    pub(super) view: &'s View<'v, 'a>,
    pub(super) control: &'s List<'a>,
    pub(super) reply: &'s List<'a>,
    pub(super) answers: &'s Answers,
}

impl Scope<'_, '_, '_> {
    pub(super) fn zone(&self) -> &TimeZone {
        self.view.request.zone
    }

    /// The value of a row that isn't fixed. `None`: it is, or cannot be found out.
    pub(super) fn value(&self, item: &Item) -> Option<Value> {
        match item.more.as_deref()? {
            More::Template(template) => template.expand(&item.pair.attribute, self),
            More::Host(host) => item.address(self.answers.find_host(host)?),
            _ => None,
        }
    }
}

impl Piece {
    fn expand(&self, scope: &Scope<'_, '_, '_>, out: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Reference(reference) => reference.expand(scope, out),
            Piece::Either(first, second) => {
                let before = out.len();
                first.expand(scope, out);
                if out.len() == before {
                    second.iter().for_each(|piece| piece.expand(scope, out));
                }
            }
        }
    }
}

impl Reference {
    fn expand(&self, scope: &Scope<'_, '_, '_>, out: &mut Vec<u8>) {
        let mut found = match self.list {
            ListName::Request => scope.view.values(&self.attribute, self.role),
            ListName::Control => values_in(scope.control, &self.attribute),
            ListName::Reply => values_in(scope.reply, &self.attribute),
            ListName::Absent => return,
        };
        found.retain(|(tag, _)| self.tag.is_none() || *tag == self.tag);
        let mut print = |value: &Value| match value {
            Value::String(octets) => out.extend_from_slice(octets),
            other => {
                out.extend_from_slice(other.print_in(&self.attribute, scope.zone()).as_bytes());
            }
        };
        match self.which {
            Which::At(index) => {
                if let Some((_, value)) = found.get(index) {
                    print(value);
                }
            }
            Which::Last => {
                if let Some((_, value)) = found.last() {
                    print(value);
                }
            }
            Which::Count => out.extend_from_slice(found.len().to_string().as_bytes()),
            Which::All => {
                for (index, (_, value)) in found.iter().enumerate() {
                    if index > 0 {
                        print(&Value::String(b",".as_slice().into()));
                    }
                    print(value);
                }
            }
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
    dictionary: &'t Dictionary,
}

impl<'t> Reader<'t> {
    /// Up to the end, or to the brace that closes what we are inside of.
    fn pieces(&mut self, inside: bool) -> Result<Vec<Piece>, Stop> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut depth = 0_usize;
        loop {
            let Some(next) = self.rest.chars().next() else {
                if inside {
                    return Err(Stop::Broken);
                }
                break;
            };
            match next {
                '\\' => self.escape(&mut text),
                '%' => {
                    if let Some(piece) = self.percent(&mut text)? {
                        flush(&mut text, &mut pieces);
                        pieces.push(piece);
                    }
                }
                '}' if inside && depth == 0 => {
                    self.skip(1);
                    break;
                }
                other => {
                    match other {
                        '{' => depth += 1,
                        '}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    self.take_into(other.len_utf8(), &mut text);
                }
            }
        }
        flush(&mut text, &mut pieces);
        Ok(pieces)
    }

    fn skip(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }

    fn take_into(&mut self, octets: usize, text: &mut Vec<u8>) {
        text.extend_from_slice(self.rest.get(..octets).unwrap_or_default().as_bytes());
        self.skip(octets);
    }

    /// `\n \r \t \\ \" \ooo`; any other stays as it is and protects what it stands before.
    fn escape(&mut self, text: &mut Vec<u8>) {
        let octal = |digit: u8| (b'0'..b'8').contains(&digit);
        match self.rest.as_bytes() {
            [_, escaped @ (b'n' | b'r' | b't' | b'\\' | b'"'), ..] => {
                text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                self.skip(2);
            }
            [_, a, b, c, ..] if octal(*a) && octal(*b) && octal(*c) => {
                let digits = [a, b, c].into_iter().map(|digit| digit & 7);
                text.push(digits.fold(0_u8, |octet, digit| octet.wrapping_mul(8) | digit));
                self.skip(4);
            }
            _ => {
                let protected = self.rest.chars().nth(1).map_or(0, char::len_utf8);
                self.take_into(1 + protected, text);
            }
        }
    }

    fn percent(&mut self, text: &mut Vec<u8>) -> Result<Option<Piece>, Stop> {
        let after = self.rest.get(1..).unwrap_or_default();
        match after.chars().next() {
            Some('{') => self.expansion().map(Some),
            Some('%') => {
                text.push(b'%');
                self.skip(2);
                Ok(None)
            }
            Some(letter) if LETTERS.contains(letter) => {
                Err(Stop::Unsupported(format!("%{letter}").into()))
            }
            _ => Err(Stop::Broken),
        }
    }

    /// From `%{` to its `}`.
    fn expansion(&mut self) -> Result<Piece, Stop> {
        self.skip(2);
        if self.rest.starts_with("%{") {
            let first = self.expansion()?;
            self.rest = self.rest.strip_prefix(":-").ok_or(Stop::Broken)?;
            let second = self.pieces(true)?;
            return Ok(Piece::Either(Box::new(first), second.into()));
        }
        let (name, rest) = self.rest.split_once('}').ok_or(Stop::Broken)?;
        self.rest = rest;
        self.named(name)
    }

    fn named(&self, name: &'t str) -> Result<Piece, Stop> {
        if let Some((function, _)) = name.split_once(':')
            && FUNCTIONS.iter().any(|known| known.eq_ignore_ascii_case(function))
        {
            return Err(Stop::Unsupported(format!("%{{{function}:…}}").into()));
        }
        // What a regular expression captured.
        if !name.is_empty() && name.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(Piece::Text(Box::default()));
        }
        let name = name.strip_prefix('&').unwrap_or(name);
        let (list, name) = list_of(name);
        let (name, which) = match name.split_once('[') {
            None => (name, Which::At(0)),
            Some((name, "#]")) => (name, Which::Count),
            Some((name, "*]")) => (name, Which::All),
            Some((name, "n]")) => (name, Which::Last),
            Some((name, index)) => {
                let index = index.strip_suffix(']').and_then(|index| index.parse().ok());
                let index = index.filter(|index| *index <= 1000).ok_or(Stop::Broken)?;
                (name, Which::At(index))
            }
        };
        let (attribute, tag) = self.dictionary.named(name).map_err(|_| Stop::Broken)?;
        let role = Role::of(&attribute);
        Ok(Piece::Reference(Reference { list, attribute, role, tag, which }))
    }
}

fn flush(text: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text).into()));
    }
}

fn list_of(name: &str) -> (ListName, &str) {
    let Some((list, rest)) = name.split_once(':') else { return (ListName::Request, name) };
    match list {
        "request" => (ListName::Request, rest),
        "control" => (ListName::Control, rest),
        "reply" => (ListName::Reply, rest),
        "session-state"
        | "proxy-request"
        | "proxy-reply"
        | "coa"
        | "coa-reply"
        | "disconnect"
        | "disconnect-reply"
        | "outer.request"
        | "outer.control"
        | "outer.reply"
        | "outer.session-state" => (ListName::Absent, rest),
        // A tag stands behind a colon too.
        _ => (ListName::Request, name),
    }
}
