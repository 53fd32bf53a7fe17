//! Datagrams that the kernel dropped because nobody read them in time, as it counts them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use super::socket::Socket;

/// The inodes of our sockets, by which the kernel lists them.
pub struct Overflow(HashSet<u64>);

impl Overflow {
    pub fn of<'s>(sockets: impl Iterator<Item = &'s Socket>) -> Overflow {
        let inode = |socket: &Socket| {
            let copy = socket.borrow().try_clone_to_owned().ok()?;
            Some(File::from(copy).metadata().ok()?.ino())
        };
        Overflow(sockets.filter_map(inode).collect())
    }

    /// How many so far; 0 where the kernel's list can't be read.
    pub fn count(&self) -> u64 {
        let lists = ["/proc/self/net/udp", "/proc/self/net/udp6"].map(fs::read_to_string);
        lists
            .iter()
            .flatten()
            .flat_map(|list| list.lines())
            .filter_map(|line| self.of_line(line))
            .sum()
    }

    /// The last number of a line that is about a socket of ours.
    fn of_line(&self, line: &str) -> Option<u64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let inode = words.get(9)?.parse().ok()?;
        self.0.contains(&inode).then(|| words.last()?.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::Service;
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let full = Socket::bind(Service::Auth, "127.0.0.1:0".parse().unwrap()).unwrap();
        let empty = Socket::bind(Service::Auth, "[::1]:0".parse().unwrap()).unwrap();
        nix::sys::socket::setsockopt(&full.borrow(), nix::sys::socket::sockopt::RcvBuf, &4096)
            .unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            client.send_to(&[0; 1000], full.local).unwrap();
        }
        let counted = Overflow::of([&full].into_iter()).count();
        assert!(counted > 50 && counted < 100, "{counted}");
        assert_eq!(Overflow::of([&empty].into_iter()).count(), 0);
    }
}
