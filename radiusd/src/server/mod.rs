//! Sockets and workers on their own threads: a datagram in, exactly one counted outcome,
//! perhaps an answer out.
//!
//! `socket` moves datagrams in batches · `overflow` what the kernel dropped before · `mailbox` brings a worker what it waits for ·
//! `worker` is the loop · `shares` keeps one source from crowding out the others · `desk` decides
//! what becomes of one datagram.

mod desk;
mod mailbox;
mod overflow;
mod shares;
mod socket;
mod worker;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use mgmt::Feed;

pub use mailbox::Mailbox;
pub use overflow::Overflow;
pub use socket::{Service, Socket};

use crate::coa::Coa;
use crate::duplicates::Ticket;
use crate::exit::Failure;
use crate::fetch::{Fetched, Fetcher};
use crate::handover::Handover;
use crate::journal::{self, Journal};
use crate::metrics::Metrics;
use crate::online::Online;
use crate::roster::Roster;
use crate::simulate::Simulator;
use crate::usage::Backfill;

/// What a worker is told.
pub enum Message {
    /// What a parked Access-Request waited for.
    Fetched(Ticket, Fetched),
    /// The accounting records that a transaction ended for.
    Recorded(Vec<(journal::Ticket, journal::Outcome)>),
    /// A delayed or parked request may still be answered; nothing new is read.
    Stop,
}

/// What all workers share.
pub struct Shared {
    pub dictionary: Arc<Dictionary>,
    pub methods: crate::policy::Methods,
    pub roster: Arc<Roster>,
    pub online: Arc<Online>,
    pub journal: Arc<Journal>,
    pub coa: Coa,
    pub feed: Arc<Feed>,
    pub simulator: Simulator,
    pub backfill: Arc<Backfill>,
    pub fetcher: Fetcher,
    pub metrics: Arc<Metrics>,
    pub zone: TimeZone,
    pub options: crate::policy::Options,
    /// `compat.escape_names`.
    pub escape_names: bool,
    pub reject_delay: Duration,
    pub cleanup_delay: Duration,
    pub inflight_max: usize,
    pub inflight_source_max: u32,
}

/// The addresses to serve, each by every worker.
pub struct Listen {
    pub auth: Vec<SocketAddr>,
    pub acct: Vec<SocketAddr>,
}

impl Listen {
    fn services(&self) -> impl Iterator<Item = (Service, SocketAddr)> {
        (self.auth.iter().map(|address| (Service::Auth, *address)))
            .chain(self.acct.iter().map(|address| (Service::Acct, *address)))
    }

    pub fn all(&self) -> Vec<SocketAddr> {
        self.services().map(|(_, address)| address).collect()
    }
}

/// The sockets of all workers: those handed over, and bound what is lacking.
pub fn bind(
    listen: &Listen,
    workers: usize,
    handover: &mut Handover,
) -> Result<Vec<Vec<Socket>>, Failure> {
    let mut all: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
    for (service, address) in listen.services() {
        let sockets = group(service, address, workers, handover);
        let sockets = sockets
            .map_err(|error| Failure::io(format!("cannot listen on {address}/udp"), &error))?;
        // More sockets than workers: the kernel goes on to share packets among all of them.
        for (index, socket) in sockets.into_iter().enumerate() {
            all[index % workers].push(socket);
        }
    }
    Ok(all)
}

