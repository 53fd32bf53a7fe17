//! What others tell a worker, with one wake-up however much is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// The sending end; cheap to clone.
pub struct Mailbox<M> {
    messages: Sender<M>,
    bell: Arc<Bell>,
}

/// The worker's end.
pub struct Mail<M> {
    messages: Receiver<M>,
    bell: Arc<Bell>,
}

struct Bell {
    event: EventFd,
    rung: AtomicBool,
}

/// A mailbox. It needs no limit of its own: each message answers a request of the worker's
/// bounded table.
pub fn mailbox<M>() -> nix::Result<(Mailbox<M>, Mail<M>)> {
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
    let bell = Arc::new(Bell { event, rung: AtomicBool::new(false) });
    let (sender, receiver) = unbounded();
    Ok((Mailbox { messages: sender, bell: Arc::clone(&bell) }, Mail { messages: receiver, bell }))
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Mailbox<M> {
        Mailbox { messages: self.messages.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<M> Mailbox<M> {
    /// Tells the worker; a worker that is gone needs no news.
    pub fn send(&self, message: M) {
        if self.messages.send(message).is_ok() && !self.bell.rung.swap(true, Ordering::SeqCst) {
            // The counter of an event can only be full of unread rings.
            let _ = self.bell.event.write(1);
        }
    }
}

impl<M> Mail<M> {
    pub fn borrow(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.bell.event)
    }

    /// Everything told so far.
    pub fn read(&self) -> impl Iterator<Item = M> + '_ {
        let _ = self.bell.event.read();
        // Before the messages are taken: one that comes now rings again. A mere store could still
        // be on its way while the messages are looked at, and a sender would keep silent.
        self.bell.rung.swap(false, Ordering::SeqCst);
        self.messages.try_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_ring_once_and_none_is_lost() {
        let (mailbox, mail) = mailbox().unwrap();
        let sender = std::thread::spawn(move || (0..10_000).for_each(|n| mailbox.send(n)));
        let mut got = Vec::new();
        while got.len() < 10_000 {
            let mut poll = [nix::poll::PollFd::new(mail.borrow(), nix::poll::PollFlags::POLLIN)];
            assert_eq!(nix::poll::poll(&mut poll, 5000u16), Ok(1), "a message without a ring");
            got.extend(mail.read());
        }
        sender.join().unwrap();
        assert!(got.into_iter().eq(0..10_000));
    }
}
