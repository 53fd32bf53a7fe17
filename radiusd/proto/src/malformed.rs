//! Every way a datagram can be wrong, as one enum.

use std::fmt;

/// Why a datagram is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// Fewer octets than a header has.
    TooShort,
    /// The length field is below 20, above 4096 or above what arrived.
    BadLength,
    /// An attribute's length is 0 or 1.
    AttributeTooShort,
    /// An attribute reaches over the packet's end.
    AttributeOverrun,
    /// Attribute number 0.
    AttributeZero,
    /// More than 200.
    TooManyAttributes,
    /// Message-Authenticator isn't 16 octets.
    MessageAuthenticatorLength,
    /// More than one: they cannot all cover each other.
    MessageAuthenticatorRepeated,
    /// EAP-Message and Status-Server need one.
    MessageAuthenticatorMissing,
    /// EAP-Message beside User-Password, CHAP-Password or ARAP-Password.
    EapWithPassword,
    /// Wrong secret, or forged.
    BadMessageAuthenticator,
    /// Wrong secret, or forged: Accounting-, CoA- and Disconnect-Request.
    BadRequestAuthenticator,
    /// Wrong secret, or forged: answers to our requests.
    BadReplyAuthenticator,
    /// An answer to another request of ours.
    WrongIdentifier,
    /// An answer of a kind that doesn't answer our request.
    WrongCode,
    /// A hidden password without octets, or with more than 128.
    PasswordLength,
}

impl Malformed {
    pub const ALL: [Malformed; 16] = [
        Malformed::TooShort,
        Malformed::BadLength,
        Malformed::AttributeTooShort,
        Malformed::AttributeOverrun,
        Malformed::AttributeZero,
        Malformed::TooManyAttributes,
        Malformed::MessageAuthenticatorLength,
        Malformed::MessageAuthenticatorRepeated,
        Malformed::MessageAuthenticatorMissing,
        Malformed::EapWithPassword,
        Malformed::BadMessageAuthenticator,
        Malformed::BadRequestAuthenticator,
        Malformed::BadReplyAuthenticator,
        Malformed::WrongIdentifier,
        Malformed::WrongCode,
        Malformed::PasswordLength,
    ];

    /// The name in metrics, reasons and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Malformed::TooShort => "too-short",
            Malformed::BadLength => "bad-length",
            Malformed::AttributeTooShort => "attribute-too-short",
            Malformed::AttributeOverrun => "attribute-overrun",
            Malformed::AttributeZero => "attribute-zero",
            Malformed::TooManyAttributes => "too-many-attributes",
            Malformed::MessageAuthenticatorLength => "message-authenticator-length",
            Malformed::MessageAuthenticatorRepeated => "message-authenticator-repeated",
            Malformed::MessageAuthenticatorMissing => "message-authenticator-missing",
            Malformed::EapWithPassword => "eap-with-password",
            Malformed::BadMessageAuthenticator => "bad-message-authenticator",
            Malformed::BadRequestAuthenticator => "bad-request-authenticator",
            Malformed::BadReplyAuthenticator => "bad-reply-authenticator",
            Malformed::WrongIdentifier => "wrong-identifier",
            Malformed::WrongCode => "wrong-code",
            Malformed::PasswordLength => "password-length",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::Malformed;

    #[test]
    fn names_are_kebab_case_and_differ() {
        let mut names: Vec<_> = Malformed::ALL.iter().map(|m| m.as_str()).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Malformed::ALL.len());
    }
}
