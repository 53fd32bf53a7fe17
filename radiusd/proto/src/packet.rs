//! A datagram read: every length checked once, nothing copied.

use crate::attribute::{
    ARAP_PASSWORD, CHAP_PASSWORD, EAP_MESSAGE, MESSAGE_AUTHENTICATOR, USER_PASSWORD,
    VENDOR_SPECIFIC,
};
use crate::malformed::Malformed;

/// Code, identifier, length, authenticator.
pub(crate) const HEADER: usize = 20;
/// RFC 2865 §3.
pub(crate) const LONGEST: usize = 4096;
/// FreeRADIUS's shipped `max_attributes`.
const ATTRIBUTES_MAX: usize = 200;

/// What a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    AccessRequest,
    AccessAccept,
    AccessReject,
    AccountingRequest,
    AccountingResponse,
    AccessChallenge,
    StatusServer,
    StatusClient,
    DisconnectRequest,
    DisconnectAck,
    DisconnectNak,
    CoARequest,
    CoAAck,
    CoANak,
    ProtocolError,
    Other(u8),
}

impl From<u8> for Code {
    fn from(number: u8) -> Code {
        match number {
            1 => Code::AccessRequest,
            2 => Code::AccessAccept,
            3 => Code::AccessReject,
            4 => Code::AccountingRequest,
            5 => Code::AccountingResponse,
            11 => Code::AccessChallenge,
            12 => Code::StatusServer,
            13 => Code::StatusClient,
            40 => Code::DisconnectRequest,
            41 => Code::DisconnectAck,
            42 => Code::DisconnectNak,
            43 => Code::CoARequest,
            44 => Code::CoAAck,
            45 => Code::CoANak,
            52 => Code::ProtocolError,
            other => Code::Other(other),
        }
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> u8 {
        match code {
            Code::AccessRequest => 1,
            Code::AccessAccept => 2,
            Code::AccessReject => 3,
            Code::AccountingRequest => 4,
            Code::AccountingResponse => 5,
            Code::AccessChallenge => 11,
            Code::StatusServer => 12,
            Code::StatusClient => 13,
            Code::DisconnectRequest => 40,
            Code::DisconnectAck => 41,
            Code::DisconnectNak => 42,
            Code::CoARequest => 43,
            Code::CoAAck => 44,
            Code::CoANak => 45,
            Code::ProtocolError => 52,
            Code::Other(other) => other,
        }
    }
}

impl Code {
    /// The name that FreeRADIUS prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::AccessRequest => "Access-Request",
            Code::AccessAccept => "Access-Accept",
            Code::AccessReject => "Access-Reject",
            Code::AccountingRequest => "Accounting-Request",
            Code::AccountingResponse => "Accounting-Response",
            Code::AccessChallenge => "Access-Challenge",
            Code::StatusServer => "Status-Server",
            Code::StatusClient => "Status-Client",
            Code::DisconnectRequest => "Disconnect-Request",
            Code::DisconnectAck => "Disconnect-ACK",
            Code::DisconnectNak => "Disconnect-NAK",
            Code::CoARequest => "CoA-Request",
            Code::CoAAck => "CoA-ACK",
            Code::CoANak => "CoA-NAK",
            Code::ProtocolError => "Protocol-Error",
            Code::Other(_) => "Unknown-Packet",
        }
    }

    /// Is the Request Authenticator a signature (RFC 2866 §3, RFC 5176 §2.3), not a nonce?
    pub(crate) fn signs_itself(self) -> bool {
        matches!(self, Code::AccountingRequest | Code::DisconnectRequest | Code::CoARequest)
    }

    /// Must its answer begin with Message-Authenticator?
    pub(crate) fn wants_signed_answer(self) -> bool {
        matches!(self, Code::AccessRequest | Code::StatusServer)
    }
}

/// A well-formed packet, borrowed from the datagram it came in.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    octets: &'a [u8],
    authenticator: &'a [u8; 16],
    attributes: &'a [u8],
    code: Code,
    identifier: u8,
    /// Where its 16 octets begin in `octets`.
    message_authenticator: Option<usize>,
}

