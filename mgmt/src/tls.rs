//! The certificate that people's browsers see: read from two files, and read anew when they change.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// Whoever renews certificates writes two files, one after the other.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate with its chain, and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

/// What is shown to a browser now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// TLS as a server speaks it, with a certificate that can be renewed.
pub struct Tls {
    files: TlsFiles,
    seen: [Option<SystemTime>; 2],
    current: Arc<Current>,
    pub(crate) acceptor: TlsAcceptor,
}

impl TlsFiles {
    /// Says what is wrong with them: file and why.
    pub fn check(&self) -> Result<(), String> {
        self.load().map(|_| ())
    }

    fn load(&self) -> Result<CertifiedKey, String> {
        let (certificate, private_key) = (&self.certificate, &self.private_key);
        let wrong = |file: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        let chain = CertificateDer::pem_reader_iter(open(certificate)?);
        let chain: Result<Vec<_>, _> = chain.collect();
        let chain = chain.map_err(|error| wrong(certificate, &error))?;
        if chain.is_empty() {
            return Err(wrong(certificate, &"there is no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_reader(open(private_key)?)
            .map_err(|error| wrong(private_key, &error))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong(private_key, &"not this certificate's key"),
            error => wrong(certificate, &error),
        })
    }

    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.private_key]
            .map(|file| std::fs::metadata(file).and_then(|data| data.modified()).ok())
    }
}

fn open(file: &Path) -> Result<File, String> {
    File::open(file).map_err(|error| format!("{}: {error}", file.display()))
}

impl Tls {
    pub fn new(files: TlsFiles) -> Result<Tls, String> {
        let seen = files.written();
        let current = Arc::new(Current(RwLock::new(Arc::new(files.load()?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Tls { files, seen, current, acceptor })
    }

    /// For ever: a certificate that was renewed is shown from the next connection on, one that
    /// can't be read is not.
    pub async fn renew(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.look() {
                Some(Ok(())) => tracing::info!("the certificate of http.tls was renewed"),
                Some(Err(why)) => {
                    tracing::error!("the certificate of http.tls stays as it was: {why}")
                }
                None => {}
            }
        }
    }

    fn look(&mut self) -> Option<Result<(), String>> {
        let written = self.files.written();
        if written == self.seen {
            return None;
        }
        self.seen = written;
        Some(self.files.load().map(|key| *self.current.0.write() = Arc::new(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.private_key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: file("cert"), private_key: file("key") };
        assert!(files.check().unwrap_err().contains("cert: "), "neither is there");
        write(&files, "one.example");
        let mut tls = Tls::new(files.clone()).unwrap();
        let shown = |tls: &Tls| tls.current.0.read().cert[0].to_vec();
        let first = shown(&tls);
        assert!(tls.look().is_none(), "nothing was written");

        tls.seen = [None, None];
        std::fs::write(&files.private_key, "nothing of a key").unwrap();
        assert!(tls.look().unwrap().unwrap_err().contains("key: "));
        assert_eq!(shown(&tls), first);

        tls.seen = [None, None];
        write(&files, "two.example");
        tls.look().unwrap().unwrap();
        assert_ne!(shown(&tls), first);
        let other = TlsFiles { certificate: file("cert"), private_key: file("other") };
        let foreign = rcgen::generate_simple_self_signed(["three.example".to_owned()]).unwrap();
        std::fs::write(&other.private_key, foreign.signing_key.serialize_pem()).unwrap();
        assert!(other.check().unwrap_err().contains("not this certificate's key"));
    }
}
