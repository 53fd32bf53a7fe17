//! Pairs to octets.

use std::fmt;

use dictionaries::{Attribute, Encrypt, Kind, Place, Value};
use smallvec::SmallVec;

use super::frame::{Frame, Split};
use super::number::{CHARGEABLE_USER_IDENTITY, MESSAGE_AUTHENTICATOR, NAS_FILTER_RULE};
use crate::secret::{Authenticator, Secret};

/// The most that one attribute holds behind its header.
const VALUE_MAX: usize = 253;

/// Why a pair is not in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// The attribute is internal, never on the wire; or Message-Authenticator, which is written by
    /// whoever signs.
    Internal,
    /// An empty value is not sent.
    Empty,
    /// The packet would exceed 4096 octets: this and all that follow stay out.
    Full,
    /// No octets could say this (attribute 0, a nested attribute that doesn't fit): FreeRADIUS
    /// then sends no answer at all.
    Impossible,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Internal => "internal attributes are not sent",
            Refused::Empty => "empty values are not sent",
            Refused::Full => "the packet is full",
            Refused::Impossible => "cannot be encoded",
        })
    }
}

impl std::error::Error for Refused {}

/// What hidden attributes are hidden with.
#[derive(Clone, Copy)]
pub(crate) struct Hiding<'a> {
    pub(crate) secret: &'a Secret,
    pub(crate) authenticator: &'a Authenticator,
}

/// Attributes on their way into a packet.
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
    /// How long the packet may become.
    limit: usize,
    full: bool,
    salt: u16,
    /// The TLV written last, while it is the last: its siblings join it.
    open: Option<(Frame, usize)>,
    /// Where the last NAS-Filter-Rule begins and the packet ended then: the next rule goes on.
    rules: Option<(usize, usize)>,
}

impl Writer {
    /// `out` begins with the header.
    pub(crate) fn new(out: Vec<u8>, limit: usize, salt: u16) -> Writer {
        Writer { out, limit, full: false, salt, open: None, rules: None }
    }

    pub(crate) fn set_salt(&mut self, salt: u16) {
        self.salt = salt;
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.full = false;
    }

    /// One standard attribute as it is, at most 253 octets of it.
    pub(crate) fn raw(&mut self, number: u8, octets: &[u8]) -> Result<(), Refused> {
        let before = self.out.len();
        self.push(number, octets.get(..VALUE_MAX).unwrap_or(octets));
        self.keep_within(before)
    }

    pub(crate) fn pair(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        hiding: Hiding<'_>,
    ) -> Result<(), Refused> {
        let Place::Wire { vendor, .. } = &attribute.place else { return Err(Refused::Internal) };
        if attribute.standard_number() == Some(MESSAGE_AUTHENTICATOR) {
            return Err(Refused::Internal);
        }
        if self.full {
            return Err(Refused::Full);
        }
        if let Value::Tlv(children) = value {
            if children.is_empty() {
                return Err(Refused::Empty);
            }
            return children.iter().try_for_each(|child| {
                self.pair(&child.attribute, child.tag, &child.value, hiding)
            });
        }
        let before = self.out.len();
        match (vendor, attribute.standard_number()) {
            (0, Some(NAS_FILTER_RULE)) => return self.filter_rule(value),
            (0, Some(number @ 1..)) if is_plain(attribute) => {
                self.plain(number, value, may_be_empty(attribute))?;
                return self.keep_within(before);
            }
            _ => {}
        }
        let joined = self.join(attribute, tag, value, hiding);
        match joined {
            Some(done) => done?,
            None => self.start(attribute, tag, value, hiding)?,
        }
        self.keep_within(before)
    }

    /// The short way, for what most attributes are.
    fn plain(&mut self, number: u8, value: &Value, may_be_empty: bool) -> Result<(), Refused> {
        let start = self.out.len();
        self.out.extend_from_slice(&[number, 2]);
        value.encode(&mut self.out);
        let longest = start.saturating_add(usize::from(u8::MAX));
        if self.out.len() > longest {
            self.out.truncate(longest);
        }
        if self.out.len() <= start.saturating_add(2) && !may_be_empty {
            self.out.truncate(start);
            return Err(Refused::Empty);
        }
        set_length(&mut self.out, start);
        Ok(())
    }

