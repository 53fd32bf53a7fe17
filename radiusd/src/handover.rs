//! Sockets that outlive the process: systemd keeps them while the next one starts, and what arrives
//! meanwhile waits in them.
//!
//! What was bound is given to systemd's store of file descriptors; the next process, perhaps of
//! another version, takes it over by `LISTEN_FDS`. Sockets of a socket unit come the same way. Their
//! address says what they are for; a name is only needed to have systemd forget one.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sd_notify::NotifyState;
use socket2::{Socket, Type};

/// How long systemd may take to forget what the configuration no longer names.
const FORGET: Duration = Duration::from_secs(5);

/// What was handed over and nobody has taken yet.
#[derive(Default)]
pub struct Handover {
    inherited: Vec<Inherited>,
    /// Names that systemd knows sockets by.
    names: HashSet<String>,
}

struct Inherited {
    name: String,
    socket: Socket,
    local: Option<SocketAddr>,
    kind: Option<Type>,
}

impl Handover {
    /// Takes what systemd hands over, once in the life of the process. What is for none of these
    /// addresses is closed, and forgotten by systemd before this returns: it may stand in the way
    /// of what is bound next.
    pub fn take(datagrams: &[SocketAddr], streams: &[SocketAddr]) -> Handover {
        let listed = match sd_notify::listen_fds_with_names() {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "systemd hands sockets over that cannot be taken");
                return Handover::default();
            }
        };
        let mut handover = Handover::default();
        let mut strangers = Vec::new();
        for (descriptor, name) in listed {
            #[expect(unsafe_code, reason = "a number becomes a descriptor that is ours alone")]
            // SAFETY: systemd opened it for this process (LISTEN_PID is ours), and it is listed
            // once; this runs once.
            let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
            let inherited = Inherited::of(name, owned);
            if inherited.is_for(Type::DGRAM, datagrams) || inherited.is_for(Type::STREAM, streams) {
                handover.names.insert(inherited.name.clone());
                handover.inherited.push(inherited);
            } else {
                strangers.push(inherited);
            }
        }
        if !strangers.is_empty() {
            forget(strangers);
        }
        handover
    }

    /// The sockets of that address: one for each worker that the process before had.
    pub fn datagrams(&mut self, address: SocketAddr) -> Vec<UdpSocket> {
        self.of(Type::DGRAM, address).map(UdpSocket::from).collect()
    }

    pub fn listener(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let first = self.of(Type::STREAM, address).next();
        first.map(TcpListener::from)
    }

    fn of(&mut self, kind: Type, address: SocketAddr) -> impl Iterator<Item = Socket> {
        let fits = move |one: &mut Inherited| one.is_for(kind, &[address]);
        self.inherited.extract_if(.., fits).map(|one| one.socket)
    }

    /// Gives a copy of what was bound to systemd, for the process after this one.
    pub fn keep(&mut self, service: &str, local: SocketAddr, socket: &impl AsFd) {
        let ip = local.ip().to_string().replace(':', "_");
        let place = format!("{service}-{ip}-{}", local.port());
        let name = (0..).map(|number| format!("{place}-{number}"));
        let Some(name) = name.into_iter().find(|name| !self.names.contains(name)) else { return };
        // FDPOLL=0: systemd throws out what it finds in error, and an error of one answer is none
        // of the socket.
        let state =
            [NotifyState::FdStore, NotifyState::FdName(&name), NotifyState::Custom("FDPOLL=0")];
        if let Err(error) = sd_notify::notify_with_fds(&state, &[socket.as_fd()]) {
            tracing::warn!(%local, %error, "a restart will lose packets: systemd takes no socket");
        }
        self.names.insert(name);
    }
}

impl Inherited {
    fn of(name: String, descriptor: OwnedFd) -> Inherited {
        let socket = Socket::from(descriptor);
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let kind = socket.r#type().ok();
        Inherited { name, socket, local, kind }
    }

    fn is_for(&self, kind: Type, addresses: &[SocketAddr]) -> bool {
        let Some(local) = self.local.filter(|_| self.kind == Some(kind)) else { return false };
        // A socket of both families sees IPv4 in IPv6's clothes, which is no client's address.
        let own_family = local.is_ipv4() || self.socket.only_v6().unwrap_or(false);
        let ready = kind == Type::DGRAM || self.socket.is_listener().unwrap_or(false);
        own_family && ready && addresses.contains(&local)
    }
}

/// Closes sockets, and waits until systemd has closed its copies. Those of a socket unit it keeps.
fn forget(strangers: Vec<Inherited>) {
    for one in strangers {
        let local = one.local.map(|local| local.to_string()).unwrap_or_default();
        tracing::warn!(name = one.name, local, "handed over by systemd, not configured: closed");
        drop(one.socket);
        let state = [NotifyState::FdStoreRemove, NotifyState::FdName(&one.name)];
        if let Err(error) = sd_notify::notify(&state) {
            tracing::warn!(%error, "systemd keeps a socket that is not needed");
        }
    }
    if let Err(error) = barrier() {
        tracing::warn!(%error, "systemd does not say that it has closed its copies");
    }
}

/// Returns when systemd has read every notification before this one: it closes what it is given.
fn barrier() -> io::Result<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let (ours, theirs) = nix::unistd::pipe()?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
    drop(theirs);
    let ours: BorrowedFd<'_> = ours.as_fd();
    let patience = PollTimeout::try_from(FORGET).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(ours, PollFlags::POLLIN)], patience)? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inherited_is_known_by_its_address_and_kind() {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let datagram = UdpSocket::bind(address).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let both = Socket::new(socket2::Domain::IPV6, Type::DGRAM, None).unwrap();
        both.set_only_v6(false).unwrap();
        both.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let (udp, tcp) = (datagram.local_addr().unwrap(), listener.local_addr().unwrap());
        let strange =
            [connected.local_addr().unwrap(), both.local_addr().unwrap().as_socket().unwrap()];
        let wanted = [&[udp, tcp][..], &strange].concat();
        let is_taken = |descriptor: OwnedFd| {
            let one = Inherited::of("one".into(), descriptor);
            (one.is_for(Type::DGRAM, &wanted), one.is_for(Type::STREAM, &wanted))
        };
        assert_eq!(is_taken(datagram.into()), (true, false));
        assert_eq!(is_taken(listener.into()), (false, true));
        assert_eq!(is_taken(connected.into()), (false, false));
        assert_eq!(is_taken(both.into()), (false, false));
        assert_eq!(is_taken(file), (false, false));
    }
}
