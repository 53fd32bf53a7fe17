//! A request sent until something that answers it comes back.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proto::{Malformed, Secret};
use radiusd::exit::{self, Failure};

use crate::cli::say;

pub(super) struct Exchange {
    pub server: SocketAddr,
    pub tries: u32,
    pub wait: Duration,
    pub quiet: bool,
}

impl Exchange {
    /// The first datagram that is an answer, and how long it took since the last sending.
    pub fn run(&self, request: &[u8], secret: &Secret) -> Result<(Vec<u8>, Duration), Failure> {
        let any = match self.server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let failed = |error: std::io::Error| Failure::io(self.server, &error);
        let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
        socket.connect(self.server).map_err(failed)?;
        let mut seen = Seen::default();
        for _ in 0..self.tries {
            let sent = Instant::now();
            match socket.send(request) {
                // The answer to an earlier sending: nobody listens there.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => seen.refused = true,
                other => {
                    other.map_err(failed)?;
                }
            }
            if let Some(reply) = self.listen(&socket, sent, request, secret, &mut seen)? {
                return Ok((reply, sent.elapsed()));
            }
            if !self.quiet {
                say(format_args!("no answer within {:?}", self.wait))?;
            }
        }
        Err(Failure::new(exit::UNAVAILABLE, seen.why(self.server)))
    }

    fn listen(
        &self,
        socket: &UdpSocket,
        sent: Instant,
        request: &[u8],
        secret: &Secret,
        seen: &mut Seen,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut buffer = vec![0; 65_536];
        loop {
            let left = self.wait.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = socket.set_read_timeout(Some(left));
            timeout.map_err(|error| Failure::io(self.server, &error))?;
            let datagram = match socket.recv(&mut buffer) {
                Ok(size) => buffer.get(..size).unwrap_or_default(),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::ConnectionRefused => {
                        seen.refused = true;
                        std::thread::sleep(left);
                        return Ok(None);
                    }
                    ErrorKind::Interrupted => continue,
                    _ => return Err(Failure::io(self.server, &error)),
                },
            };
            match proto::verify_reply(request, datagram, secret) {
                Ok(_) => return Ok(Some(datagram.to_vec())),
                Err(malformed) => seen.malformed = Some(malformed),
            }
        }
    }
}

/// What was seen instead of an answer.
#[derive(Default)]
struct Seen {
    refused: bool,
    malformed: Option<Malformed>,
}

impl Seen {
    fn why(&self, server: SocketAddr) -> String {
        match (self.malformed, self.refused) {
            (Some(Malformed::BadReplyAuthenticator | Malformed::BadMessageAuthenticator), _) => {
                format!("{server} answers with another secret")
            }
            (Some(malformed), _) => format!("{server} sends what is no answer: {malformed}"),
            (None, true) => format!("nobody listens on {server}"),
            (None, false) => format!(
                "{server} doesn't answer: it may not know this client, or have another secret for it"
            ),
        }
    }
}
