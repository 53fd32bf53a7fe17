//! What an attribute means to the decision, found once per row.

use dictionaries::{Attribute, Place};
use proto::Stored;

use super::counters::Limit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing but a pair.
    Plain,
    AuthType,
    /// Autz-Type and its like: never compared, and nothing follows from them.
    Ignored,
    /// Never compared either.
    SessionType,
    CryptPassword,
    /// Any other form in which a password is stored.
    Password,
    PasswordWithHeader,
    /// A password that digest logins alone can be held against.
    DigestHa1,
    UserPassword,
    FallThrough,
    UserProfile,
    Expiration,
    LoginTime,
    SimultaneousUse,
    /// A quota: `Max-Daily-Session`.
    Limit(Limit),
    SmbAccountCtrl,
    SmbAccountCtrlText,
    ResponsePacketType,
    /// How long a reject waits, in seconds; in microseconds.
    ResponseDelay,
    ResponseDelayUsec,
    PostAuthType,
    SessionTimeout,
    PortLimit,
    ReplyMessage,
    EapMessage,
    /// Compared with something that is no attribute of the request.
    Virtual(Virtual),
    /// Of a module that is not there: naming it is a mistake.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Virtual {
    PacketType,
    SourceAddress,
    SourceAddress6,
    SourcePort,
    DestinationAddress,
    DestinationAddress6,
    DestinationPort,
    Stage,
    Server,
    SqlGroup,
    Prefix,
    Suffix,
    UnixGroup,
    CurrentTime,
    TimeOfDay,
    /// What a quota's counter stands at: `Daily-Session-Time`.
    Used(Limit),
}

impl Role {
    pub(super) fn of(attribute: &Attribute) -> Role {
        match &attribute.place {
            Place::Internal(_) => Role::of_internal(&attribute.name),
            Place::Wire { vendor: 0, path } => match path.as_slice() {
                [2] => Role::UserPassword,
                [18] => Role::ReplyMessage,
                [27] => Role::SessionTimeout,
                [62] => Role::PortLimit,
                [79] => Role::EapMessage,
                _ => Role::Plain,
            },
            Place::Wire { .. } => Role::Plain,
        }
    }

    fn of_internal(name: &str) -> Role {
        match name {
            "Auth-Type" => Role::AuthType,
            "Autz-Type" | "Acct-Type" | "Strip-User-Name" => Role::Ignored,
            "Session-Type" => Role::SessionType,
            "Crypt-Password" => Role::CryptPassword,
            "Password-With-Header" => Role::PasswordWithHeader,
            "Digest-HA1" => Role::DigestHa1,
            "Fall-Through" => Role::FallThrough,
            "User-Profile" => Role::UserProfile,
            "Expiration" => Role::Expiration,
            "Login-Time" => Role::LoginTime,
            "Simultaneous-Use" => Role::SimultaneousUse,
            "SMB-Account-CTRL" => Role::SmbAccountCtrl,
            "SMB-Account-CTRL-TEXT" => Role::SmbAccountCtrlText,
            "Response-Packet-Type" => Role::ResponsePacketType,
            "FreeRADIUS-Response-Delay" => Role::ResponseDelay,
            "FreeRADIUS-Response-Delay-USec" => Role::ResponseDelayUsec,
            "Post-Auth-Type" => Role::PostAuthType,
            "Packet-Type" => Role::Virtual(Virtual::PacketType),
            "Packet-Src-IP-Address" | "Client-IP-Address" => Role::Virtual(Virtual::SourceAddress),
            "Packet-Src-IPv6-Address" => Role::Virtual(Virtual::SourceAddress6),
            "Packet-Src-Port" => Role::Virtual(Virtual::SourcePort),
            "Packet-Dst-IP-Address" => Role::Virtual(Virtual::DestinationAddress),
            "Packet-Dst-IPv6-Address" => Role::Virtual(Virtual::DestinationAddress6),
            "Packet-Dst-Port" => Role::Virtual(Virtual::DestinationPort),
            "Request-Processing-Stage" => Role::Virtual(Virtual::Stage),
            "Virtual-Server" => Role::Virtual(Virtual::Server),
            "SQL-Group" => Role::Virtual(Virtual::SqlGroup),
            "Prefix" => Role::Virtual(Virtual::Prefix),
            "Suffix" => Role::Virtual(Virtual::Suffix),
            "Group" | "Group-Name" | "Unix-Group" => Role::Virtual(Virtual::UnixGroup),
            "Current-Time" => Role::Virtual(Virtual::CurrentTime),
            "Time-Of-Day" => Role::Virtual(Virtual::TimeOfDay),
            "LDAP-Group" => Role::Foreign,
            name => match Limit::of(name) {
                Some((limit, true)) => Role::Limit(limit),
                Some((limit, false)) => Role::Virtual(Virtual::Used(limit)),
                None if Stored::from_pair(name, b"").is_some() => Role::Password,
                None => Role::Plain,
            },
        }
    }