    /// Adds a TLV's leaf to the TLV that was written last. `None`: it isn't its sibling, or there
    /// is no room there.
    fn join(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        hiding: Hiding<'_>,
    ) -> Option<Result<(), Refused>> {
        let (frame, end) = self.open.take()?;
        if end != self.out.len() {
            return None;
        }
        let Some(longer) = frame.joined_by(&attribute.place, &mut self.out) else {
            self.out.truncate(end);
            return None;
        };
        let done = self.value(attribute, tag, value, hiding);
        if done.is_ok() && longer.close(&mut self.out) && self.out.len() <= self.limit {
            self.open = Some((longer, self.out.len()));
            return Some(Ok(()));
        }
        self.out.truncate(end);
        frame.close(&mut self.out);
        done.err().map(Err)
    }

    /// Writes an attribute of its own.
    fn start(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        hiding: Hiding<'_>,
    ) -> Result<(), Refused> {
        let before = self.out.len();
        let written = Frame::open(&attribute.place, attribute.format, &mut self.out)
            .ok_or(Refused::Impossible)
            .and_then(|frame| {
                self.value(attribute, tag, value, hiding)?;
                self.fit(attribute, value, frame)
            });
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    /// Fills the lengths in; splits or cuts what is too long for one attribute.
    fn fit(&mut self, attribute: &Attribute, value: &Value, frame: Frame) -> Result<(), Refused> {
        if frame.close(&mut self.out) {
            if frame.is_nested() {
                self.open = Some((frame, self.out.len()));
            }
            return Ok(());
        }
        let split = frame.split();
        let split = split.or_else(|| {
            attribute.standard_number().filter(|_| attribute.flags.concat).map(Split::Plain)
        });
        let end = frame.end_max(split.is_some());
        if self.out.len() > end {
            if attribute.flags.encrypt != Encrypt::No || !is_cuttable(value) {
                return Err(Refused::Impossible);
            }
            self.out.truncate(end);
        }
        match split {
            _ if frame.close(&mut self.out) => Ok(()),
            Some(split) => {
                let content = frame.take_content(&mut self.out);
                split.write(&content, &mut self.out);
                Ok(())
            }
            None => Err(Refused::Impossible),
        }
    }

    /// Tag and value, hidden where the dictionary says so.
    fn value(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        hiding: Hiding<'_>,
    ) -> Result<(), Refused> {
        let flags = &attribute.flags;
        let begin = self.out.len();
        if flags.has_tag && flags.encrypt == Encrypt::Tunnel {
            self.out.push(tag.unwrap_or_default());
        }
        let at = self.out.len();
        value.encode(&mut self.out);
        let clear: SmallVec<[u8; 256]> = match self.out.get(at..) {
            Some([]) if !may_be_empty(attribute) => {
                return Err(Refused::Empty);
            }
            Some(clear) if flags.encrypt != Encrypt::No => SmallVec::from_slice(clear),
            _ => SmallVec::new(),
        };
        let Hiding { secret, authenticator } = hiding;
        if flags.encrypt != Encrypt::No {
            self.out.truncate(at);
        }
        match flags.encrypt {
            Encrypt::No => {}
            Encrypt::User => secret.hide_user_password(&clear, authenticator, &mut self.out),
            Encrypt::Tunnel => {
                self.salt = self.salt.wrapping_add(1);
                secret.hide_tunnel(&clear, authenticator, self.salt, &mut self.out);
            }
            Encrypt::Ascend => {
                let mut padded = [0; 16];
                padded.iter_mut().zip(&clear).for_each(|(octet, clear)| *octet = *clear);
                self.out.extend_from_slice(&secret.ascend(&padded, authenticator));
            }
        }
        if flags.has_tag && flags.encrypt != Encrypt::Tunnel {
            self.tag(attribute.kind, tag, begin);
        }
        Ok(())
    }

    /// Puts the tag in front of a string, or over a number's first octet, RFC 2868 §3.
    fn tag(&mut self, kind: Kind, tag: Option<u8>, begin: usize) {
        let tag = tag.filter(|tag| (1..0x20).contains(tag));
        match (kind, tag, self.out.get(begin..)) {
            (Kind::Integer, _, Some([_, ..])) => {
                if let Some(first) = self.out.get_mut(begin) {
                    *first = tag.unwrap_or_default();
                }
            }
            (_, Some(tag), _) => self.out.insert(begin, tag),
            _ => {}
        }
    }

    /// RFC 4849: a rule goes on where the one before it ended, behind a NUL, over the borders of
    /// attributes.
    fn filter_rule(&mut self, value: &Value) -> Result<(), Refused> {
        let mut rule = Vec::new();
        value.encode(&mut rule);
        if rule.is_empty() {
            return Err(Refused::Empty);
        }
        let before = self.out.len();
        let last = self.rules.filter(|(_, end)| *end == before).map(|(start, _)| start);
        let mut at = last;
        if let Some(last) = last {
            rule.insert(0, 0);
            let used = before.saturating_sub(last).saturating_sub(2);
            let room = VALUE_MAX.saturating_sub(used).min(rule.len());
            self.out.extend(rule.drain(..room));
            set_length(&mut self.out, last);
        }
        for part in rule.chunks(VALUE_MAX) {
            at = Some(self.out.len());
            self.push(NAS_FILTER_RULE, part);
        }
        let kept = self.keep_within(before);
        match last {
            Some(last) if kept.is_err() => set_length(&mut self.out, last),
            _ => self.rules = at.map(|at| (at, self.out.len())),
        }
        kept
    }

    /// `octets` fit, by the caller.
    fn push(&mut self, number: u8, octets: &[u8]) {
        let length = u8::try_from(octets.len().saturating_add(2)).unwrap_or(u8::MAX);
        self.out.extend_from_slice(&[number, length]);
        self.out.extend_from_slice(octets);
    }

    /// Takes back what made the packet too long.
    fn keep_within(&mut self, before: usize) -> Result<(), Refused> {
        if self.out.len() <= self.limit {
            return Ok(());
        }
        self.out.truncate(before);
        self.full = true;
        Err(Refused::Full)
    }
}

/// The length of the attribute that begins at `start` and ends the packet.
fn set_length(out: &mut [u8], start: usize) {
    let length = u8::try_from(out.len().saturating_sub(start)).unwrap_or(u8::MAX);
    if let Some(place) = out.get_mut(start.saturating_add(1)) {
        *place = length;
    }
}

/// Nothing but number, length and value? Only strings and octets can be too long, and are cut.
fn is_plain(attribute: &Attribute) -> bool {
    let flags = &attribute.flags;
    !flags.has_tag && !flags.concat && flags.encrypt == Encrypt::No
}

/// RFC 4372: an empty identity asks for one.
fn may_be_empty(attribute: &Attribute) -> bool {
    attribute.standard_number() == Some(CHARGEABLE_USER_IDENTITY)
}

fn is_cuttable(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Octets(_) | Value::Abinary(_))
}

