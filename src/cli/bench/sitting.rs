//! One sitting: everything that is measured in one go, each measurement on topics of its own.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Args;
use super::contender::Contender;
use super::ground::Ground;
use super::hot::{HotFigures, Way};
use super::latency::{self, Pace};
use super::report::{AtPace, Figures};
use super::throughput::{self, Drained};
use super::workload::{Load, Workload};
use super::{Failure, end_to_end};
use crate::config::Config;

/// What is measured, with what, and how far it is.
pub struct Sitting<'a> {
    args: &'a Args,
    config: Config,
    config_file: Option<&'a Path>,
    run: String,
    done: u64,
    progress: ProgressBar,
}

impl<'a> Sitting<'a> {
    /// Nothing measured yet.
    pub fn new(args: &'a Args, config: Config, config_file: Option<&'a Path>) -> Self {
        let run = format!("bench-{:x}", jiff::Timestamp::now().as_millisecond());
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len} measurements, {elapsed}: {msg}");
        let progress = ProgressBar::new(0).with_style(style.unwrap_or(ProgressStyle::default_bar()));
        Sitting { args, config, config_file, run, done: 0, progress }
    }

    /// Throughput and latency of engine and bare loop, in turns.
    ///
    /// # Errors
    /// No broker, a contender that ends.
    pub fn measure(&mut self) -> Result<Figures, Failure> {
        let (load, accounts) = (self.args.load(), self.args.accounts);
        let rates = self.args.rates().len() + usize::from(load.is_saga());
        self.expect(Contender::ALL.len() * (1 + rates));
        let mut figures = Figures::of(load);
        for _ in 0..self.args.rounds {
            for contender in Contender::ALL {
                figures.drained.push((contender, self.throughput(contender, load, accounts)?));
            }
        }
        for rate in self.args.rates() {
            figures.at_pace.push(self.latencies(*rate)?);
        }
        if let Some(most) = figures.per_second(Contender::Engine).filter(|_| load.is_saga()) {
            figures.at_pace.push(self.latencies((most / 2.0).max(1.0) as u32)?);
        }
        self.progress.finish_and_clear();
        Ok(figures)
    }

    /// What a single account slows down.
    ///
    /// # Errors
    /// No broker, an engine that ends.
    pub fn measure_hot(&mut self) -> Result<HotFigures, Failure> {
        self.expect(Way::ALL.len());
        let mut figures = HotFigures::default();
        for _ in 0..self.args.rounds {
            for way in Way::ALL {
                let accounts = if way == Way::Credits { 1 } else { self.args.accounts };
                figures.drained.push((way, self.throughput(Contender::Engine, way.load(), accounts)?));
            }
        }
        self.progress.finish_and_clear();
        Ok(figures)
    }

    fn expect(&self, measurements_a_round: usize) {
        self.progress.set_length(u64::from(self.args.rounds) * measurements_a_round as u64);
    }

    fn throughput(&mut self, contender: Contender, load: Load, accounts: u32) -> Result<Drained, Failure> {
        let commands = self.args.commands();
        self.on_ground(contender, "throughput", |ground, file| {
            let workload = Workload::new(load, accounts, ground.partitions());
            match load.is_saga() {
                true => end_to_end::measure(contender, ground, file, workload, commands),
                false => throughput::measure(contender, ground, file, workload, commands),
            }
        })
    }

    fn latencies(&mut self, rate: u32) -> Result<AtPace, Failure> {
        let pace = Pace { rate, time: Duration::from_secs(self.args.seconds) };
        let (load, accounts) = (self.args.load(), self.args.accounts);
        let mut latencies = Vec::new();
        for _ in 0..self.args.rounds {
            for contender in Contender::ALL {
                let latency = self.on_ground(contender, &format!("latency at {rate}/s"), |ground, file| {
                    let workload = Workload::new(load, accounts, ground.partitions());
                    latency::measure(contender, ground, file, workload, pace)
                })?;
                latencies.push((contender, latency));
            }
        }
        Ok(AtPace { rate, latencies })
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
