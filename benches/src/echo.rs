//! A UDP echo server: what this machine's sockets can carry when nobody thinks.

use std::io::IoSlice;
use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Result;
use nix::sys::socket::MultiHeaders;

use crate::batch::{self, BATCH, Inbox};

/// Serves for ever, many datagrams a call.
pub fn batched(port: u16) -> Result<()> {
    let socket = bind(port)?;
    let mut inbox = Inbox::default();
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    loop {
        let count = inbox.receive(&socket)?;
        let mut slices = [[IoSlice::new(&[])]; BATCH];
        let mut to = [None; BATCH];
        for (at, (datagram, from)) in inbox.iter().enumerate() {
            slices[at] = [IoSlice::new(datagram)];
            to[at] = from;
        }
        batch::send(&socket, &mut headers, &slices[..count], &to[..count])?;
    }
}

/// Serves for ever, one datagram a call.
pub fn single(port: u16) -> Result<()> {
    let socket = bind(port)?;
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], from)?;
    }
}

pub fn bind(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let _best_effort = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    Ok(socket)
}