    /// Holds a secret that an explanation names but never shows.
    pub(super) fn is_password(self) -> bool {
        use Role::{CryptPassword, DigestHa1, Password, PasswordWithHeader, UserPassword};
        matches!(self, CryptPassword | DigestHa1 | Password | PasswordWithHeader | UserPassword)
    }
}

#[cfg(test)]
mod tests {
    use dictionaries::Dictionary;

    use super::*;
    use crate::policy::trace::is_secret;

    #[test]
    fn every_name_is_in_the_dictionary() {
        let dictionary = Dictionary::shipped();
        let role = |name: &str| Role::of(dictionary.attribute(name).expect(name));
        for name in [
            "Auth-Type",
            "Autz-Type",
            "Acct-Type",
            "Session-Type",
            "Strip-User-Name",
            "Crypt-Password",
            "Password-With-Header",
            "Digest-HA1",
            "Fall-Through",
            "User-Profile",
            "Expiration",
            "Login-Time",
            "Simultaneous-Use",
            "SMB-Account-CTRL",
            "SMB-Account-CTRL-TEXT",
            "Response-Packet-Type",
            "FreeRADIUS-Response-Delay",
            "FreeRADIUS-Response-Delay-USec",
            "Post-Auth-Type",
            "Packet-Type",
            "Packet-Src-IP-Address",
            "Client-IP-Address",
            "Packet-Src-IPv6-Address",
            "Packet-Src-Port",
            "Packet-Dst-IP-Address",
            "Packet-Dst-IPv6-Address",
            "Packet-Dst-Port",
            "Request-Processing-Stage",
            "Virtual-Server",
            "SQL-Group",
            "Prefix",
            "Suffix",
            "Group",
            "Group-Name",
            "Unix-Group",
            "Current-Time",
            "Time-Of-Day",
            "LDAP-Group",
            "Cleartext-Password",
            "PBKDF2-Password",
            "SHA1-Password",
            "User-Password",
            "Session-Timeout",
            "Port-Limit",
            "Reply-Message",
            "EAP-Message",
            "Max-Daily-Session",
            "Daily-Session-Time",
        ] {
            assert_ne!(role(name), Role::Plain, "{name}");
        }
        assert_eq!(role("Framed-IP-Address"), Role::Plain);
        assert_eq!(role("Tunnel-Password"), Role::Plain);
    }

    /// What `proto` can compare with is a password to the decision, and never shown.
    #[test]
    fn every_stored_password_has_a_role_and_is_secret() {
        let dictionary = Dictionary::shipped();
        let mut passwords = Vec::new();
        for attribute in dictionary.attributes() {
            let role = Role::of(attribute);
            let compared = Stored::from_pair(&attribute.name, b"").is_some();
            let others = [Role::UserPassword, Role::DigestHa1];
            let counts = role.is_password() && !others.contains(&role);
            assert_eq!(counts, compared, "{}", attribute.name);
            if role.is_password() {
                assert!(is_secret(attribute, &dictionary), "{} is shown", attribute.name);
                passwords.push(&*attribute.name);
            }
        }
        for name in [
            "PBKDF2-SHA1-Password",
            "PBKDF2-SHA256-Password",
            "PBKDF2-SHA512-Password",
            "PBKDF2-SHA256-LEGACY",
            "SSHA3-512-Password",
            "User-Password",
            "Digest-HA1",
        ] {
            assert!(passwords.contains(&name), "{name} is no password");
        }
    }
}
