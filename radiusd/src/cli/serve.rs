//! `radiusd serve`: the daemon.

use clap::Args;
use radiusd::config::{Log, LogFormat};
use radiusd::exit::Failure;
use tracing_subscriber::EnvFilter;

use super::Place;

#[derive(Args)]
pub(super) struct Serve {
    /// Where Access-Requests arrive [default: 0.0.0.0:1812 and [::]:1812]
    #[arg(long, value_name = "ADDR")]
    auth: Vec<String>,
    /// Where Accounting-Requests arrive [default: 0.0.0.0:1813 and [::]:1813]
    #[arg(long, value_name = "ADDR")]
    acct: Vec<String>,
    /// Where the management module is served, or off [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
}

impl Serve {
    pub fn run(self, place: Place) -> Result<(), Failure> {
        let mut sources = place.sources();
        sources.options.push(("--auth", "radius.auth", self.auth));
        sources.options.push(("--acct", "radius.acct", self.acct));
        sources.options.push(("--http", "http.listen", self.http.into_iter().collect()));
        let loaded = super::place::load(&sources)?;
        begin_logging(&loaded.config.log);
        for warning in loaded.warnings {
            tracing::warn!("configuration: {warning}");
        }
        radiusd::run(loaded.config)
    }
}

/// To standard output, which is where journald and containers look. RUST_LOG goes before the
/// configuration, for one run that should say more.
fn begin_logging(log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level));
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stdout);
    // A line that can't be written would be told to standard error, which has its place on the same
    // full disk, as a rule: that panics.
    let logging = logging.log_internal_errors(false);
    // journald has times of its own.
    let journald = std::env::var_os("JOURNAL_STREAM").is_some();
    match log.format {
        LogFormat::Json => logging.json().flatten_event(true).init(),
        LogFormat::Text if journald => logging.without_time().with_ansi(false).init(),
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stdout())
                && std::env::var_os("NO_COLOR").is_none();
            logging.with_ansi(colours).init();
        }
    }
}
