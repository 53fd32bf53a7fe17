//! Datagrams in and out, many at a time, with the address that was asked (IP_PKTINFO).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    sendmmsg,
};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};

/// Datagrams read or written by one system call.
pub const BATCH: usize = 64;
/// The longest RADIUS packet (RFC 2865 §3); what a datagram holds beyond is padding.
const PACKET_MAX: usize = 4096;
/// Asked of the kernel for each socket: a second of load while a worker is busy elsewhere.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// What a socket serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    Auth,
    Acct,
}

impl Service {
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Auth => "auth",
            Service::Acct => "acct",
        }
    }
}

/// One bound socket of one worker.
pub struct Socket {
    pub service: Service,
    pub local: SocketAddr,
    udp: UdpSocket,
}

impl Socket {
    /// Binds with SO_REUSEPORT, so that each worker has a socket of its own on the address.
    pub fn bind(service: Service, address: SocketAddr) -> io::Result<Socket> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        Socket::inherited(service, socket.into())
    }

    /// Makes a bound socket one of ours.
    pub fn inherited(service: Service, udp: UdpSocket) -> io::Result<Socket> {
        udp.set_nonblocking(true)?;
        let local = udp.local_addr()?;
        // Beyond the kernel's limit only with CAP_NET_ADMIN; the kernel's limit will do.
        if setsockopt(&udp, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            let _ = setsockopt(&udp, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES);
        }
        if local.is_ipv6() {
            setsockopt(&udp, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&udp, sockopt::Ipv4PacketInfo, &true)?;
        }
        Ok(Socket { service, local, udp })
    }

    /// Whether nobody else has the address: bound for a moment, and not shared.
    pub fn try_alone(address: SocketAddr) -> io::Result<()> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())
    }

    pub fn raw(&self) -> RawFd {
        self.udp.as_raw_fd()
    }

    pub fn borrow(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.udp)
    }
}

/// Where a datagram came from and which of our addresses it was sent to.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    pub source: SocketAddr,
    pub asked: IpAddr,
    length: usize,
}

/// Receives up to [`BATCH`] datagrams at once into its own buffers.
pub struct Receiver {
    headers: MultiHeaders<SockaddrStorage>,
    octets: Box<[u8]>,
    envelopes: Vec<Option<Envelope>>,
    /// The first datagram of the batch that nobody has taken yet.
    next: usize,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver {
            headers: headers(),
            octets: vec![0; BATCH * PACKET_MAX].into_boxed_slice(),
            envelopes: Vec::with_capacity(BATCH),
            next: 0,
        }
    }
}

/// Headers with room for the larger of the two kinds of packet information.
fn headers() -> MultiHeaders<SockaddrStorage> {
    MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in6_pktinfo)))
}

impl Receiver {
    /// Number of datagrams read, 0 when none waits.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.envelopes.clear();
        self.next = 0;
        let mut parts = self.octets.chunks_exact_mut(PACKET_MAX);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
        let results = recvmmsg(
            socket.raw(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        let results = match results {
            Ok(results) => results,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            // An ICMP error of an earlier answer; it says nothing about this socket.
            Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut whole = true;
        for message in results {
            let source = message.address.as_ref().and_then(socket_address);
            let asked = message.cmsgs().ok().and_then(|mut all| all.find_map(packet_information));
            whole &= asked.is_some();
            self.envelopes.push(source.map(|source| Envelope {
                source,
                asked: asked.unwrap_or(socket.local.ip()),
                length: message.bytes.min(PACKET_MAX),
            }));
        }
        // The kernel shortens the headers' control length to what it wrote: start afresh where
        // a datagram came without packet information.
        if !whole {
            self.headers = headers();
        }
        Ok(self.envelopes.len())
    }

    /// The next datagram of the last batch. It counts as taken from here on, whatever becomes of
    /// whoever took it. Without a source address it is passed over.
    pub fn take(&mut self) -> Option<(Envelope, &[u8])> {
        loop {
            let index = self.next;
            let envelope = *self.envelopes.get(index)?;
            self.next += 1;
            if let Some(envelope) = envelope {
                let start = index * PACKET_MAX;
                return Some((envelope, self.octets.get(start..start + envelope.length)?));
            }
        }
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(address.ip().into(), address.port()));
    }
    let address = storage.as_sockaddr_in6()?;
    Some(SocketAddr::V6(std::net::SocketAddrV6::new(
        address.ip(),
        address.port(),
        0,
        address.scope_id(),
    )))
}

fn packet_information(message: ControlMessageOwned) -> Option<IpAddr> {
    match message {
        // ipi_spec_dst would be the route's choice; ipi_addr is what the datagram's header says.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
        }
        _ => None,
    }
}