/// The sockets of one address, of which each worker has its own. Port 0 is chosen once, so that
/// all share it.
fn group(
    service: Service,
    mut address: SocketAddr,
    workers: usize,
    handover: &mut Handover,
) -> io::Result<Vec<Socket>> {
    let inherited = handover.datagrams(address).into_iter();
    let mut sockets =
        inherited.map(|udp| Socket::inherited(service, udp)).collect::<io::Result<Vec<_>>>()?;
    if sockets.is_empty() {
        // SO_REUSEPORT would let a second daemon of the same user take half the packets.
        match Socket::try_alone(address) {
            Ok(()) => {}
            Err(error)
                if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_without(&error) =>
            {
                tracing::warn!(%address, "no IPv6 on this machine: not listening there");
                return Ok(sockets);
            }
            Err(error) => return Err(error),
        }
    }
    let handed_over = sockets.len();
    while sockets.len() < workers {
        let socket = match Socket::bind(service, address) {
            Ok(socket) => socket,
            // The kernel lets an address be shared by sockets of one user only, and that of a
            // socket unit's is root.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && handed_over > 0 => {
                tracing::warn!(
                    %address,
                    "served by {handed_over} of {workers} workers: so many sockets were handed over"
                );
                break;
            }
            Err(error) => return Err(error),
        };
        address = socket.local;
        handover.keep(service.as_str(), address, &socket.borrow());
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Whether the machine has no IPv6.
fn is_without(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

/// The running workers.
pub struct Server {
    mailboxes: Vec<Mailbox<Message>>,
    threads: Vec<JoinHandle<()>>,
}

/// One mailbox for each worker, made before what will write to them.
pub struct Mailboxes {
    pub senders: Vec<Mailbox<Message>>,
    receivers: Vec<mailbox::Mail<Message>>,
}

impl Mailboxes {
    pub fn new(workers: usize) -> Result<Mailboxes, Failure> {
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (sender, receiver) = mailbox::mailbox()
                .map_err(|error| Failure::io("no event descriptor", &error.into()))?;
            senders.push(sender);
            receivers.push(receiver);
        }
        Ok(Mailboxes { senders, receivers })
    }
}

impl Server {
    /// Starts a thread for each worker.
    pub fn start(
        shared: Arc<Shared>,
        sockets: Vec<Vec<Socket>>,
        mailboxes: Mailboxes,
    ) -> Result<Server, Failure> {
        let _ = shared.metrics.overflow.set(Overflow::of(sockets.iter().flatten()));
        let mut threads = Vec::new();
        for (index, (sockets, mail)) in sockets.into_iter().zip(mailboxes.receivers).enumerate() {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name(format!("radius-{index}"))
                .spawn(move || worker::serve(index, shared, sockets, mail))
                .map_err(|error| Failure::io("cannot start a worker", &error))?;
            threads.push(thread);
        }
        Ok(Server { mailboxes: mailboxes.senders, threads })
    }

    /// Stops reading, lets what is under way be answered, and waits for the workers to end.
    pub fn drain(self) {
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Stop);
        }
        for thread in self.threads {
            // A worker catches its own panics; one that got out has been reported.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use proto::{Code, Request, Secret, verify_reply};
    use tokio::runtime::Handle;

    use super::*;
    use crate::config::{Client, ClientAddress, Config, Secret as Hidden, Tri};

    /// Asks for the status; the answer is verified.
    fn is_answered(to: SocketAddr, identifier: u8) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let secret = Secret::new(b"testing123");
        let request = Request::new(Code::StatusServer, identifier, [identifier; 16]);
        let request = request.finish(&secret);
        socket.send_to(&request, to).unwrap();
        let mut buffer = [0; 4096];
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { return false };
        verify_reply(&request, &buffer[..length], &secret).is_ok()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_costs_a_datagram_and_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            store: crate::config::Store::within(directory.path()),
            data_dir: directory.path().to_owned(),
            clients: vec![Client {
                name: "lab".into(),
                address: ClientAddress::Net("127.0.0.1/32".parse().unwrap()),
                secret: Hidden::new("testing123"),
                r#type: "other".into(),
                require_message_authenticator: Tri::Auto,
                limit_proxy_state: Tri::Auto,
                coa_port: 3799,
            }],
            ..Config::default()
        };
        let store = schema::Store::open(&config.store.options()).await.unwrap();
        store.migrate_tables().await.unwrap();
        let listen = Listen { auth: vec!["127.0.0.1:0".parse().unwrap()], acct: Vec::new() };
        let sockets = bind(&listen, 1, &mut Handover::default()).unwrap();
        let to = sockets[0][0].local;
        let mailboxes = Mailboxes::new(1).unwrap();
        let (handle, dictionary) = (Handle::current(), Dictionary::shipped());
        let shared =
            crate::run::share(&config, &handle, &store, dictionary, &mailboxes, 1).await.unwrap();
        let server = Server::start(Arc::clone(&shared), sockets, mailboxes).unwrap();
        let asked = tokio::task::spawn_blocking(move || {
            assert!(is_answered(to, 1));
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..3 {
                socket.send_to(b"panic", to).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            let begun = Instant::now();
            while !is_answered(to, 2) {
                assert!(begun.elapsed() < Duration::from_secs(20), "the worker is gone");
            }
            server.drain();
        });
        asked.await.unwrap();
        let totals = shared.metrics.totals();
        let counted = |name| totals.outcomes.iter().find(|(one, _)| *one == name).unwrap().1;
        assert_eq!((counted("panicked"), totals.restarts), (3, 3));
        let ended: u64 = totals.outcomes.iter().map(|(_, count)| count).sum();
        assert_eq!(ended, totals.received[0].1, "each datagram ends in exactly one outcome");
    }
}
