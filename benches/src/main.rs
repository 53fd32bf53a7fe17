//! `benches`: the comparison, and its parts one by one.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use benches::generator::{Generator, Load, Outcome};
use benches::sessions::Sessions;
use benches::traffic::{Logins, Method, Traffic};
use benches::{echo, generator};
use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "The load, and what it measures, FreeRADIUS beside us in one run")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load on any server, with what it saw.
    Load(LoadOptions),
    /// A UDP echo server on loopback.
    Echo {
        port: u16,
        /// One datagram a call instead of many.
        #[arg(long)]
        single: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Pap,
    Chap,
    Mschap2,
    Accounting,
    Status,
}

#[derive(Args)]
struct LoadOptions {
    target: SocketAddr,
    #[arg(long, value_enum, default_value = "pap")]
    kind: Kind,
    #[arg(long, default_value = "bench-secret")]
    secret: String,
    /// Users `user000000` and on, as benches/seed/policy.sql writes them.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    #[arg(long, default_value_t = 32)]
    sockets: usize,
    /// Requests under way at all times (closed loop).
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// Requests a second, whether answered or not (open loop), instead of a window.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Each user once.
    #[arg(long)]
    once: bool,
    /// The server is an echo server.
    #[arg(long)]
    echo: bool,
}

fn main() -> Result<()> {
    match Options::parse().command {
        Command::Load(options) => load(&options),
        Command::Echo { port, single: false } => echo::batched(port),
        Command::Echo { port, single: true } => echo::single(port),
    }
}

fn load(options: &LoadOptions) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut traffic: Box<dyn Traffic> = match options.kind {
        Kind::Pap => logins(options, Method::Pap, now),
        Kind::Chap => logins(options, Method::Chap, now),
        Kind::Mschap2 => logins(options, Method::Mschap2, now),
        Kind::Accounting => {
            Box::new(Sessions::new((now % 100_000) as u32, options.users, now as u32))
        }
        Kind::Status => Box::new(benches::traffic::Status::new(now)),
    };
    let secret = options.secret.as_bytes();
    let mut generator = Generator::new(options.target, secret, options.sockets, now)?;
    if options.echo {
        generator.expect_echo();
    }
    let load = match options.rate {
        Some(rate) => Load::Open { rate },
        None => Load::Closed { window: options.window },
    };
    let own = generator::Own::begin();
    let outcome = generator.run(&mut *traffic, load, Duration::from_secs_f64(options.seconds))?;
    print(&outcome, own.us_per(outcome.answered));
    Ok(())
}

fn logins(options: &LoadOptions, method: Method, seed: u64) -> Box<dyn Traffic> {
    Box::new(match options.once {
        true => Logins::each_once(method, options.users, seed),
        false => Logins::random(method, options.users, seed),
    })
}

fn print(outcome: &Outcome, own: f64) {
    println!(
        "{:.0}/s  {} answered, {} repeated, {} lost, {} wrong, {} forged, {} stray, {} unsigned",
        outcome.rate(),
        outcome.answered,
        outcome.repeated,
        outcome.lost,
        outcome.wrong,
        outcome.forged,
        outcome.stray,
        outcome.unsigned,
    );
    let quantile = |share| outcome.latency.quantile_ms(share);
    println!(
        "p50 {:.3} ms  p99 {:.3} ms  p99.9 {:.3} ms  generator {own:.2} us/request",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
    );
}
