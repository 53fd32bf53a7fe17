//! A service manager with a store of file descriptors, as systemd is one.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::daemon::{Daemon, Settings};

/// What `NotifyAccess=main` and `FileDescriptorStoreMax=` make of systemd.
pub struct Manager {
    directory: PathBuf,
    stored: Arc<Mutex<Vec<(String, OwnedFd)>>>,
    /// Handed over before what is stored, at each start: those of a socket unit.
    pub unit: Vec<OwnedFd>,
}

impl Manager {
    pub fn new(directory: &Path) -> Manager {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a notification socket");
        let stored = Arc::default();
        let told = Arc::clone(&stored);
        thread::spawn(move || while listen(&socket, &told).is_some() {});
        Manager { directory: directory.to_owned(), stored, unit: Vec::new() }
    }

    /// Started with all that the manager has, and ready.
    pub fn start(&self, settings: &Settings) -> Daemon {
        let stored = self.stored.lock().expect("no panic");
        let unit = self.unit.iter().map(|socket| ("radiusd.socket", socket));
        let all = unit.chain(stored.iter().map(|(name, socket)| (name.as_str(), socket)));
        let (names, sockets): (Vec<_>, Vec<_>) =
            all.map(|(name, socket)| (name, socket.try_clone().expect("a copy"))).unzip();
        let names = names.join(":");
        drop(stored);
        let mut daemon = Daemon::launch_as(&self.directory, settings, |process| {
            let process = process.env("NOTIFY_SOCKET", path(&self.directory.join("notify")));
            if sockets.is_empty() { process } else { process.inherit(&names, sockets) }
        });
        daemon.until_ready();
        daemon
    }

    /// The names of what is stored, in order.
    pub fn names(&self) -> Vec<String> {
        let stored = self.stored.lock().expect("no panic");
        let mut names: Vec<_> = stored.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let end = UnixDatagram::unbound().expect("a socket");
        end.send_to(b"END", self.directory.join("notify")).ok();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// One notification; none at the end.
fn listen(socket: &UnixDatagram, stored: &Mutex<Vec<(String, OwnedFd)>>) -> Option<()> {
    let mut buffer = [0; 4096];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags);
    let message = message.expect("a notification");
    let mut given = Vec::new();
    for control in message.cmsgs().expect("whole control messages") {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            #[expect(unsafe_code, reason = "a number becomes a descriptor that is ours alone")]
            // SAFETY: the kernel has just opened it for us.
            given.extend(descriptors.into_iter().map(|one| unsafe { OwnedFd::from_raw_fd(one) }));
        }
    }
    let length = message.bytes;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let name = lines.iter().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    let mut stored = stored.lock().expect("no panic");
    if lines.contains(&"FDSTORE=1") {
        stored.extend(given.into_iter().map(|one| (name.to_owned(), one)));
    } else if lines.contains(&"FDSTOREREMOVE=1") {
        stored.retain(|(other, _)| other != name);
    }
    // What came with BARRIER=1 is closed by now.
    (!lines.contains(&"END")).then_some(())
}
