//! `radiusd client`: one request over UDP, repeated until it is answered, and its answer printed.

mod exchange;
mod login;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, ValueEnum};
use dictionaries::{Dictionary, Pair};
use proto::{Authenticator, Code, Request, Secret};
use radiusd::exit::{self, Failure};
use radiusd::pairs;

use super::{Place, input, say};
use exchange::Exchange;
use login::{Login, Method};

/// Exit codes: 0 accepted or acknowledged, 1 rejected or refused, 69 no answer.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    radiusd client auth 127.0.0.1 testing123 User-Name=alice --password -\n  \
    radiusd client auth [::1]:1812 file:secret User-Name=alice --password - --method mschapv2\n  \
    radiusd client acct 127.0.0.1 - User-Name=alice Acct-Status-Type=Start Acct-Session-Id=1\n  \
    radiusd client status 127.0.0.1 testing123")]
pub(super) struct Client {
    /// What to send
    kind: Kind,
    /// The server: HOST or HOST:PORT [default port: 1812, 1813 or 3799]
    host: String,
    /// The shared secret; - reads standard input, file:PATH and env:NAME work too
    secret: String,
    /// What the request says
    #[arg(value_name = "ATTRIBUTE=VALUE")]
    pairs: Vec<String>,
    /// The user's password; - reads standard input
    #[arg(long, short)]
    password: Option<String>,
    /// How the password is proved
    #[arg(long, short, value_enum, default_value_t = Method::Pap)]
    method: Method,
    /// How often the request is sent at most
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// Seconds to wait for an answer to each
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    timeout: f64,
    /// Send no Message-Authenticator, as an old NAS does
    #[arg(long)]
    no_message_authenticator: bool,
    /// Print only the answer's pairs
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Access-Request
    Auth,
    /// Accounting-Request
    Acct,
    /// Status-Server
    Status,
    /// CoA-Request
    Coa,
    /// Disconnect-Request
    Disconnect,
}

impl Kind {
    fn code(self) -> Code {
        match self {
            Kind::Auth => Code::AccessRequest,
            Kind::Acct => Code::AccountingRequest,
            Kind::Status => Code::StatusServer,
            Kind::Coa => Code::CoARequest,
            Kind::Disconnect => Code::DisconnectRequest,
        }
    }

    fn port(self) -> u16 {
        match self {
            Kind::Auth | Kind::Status => 1812,
            Kind::Acct => 1813,
            Kind::Coa | Kind::Disconnect => 3799,
        }
    }
}

/// A request as it goes out, with what is needed to read its answer.
struct Prepared {
    octets: Vec<u8>,
    authenticator: Authenticator,
    pairs: Vec<Pair>,
    login: Option<Login>,
}

impl Client {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let config = place.load_readable()?.config;
        let dictionary = pairs::dictionary(&config)?;
        if self.secret == "-" && self.password.as_deref() == Some("-") {
            let why = "the secret and the password can't both be read from standard input";
            return Err(Failure::new(exit::USAGE, why));
        }
        let secret = input::secret(&self.secret)?;
        let secret = Secret::new(secret.reveal().as_bytes());
        let pairs = pairs::pairs(&self.pairs, &dictionary, &config.store.timezone)?;
        let server = resolve(&self.host, self.kind.port())?;
        let prepared = self.prepare(pairs, &dictionary, &secret)?;
        if !self.quiet {
            let (code, size) = (self.kind.code().as_str(), prepared.octets.len());
            say(format_args!("{code} to {server}, {size} octets"))?;
            for pair in &prepared.pairs {
                say(format_args!("    {}", shown(pair)))?;
            }
        }
        let exchange = Exchange {
            server,
            tries: self.tries,
            wait: Duration::try_from_secs_f64(self.timeout)
                .ok()
                .filter(|wait| !wait.is_zero())
                .ok_or_else(|| Failure::new(exit::USAGE, "--timeout: expected seconds"))?,
            quiet: self.quiet,
        };
        let (reply, took) = exchange.run(&prepared.octets, &secret)?;
        self.report(&reply, took, &prepared, &dictionary, &secret)
    }

    fn prepare(
        &self,
        mut pairs: Vec<Pair>,
        dictionary: &Dictionary,
        secret: &Secret,
    ) -> Result<Prepared, Failure> {
        let code = self.kind.code();
        let authenticator: Authenticator = rand::random();
        let identifier: u8 = rand::random();
        let mut request = if self.no_message_authenticator {
            Request::with(code, identifier, authenticator, false)
        } else {
            Request::new(code, identifier, authenticator)
        };
        let login = match &self.password {
            None => None,
            Some(_) if self.kind != Kind::Auth => {
                return Err(Failure::new(exit::USAGE, "only auth takes --password"));
            }
            Some(password) => {
                let password = input::password(password)?;
                let login = Login::new(self.method, &password, &pairs, identifier)?;
                pairs.extend(login.pairs(dictionary, &authenticator)?);
                Some(login)
            }
        };
        for pair in &pairs {
            let refused = request.pair(&pair.attribute, pair.tag, &pair.value, secret);
            refused.map_err(|why| {
                Failure::new(exit::USAGE, format!("{}: {why}", pair.attribute.name))
            })?;
        }
        Ok(Prepared { octets: request.finish(secret), authenticator, pairs, login })
    }

    fn report(
        &self,
        reply: &[u8],
        took: Duration,
        prepared: &Prepared,
        dictionary: &Dictionary,
        secret: &Secret,
    ) -> Result<(), Failure> {
        let Ok(packet) = proto::verify_reply(&prepared.octets, reply, secret) else {
            return Err(Failure::new(exit::SOFTWARE, "an answer that was right is wrong now"));
        };
        if !self.quiet {
            let (code, size) = (packet.code().as_str(), reply.len());
            let unsigned = self.kind == Kind::Auth && !packet.has_message_authenticator();
            let signed = if unsigned { ", no Message-Authenticator" } else { "" };
            say(format_args!("{code} after {:.1} ms, {size} octets{signed}", millis(took)))?;
        }
        let answer = packet.pairs_of_reply(dictionary, secret, &prepared.authenticator);
        let indent = if self.quiet { "" } else { "    " };
        for pair in answer.iter().filter(|pair| &*pair.attribute.name != "Message-Authenticator") {
            say(format_args!("{indent}{}", pairs::print(pair)))?;
        }
        if let Some(login) = &prepared.login {
            login.verify(packet.code(), &answer)?;
        }
        match packet.code() {
            Code::AccessAccept | Code::AccountingResponse | Code::CoAAck | Code::DisconnectAck => {
                Ok(())
            }
            _ => Err(Failure::new(exit::FAILURE, String::new())),
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What is sent, without what a bystander shouldn't read.
fn shown(pair: &Pair) -> String {
    let name = &*pair.attribute.name;
    if name.ends_with("-Password") || name.starts_with("MS-CHAP") || pair.attribute.flags.secret {
        return format!("{name} = …");
    }
    pairs::print(pair)
}

/// `HOST`, `HOST:PORT`, `ADDRESS` or `[ADDRESS]:PORT`.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(address, port));
    }
    let found = match host.parse::<SocketAddr>() {
        Ok(address) => return Ok(address),
        Err(_) if host.contains(':') => host.to_socket_addrs(),
        Err(_) => (host, port).to_socket_addrs(),
    };
    match found.map(|mut all| all.next()) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(Failure::new(exit::UNAVAILABLE, format!("{host} has no address"))),
        Err(error) => Err(Failure::new(exit::UNAVAILABLE, format!("{host}: {error}"))),
    }
}
