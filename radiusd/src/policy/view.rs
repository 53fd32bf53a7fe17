//! The request as rows see it: the packet, and what FreeRADIUS's modules add to it.

use std::net::IpAddr;

use dictionaries::{Attribute, Place, Value};
use proto::Packet;
use proto::attribute::{
    CHAP_CHALLENGE, CHAP_PASSWORD, EVENT_TIMESTAMP, FRAMED_PROTOCOL, Instances, NAS_IP_ADDRESS,
    NAS_IPV6_ADDRESS, SERVICE_TYPE, USER_NAME,
};
use proto::digest::{Digest, Part};

use super::decision::Request;
use super::names;
use super::role::{Role, Virtual};

const FRAMED_COMPRESSION: u8 = 13;
const FRAMED_USER: u32 = 2;
const VAN_JACOBSON: u32 = 1;
const BEFORE_DIGEST_REALM: u32 = 1062;

/// What `mods-config/preprocess/hints` makes of the end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    Ppp,
    Slip,
    Cslip,
}

pub(super) struct View<'v, 'a> {
    pub(super) request: &'v Request<'a>,
    /// The first User-Name.
    user: Option<&'a [u8]>,
    hint: Option<Hint>,
    /// What a hint, Prefix and Suffix left of the name, each of what the one before left.
    stripped: Vec<Box<[u8]>>,
    /// The group whose rows are being read.
    pub(super) group: Option<&'a str>,
    /// Whose groups are being read in place of the user's.
    pub(super) profile: Option<String>,
    /// All groups of the user.
    pub(super) groups: &'a [Box<str>],
}

impl<'v, 'a> View<'v, 'a> {
    pub(super) fn new(request: &'v Request<'a>, groups: &'a [Box<str>]) -> View<'v, 'a> {
        let user = request.packet.find(USER_NAME).map(names::without_end);
        let user = user.filter(|name| !name.is_empty());
        let hint = user.and_then(Hint::of);
        let stripped = hint.zip(user).map(|(hint, user)| {
            let end = user.len() - hint.ending().len();
            user.get(..end).unwrap_or_default().into()
        });
        let stripped = stripped.into_iter().collect();
        View { request, user, hint, stripped, group: None, profile: None, groups }
    }

    pub(super) fn packet(&self) -> &'a Packet<'a> {
        self.request.packet
    }

    pub(super) fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// What is left of it.
    pub(super) fn rest_of_user(&self) -> &[u8] {
        self.stripped.last().map(|rest| &**rest).or(self.user).unwrap_or_default()
    }

    pub(super) fn strip(&mut self, rest: Box<[u8]>) {
        self.stripped.push(rest);
    }

    /// All instances of an attribute, those that were added too.
    pub(super) fn values(&self, attribute: &Attribute, role: Role) -> Instances {
        let Place::Wire { .. } = &attribute.place else {
            return self.internal(attribute, role);
        };
        let request = self.request;
        let mut found = request.packet.instances(attribute, request.dictionary, request.secret);
        match attribute.standard_number() {
            Some(USER_NAME) => {
                if let Some((_, Value::String(name))) = found.first_mut() {
                    *name = names::without_end(name).into();
                }
            }
            Some(number) if found.is_empty() => {
                found.extend(self.added(number).map(|value| (None, value)));
            }
            _ => {}
        }
        found
    }

    /// What is put into a request that lacks it.
    fn added(&self, number: u8) -> Option<Value> {
        let request = self.request;
        match number {
            NAS_IP_ADDRESS => match request.source.ip() {
                IpAddr::V4(address) => Some(Value::Ipaddr(address)),
                IpAddr::V6(_) => None,
            },
            NAS_IPV6_ADDRESS => match request.source.ip() {
                IpAddr::V6(address) => Some(Value::Ipv6addr(address)),
                IpAddr::V4(_) => None,
            },
            EVENT_TIMESTAMP => Some(Value::Date(u32::try_from(request.now).unwrap_or(0))),
            CHAP_CHALLENGE => {
                request.packet.find(CHAP_PASSWORD)?;
                Some(Value::Octets(request.packet.authenticator().as_slice().into()))
            }
            SERVICE_TYPE => {
                let framed = self.hint.is_some() || request.packet.find(FRAMED_PROTOCOL).is_some();
                framed.then_some(Value::Integer(FRAMED_USER))
            }
            FRAMED_PROTOCOL => match self.hint? {
                Hint::Ppp => Some(Value::Integer(1)),
                Hint::Slip | Hint::Cslip => Some(Value::Integer(2)),
            },
            FRAMED_COMPRESSION => {
                (self.hint? == Hint::Cslip).then_some(Value::Integer(VAN_JACOBSON))
            }
            _ => None,
        }
    }