#[cfg(test)]
mod tests {
    use dictionaries::{Dictionary, Pair, Value};

    use super::{Hiding, Refused, Writer};
    use crate::secret::Secret;

    fn check(
        limit: usize,
        pairs: &[(&str, Option<u8>, Value)],
        want: &[Result<(), Refused>],
    ) -> Vec<u8> {
        let (dictionary, secret) = (Dictionary::shipped(), Secret::new(b"xyzzy5461"));
        let hiding = Hiding { secret: &secret, authenticator: &[7; 16] };
        let mut writer = Writer::new(Vec::new(), limit, 0x1234);
        for ((name, tag, value), want) in pairs.iter().zip(want) {
            let (attribute, _) = dictionary.named(name).unwrap();
            let before = writer.out.clone();
            let got = writer.pair(&attribute, *tag, value, hiding);
            assert_eq!(got, *want, "{name}");
            if got.is_err() {
                assert_eq!(writer.out, before, "{name} left something");
            }
        }
        writer.out
    }

    fn text(length: usize) -> Value {
        Value::String(vec![b'x'; length].into())
    }

    #[test]
    fn what_is_not_sent() {
        let pairs = [
            ("Auth-Type", None, Value::Integer(1)),
            ("Message-Authenticator", None, Value::Octets([0; 16].into())),
            ("User-Name", None, text(0)),
            ("Tunnel-Password", Some(1), text(0)),
            ("Attr-0", None, text(1)),
            ("Chargeable-User-Identity", None, Value::Octets([].into())),
        ];
        let out = check(
            4096,
            &pairs,
            &[
                Err(Refused::Internal),
                Err(Refused::Internal),
                Err(Refused::Empty),
                Err(Refused::Empty),
                Err(Refused::Impossible),
                Ok(()),
            ],
        );
        assert_eq!(out, [89, 2]);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let cut = |name, tag| check(4096, &[(name, tag, text(300))], &[Ok(())]);
        assert_eq!(cut("User-Name", None).len(), 255);
        assert_eq!(cut("Cisco-AVPair", None)[..8], [26, 255, 0, 0, 0, 9, 1, 249]);
        assert_eq!(cut("Tunnel-Private-Group-Id", Some(3))[..3], [81, 255, 3]);
        assert_eq!(cut("User-Password", None).len(), 2 + 128);
        assert_eq!(cut("Tunnel-Password", Some(1)).len(), 2 + 1 + 2 + 240);
        assert_eq!(cut("MS-MPPE-Send-Key", None).len(), 2 + 4 + 2 + 2 + 240);
        assert_eq!(cut("SN-VPN-Name", None)[..10], [26, 255, 0, 0, 31, 228, 0, 2, 0, 249]);
        // Not cut: gone on with.
        assert_eq!(cut("EAP-Message", None).len(), 300 + 4);
        assert_eq!(cut("NAS-Filter-Rule", None).len(), 300 + 4);
    }

