//! The loop of one worker: wait, read a batch, answer it, see to what is due.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::desk::Desk;
use super::mailbox::Mail;
use super::socket::{BATCH, Receiver, Socket};
use super::{Message, Shared};
use crate::metrics::Outcome;

/// Batches read from one socket before the others get their turn.
const BATCHES_IN_A_ROW: usize = 4;
/// How long what is under way may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until told to stop. A panic costs the datagram that caused it and what this worker
/// had under way; the worker begins again with empty tables.
pub fn serve(index: usize, shared: Arc<Shared>, sockets: Vec<Socket>, mail: Mail<Message>) {
    let counters = Arc::clone(&shared.metrics.workers[index]);
    let mut receiver = Receiver::default();
    let ports = sockets.iter().map(|socket| socket.local.port()).collect();
    let mut desk = Desk::new(index, ports, Arc::clone(&shared), 0);
    let mut stopping = None;
    let mut reading = 0;
    loop {
        let mut worker = Worker {
            desk: &mut desk,
            receiver: &mut receiver,
            sockets: &sockets,
            mail: &mail,
            stopping: &mut stopping,
            reading: &mut reading,
        };
        if catch_unwind(AssertUnwindSafe(|| worker.run())).is_ok() {
            break;
        }
        counters.count(Outcome::Panicked);
        counters.restarts.fetch_add(1, Ordering::Relaxed);
        tracing::error!(worker = index, "a worker panicked and was restarted");
        desk = desk.restarted();
    }
    desk.abandon();
}

struct Worker<'a> {
    desk: &'a mut Desk,
    receiver: &'a mut Receiver,
    sockets: &'a [Socket],
    mail: &'a Mail<Message>,
    /// Set once the daemon stops: until when what is under way may be answered.
    stopping: &'a mut Option<Instant>,
    /// The socket of the last batch.
    reading: &'a mut usize,
}

impl Worker<'_> {
    fn run(&mut self) {
        self.desk.tick(Instant::now());
        self.serve_batch();
        loop {
            let ready = self.wait();
            self.desk.tick(Instant::now());
            if ready.mail {
                self.read_mail();
            }
            if self.stopping.is_none() {
                for index in ready.sockets {
                    self.read_socket(index);
                }
            }
            self.desk.see_to_what_is_due();
            self.desk.flush(self.sockets);
            if self.stopping.is_some_and(|until| self.desk.is_idle() || until <= Instant::now()) {
                return;
            }
        }
    }

    /// What was read and not yet served: a batch, or the rest of one that met a panic.
    fn serve_batch(&mut self) {
        let Some(socket) = self.sockets.get(*self.reading) else { return };
        let clients = self.desk.clients();
        while let Some((envelope, octets)) = self.receiver.take() {
            self.desk.datagram(&clients, (*self.reading, socket.service), envelope, octets);
        }
        self.desk.flush(self.sockets);
    }

    fn wait(&self) -> Ready {
        let mut all: smallvec::SmallVec<[PollFd<'_>; 8]> = smallvec::SmallVec::new();
        all.push(PollFd::new(self.mail.borrow(), PollFlags::POLLIN));
        if self.stopping.is_none() {
            for socket in self.sockets {
                all.push(PollFd::new(socket.borrow(), PollFlags::POLLIN));
            }
        }
        let due = self.desk.next_due(Instant::now());
        // Rounded up: a wait that ends early would only be waited again.
        let timeout = PollTimeout::try_from(due + Duration::from_micros(999))
            .unwrap_or(PollTimeout::from(1000u16));
        let mut ready = Ready { mail: false, sockets: smallvec::SmallVec::new() };
        if poll(&mut all, timeout).is_ok_and(|count| count > 0) {
            let readable = |one: &PollFd<'_>| one.any().unwrap_or(false);
            ready.mail = all.first().is_some_and(readable);
            let sockets = all.iter().skip(1).enumerate();
            ready.sockets.extend(sockets.filter(|(_, one)| readable(one)).map(|(index, _)| index));
        }
        ready
    }

    fn read_mail(&mut self) {
        for message in self.mail.read() {
            match message {
                Message::Fetched(ticket, fetched) => self.desk.fetched(ticket, fetched),
                Message::Recorded(records) => self.desk.recorded(records),
                Message::Stop => *self.stopping = Some(Instant::now() + DRAIN),
            }
            if self.desk.sender_is_full() {
                self.desk.flush(self.sockets);
            }
        }
    }

    fn read_socket(&mut self, index: usize) {
        let Some(socket) = self.sockets.get(index) else { return };
        for _ in 0..BATCHES_IN_A_ROW {
            let count = match self.receiver.receive(socket) {
                Ok(count) => count,
                Err(error) => {
                    tracing::error!(listen = %socket.local, %error, "cannot read from a socket");
                    return;
                }
            };
            *self.reading = index;
            self.serve_batch();
            if count < BATCH {
                return;
            }
            self.desk.tick(Instant::now());
        }
        self.desk.pile_up();
    }
}

struct Ready {
    mail: bool,
    /// The places of those that something waits in.
    sockets: smallvec::SmallVec<[usize; 8]>,
}
