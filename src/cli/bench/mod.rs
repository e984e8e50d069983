//! `bench`: how fast the engine is on the configured Kafka, beside a bare loop on the same Kafka in the same
//! sitting. Machines, brokers and neighbours differ; the ratio of the two says what the engine costs.

mod bare_loop;
mod contender;
mod end_to_end;
mod ground;
mod hot;
mod latency;
mod report;
mod script;
mod sitting;
mod tally;
mod throughput;
mod upstream;
mod workload;

use std::path::Path;
use std::process::ExitCode;

use self::sitting::Sitting;
use self::workload::Load;
use super::reach::Within;
use super::{Failure, Output};
use crate::config::Config;

/// The subcommand that is the bare loop.
const BARE_LOOP: &str = "bare-loop";

/// `bench`
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Measure transfers between accounts, from the command to the final reply
    #[arg(long)]
    transfers: bool,
    /// Measure payments that all go to a single merchant, beside what one account bears and beside many merchants
    #[arg(long, conflicts_with_all = ["transfers", "rates", "seconds"])]
    hot: bool,
    /// Commands that wait when the throughput is measured, besides those that prepare the accounts [default: 1000000,
    /// of transactions 100000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    commands: Option<u64>,
    /// Accounts; a few of them get most of the load (Zipf)
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    accounts: u32,
    /// Commands a second at which the latency is measured [default: 1000,20000, of transfers 100]; of transfers half
    /// of the throughput besides
    #[arg(long, value_name = "RATE", value_delimiter = ',')]
    rates: Option<Vec<u32>>,
    /// How long each latency is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often engine and bare loop take turns; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure on this Kafka instead of the configured one
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    #[command(flatten)]
    within: Within,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What else this process may be.
#[derive(clap::Subcommand, Debug)]
enum Role {
    /// The bare loop, as a process that is measured
    #[command(hide = true, name = BARE_LOOP)]
    BareLoop(bare_loop::Args),
}

impl Args {
    fn load(&self) -> Load {
        if self.transfers { Load::Transfers } else { Load::Credits }
    }

    fn commands(&self) -> u64 {
        let transactions = self.transfers || self.hot;
        self.commands.unwrap_or(if transactions { 100_000 } else { 1_000_000 })
    }

    fn rates(&self) -> &[u32] {
        let default: &[u32] = if self.transfers { &[100] } else { &[1_000, 20_000] };
        self.rates.as_deref().unwrap_or(default)
    }
}

/// Measures and prints; exit code 1 when a command was not answered exactly once.
///
/// # Errors
/// No broker, a contender that ends.
pub fn bench(args: &Args, config: &Config, config_file: Option<&Path>, output: Output) -> Result<ExitCode, Failure> {
    if let Some(Role::BareLoop(role)) = args.role {
        return bare_loop::run(role, config);
    }
    let mut config = config.clone();
    if let Some(brokers) = &args.brokers {
        config.kafka.brokers.clone_from(brokers);
    }
    let mut sitting = Sitting::new(args, config, config_file);
    let ok = if args.hot {
        let figures = sitting.measure_hot()?;
        hot::print(&figures, output)?;
        figures.ok()
    } else {
        let figures = sitting.measure()?;
        report::print(&figures, output)?;
        figures.ok()
    };
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
