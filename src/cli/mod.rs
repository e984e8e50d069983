//! The command line: one file a command.
//!
//! What a command finds goes to stdout, a table for people or JSON for programs; progress and logs go to
//! stderr. Exit codes: 0 done, 1 not found, differences, unanswered or no broker, 2 usage, 78 configuration.

mod account;
mod bench;
mod checks;
mod config;
mod demo;
mod engines;
mod events;
mod load;
mod observer;
mod output;
mod projection;
mod reach;
mod read_side;
mod report;
mod run;
mod schema;
mod send;
mod setup;
mod snapshots;
mod topics;
mod transaction;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{self as settings, Config};
use crate::log::kafka::OWNED_KEYS;
pub use output::{Failure, Output};

/// Exit code for a configuration that cannot work (`EX_CONFIG` of sysexits).
const BAD_CONFIGURATION: u8 = 78;

/// Moves money between Kafka topics, exactly once.
///
/// Upstream writes commands to `billing-engine.account.commands` and
/// `billing-engine.transaction.commands`; the engine answers on `billing-engine.replies` and records
/// what happened on `billing-engine.account.events` and `billing-engine.transaction.events`.
#[derive(Parser, Debug)]
#[command(
    name = "billing-engine",
    version,
    max_term_width = 100,
    after_help = r#"Try it without any set-up:
  billing-engine demo

With a Kafka at localhost:9092:
  billing-engine topics ensure
  billing-engine run &
  billing-engine send commands.jsonl --wait
  billing-engine account show acc-1

A line of commands.jsonl (`billing-engine schema command` has them all):
  {"commandType":"Credit","commandId":"c-1","aggregateId":"acc-1",
   "data":{"amount":"5.00","currency":"USD","reason":"Topup"}}

Every setting stands in config.toml; override it with --config FILE or BILLING__SECTION__KEY."#
)]
pub struct Cli {
    /// Settings laid over the defaults (TOML; see config.toml for every key)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON for programs: one object, or one a line for lists
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Work as a member of the group until told to stop (SIGTERM drains, a second one exits at once)
    Run(run::Args),
    /// Show what the engine does: load, killed actors, checks; needs nothing
    Demo(demo::Args),
    /// Create, check or describe the topics
    #[command(subcommand)]
    Topics(topics::Command),
    /// Send commands from a file of JSON lines
    Send(send::Args),
    /// Look at one account, folded from the log
    #[command(subcommand)]
    Account(account::Command),
    /// Look at transactions, folded from the log
    #[command(subcommand)]
    Transaction(transaction::Command),
    /// Look at the snapshots of an engine that is stopped, compare them with the log, or remove them
    #[command(subcommand)]
    Snapshots(snapshots::Command),
    /// Look at the read store, or write it anew from the log
    #[command(subcommand)]
    Projection(projection::Command),
    /// Fold the log and compare: every row of the read store, and the money of each currency
    Verify(verify::Args),
    /// Measure throughput and latency on Kafka, beside a bare loop that only copies
    Bench(bench::Args),
    /// Print the JSON Schema of what is on the topics
    Schema(schema::Args),
    /// Check the configuration
    #[command(subcommand)]
    Config(config::Command),
}

/// Parses the arguments, does what they ask, and answers the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let output = Output { json: arguments.iter().any(|argument| argument == "--json") };
    let cli = Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match cli {
        Ok(cli) => match dispatch(cli, output) {
            Ok(code) => code,
            Err(failure) => output.fail(&failure),
        },
        Err(error) if output.json && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output.fail(&Failure::usage(&error))
        }
        Err(error) => error.exit(),
    }
}

fn dispatch(cli: Cli, output: Output) -> Result<ExitCode, Failure> {
    if let Command::Schema(args) = &cli.command {
        return schema::show(args);
    }
    let loaded = Config::load(cli.config.as_deref(), settings::environment(), OWNED_KEYS);
    if let Command::Config(command) = &cli.command {
        return config::check(command, loaded, output);
    }
    let config = loaded.map_err(|faults| Failure::configuration(&faults))?;
    match cli.command {
        Command::Run(args) => run::run(&args, &config),
        Command::Demo(args) => demo::demo(&args, &config, output),
        Command::Topics(command) => topics::topics(&command, &config, output),
        Command::Send(args) => send::send(&args, &config, output),
        Command::Bench(args) => bench::bench(&args, &config, cli.config.as_deref(), output),
        Command::Account(command) => account::account(&command, &config, output),
        Command::Projection(command) => projection::projection(&command, &config, output),
        Command::Transaction(command) => transaction::transaction(&command, &config, output),
        Command::Snapshots(command) => snapshots::snapshots(&command, &config, output),
        Command::Verify(args) => verify::verify(&args, &config, output),
        Command::Schema(_) | Command::Config(_) => Ok(ExitCode::SUCCESS),
    }
}
