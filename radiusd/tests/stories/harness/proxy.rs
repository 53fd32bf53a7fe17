//! What stands between the daemon and PostgreSQL, and does to connections what networks do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::scratch;

/// What becomes of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Pass,
    /// Every piece so much later.
    Delay(Duration),
    /// Nothing comes through, nobody is told.
    BlackHole,
    /// Statements come through, their answers don't: what was committed isn't known.
    Mute,
    /// No connection lasts.
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToStore,
    ToDaemon,
}

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    way: Mutex<Way>,
    connections: Mutex<Vec<Weak<Connection>>>,
    ended: AtomicBool,
}

struct Connection {
    daemon: TcpStream,
    store: TcpStream,
    cut: AtomicBool,
    /// Octets in each direction until the line breaks; 0 is never.
    fuses: [AtomicU64; 2],
}

impl Proxy {
    /// To a port of this machine.
    pub fn new(store: u16) -> Proxy {
        let port = scratch::port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a proxy's port");
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Pass),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for daemon in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                if let (Ok(daemon), true) = (daemon, serving.way() != Way::Refuse) {
                    serving.connect(daemon, store);
                }
            }
        });
        Proxy { port, shared }
    }

    pub fn go(&self, way: Way) {
        *self.shared.way.lock().expect("no panic") = way;
        if way == Way::Refuse {
            self.cut();
        }
    }

    /// Every connection there is breaks.
    pub fn cut(&self) {
        self.shared.each(|connection| connection.cut());
    }

    /// Every connection breaks after so many more octets: amid a message, as a rule.
    pub fn cut_after(&self, direction: Direction, octets: u64) {
        self.shared.each(|connection| {
            connection.fuses[direction as usize].store(octets.max(1), Ordering::Relaxed);
        });
    }

    /// One side hears that the other will say nothing more, and can still talk.
    pub fn half_close(&self, direction: Direction) {
        self.shared.each(|connection| {
            let to = connection.to(direction);
            to.shutdown(Shutdown::Write).ok();
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.cut();
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

impl Shared {
    fn way(&self) -> Way {
        *self.way.lock().expect("no panic")
    }

    fn each(&self, act: impl Fn(&Connection)) {
        let mut connections = self.connections.lock().expect("no panic");
        connections.retain(|connection| connection.strong_count() > 0);
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| act(&connection));
    }

    fn connect(self: &Arc<Self>, daemon: TcpStream, store: u16) {
        // PostgreSQL is away: so is who stands before it.
        let Ok(store) = TcpStream::connect((Ipv4Addr::LOCALHOST, store)) else { return };
        for stream in [&daemon, &store] {
            stream.set_nodelay(true).ok();
        }
        let (cut, fuses) = (AtomicBool::new(false), Default::default());
        let connection = Arc::new(Connection { daemon, store, cut, fuses });
        self.connections.lock().expect("no panic").push(Arc::downgrade(&connection));
        for direction in [Direction::ToStore, Direction::ToDaemon] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                if shared.pump(&connection, direction).is_err() {
                    connection.cut();
                }
            });
        }
    }

    fn pump(&self, connection: &Connection, direction: Direction) -> std::io::Result<()> {
        let (mut from, mut to) = match direction {
            Direction::ToStore => (&connection.daemon, &connection.store),
            Direction::ToDaemon => (&connection.store, &connection.daemon),
        };
        let mut buffer = [0; 16_384];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return to.shutdown(Shutdown::Write);
            }
            loop {
                match self.way() {
                    _ if connection.cut.load(Ordering::Relaxed) => return Ok(()),
                    Way::BlackHole => {}
                    Way::Mute if direction == Direction::ToDaemon => {}
                    Way::Delay(delay) => {
                        thread::sleep(delay);
                        break;
                    }
                    _ => break,
                }
                thread::sleep(Duration::from_millis(5));
            }
            let left = connection.fuses[direction as usize].load(Ordering::Relaxed);
            let passes = if left == 0 { length } else { length.min(left as usize) };
            to.write_all(&buffer[..passes])?;
            if left > 0 {
                if left <= length as u64 {
                    connection.cut();
                    return Ok(());
                }
                let rest = left - length as u64;
                connection.fuses[direction as usize].store(rest, Ordering::Relaxed);
            }
        }
    }
}

impl Connection {
    fn to(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToStore => &self.store,
            Direction::ToDaemon => &self.daemon,
        }
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        for stream in [&self.daemon, &self.store] {
            // A reset instead of a good-bye.
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}
