//! The command line: what there is, and which file does it.
//!
//! Each command is one file. What goes wrong ends in one sentence on standard error and an exit
//! code of sysexits; what was asked for goes to standard output.

mod audit;
mod check_config;
mod check_policy;
mod client;
mod dictionary;
mod edit;
mod explain;
mod group;
mod hash;
mod input;
mod journal;
mod migrate;
mod nas;
mod operator;
mod place;
mod serve;
mod tenant;
mod token;
mod usage;
mod user;
mod verify_audit;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use radiusd::exit::{self, Failure};

use place::Place;

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

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Serve),
    /// Say what is wrong with the configuration
    CheckConfig(check_config::CheckConfig),
    /// Name the rows that turn users away by mistake, or that FreeRADIUS decides otherwise
    CheckPolicy(check_policy::CheckPolicy),
    /// Bring the store's tables to the newest version
    Migrate(migrate::Migrate),
    /// Decide on a request without sending one, and say how the decision came about
    Explain(explain::Explain),
    /// Send one request to a server and print its answer
    Client(client::Client),
    /// Look attributes up; pairs to octets and back
    #[command(subcommand)]
    Dictionary(dictionary::Command),
    /// Users: their rows in radcheck and radreply, and their groups
    #[command(subcommand)]
    User(user::Command),
    /// Groups: their rows in radgroupcheck and radgroupreply
    #[command(subcommand)]
    Group(group::Command),
    /// Who may send packets
    #[command(subcommand)]
    Nas(nas::Command),
    /// Who manages: names, roles, passwords
    #[command(subcommand)]
    Operator(operator::Command),
    /// Tenants: resellers and sites, whose operators see what is theirs
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Programs' ways into the API
    #[command(subcommand)]
    Token(token::Command),
    /// The log of what people changed: export it, erase a person in it
    #[command(subcommand)]
    Audit(audit::Command),
    /// Say whether the log of what people changed is what was written
    VerifyAudit(verify_audit::VerifyAudit),
    /// Accounting records that wait on disk for the store
    #[command(subcommand)]
    Journal(journal::Command),
    /// What was used by user, NAS, Called-Station-Id and hour
    #[command(subcommand)]
    Usage(usage::Command),
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
        Command::CheckPolicy(check) => check.run(&place),
        Command::Explain(explain) => explain.run(&place),
        Command::Migrate(migrate) => migrate.run(&place),
        Command::Client(client) => client.run(&place),
        Command::Dictionary(command) => command.run(&place),
        Command::User(command) => command.run(&place),
        Command::Group(command) => command.run(&place),
        Command::Nas(command) => command.run(&place),
        Command::Operator(command) => command.run(&place),
        Command::Tenant(command) => command.run(&place),
        Command::Token(command) => command.run(&place),
        Command::Audit(command) => command.run(&place),
        Command::VerifyAudit(verify) => verify.run(&place),
        Command::Journal(command) => command.run(&place),
        Command::Usage(command) => command.run(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                note(message);
            }
            code.into()
        }
    }
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

/// Writes a line to standard error, where a person looks and a script doesn't.
fn note(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "radiusd: {line}");
}

/// Says what was done: in words, or as what was changed now is.
fn done(
    json: bool,
    words: impl std::fmt::Display,
    now: impl FnOnce() -> Result<serde_json::Value, Failure>,
) -> Result<(), Failure> {
    if json { self::json(&now()?) } else { say(words) }
}

/// Writes JSON as a person can read it too.
fn json(value: &serde_json::Value) -> Result<(), Failure> {
    say(format_args!("{value:#}"))
}