struct Outgoing {
    socket: usize,
    to: SocketAddr,
    from: IpAddr,
    start: usize,
    end: usize,
}

/// Collects answers and sends them together.
pub struct Sender {
    octets: Vec<u8>,
    waiting: Vec<Outgoing>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender {
            octets: Vec::with_capacity(BATCH * 128),
            waiting: Vec::with_capacity(BATCH),
            headers: headers(),
        }
    }
}

impl Sender {
    /// Queues an answer on the `socket`th socket, to leave from `from`.
    pub fn push(&mut self, socket: usize, to: SocketAddr, from: IpAddr, octets: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        self.waiting.push(Outgoing { socket, to, from, start, end: self.octets.len() });
    }

    pub fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Sends all that waits; returns how many datagrams the kernel refused. A refused answer is
    /// not tried again: the NAS repeats, and gets it from the duplicates.
    pub fn flush(&mut self, sockets: &[Socket]) -> u64 {
        let mut refused = 0;
        let mut start = 0;
        while start < self.waiting.len() {
            let first = &self.waiting[start];
            let run = self.waiting[start..]
                .iter()
                .take(BATCH)
                .take_while(|one| one.socket == first.socket && one.from == first.from)
                .count();
            refused += self.send_run(sockets, start, start + run);
            start += run;
        }
        self.waiting.clear();
        self.octets.clear();
        refused
    }

    /// One socket, one sending address. An address of ours comes from the packet information of
    /// the request, so it is one that the kernel lets us send from.
    fn send_run(&mut self, sockets: &[Socket], mut start: usize, end: usize) -> u64 {
        let Some(socket) = sockets.get(self.waiting[start].socket) else { return 0 };
        let from = self.waiting[start].from;
        let mut refused = 0;
        while start < end {
            let run = &self.waiting[start..end];
            let slices: smallvec::SmallVec<[[IoSlice<'_>; 1]; BATCH]> =
                run.iter().map(|one| [IoSlice::new(&self.octets[one.start..one.end])]).collect();
            let to: smallvec::SmallVec<[Option<SockaddrStorage>; BATCH]> =
                run.iter().map(|one| Some(SockaddrStorage::from(one.to))).collect();
            let v4;
            let v6;
            let info = match from {
                IpAddr::V4(from) => {
                    v4 = libc::in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
                        ipi_addr: libc::in_addr { s_addr: 0 },
                    };
                    ControlMessage::Ipv4PacketInfo(&v4)
                }
                IpAddr::V6(from) => {
                    v6 = libc::in6_pktinfo {
                        ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                        ipi6_ifindex: 0,
                    };
                    ControlMessage::Ipv6PacketInfo(&v6)
                }
            };
            let sent = sendmmsg(
                socket.raw(),
                &mut self.headers,
                slices.iter(),
                &to,
                [info],
                MsgFlags::MSG_DONTWAIT,
            )
            .map_or(0, |results| results.count());
            if sent == 0 {
                refused += 1;
            }
            start += sent.max(1);
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(asked: &str, bound: &str) {
        let server = Socket::bind(Service::Auth, bound.parse().unwrap()).unwrap();
        let asked: SocketAddr = SocketAddr::new(asked.parse().unwrap(), server.local.port());
        let client =
            UdpSocket::bind(if asked.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let (mut receiver, mut sender) = (Receiver::default(), Sender::default());
        for round in 0..3u8 {
            for index in 0..5u8 {
                client.send_to(&[round, index], asked).unwrap();
            }
            let mut seen = 0;
            while seen < 5 {
                let count = receiver.receive(&server).unwrap();
                while let Some((envelope, octets)) = receiver.take() {
                    assert_eq!(envelope.asked, asked.ip());
                    sender.push(0, envelope.source, envelope.asked, octets);
                }
                seen += count;
            }
            assert_eq!(sender.flush(std::slice::from_ref(&server)), 0);
            for index in 0..5u8 {
                let mut octets = [0; 16];
                let (length, from) = client.recv_from(&mut octets).unwrap();
                assert_eq!((&octets[..length], from), (&[round, index][..], asked));
            }
        }
    }

    #[test]
    fn answers_leave_from_the_address_that_was_asked() {
        round_trip("127.0.0.1", "127.0.0.1:0");
        round_trip("127.0.0.7", "0.0.0.0:0");
        round_trip("::1", "[::]:0");
    }
}
