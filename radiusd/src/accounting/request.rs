//! An Accounting-Request read into an event, with FreeRADIUS's rules for every column.

use std::net::{IpAddr, Ipv4Addr};

use dictionaries::{Attribute, Dictionary, Value};
use md5::{Digest, Md5};
use proto::{Packet, attribute as number};
use schema::Reboot;

use super::event::{Event, Kind, SessionEvent, Texts};
use super::text;

/// Before this no RADIUS clock was right: 2000-01-01.
const YEAR_2000: i64 = 946_684_800;
const DAY_SECONDS: i64 = 86_400;
/// The ends of names in FreeRADIUS's `mods-config/preprocess/hints`, and their Framed-Protocol.
const HINTS: [(&str, &str); 3] = [(".ppp", "PPP"), (".slip", "SLIP"), (".cslip", "SLIP")];

/// What a packet is read with.
pub struct Context<'a> {
    pub dictionary: &'a Dictionary,
    /// Where it came from.
    pub source: IpAddr,
    /// When it came, in seconds since 1970.
    pub receipt: i64,
    /// `compat.escape_names`.
    pub escape: bool,
}

/// `None`: a status that writes nothing, or none at all. FreeRADIUS answers those too.
pub fn read(packet: &Packet<'_>, context: &Context<'_>) -> Option<Event> {
    let seen = Seen::of(packet);
    let reader = Reader { seen: &seen, context };
    match seen.number(number::ACCT_STATUS_TYPE)? {
        1 => Some(reader.session(Kind::Start)),
        2 => Some(reader.session(Kind::Stop)),
        3 => Some(reader.session(Kind::Interim)),
        7 => Some(reader.reboot(false)),
        8 => Some(reader.reboot(true)),
        _ => None,
    }
}

/// The first of each attribute, found in one pass. An empty one counts as none.
struct Seen<'a>([Option<&'a [u8]>; 256]);

impl<'a> Seen<'a> {
    fn of(packet: &Packet<'a>) -> Seen<'a> {
        let mut seen = [None; 256];
        for (number, octets) in packet.attributes().filter(|(_, octets)| !octets.is_empty()) {
            if let Some(slot @ None) = seen.get_mut(usize::from(number)) {
                *slot = Some(octets);
            }
        }
        Seen(seen)
    }

    fn octets(&self, number: u8) -> Option<&'a [u8]> {
        self.0[usize::from(number)]
    }

    /// `None` also when it hasn't four octets: FreeRADIUS then takes it for an unknown attribute.
    fn number(&self, number: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.octets(number)?.try_into().ok()?))
    }
}

struct Reader<'a> {
    seen: &'a Seen<'a>,
    context: &'a Context<'a>,
}

