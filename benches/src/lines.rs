//! The generator's sockets: each with its 256 identifiers, what is under way on them, and retransmission.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use nix::sys::socket::{MultiHeaders, SockaddrIn};
use socket2::{Domain, Socket, Type};

use crate::batch::{self, BATCH, Inbox};
use crate::traffic::Traffic;
use crate::wire::{Datagram, Keys, Verdict};

/// One request under way.
#[derive(Clone, Default)]
pub struct Slot {
    request: Datagram,
    pub due: u64,
    sent: u64,
    pub tries: u8,
    ticket: u64,
    busy: bool,
}

/// What a datagram that came back was.
pub enum Settled {
    /// A verified reply: since when it was due, whether it was the expected one, whether signed.
    Reply {
        due: u64,
        right: bool,
        signed: bool,
    },
    Forged,
    /// Nothing waits for it (any more).
    Stray,
}

/// A connected socket. Identifiers come round in order, as a NAS hands them out.
pub struct Line {
    pub socket: UdpSocket,
    pub echo: bool,
    slots: Vec<Slot>,
    free: VecDeque<u8>,
    queue: Vec<u8>,
    headers: MultiHeaders<SockaddrIn>,
}

impl Line {
    pub fn connect(target: SocketAddr) -> Result<Line> {
        let socket = Socket::new(Domain::for_address(target), Type::DGRAM, None)?;
        let _best_effort = socket.set_recv_buffer_size(4 << 20);
        socket.connect(&target.into()).with_context(|| format!("connect to {target}"))?;
        socket.set_nonblocking(true)?;
        Ok(Line {
            socket: socket.into(),
            echo: false,
            slots: vec![Slot::default(); 256],
            free: (0..=255).collect(),
            queue: Vec::with_capacity(256),
            headers: MultiHeaders::preallocate(BATCH, None),
        })
    }

    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Makes the next request and queues it; false when there is no identifier or no request.
    pub fn launch(&mut self, traffic: &mut dyn Traffic, keys: &Keys, due: u64, now: u64) -> bool {
        let Some(&identifier) = self.free.front() else { return false };
        let slot = &mut self.slots[usize::from(identifier)];
        let Some(ticket) = traffic.make(identifier, keys, &mut slot.request) else { return false };
        self.free.pop_front();
        (slot.due, slot.sent, slot.tries, slot.ticket, slot.busy) = (due, now, 1, ticket, true);
        self.queue.push(identifier);
        true
    }

    pub fn flush(&mut self) -> nix::Result<()> {
        let mut done = 0;
        while done < self.queue.len() {
            let some = &self.queue[done..self.queue.len().min(done + BATCH)];
            let mut slices = [[IoSlice::new(&[])]; BATCH];
            for (slice, identifier) in slices.iter_mut().zip(some) {
                *slice = [IoSlice::new(self.slots[usize::from(*identifier)].request.octets())];
            }
            let slices = &slices[..some.len()];
            let sent =
                batch::send(&self.socket, &mut self.headers, slices, &[None; BATCH][..some.len()])?;
            if sent == 0 {
                // The kernel has no room: the retransmission timer will bring these again.
                break;
            }
            done += sent;
        }
        self.queue.clear();
        Ok(())
    }

    pub fn settle(&mut self, traffic: &mut dyn Traffic, keys: &Keys, reply: &[u8]) -> Settled {
        let Some(&identifier) = reply.get(1) else { return Settled::Forged };
        let slot = &mut self.slots[usize::from(identifier)];
        if !slot.busy {
            return Settled::Stray;
        }
        let verdict = keys.verify(slot.request.octets(), reply);
        let echoed = self.echo && reply == slot.request.octets();
        if verdict == Verdict::Forged && !echoed {
            // After a retransmission both answers may come; the second one meets the next request.
            return Settled::Forged;
        }
        slot.busy = false;
        self.free.push_back(identifier);
        let right = traffic.answered(slot.ticket, reply) || echoed;
        Settled::Reply { due: slot.due, right, signed: verdict == Verdict::Signed }
    }

    /// Sends again what has waited too long, gives up after `most` tries: (sent again, given up).
    pub fn retry(
        &mut self,
        traffic: &mut dyn Traffic,
        now: u64,
        patience: u64,
        most: u8,
    ) -> (u64, u64) {
        let (mut again, mut lost) = (0, 0);
        for identifier in 0..=255u8 {
            let slot = &mut self.slots[usize::from(identifier)];
            if !slot.busy || now < slot.sent + patience {
                continue;
            }
            if slot.tries >= most {
                slot.busy = false;
                traffic.lost(slot.ticket);
                self.free.push_back(identifier);
                lost += 1;
            } else {
                slot.tries += 1;
                slot.sent = now;
                self.queue.push(identifier);
                again += 1;
            }
        }
        (again, lost)
    }

    pub fn under_way(&self) -> usize {
        256 - self.free.len()
    }

    pub fn receive(&self, inbox: &mut Inbox) -> nix::Result<usize> {
        inbox.receive(&self.socket)
    }
}