    fn internal(&self, attribute: &Attribute, role: Role) -> Instances {
        let text = |text: &[u8]| Value::String(text.into());
        if let Some(part) = digest_part(attribute) {
            let digest = Digest::find(self.request.packet);
            let all = digest.into_iter().flat_map(|digest| digest.all(part));
            return all.map(|value| (None, text(value))).collect();
        }
        let value = match (role, &*attribute.name) {
            (Role::Virtual(Virtual::SqlGroup), _) => self.group.map(|group| text(group.as_bytes())),
            (Role::Virtual(which), _) => self.computed(which),
            (_, "SQL-User-Name") => {
                let name = self.profile.as_deref().map(str::as_bytes).or(self.user);
                name.map(|name| text(names::quoted(name).as_bytes()))
            }
            (_, "Stripped-User-Name") => {
                return self.stripped.iter().map(|rest| (None, text(rest))).collect();
            }
            (_, "Hint") => self.hint.map(|hint| text(hint.name().as_bytes())),
            (_, "Huntgroup-Name") => self.huntgroup().map(|group| text(group.as_bytes())),
            _ => None,
        };
        value.map(|value| (None, value)).into_iter().collect()
    }

    /// What a virtual attribute expands to.
    pub(super) fn computed(&self, which: Virtual) -> Option<Value> {
        let request = self.request;
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(Value::Ipaddr(address)),
            IpAddr::V6(_) => None,
        };
        let v6 = |address: IpAddr| match address {
            IpAddr::V6(address) => Some(Value::Ipv6addr(address)),
            IpAddr::V4(_) => None,
        };
        let text = |text: &str| Some(Value::String(text.as_bytes().into()));
        match which {
            Virtual::PacketType => Some(Value::Integer(u32::from(u8::from(request.packet.code())))),
            Virtual::SourceAddress => v4(request.source.ip()),
            Virtual::SourceAddress6 => v6(request.source.ip()),
            Virtual::SourcePort => Some(Value::Integer(u32::from(request.source.port()))),
            Virtual::DestinationAddress => v4(request.destination.ip()),
            Virtual::DestinationAddress6 => v6(request.destination.ip()),
            Virtual::DestinationPort => Some(Value::Integer(u32::from(request.destination.port()))),
            Virtual::Stage => text("authorize"),
            Virtual::Server => text("default"),
            _ => None,
        }
    }

    fn huntgroup(&self) -> Option<&'a str> {
        let request = self.request;
        if request.huntgroups.is_empty() {
            return None;
        }
        let four = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
        let sixteen = |octets: &[u8]| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
        let packet = request.packet;
        let nas = packet
            .find(NAS_IP_ADDRESS)
            .and_then(four)
            .or_else(|| packet.find(NAS_IPV6_ADDRESS).and_then(sixteen))
            .unwrap_or(request.source.ip());
        request.huntgroups.find(nas)
    }
}

/// FreeRADIUS numbers what it finds in Digest-Attributes from Digest-Realm on.
fn digest_part(attribute: &Attribute) -> Option<Part> {
    let Place::Internal(number) = &attribute.place else { return None };
    Part::numbered(number.checked_sub(BEFORE_DIGEST_REALM)?)
}

impl Hint {
    const ALL: [Hint; 3] = [Hint::Ppp, Hint::Slip, Hint::Cslip];

    fn of(name: &[u8]) -> Option<Hint> {
        Hint::ALL.into_iter().find(|hint| name.ends_with(hint.ending().as_bytes()))
    }

    fn ending(self) -> &'static str {
        match self {
            Hint::Ppp => ".ppp",
            Hint::Slip => ".slip",
            Hint::Cslip => ".cslip",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Hint::Ppp => "PPP",
            Hint::Slip => "SLIP",
            Hint::Cslip => "CSLIP",
        }
    }
}