impl Reader<'_> {
    fn session(&self, kind: Kind) -> Event {
        let seen = self.seen;
        let time = self.time();
        let session_time = match kind {
            Kind::Start => Some(0),
            Kind::Interim | Kind::Stop => seen.number(number::ACCT_SESSION_TIME).map(i64::from),
        };
        let octets = |octets, gigawords| match kind {
            Kind::Start => 0,
            Kind::Interim | Kind::Stop => self.counter(octets, gigawords),
        };
        Event::Session(Box::new(SessionEvent {
            kind,
            unique_id: self.unique_id(),
            time,
            session_time,
            input_octets: octets(number::ACCT_INPUT_OCTETS, number::ACCT_INPUT_GIGAWORDS),
            output_octets: octets(number::ACCT_OUTPUT_OCTETS, number::ACCT_OUTPUT_GIGAWORDS),
            addresses: [
                self.printed(number::FRAMED_IP_ADDRESS),
                self.printed(number::FRAMED_IPV6_ADDRESS),
                self.printed(number::FRAMED_IPV6_PREFIX),
                self.printed(number::FRAMED_INTERFACE_ID),
                self.printed(number::DELEGATED_IPV6_PREFIX),
            ],
            cause: self.printed(number::ACCT_TERMINATE_CAUSE).unwrap_or_default(),
            texts: self.texts(),
        }))
    }

    fn reboot(&self, off: bool) -> Event {
        Event::Reboot(Reboot {
            nasipaddress: self.nas(),
            at: self.time(),
            off,
            cause: self.printed(number::ACCT_TERMINATE_CAUSE),
        })
    }

    fn texts(&self) -> Texts {
        let column = |number| self.printed(number).unwrap_or_default();
        let user_name = self.seen.octets(number::USER_NAME).unwrap_or_default();
        let [service_type, framed_protocol] = self.service();
        Texts {
            session_id: column(number::ACCT_SESSION_ID),
            username: text::user_name(user_name, self.context.escape),
            realm: None,
            nas: self.nas(),
            nas_port_id: self
                .printed(number::NAS_PORT_ID)
                .or_else(|| self.printed(number::NAS_PORT)),
            nas_port_type: column(number::NAS_PORT_TYPE),
            authentic: column(number::ACCT_AUTHENTIC),
            connect_info: column(number::CONNECT_INFO),
            called_station: column(number::CALLED_STATION_ID),
            calling_station: column(number::CALLING_STATION_ID),
            service_type,
            framed_protocol,
        }
    }

    /// Service-Type and Framed-Protocol; FreeRADIUS's `preprocess` adds what the NAS leaves out and
    /// the end of a name or the other one tells.
    fn service(&self) -> [String; 2] {
        let name = self.seen.octets(number::USER_NAME).unwrap_or_default();
        let hint = HINTS.iter().find(|(end, _)| name.ends_with(end.as_bytes()));
        let told = self.seen.octets(number::FRAMED_PROTOCOL);
        let protocol = self.printed(number::FRAMED_PROTOCOL);
        let protocol = protocol.or_else(|| hint.map(|(_, protocol)| (*protocol).into()));
        let framed = told.is_some() || hint.is_some();
        let service = self.printed(number::SERVICE_TYPE);
        let service = service.or_else(|| framed.then(|| "Framed-User".into()));
        [service, protocol].map(Option::unwrap_or_default)
    }

    /// A clock that can't be right is worth less than our own.
    fn time(&self) -> i64 {
        let receipt = self.context.receipt;
        let delay = self.seen.number(number::ACCT_DELAY_TIME).map_or(0, i64::from);
        let sent = if delay > receipt { receipt } else { receipt - delay };
        let believable = YEAR_2000..=receipt.saturating_add(DAY_SECONDS);
        let told = self.seen.number(number::EVENT_TIMESTAMP).map(i64::from);
        told.filter(|told| believable.contains(told)).unwrap_or(sent)
    }

    /// A count that doesn't fit in a bigint was never counted.
    fn counter(&self, octets: u8, gigawords: u8) -> i64 {
        let of = |number| self.seen.number(number).map_or(0, i64::from);
        of(gigawords)
            .checked_mul(1 << 32)
            .and_then(|high| high.checked_add(of(octets)))
            .unwrap_or(0)
    }

    /// NAS-IPv6-Address, else NAS-IP-Address; the source address stands in for the one of its own
    /// family.
    fn nas_address(&self) -> IpAddr {
        let v4 = |octets: [u8; 4]| IpAddr::from(octets);
        let v6 = |octets: [u8; 16]| IpAddr::from(octets);
        let told_v6 = self.fixed(number::NAS_IPV6_ADDRESS).map(v6);
        let told_v4 = self.fixed(number::NAS_IP_ADDRESS).map(v4);
        let source = self.context.source.to_canonical();
        let from_v6 = told_v6.or(Some(source).filter(IpAddr::is_ipv6));
        let from_v4 = told_v4.or(Some(source).filter(IpAddr::is_ipv4));
        from_v6.or(from_v4).unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }

    fn nas(&self) -> String {
        self.nas_address().to_string()
    }

    fn fixed<const N: usize>(&self, number: u8) -> Option<[u8; N]> {
        self.seen.octets(number)?.try_into().ok()
    }

    fn attribute(&self, number: u8) -> Option<&Attribute> {
        self.context.dictionary.standard(number).map(|attribute| &**attribute)
    }

    /// As a column holds it.
    fn printed(&self, number: u8) -> Option<String> {
        let octets = self.seen.octets(number)?;
        let attribute = self.attribute(number)?;
        match Value::decode(attribute, octets)? {
            Value::String(octets) => Some(text::column(&octets, self.context.escape)),
            value => {
                let text = value.print(attribute);
                Some(if self.context.escape { text::column(text.as_bytes(), true) } else { text })
            }
        }
        .filter(|text| !text.is_empty())
    }

    /// FreeRADIUS's `acct_unique`: by the Class it gave out itself, else by all that names a
    /// session together.
    fn unique_id(&self) -> String {
        let octets = |number| self.seen.octets(number).unwrap_or_default();
        let mut md5 = Md5::new();
        match own_class(octets(number::CLASS)) {
            Some(class) => {
                md5.update(class);
                md5.update(b",");
                md5.update(octets(number::ACCT_SESSION_ID));
            }
            None => {
                md5.update(octets(number::USER_NAME));
                md5.update(b",");
                md5.update(octets(number::ACCT_SESSION_ID));
                md5.update(b",");
                md5.update(self.nas());
                md5.update(b",");
                md5.update(octets(number::NAS_IDENTIFIER));
                md5.update(b",");
                md5.update(octets(number::NAS_PORT_ID));
                md5.update(b",");
                if let Some(port) = self.seen.number(number::NAS_PORT) {
                    md5.update(port.to_string());
                }
            }
        }
        hex::encode(md5.finalize())
    }
}

fn own_class(class: &[u8]) -> Option<&[u8]> {
    let class = class.strip_prefix(b"ai:")?.get(..32)?;
    class.iter().all(u8::is_ascii_hexdigit).then_some(class)
}
