//! Pairs to octets.

use std::fmt;

use dictionaries::{Attribute, Value};

use crate::secret::{Authenticator, Secret};

/// Why a pair is not in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// The attribute is internal, never on the wire.
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
pub(crate) struct Hiding<'a> {
    pub(crate) secret: &'a Secret,
    pub(crate) authenticator: &'a Authenticator,
}

/// Attributes on their way into a packet.
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
    /// How long the packet may become.
    limit: usize,
    salt: u16,
}

impl Writer {
    /// `out` begins with the header.
    pub(crate) fn new(out: Vec<u8>, limit: usize, salt: u16) -> Writer {
        Writer { out, limit, salt }
    }

    pub(crate) fn set_salt(&mut self, salt: u16) {
        self.salt = salt;
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// One standard attribute as it is, at most 253 octets of it.
    pub(crate) fn raw(&mut self, number: u8, octets: &[u8]) -> Result<(), Refused> {
        let octets = octets.get(..253).unwrap_or(octets);
        let length = u8::try_from(octets.len().saturating_add(2)).unwrap_or(u8::MAX);
        if self.out.len().saturating_add(usize::from(length)) > self.limit {
            return Err(Refused::Full);
        }
        self.out.extend_from_slice(&[number, length]);
        self.out.extend_from_slice(octets);
        Ok(())
    }

    pub(crate) fn pair(
        &mut self,
        _attribute: &Attribute,
        _tag: Option<u8>,
        _value: &Value,
        _hiding: &Hiding<'_>,
    ) -> Result<(), Refused> {
        self.salt = self.salt.wrapping_add(1);
        Ok(())
    }
}