impl<'a> Packet<'a> {
    /// Octets behind the length field are no part of the packet, RFC 2865 §3.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let (&[code, identifier, high, low], rest) =
            datagram.split_first_chunk::<4>().ok_or(Malformed::TooShort)?;
        let (authenticator, _) = rest.split_first_chunk::<16>().ok_or(Malformed::TooShort)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER..=LONGEST).contains(&length) {
            return Err(Malformed::BadLength);
        }
        let octets = datagram.get(..length).ok_or(Malformed::BadLength)?;
        let attributes = octets.get(HEADER..).ok_or(Malformed::BadLength)?;
        let code = Code::from(code);
        let message_authenticator = check_attributes(code, attributes)?;
        Ok(Packet { octets, authenticator, attributes, code, identifier, message_authenticator })
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn identifier(&self) -> u8 {
        self.identifier
    }

    pub fn authenticator(&self) -> &'a [u8; 16] {
        self.authenticator
    }

    /// The whole packet, without what came behind it.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.attributes }
    }

    /// The first of that number.
    pub fn find(&self, number: u8) -> Option<&'a [u8]> {
        self.attributes().find(|(n, _)| *n == number).map(|(_, value)| value)
    }

    pub fn find_all(&self, number: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.attributes().filter(move |(n, _)| *n == number).map(|(_, value)| value)
    }

    /// The first of a vendor whose attributes have one octet of type and one of length, as
    /// Microsoft's and most others' have.
    pub fn find_vendor(&self, vendor: u32, number: u8) -> Option<&'a [u8]> {
        self.find_all(VENDOR_SPECIFIC).find_map(|octets| {
            let (pen, rest) = octets.split_first_chunk::<4>()?;
            if u32::from_be_bytes(*pen) != vendor {
                return None;
            }
            Attributes { rest }.find(|(n, _)| *n == number).map(|(_, value)| value)
        })
    }

    /// Does it carry one? Whether it is right is [`crate::Secret::verify_request`]'s to say.
    pub fn has_message_authenticator(&self) -> bool {
        self.message_authenticator.is_some()
    }

    pub(crate) fn message_authenticator_at(&self) -> Option<usize> {
        self.message_authenticator
    }
}

/// Attributes in the order of the packet: number and value.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[number, length], after) = self.rest.split_first_chunk::<2>()?;
        let (value, rest) = after.split_at_checked(usize::from(length).checked_sub(2)?)?;
        self.rest = rest;
        Some((number, value))
    }
}

/// The one place where attribute lengths are checked; finds Message-Authenticator on its way.
fn check_attributes(code: Code, attributes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut rest = attributes;
    let mut count = 0_usize;
    let mut signed = None;
    let mut eap = false;
    let mut password = false;
    while let Some((&number, after)) = rest.split_first() {
        let at = attributes.len().saturating_sub(rest.len());
        let length = usize::from(*after.first().ok_or(Malformed::AttributeOverrun)?);
        if number == 0 {
            return Err(Malformed::AttributeZero);
        }
        if length < 2 {
            return Err(Malformed::AttributeTooShort);
        }
        rest = rest.get(length..).ok_or(Malformed::AttributeOverrun)?;
        count = count.saturating_add(1);
        match number {
            MESSAGE_AUTHENTICATOR if length != 18 => {
                return Err(Malformed::MessageAuthenticatorLength);
            }
            MESSAGE_AUTHENTICATOR if signed.is_some() => {
                return Err(Malformed::MessageAuthenticatorRepeated);
            }
            MESSAGE_AUTHENTICATOR => signed = Some(at.saturating_add(HEADER).saturating_add(2)),
            EAP_MESSAGE => eap = true,
            USER_PASSWORD | CHAP_PASSWORD | ARAP_PASSWORD => password = true,
            _ => {}
        }
    }
    if count > ATTRIBUTES_MAX {
        return Err(Malformed::TooManyAttributes);
    }
    if eap && password {
        return Err(Malformed::EapWithPassword);
    }
    if signed.is_none() && (eap || code == Code::StatusServer) {
        return Err(Malformed::MessageAuthenticatorMissing);
    }
    Ok(signed)
}
