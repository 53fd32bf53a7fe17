//! Many datagrams in one call: recvmmsg and sendmmsg over buffers that are made once.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

/// How many datagrams one call moves at most.
pub const BATCH: usize = 64;
const ROOM: usize = 2048;

pub struct Inbox {
    headers: MultiHeaders<SockaddrIn>,
    buffers: Box<[[u8; ROOM]; BATCH]>,
    lengths: [usize; BATCH],
    from: [Option<SockaddrIn>; BATCH],
    count: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: Box::new([[0; ROOM]; BATCH]),
            lengths: [0; BATCH],
            from: [None; BATCH],
            count: 0,
        }
    }
}

impl Inbox {
    /// What has arrived; zero when nothing has (and the socket does not block).
    pub fn receive(&mut self, socket: &impl AsRawFd) -> nix::Result<usize> {
        self.count = 0;
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        // Without this flag a blocking socket would wait for a whole batch.
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
            Ok(received) => {
                for message in received {
                    self.lengths[self.count] = message.bytes;
                    self.from[self.count] = message.address;
                    self.count += 1;
                }
                Ok(self.count)
            }
            // A server that is not there yet, told by ICMP.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<SockaddrIn>)> {
        (0..self.count).map(|at| (&self.buffers[at][..self.lengths[at]], self.from[at]))
    }
}

/// Sends up to `BATCH` datagrams; gives how many the kernel took.
pub fn send<'a>(
    socket: &impl AsRawFd,
    headers: &'a mut MultiHeaders<SockaddrIn>,
    slices: &'a [[IoSlice<'a>; 1]],
    to: &[Option<SockaddrIn>],
) -> nix::Result<usize> {
    match sendmmsg(socket.as_raw_fd(), headers, slices, to, [], MsgFlags::empty()) {
        Ok(sent) => Ok(sent.count()),
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED | Errno::ENOBUFS) => Ok(0),
        Err(error) => Err(error),
    }
}
