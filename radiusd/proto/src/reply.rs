//! A datagram written in answer to a request.

use dictionaries::{Attribute, Value};

use crate::attribute::{Hiding, MESSAGE_AUTHENTICATOR, PROXY_STATE, Refused, Writer};
use crate::packet::{Code, HEADER, LONGEST, Packet};
use crate::secret::{Authenticator, Secret, ZEROS};

/// Where a leading Message-Authenticator has its 16 octets.
pub(crate) const FIRST_VALUE: usize = HEADER + 2;

/// An answer in the making, over a buffer that its caller may use again.
pub struct Reply {
    writer: Writer,
    authenticator: Authenticator,
    signed: bool,
}

impl Reply {
    /// With a buffer of its own.
    pub fn new(code: Code, request: &Packet<'_>) -> Reply {
        Reply::reuse(Vec::with_capacity(LONGEST), code, request)
    }

    /// In `buffer`, which [`Reply::finish`] gives back; what it held is forgotten. An answer to
    /// Access-Request or Status-Server begins with Message-Authenticator (BlastRADIUS).
    pub fn reuse(mut buffer: Vec<u8>, code: Code, request: &Packet<'_>) -> Reply {
        buffer.clear();
        let authenticator = *request.authenticator();
        let signed = request.code().wants_signed_answer();
        begin(&mut buffer, code, request.identifier(), &authenticator, signed);
        let [first, second, ..] = authenticator;
        let mut writer = Writer::new(buffer, LONGEST, u16::from_be_bytes([first, second]));
        let proxied = request.find_all(PROXY_STATE).map(|state| state.len().saturating_add(2));
        writer.set_limit(LONGEST.saturating_sub(proxied.fold(0, usize::saturating_add)));
        Reply { writer, authenticator, signed }
    }

    /// Where the salts of tunnel passwords and keys begin to count; by default a value of the
    /// request's authenticator, which is random enough when the NAS makes good ones.
    pub fn salt(&mut self, seed: u16) {
        self.writer.set_salt(seed);
    }

    /// Encodes by kind, vendor format, tag and hiding. Strings over 253 octets are cut, as
    /// FreeRADIUS does. Room for the request's Proxy-State is kept free.
    pub fn pair(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        secret: &Secret,
    ) -> Result<(), Refused> {
        let hiding = Hiding { secret, authenticator: &self.authenticator };
        self.writer.pair(attribute, tag, value, hiding)
    }

    /// A standard attribute as it is, cut at 253 octets; stays out when the packet is full.
    pub fn raw(&mut self, number: u8, octets: &[u8]) -> bool {
        self.writer.raw(number, octets).is_ok()
    }

    /// The request's Proxy-State attributes, in their order.
    pub fn proxy_state(&mut self, request: &Packet<'_>) {
        self.writer.set_limit(LONGEST);
        for state in request.find_all(PROXY_STATE) {
            self.raw(PROXY_STATE, state);
        }
    }

    /// Signed, and ready to be sent.
    pub fn finish(self, secret: &Secret) -> Vec<u8> {
        let mut octets = self.writer.out;
        set_length(&mut octets);
        if self.signed {
            let right = secret.message_authenticator(&octets, &self.authenticator, FIRST_VALUE);
            put(&mut octets, FIRST_VALUE, &right);
        }
        let right = secret.sign(&octets, &self.authenticator);
        put(&mut octets, 4, &right);
        octets
    }
}

/// Header, and a Message-Authenticator to be filled in.
pub(crate) fn begin(
    out: &mut Vec<u8>,
    code: Code,
    identifier: u8,
    authenticator: &Authenticator,
    signed: bool,
) {
    out.extend_from_slice(&[u8::from(code), identifier, 0, 0]);
    out.extend_from_slice(authenticator);
    if signed {
        out.extend_from_slice(&[MESSAGE_AUTHENTICATOR, 18]);
        out.extend_from_slice(&ZEROS);
    }
}

pub(crate) fn set_length(octets: &mut [u8]) {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    if let Some(place) = octets.get_mut(2..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

pub(crate) fn put(octets: &mut [u8], at: usize, value: &[u8; 16]) {
    if let Some(place) = octets.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<16>()) {
        *place = *value;
    }
}
