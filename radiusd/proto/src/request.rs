//! Requests we send, and the check of what comes back.

use dictionaries::{Attribute, Value};

use crate::attribute::{Hiding, Refused, Writer};
use crate::malformed::Malformed;
use crate::packet::{Code, LONGEST, Packet};
use crate::reply::{FIRST_VALUE, begin, set_length};
use crate::secret::{Authenticator, Secret, ZEROS, hiding_authenticator};

/// A request in the making.
pub struct Request {
    writer: Writer,
    code: Code,
    authenticator: Authenticator,
    signed: bool,
}

impl Request {
    /// `authenticator` is random, by the caller; requests that sign themselves don't use it.
    /// Access-Request and Status-Server begin with Message-Authenticator.
    pub fn new(code: Code, identifier: u8, authenticator: Authenticator) -> Request {
        Request::with(code, identifier, authenticator, code.wants_signed_answer())
    }

    /// With a Message-Authenticator, or without one, whatever the code.
    pub fn with(
        code: Code,
        identifier: u8,
        authenticator: Authenticator,
        message_authenticator: bool,
    ) -> Request {
        let mut out = Vec::with_capacity(256);
        let shown = if code.signs_itself() { ZEROS } else { authenticator };
        begin(&mut out, code, identifier, &shown, message_authenticator);
        let [first, second, ..] = authenticator;
        let writer = Writer::new(out, LONGEST, u16::from_be_bytes([first, second]));
        Request { writer, code, authenticator, signed: message_authenticator }
    }

    /// As [`crate::Reply::pair`].
    pub fn pair(
        &mut self,
        attribute: &Attribute,
        tag: Option<u8>,
        value: &Value,
        secret: &Secret,
    ) -> Result<(), Refused> {
        let authenticator = hiding_authenticator(self.code, &self.authenticator);
        self.writer.pair(attribute, tag, value, Hiding { secret, authenticator })
    }

    /// As [`crate::Reply::raw`].
    pub fn raw(&mut self, number: u8, octets: &[u8]) -> bool {
        self.writer.raw(number, octets).is_ok()
    }

    /// User-Password, hidden.
    pub fn user_password(&mut self, password: &[u8], secret: &Secret) -> bool {
        let authenticator = hiding_authenticator(self.code, &self.authenticator);
        let mut hidden = Vec::new();
        secret.hide_user_password(password, authenticator, &mut hidden);
        self.raw(crate::attribute::USER_PASSWORD, &hidden)
    }

    /// Signed, and ready to be sent.
    pub fn finish(self, secret: &Secret) -> Vec<u8> {
        let mut octets = self.writer.out;
        set_length(&mut octets);
        secret.finish(&mut octets, self.signed.then_some(FIRST_VALUE), self.code.signs_itself());
        octets
    }
}

/// Reads `reply` as the answer to `request`, both as they are on the wire: code, identifier,
/// Response Authenticator, and Message-Authenticator where there is one.
pub fn verify_reply<'a>(
    request: &[u8],
    reply: &'a [u8],
    secret: &Secret,
) -> Result<Packet<'a>, Malformed> {
    let request = Packet::parse(request)?;
    let reply = Packet::parse(reply)?;
    if reply.identifier() != request.identifier() {
        return Err(Malformed::WrongIdentifier);
    }
    if !answers(reply.code(), request.code()) {
        return Err(Malformed::WrongCode);
    }
    secret.verify_reply(&reply, request.authenticator())?;
    Ok(reply)
}

fn answers(reply: Code, request: Code) -> bool {
    use Code::*;
    match request {
        AccessRequest => {
            matches!(reply, AccessAccept | AccessReject | AccessChallenge | ProtocolError)
        }
        AccountingRequest => matches!(reply, AccountingResponse | ProtocolError),
        StatusServer => matches!(reply, AccessAccept | AccountingResponse | CoAAck | CoANak),
        DisconnectRequest => matches!(reply, DisconnectAck | DisconnectNak | ProtocolError),
        CoARequest => matches!(reply, CoAAck | CoANak | ProtocolError),
        _ => true,
    }
}
