//! `benches`: the comparison, and its parts one by one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use benches::compare::{GROWTH, LARGE, Plan};
use benches::generator::{Generator, Load, Outcome};
use benches::results::Case;
use benches::sessions::Sessions;
use benches::traffic::{Logins, Method, Traffic};
use benches::{echo, generator, null, plot, report};
use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "The load, and what it measures, FreeRADIUS beside us in one run")]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: CompareOptions,
}

#[derive(Args)]
struct CompareOptions {
    /// Three to four minutes instead of an hour: to see that all is well, not to publish.
    #[arg(long)]
    quick: bool,
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Also start on a store with a million users (part of a full run without --cases).
    #[arg(long)]
    starts: bool,
    /// Also compare the rate at 100 thousand and 10 million rows of radacct (the same).
    #[arg(long)]
    growth: bool,
    /// Rows of radacct in the full database.
    #[arg(long)]
    sessions: Option<u32>,
    /// FreeRADIUS's threads, each with its connection.
    #[arg(long)]
    peer_threads: Option<usize>,
    /// This program, instead of the one built here.
    #[arg(long)]
    radiusd: Option<PathBuf>,
    /// FreeRADIUS and the ceilings alone.
    #[arg(long)]
    without_radiusd: bool,
    /// Where RESULTS.md and results.svg are written.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"))]
    output: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// FreeRADIUS and radiusd in turn on one PostgreSQL, and the ceilings (what happens when nothing is said).
    Compare(CompareOptions),
    /// Load on any server, with what it saw.
    Load(LoadOptions),
    /// A UDP echo server on loopback.
    Echo {
        port: u16,
        /// One datagram a call instead of many.
        #[arg(long)]
        single: bool,
    },
    /// A RADIUS server on loopback that decides nothing.
    Null {
        port: u16,
        #[arg(long, default_value = SECRET)]
        secret: String,
    },
}

const SECRET: &str = "bench-secret";

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
    #[arg(long, default_value = SECRET)]
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
    /// Also the longest wait in each tenth of a second.
    #[arg(long)]
    timeline: bool,
    /// The server is an echo server.
    #[arg(long)]
    echo: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    match options.command.unwrap_or(Command::Compare(options.compare)) {
        Command::Compare(options) => compare(options),
        Command::Load(options) => load(&options),
        Command::Echo { port, single: false } => echo::batched(port),
        Command::Echo { port, single: true } => echo::single(port),
        Command::Null { port, secret } => null::serve(port, secret.as_bytes()),
    }
}

fn compare(options: CompareOptions) -> Result<()> {
    let mut plan = if options.quick { Plan::quick() } else { Plan::full() };
    plan.rounds = options.rounds.unwrap_or(plan.rounds);
    plan.sessions = options.sessions.unwrap_or(plan.sessions);
    plan.peer_threads = options.peer_threads.unwrap_or(plan.peer_threads);
    plan.radiusd = options.radiusd;
    plan.without_ours = options.without_radiusd;
    if !options.cases.is_empty() {
        plan.cases = options.cases;
        (plan.starts, plan.growth) = (None, None);
    }
    plan.starts = plan.starts.or(options.starts.then_some(LARGE));
    plan.growth = plan.growth.or(options.growth.then_some(GROWTH));
    let results = benches::compare::compare(&plan)?;
    let now = std::process::Command::new("date").args(["-u", "+%F %R UTC"]).output()?;
    let text = report::markdown(&results, String::from_utf8_lossy(&now.stdout).trim());
    println!("{text}");
    std::fs::write(options.output.join("RESULTS.md"), text)?;
    std::fs::write(options.output.join("results.svg"), plot::svg(&results))?;
    Ok(())
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
    if options.timeline {
        for (tenth, (count, longest)) in outcome.tenths.iter().enumerate() {
            println!(
                "{:6.1} s  {count:6} replies, longest {:.1} ms",
                tenth as f64 / 10.0,
                *longest as f64 / 1e6
            );
        }
    }
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