    #[test]
    fn a_full_packet_stays_as_it_was() {
        let rule = |length| ("NAS-Filter-Rule", None, text(length));
        let full = Err(Refused::Full);
        let out = check(100, &[rule(60), rule(60), rule(5)], &[Ok(()), full, full]);
        assert_eq!(out[..2], [92, 62]);
        let release = |length| ("WiMAX-Release", None, text(length));
        let out = check(100, &[release(50), release(50)], &[Ok(()), full]);
        assert_eq!(out[..10], [26, 61, 0, 0, 0x60, 0xb5, 1, 55, 0, 1]);
        let eap = ("EAP-Message", None, Value::Octets([7; 90].into()));
        check(100, &[eap.clone(), eap], &[Ok(()), full]);
    }

    #[test]
    fn salts_differ_within_a_packet() {
        let secret = ("Tunnel-Password", Some(1), text(3));
        let out = check(4096, &[secret.clone(), secret], &[Ok(()), Ok(())]);
        let (first, second) = out.split_at(out.len() / 2);
        assert_ne!(first[3..5], second[3..5]);
        assert!(first[3] & second[3] & 0x80 != 0);
    }

    #[test]
    fn a_tlv_as_one_value() {
        let dictionary = Dictionary::shipped();
        let child = |name: &str, value| Pair {
            attribute: dictionary.attribute(name).unwrap().clone(),
            tag: None,
            value,
        };
        let children = vec![
            child("WiMAX-Release", text(3)),
            child("WiMAX-Accounting-Capabilities", Value::Octets([1].into())),
        ];
        let apart: Vec<_> =
            children.iter().map(|c| (&*c.attribute.name, c.tag, c.value.clone())).collect();
        let apart = check(4096, &apart, &[Ok(()), Ok(())]);
        let whole =
            check(4096, &[("WiMAX-Capability", None, Value::Tlv(children.clone()))], &[Ok(())]);
        assert_eq!(whole, apart);
    }
}
