//! A NAS: sends requests from a socket of its own, and reads the answers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use dictionaries::{Dictionary, Encrypt};
use proto::{Code, Secret, verify_reply};

use super::ask::Ask;

/// The secret of every NAS here.
pub const SECRET: &str = "testing123";

pub struct Nas {
    socket: UdpSocket,
    to: SocketAddr,
    pub secret: Secret,
    sent: u64,
    pub tries: u32,
    pub timeout: Duration,
}

/// What came back: code and attributes, hidden values revealed, Message-Authenticator apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: Code,
    pub attributes: Vec<Item>,
    /// Message-Authenticator was the first attribute. (It is always right if it is there.)
    pub signed_first: bool,
    pub from: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub name: String,
    pub octets: Vec<u8>,
}

impl Nas {
    pub fn new(to: SocketAddr) -> Nas {
        let from: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Nas::with(from, to, SECRET)
    }

    /// Another address, another secret.
    pub fn with(from: IpAddr, to: SocketAddr, secret: &str) -> Nas {
        let socket = UdpSocket::bind((from, 0)).expect("a NAS's socket");
        let secret = Secret::new(secret.as_bytes());
        Nas { socket, to, secret, sent: 0, tries: 3, timeout: Duration::from_millis(1500) }
    }

    /// For answers that must not come: waits but a moment.
    pub fn impatient(mut self) -> Nas {
        self.tries = 1;
        self.timeout = Duration::from_millis(400);
        self
    }

    /// Asks with what is random taken from a count: no two requests are alike.
    pub fn ask(&mut self, ask: &Ask) -> Option<Answer> {
        self.ask_seeded(ask, self.sent.wrapping_mul(0x517c_c1b7_2722_0a95) ^ u64::from(self.port()))
    }

    pub fn ask_seeded(&mut self, ask: &Ask, seed: u64) -> Option<Answer> {
        let packet = ask.encode(self.sent as u8, seed, &self.secret);
        self.sent += 1;
        self.exchange(&packet)
    }

    /// The same packet with another identifier, if it is a new one.
    pub fn exchange(&self, packet: &[u8]) -> Option<Answer> {
        for _ in 0..self.tries {
            self.socket.send_to(packet, self.to).expect("sending");
            if let Some((octets, from)) = self.receive(packet[1]) {
                return Some(self.read(packet, &octets, from));
            }
        }
        None
    }

    /// Sends octets and waits for nothing.
    pub fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.to).expect("sending");
    }

    fn receive(&self, identifier: u8) -> Option<(Vec<u8>, SocketAddr)> {
        let begun = Instant::now();
        let mut buffer = vec![0; 65_536];
        while let Some(left) = self.timeout.checked_sub(begun.elapsed()) {
            self.socket
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .expect("a timeout");
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) if length > 1 && buffer[1] == identifier => {
                    buffer.truncate(length);
                    return Some((buffer, from));
                }
                // An answer to an earlier request, or "port unreachable" of one.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn read(&self, request: &[u8], octets: &[u8], from: SocketAddr) -> Answer {
        let packet = verify_reply(request, octets, &self.secret).unwrap_or_else(|why| {
            panic!("a reply that is wrong: {why:?}: {}", hex::encode(octets))
        });
        let authenticator: &[u8; 16] = request[4..20].try_into().expect("16 octets");
        let signed_first = packet.attributes().next().is_some_and(|(number, _)| number == 80);
        let attributes = packet
            .attributes()
            .filter(|(number, _)| *number != 80)
            .map(|(number, octets)| self.item(number, octets, authenticator))
            .collect();
        Answer { code: packet.code(), attributes, signed_first, from }
    }

    /// An attribute with its name, its octets as both servers must send them: what is hidden with
    /// a random salt revealed, the random challenge of MS-CHAP-Error blanked.
    fn item(&self, number: u8, octets: &[u8], authenticator: &[u8; 16]) -> Item {
        let dictionary = Dictionary::shipped();
        let mut octets = octets.to_vec();
        let (attribute, at) = match (number, octets.as_slice()) {
            (26, [a, b, c, d, number, _, ..]) => {
                let vendor = u32::from_be_bytes([*a, *b, *c, *d]);
                (dictionary.vendor_attribute(vendor, u32::from(*number)).cloned(), 6)
            }
            _ => (dictionary.standard(number).cloned(), 0),
        };
        let Some(attribute) = attribute else {
            let name = format!("Attr-{number}");
            return Item { name, octets };
        };
        if attribute.flags.encrypt == Encrypt::Tunnel {
            let at = at + usize::from(attribute.flags.has_tag);
            if let Some(clear) = self.secret.reveal_tunnel(&octets[at..], authenticator) {
                octets.truncate(at);
                octets.extend_from_slice(&clear);
                octets[..at].iter_mut().skip(5).take(1).for_each(|length| *length = 0);
            }
        }
        if &*attribute.name == "MS-CHAP-Error"
            && let Some(at) = octets.windows(3).position(|window| window == b" C=")
        {
            let random = octets[at + 3..].iter_mut().take_while(|octet| **octet != b' ');
            random.for_each(|octet| *octet = b'*');
        }
        Item { name: attribute.name.to_string(), octets }
    }

    pub fn status(&mut self) -> Option<Answer> {
        self.ask(&Ask::new(Code::StatusServer))
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }
}

impl Answer {
    pub fn is_accept(&self) -> bool {
        self.code == Code::AccessAccept
    }

    pub fn is_reject(&self) -> bool {
        self.code == Code::AccessReject
    }

    /// The first value of that name, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        let item = self.attributes.iter().find(|item| item.name == name)?;
        Some(String::from_utf8_lossy(&item.octets).into_owned())
    }

    /// The first value of that name, as a number.
    pub fn number(&self, name: &str) -> Option<u32> {
        let item = self.attributes.iter().find(|item| item.name == name)?;
        Some(u32::from_be_bytes(item.octets.as_slice().try_into().ok()?))
    }

    /// The attributes, each name's instances in their order; the order among names counts not.
    pub fn by_name(&self) -> Vec<Item> {
        let mut items = self.attributes.clone();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        items
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.as_str())?;
        self.attributes.iter().try_for_each(|item| write!(f, " | {item}"))
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = ", self.name)?;
        match std::str::from_utf8(&self.octets) {
            Ok(text) if text.chars().all(|c| !c.is_control()) && text.len() > 4 => {
                write!(f, "{text:?} ({})", text.len())
            }
            _ => write!(f, "0x{}", hex::encode(&self.octets)),
        }
    }
}
