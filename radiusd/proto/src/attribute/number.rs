//! The numbers that code names itself; a test holds them against the dictionary.

macro_rules! numbers {
    ($($constant:ident = $number:literal $name:literal)*) => {
        $(#[doc = $name] pub const $constant: u8 = $number;)*

        #[cfg(test)]
        const STANDARD: &[(&str, u8)] = &[$(($name, $number)),*];
    };
}

macro_rules! microsoft {
    ($($constant:ident = $number:literal $name:literal)*) => {
        $(#[doc = $name] pub const $constant: u8 = $number;)*

        #[cfg(test)]
        const OF_MICROSOFT: &[(&str, u8)] = &[$(($name, $number)),*];
    };
}

numbers! {
    USER_NAME = 1 "User-Name"
    USER_PASSWORD = 2 "User-Password"
    CHAP_PASSWORD = 3 "CHAP-Password"
    NAS_IP_ADDRESS = 4 "NAS-IP-Address"
    NAS_PORT = 5 "NAS-Port"
    SERVICE_TYPE = 6 "Service-Type"
    FRAMED_PROTOCOL = 7 "Framed-Protocol"
    FRAMED_IP_ADDRESS = 8 "Framed-IP-Address"
    FRAMED_IP_NETMASK = 9 "Framed-IP-Netmask"
    FILTER_ID = 11 "Filter-Id"
    FRAMED_MTU = 12 "Framed-MTU"
    REPLY_MESSAGE = 18 "Reply-Message"
    STATE = 24 "State"
    CLASS = 25 "Class"
    VENDOR_SPECIFIC = 26 "Vendor-Specific"
    SESSION_TIMEOUT = 27 "Session-Timeout"
    IDLE_TIMEOUT = 28 "Idle-Timeout"
    TERMINATION_ACTION = 29 "Termination-Action"
    CALLED_STATION_ID = 30 "Called-Station-Id"
    CALLING_STATION_ID = 31 "Calling-Station-Id"
    NAS_IDENTIFIER = 32 "NAS-Identifier"
    PROXY_STATE = 33 "Proxy-State"
    ACCT_STATUS_TYPE = 40 "Acct-Status-Type"
    ACCT_DELAY_TIME = 41 "Acct-Delay-Time"
    ACCT_INPUT_OCTETS = 42 "Acct-Input-Octets"
    ACCT_OUTPUT_OCTETS = 43 "Acct-Output-Octets"
    ACCT_SESSION_ID = 44 "Acct-Session-Id"
    ACCT_AUTHENTIC = 45 "Acct-Authentic"
    ACCT_SESSION_TIME = 46 "Acct-Session-Time"
    ACCT_INPUT_PACKETS = 47 "Acct-Input-Packets"
    ACCT_OUTPUT_PACKETS = 48 "Acct-Output-Packets"
    ACCT_TERMINATE_CAUSE = 49 "Acct-Terminate-Cause"
    ACCT_MULTI_SESSION_ID = 50 "Acct-Multi-Session-Id"
    ACCT_INPUT_GIGAWORDS = 52 "Acct-Input-Gigawords"
    ACCT_OUTPUT_GIGAWORDS = 53 "Acct-Output-Gigawords"
    EVENT_TIMESTAMP = 55 "Event-Timestamp"
    CHAP_CHALLENGE = 60 "CHAP-Challenge"
    NAS_PORT_TYPE = 61 "NAS-Port-Type"
    PORT_LIMIT = 62 "Port-Limit"
    TUNNEL_TYPE = 64 "Tunnel-Type"
    TUNNEL_MEDIUM_TYPE = 65 "Tunnel-Medium-Type"
    TUNNEL_PASSWORD = 69 "Tunnel-Password"
    ARAP_PASSWORD = 70 "ARAP-Password"
    CONNECT_INFO = 77 "Connect-Info"
    EAP_MESSAGE = 79 "EAP-Message"
    MESSAGE_AUTHENTICATOR = 80 "Message-Authenticator"
    TUNNEL_PRIVATE_GROUP_ID = 81 "Tunnel-Private-Group-Id"
    ACCT_INTERIM_INTERVAL = 85 "Acct-Interim-Interval"
    NAS_PORT_ID = 87 "NAS-Port-Id"
    FRAMED_POOL = 88 "Framed-Pool"
    CHARGEABLE_USER_IDENTITY = 89 "Chargeable-User-Identity"
    NAS_FILTER_RULE = 92 "NAS-Filter-Rule"
    NAS_IPV6_ADDRESS = 95 "NAS-IPv6-Address"
    FRAMED_INTERFACE_ID = 96 "Framed-Interface-Id"
    FRAMED_IPV6_PREFIX = 97 "Framed-IPv6-Prefix"
    ERROR_CAUSE = 101 "Error-Cause"
    EAP_KEY_NAME = 102 "EAP-Key-Name"
    DELEGATED_IPV6_PREFIX = 123 "Delegated-IPv6-Prefix"
    OPERATOR_NAME = 126 "Operator-Name"
    FRAMED_IPV6_ADDRESS = 168 "Framed-IPv6-Address"
    DIGEST_RESPONSE = 206 "Digest-Response"
    DIGEST_ATTRIBUTES = 207 "Digest-Attributes"
}

/// Microsoft's Private Enterprise Number.
pub const MICROSOFT: u32 = 311;

microsoft! {
    MS_CHAP_RESPONSE = 1 "MS-CHAP-Response"
    MS_CHAP_ERROR = 2 "MS-CHAP-Error"
    MS_MPPE_ENCRYPTION_POLICY = 7 "MS-MPPE-Encryption-Policy"
    MS_MPPE_ENCRYPTION_TYPES = 8 "MS-MPPE-Encryption-Types"
    MS_CHAP_CHALLENGE = 11 "MS-CHAP-Challenge"
    MS_CHAP_MPPE_KEYS = 12 "MS-CHAP-MPPE-Keys"
    MS_MPPE_SEND_KEY = 16 "MS-MPPE-Send-Key"
    MS_MPPE_RECV_KEY = 17 "MS-MPPE-Recv-Key"
    MS_CHAP2_RESPONSE = 25 "MS-CHAP2-Response"
    MS_CHAP2_SUCCESS = 26 "MS-CHAP2-Success"
}

/// RFC 6929's short extended attributes, one octet of extended type.
pub(crate) const EXTENDED: std::ops::RangeInclusive<u32> = 241..=244;
/// RFC 6929's long ones, with fragments.
pub(crate) const LONG_EXTENDED: std::ops::RangeInclusive<u32> = 245..=246;
/// The extended type that holds vendors' attributes.
pub(crate) const EXTENDED_VENDOR_SPECIFIC: u32 = 26;

#[cfg(test)]
mod tests {
    use dictionaries::{Dictionary, Place};

    use super::{MICROSOFT, OF_MICROSOFT, STANDARD};

    #[test]
    fn numbers_agree_with_the_dictionary() {
        let dictionary = Dictionary::shipped();
        for (name, number) in STANDARD {
            let attribute = dictionary.attribute(name).expect(name);
            assert_eq!(attribute.place, Place::standard(*number), "{name}");
        }
        for (name, number) in OF_MICROSOFT {
            let attribute = dictionary.attribute(name).expect(name);
            assert_eq!(attribute.place, Place::wire(MICROSOFT, &[u32::from(*number)]), "{name}");
        }
    }
}
