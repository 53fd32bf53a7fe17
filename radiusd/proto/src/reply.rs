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
        for state in request.find_all(PROXY_STATE).filter(|state| !state.is_empty()) {
            self.raw(PROXY_STATE, state);
        }
    }

    /// Not sent after all: the buffer back.
    pub fn into_buffer(self) -> Vec<u8> {
        self.writer.out
    }

    /// Signed, and ready to be sent.
    pub fn finish(self, secret: &Secret) -> Vec<u8> {
        let mut octets = self.writer.out;
        set_length(&mut octets);
        secret.finish(&mut octets, self.signed.then_some(FIRST_VALUE), true);
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

#[cfg(test)]
mod tests {
    use dictionaries::{Dictionary, Value};

    use super::{Code, LONGEST, Packet, Refused, Reply, Secret};
    use crate::attribute::{MESSAGE_AUTHENTICATOR, PROXY_STATE, USER_NAME};
    use crate::request::Request;

    fn request(code: Code, proxied: &[&[u8]]) -> (Secret, Vec<u8>) {
        let secret = Secret::new(b"xyzzy5461");
        let mut request = Request::new(code, 3, [7; 16]);
        request.raw(USER_NAME, b"nemo");
        proxied.iter().for_each(|state| assert!(request.raw(PROXY_STATE, state)));
        let request = request.finish(&secret);
        (secret, request)
    }

    #[test]
    fn answers_to_access_and_status_begin_with_message_authenticator() {
        for (code, answer, signed) in [
            (Code::AccessRequest, Code::AccessReject, true),
            (Code::AccessRequest, Code::AccessChallenge, true),
            (Code::StatusServer, Code::AccessAccept, true),
            (Code::StatusServer, Code::AccountingResponse, true),
            (Code::AccountingRequest, Code::AccountingResponse, false),
            (Code::CoARequest, Code::CoANak, false),
        ] {
            let (secret, request) = request(code, &[]);
            let request = Packet::parse(&request).unwrap();
            let mut reply = Reply::new(answer, &request);
            reply.raw(USER_NAME, b"nemo");
            let reply = reply.finish(&secret);
            let reply = Packet::parse(&reply).unwrap();
            let first = if signed { MESSAGE_AUTHENTICATOR } else { USER_NAME };
            assert_eq!(reply.attributes().next().unwrap().0, first, "{code:?}");
            assert_eq!(secret.verify_reply(&reply, request.authenticator()), Ok(signed));
            assert_eq!((reply.code(), reply.identifier()), (answer, 3));
        }
    }

    #[test]
    fn a_full_answer_keeps_room_for_proxy_state() {
        let states: [&[u8]; 3] = [b"first", &[9; 200], b""];
        let (secret, request) = request(Code::AccessRequest, &states);
        let request = Packet::parse(&request).unwrap();
        let dictionary = Dictionary::shipped();
        let message = dictionary.attribute("Reply-Message").unwrap();
        let short = Value::String(b"x".as_slice().into());
        let long = Value::String(vec![b'x'; 300].into());
        let mut reply = Reply::new(Code::AccessAccept, &request);
        let mut sent = 0;
        while reply.pair(message, None, &long, &secret).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, (LONGEST - 38 - 7 - 202 - 2) / 255);
        // What follows stays out too, even if it fits.
        assert_eq!(reply.pair(message, None, &short, &secret), Err(Refused::Full));
        reply.proxy_state(&request);
        let reply = reply.finish(&secret);
        let reply = Packet::parse(&reply).unwrap();
        // An empty one is none (RFC 2865 §5.33 wants an octet or more).
        assert_eq!(reply.find_all(PROXY_STATE).collect::<Vec<_>>(), states[..2]);
        assert_eq!(reply.find_all(18).map(<[u8]>::len).collect::<Vec<_>>(), vec![253; sent]);
    }

    #[test]
    fn the_buffer_comes_back() {
        let (secret, request) = request(Code::AccessRequest, &[]);
        let request = Packet::parse(&request).unwrap();
        let fresh = Reply::new(Code::AccessReject, &request).finish(&secret);
        let mut used = Vec::with_capacity(LONGEST);
        used.extend([0xff; 999]);
        let place = used.as_ptr();
        let again = Reply::reuse(used, Code::AccessReject, &request).finish(&secret);
        assert_eq!(again, fresh);
        assert_eq!(again.as_ptr(), place);
    }
}
