//! Connections of people: so many at once, and none that says nothing for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::Tls;

/// Connections at once; the next ones wait in the kernel.
const AT_ONCE: usize = 512;
/// A connection on which nothing moves for so long is closed, also amid a request.
const SILENCE: Duration = Duration::from_secs(60);

/// What `http.listen` accepts.
pub struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    silence: Duration,
    tls: Option<TlsAcceptor>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// One of them.
pub struct Connection {
    stream: Stream,
    quiet: Pin<Box<Sleep>>,
    silence: Duration,
    #[expect(dead_code, reason = "its end is what counts")]
    place: Option<OwnedSemaphorePermit>,
}

/// Hands are shaken when the first octets are asked for: by the connection's own task, not by the
/// one that accepts.
enum Stream {
    Plain(TcpStream),
    Greeting(Box<Accept<TcpStream>>),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn poll_greeted(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Stream::Greeting(accept) = self {
            let stream = ready!(Pin::new(&mut **accept).poll(context))?;
            *self = Stream::Secure(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_greeted(context))?;
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Secure(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Stream::Greeting(_) => Poll::Pending,
        }
    }

    /// What comes before hands are shaken waits.
    fn poll_with<T>(
        &mut self,
        context: &mut Context<'_>,
        plain: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
        secure: impl FnOnce(Pin<&mut TlsStream<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        ready!(self.poll_greeted(context))?;
        match self {
            Stream::Plain(stream) => plain(Pin::new(stream), context),
            Stream::Secure(stream) => secure(Pin::new(&mut **stream), context),
            Stream::Greeting(_) => Poll::Pending,
        }
    }
}

impl Bounded {
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<&Tls>) -> Bounded {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let tls = tls.map(|tls| tls.acceptor.clone());
        Bounded { listener, room, silence: SILENCE, tls }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let stream = match &self.tls {
            Some(tls) => Stream::Greeting(Box::new(tls.accept(stream))),
            None => Stream::Plain(stream),
        };
        let silence = self.silence;
        let quiet = Box::pin(sleep(silence));
        (Connection { stream, quiet, silence, place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    fn moved(&mut self) {
        let silence = self.silence;
        self.quiet.as_mut().reset(Instant::now() + silence);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.stream.poll_read(context, buffer);
        if read.is_ready() {
            self.moved();
            return read;
        }
        ready!(self.quiet.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream.poll_with(
            context,
            |stream, context| stream.poll_write(context, octets),
            |stream, context| stream.poll_write(context, octets),
        ));
        self.moved();
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (plain, secure) = (TcpStream::poll_flush, TlsStream::poll_flush);
        self.stream.poll_with(context, plain, secure)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (plain, secure) = (TcpStream::poll_shutdown, TlsStream::poll_shutdown);
        self.stream.poll_with(context, plain, secure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn who_says_nothing_makes_room_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let room = Arc::new(Semaphore::new(1));
        let silence = Duration::from_millis(50);
        let mut bounded = Bounded { listener, room: Arc::clone(&room), silence, tls: None };
        let mut silent = TcpStream::connect(address).await.unwrap();
        let (mut first, _) = bounded.accept().await;
        assert_eq!(room.available_permits(), 0);
        silent.write_all(b"x").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'x');
        let error = first.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(first);
        let mut next = TcpStream::connect(address).await.unwrap();
        let (mut second, _) = bounded.accept().await;
        second.write_all(b"y").await.unwrap();
        assert_eq!(next.read_u8().await.unwrap(), b'y');
    }

    #[tokio::test]
    async fn over_tls_a_stranger_to_it_holds_nobody_up() {
        use rustls::pki_types::ServerName;
        use rustls::{ClientConfig, RootCertStore};

        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["radius.example".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let files = crate::TlsFiles {
            certificate: file("cert", made.cert.pem()),
            private_key: file("key", made.signing_key.serialize_pem()),
        };
        let tls = Tls::new(files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut bounded = Bounded::new(listener, Some(&tls));

        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (mut of_plain, _) = bounded.accept().await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let (_of_silent, _) = bounded.accept().await;
        let refused = of_plain.read_u8().await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);

        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut of_client, _) = bounded.accept().await;
        let name = ServerName::try_from("radius.example").unwrap();
        let asked = async {
            let mut stream = connector.connect(name, stream).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        };
        let answered = async {
            let mut said = [0; 4];
            of_client.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"ping");
            of_client.write_all(b"pong").await.unwrap();
            of_client.flush().await.unwrap();
        };
        let (answer, ()) = tokio::join!(asked, answered);
        assert_eq!(&answer, b"pong");
        silent.write_all(b"x").await.unwrap();
    }
}
