//! The command line: what there is, and which file does it.
//!
//! Each command is one file. What goes wrong ends in one sentence on standard error and an exit
//! code of sysexits; what was asked for goes to standard output.

mod check_config;
mod client;
mod dictionary;
mod hash;
mod input;
mod pairs;
mod rows;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use radiusd::config::{Config, Loaded, Sources};
use radiusd::exit::{self, Failure};

/// FerroRADIUS: a RADIUS server on FreeRADIUS's tables.
#[derive(Parser)]
#[command(name = "radiusd", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Every configuration key is described in radiusd.toml; each is also \
                        RADIUSD__SECTION__KEY in the environment.")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration comes from. The later one wins: file, environment, --set, the others.
#[derive(Args, Clone, Debug, Default)]
struct Place {
    /// The configuration file [default: $RADIUSD_CONFIG, else /etc/radiusd/radiusd.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Where the daemon keeps its own files
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any configuration key: --set radius.workers=2
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Serve),
    /// Say what is wrong with the configuration
    CheckConfig(check_config::CheckConfig),
    /// Send one request to a server and print its answer
    Client(client::Client),
    /// Look attributes up; pairs to octets and back
    #[command(subcommand)]
    Dictionary(dictionary::Command),
}

/// Reads the arguments, does what they ask for, and says how it went.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failure, and go to standard output.
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return code.into();
        }
    };
    let Arguments { place, command } = arguments;
    let done = match command {
        Command::Serve(serve) => serve.run(place),
        Command::CheckConfig(check) => check.run(&place),
        Command::Client(client) => client.run(&place),
        Command::Dictionary(command) => command.run(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                let _ = writeln!(std::io::stderr(), "radiusd: {message}");
            }
            code.into()
        }
    }
}

impl Place {
    fn sources(&self) -> Sources {
        let mut sources = Sources::of_process(self.config.clone());
        sources.set = self.set.clone();
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        sources.options = vec![
            ("--database", "store.url", one(&self.database)),
            ("--data-dir", "data_dir", one(&self.data_dir)),
        ];
        sources
    }

    /// The configuration, or every mistake in it.
    fn load(&self) -> Result<Loaded, Failure> {
        load(&self.sources())
    }

    /// For commands that anybody may use: a file that nobody named and that this user can't read
    /// is left out.
    fn load_readable(&self) -> Result<Loaded, Failure> {
        let mut sources = self.sources();
        if self.config.is_none() {
            sources.file = sources.file.filter(|file| std::fs::File::open(file).is_ok());
        }
        load(&sources)
    }
}

fn load(sources: &Sources) -> Result<Loaded, Failure> {
    Config::load(sources).map_err(|mistakes| {
        let message = match mistakes.as_slice() {
            [one] => one.clone(),
            many => format!("the configuration is wrong:\n  {}", many.join("\n  ")),
        };
        Failure::new(exit::CONFIG, message)
    })
}

/// Writes a line to standard output. A reader that has gone (`| head`) is no failure of ours.
fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(0, String::new()))
        }
        Err(error) => Err(Failure::io("standard output", &error)),
        Ok(()) => Ok(()),
    }
}
