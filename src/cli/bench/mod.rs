//! `bench`: how fast the engine is on the configured Kafka, beside a bare loop on the same Kafka in the same
//! sitting. Machines, brokers and neighbours differ; the ratio of the two says what the engine costs.

mod bare_loop;
mod contender;
mod ground;
mod latency;
mod report;
mod tally;
mod throughput;
mod upstream;
mod workload;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use self::contender::Contender;
use self::ground::Ground;
use self::latency::Pace;
use self::report::{AtPace, Figures};
use super::reach::Within;
use super::{Failure, Output};
use crate::config::Config;

/// The subcommand that is the bare loop.
const BARE_LOOP: &str = "bare-loop";

/// `bench`
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Commands that wait when the throughput is measured, besides those that open the accounts
    #[arg(long, default_value_t = 1_000_000)]
    commands: u64,
    /// Accounts; a few of them get most of the load (Zipf)
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    accounts: u32,
    /// Commands a second at which the latency is measured
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values_t = [1_000, 20_000])]
    rates: Vec<u32>,
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
    BareLoop,
}

/// Measures and prints; exit code 1 when a command was not answered exactly once.
///
/// # Errors
/// No broker, a contender that ends.
pub fn bench(args: &Args, config: &Config, config_file: Option<&Path>, output: Output) -> Result<ExitCode, Failure> {
    if let Some(Role::BareLoop) = args.role {
        return bare_loop::run(config);
    }
    let mut config = config.clone();
    if let Some(brokers) = &args.brokers {
        config.kafka.brokers.clone_from(brokers);
    }
    let run = format!("bench-{:x}", jiff::Timestamp::now().as_millisecond());
    let mut sitting = Sitting { args, config, config_file, run, done: 0, progress: progress(args) };
    let figures = sitting.measure()?;
    sitting.progress.finish_and_clear();
    report::print(&figures, output)?;
    Ok(if figures.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(args: &Args) -> ProgressBar {
    let measurements = u64::from(args.rounds) * 2 * (1 + args.rates.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} measurements, {elapsed}: {msg}");
    ProgressBar::new(measurements).with_style(style.unwrap_or(ProgressStyle::default_bar()))
}

/// Everything that is measured in one go.
struct Sitting<'a> {
    args: &'a Args,
    config: Config,
    config_file: Option<&'a Path>,
    run: String,
    done: u64,
    progress: ProgressBar,
}

impl Sitting<'_> {
    fn measure(&mut self) -> Result<Figures, Failure> {
        let Args { accounts, commands, rounds, .. } = *self.args;
        let mut figures = Figures::default();
        for _ in 0..rounds {
            for contender in Contender::ALL {
                let drained = self.on_ground(contender, "throughput", |ground, file| {
                    throughput::measure(contender, ground, file, accounts, commands)
                })?;
                figures.drained.push((contender, drained));
            }
        }
        for rate in &self.args.rates {
            let pace = Pace { rate: *rate, time: Duration::from_secs(self.args.seconds) };
            let mut latencies = Vec::new();
            for _ in 0..rounds {
                for contender in Contender::ALL {
                    let what = format!("latency at {rate}/s");
                    let latency = self.on_ground(contender, &what, |ground, file| {
                        latency::measure(contender, ground, file, accounts, pace)
                    })?;
                    latencies.push((contender, latency));
                }
            }
            figures.at_pace.push(AtPace { rate: *rate, latencies });
        }
        Ok(figures)
    }

    /// Measures on topics of its own, which are gone afterwards.
    fn on_ground<T>(
        &mut self,
        contender: Contender,
        what: &str,
        measure: impl FnOnce(&Ground, Option<&Path>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.progress.set_message(format!("{what}, {}", contender.name()));
        let prefix = format!("{}-{}", self.run, self.done);
        let ground = Ground::lay(&self.config, prefix, &self.args.within)?;
        let measured = measure(&ground, self.config_file);
        let cleared = ground.clear();
        self.done += 1;
        self.progress.set_position(self.done);
        let measured = measured?;
        cleared?;
        Ok(measured)
    }
}
