//! A NAS's side of RFC 5176: takes Disconnect-Request, checks all that is signed, and answers as it
//! is told.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use md5::{Digest, Md5};
use proto::{Code, Packet, Reply, Secret};

/// What it does with a request, by how many came before.
#[derive(Clone, Copy)]
pub enum Says {
    Ack,
    /// With that Error-Cause.
    Nak(u32),
    Nothing,
}

pub struct Das {
    pub address: SocketAddr,
    heard: Receiver<Vec<u8>>,
}

impl Das {
    /// Takes requests that are signed with `secret` and no others.
    pub fn new(secret: &str, says: impl Fn(usize) -> Says + Send + 'static) -> Das {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("an address");
        let (tell, heard) = channel();
        let secret = secret.to_owned();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            for count in 0.. {
                let Ok((size, from)) = socket.recv_from(&mut buffer) else { return };
                let octets = buffer[..size].to_vec();
                check(&octets, &secret);
                let packet = Packet::parse(&octets).expect("a packet");
                let answer = match says(count) {
                    Says::Nothing => None,
                    Says::Ack => Some(Reply::new(Code::DisconnectAck, &packet)),
                    Says::Nak(cause) => {
                        let mut reply = Reply::new(Code::DisconnectNak, &packet);
                        reply.raw(101, &cause.to_be_bytes());
                        Some(reply)
                    }
                };
                if let Some(answer) = answer {
                    let answer = answer.finish(&Secret::new(secret.as_bytes()));
                    socket.send_to(&answer, from).expect("an answer");
                }
                if tell.send(octets).is_err() {
                    return;
                }
            }
        });
        Das { address, heard }
    }

    /// The next request it took.
    pub fn request(&self) -> Vec<u8> {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("a Disconnect-Request")
    }

    pub fn attribute(octets: &[u8], number: u8) -> Option<Vec<u8>> {
        Packet::parse(octets).expect("a packet").find(number).map(<[u8]>::to_vec)
    }
}

/// As RFC 5176 §2.3 has it, computed here and not by what is tested.
fn check(octets: &[u8], secret: &str) {
    assert_eq!(octets[0], 40, "Disconnect-Request");
    let mut zeroed = octets.to_vec();
    zeroed[4..20].fill(0);
    let right = Md5::digest([zeroed.as_slice(), secret.as_bytes()].concat());
    assert_eq!(right.as_slice(), &octets[4..20], "the Request Authenticator");
    let stamp = Das::attribute(octets, 55).expect("Event-Timestamp");
    assert_eq!(stamp.len(), 4);
    assert!(Das::attribute(octets, 80).is_some(), "Message-Authenticator");
    let packet = Packet::parse(octets).expect("a packet");
    let verified = Secret::new(secret.as_bytes()).verify_request(&packet);
    assert_eq!(verified, Ok(true), "signed twice");
}
