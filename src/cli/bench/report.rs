//! The figures of a sitting, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::contender::Contender;
use super::latency::Latency;
use super::tally::Tally;
use super::throughput::Drained;
use super::workload::Load;
use crate::cli::output::table;
use crate::cli::{Failure, Output};

/// Everything that was measured.
pub struct Figures {
    load: Load,
    /// Throughput, in the order in which it was measured.
    pub drained: Vec<(Contender, Drained)>,
    /// Latency, one entry a rate.
    pub at_pace: Vec<AtPace>,
}

/// Latency at one rate.
pub struct AtPace {
    /// Commands a second.
    pub rate: u32,
    /// In the order in which they were measured.
    pub latencies: Vec<(Contender, Latency)>,
}

/// Prints them.
///
/// # Errors
/// Stdout is closed.
pub fn print(figures: &Figures, output: Output) -> Result<(), Failure> {
    output.object(&figures.to_json(), || figures.to_text())
}

/// What was measured of one of them.
pub fn of<T, W: Copy + PartialEq>(measured: &[(W, T)], wanted: W) -> impl Iterator<Item = &T> {
    measured.iter().filter(move |(whose, _)| *whose == wanted).map(|(_, measured)| measured)
}

/// The middle value; of an even number the lower one of the two. `None` without any.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// To so many decimals.
pub fn rounded(value: Option<f64>, decimals: i32) -> Option<f64> {
    let scale = 10_f64.powi(decimals);
    value.map(|value| (value * scale).round() / scale)
}

/// In a table.
pub fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}

impl Figures {
    /// Nothing measured yet under that load.
    pub fn of(load: Load) -> Self {
        Figures { load, drained: Vec::new(), at_pace: Vec::new() }
    }

    /// How many commands it works through in a second.
    pub fn per_second(&self, contender: Contender) -> Option<f64> {
        median(of(&self.drained, contender).map(|drained| drained.per_second))
    }

    fn cpu(&self, contender: Contender) -> Option<f64> {
        median(of(&self.drained, contender).filter_map(|drained| drained.cpu_seconds_per_million))
    }

    fn peak_mib(&self, contender: Contender) -> Option<f64> {
        median(of(&self.drained, contender).filter_map(|drained| drained.peak_mib))
    }

    /// The engine, in multiples of the bare loop.
    fn ratio(&self, figure: fn(&Self, Contender) -> Option<f64>) -> Option<f64> {
        let [engine, bare_loop] = Contender::ALL.map(|contender| figure(self, contender));
        rounded(Some(engine? / bare_loop?).filter(|ratio| ratio.is_finite()), 2)
    }

    fn tallies(&self) -> impl Iterator<Item = (Contender, &Tally)> {
        let drained = self.drained.iter().map(|(contender, drained)| (*contender, &drained.tally));
        let paced = self.at_pace.iter().flat_map(|pace| &pace.latencies);
        drained.chain(paced.map(|(contender, latency)| (*contender, &latency.tally)))
    }

    /// True when every command of every measurement was answered exactly once, and no transfer failed.
    pub fn ok(&self) -> bool {
        self.checks().iter().all(|check| check.ok)
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::from(Contender::ALL.map(|contender| Check {
            name: check(contender),
            ok: self.exact(contender),
            detail: self.detail(contender),
        }));
        if self.load.is_saga() {
            let failed: u64 = self.tallied(Contender::Engine).map(Tally::in_vain).sum();
            let detail = format!("{failed} failed or were compensated");
            checks.push(Check { name: "every transfer completes", ok: failed == 0, detail });
        }
        checks
    }

    fn tallied(&self, contender: Contender) -> impl Iterator<Item = &Tally> {
        self.tallies().filter(move |(whose, _)| *whose == contender).map(|(_, tally)| tally)
    }

    fn exact(&self, contender: Contender) -> bool {
        self.tallied(contender).all(Tally::is_exact)
    }

    fn detail(&self, contender: Contender) -> String {
        let sum = |count: fn(&Tally) -> u64| self.tallied(contender).map(count).sum::<u64>();
        format!(
            "{} commands, {} without an answer, {} answers too many",
            sum(Tally::commands),
            sum(Tally::missing),
            sum(|tally| tally.surplus)
        )
    }

    fn to_json(&self) -> Value {
        let count = |count: fn(&Tally) -> u64| self.tallied(Contender::Engine).map(count).sum::<u64>();
        let checks: Vec<_> = self
            .checks()
            .into_iter()
            .map(|check| json!({ "name": check.name, "ok": check.ok, "detail": check.detail }))
            .collect();
        let latency: Vec<_> = self
            .at_pace
            .iter()
            .map(|pace| {
                let [engine, bare_loop] = Contender::ALL.map(|contender| pace.to_json(contender));
                json!({ "perSecond": pace.rate, "engine": engine, "bareLoop": bare_loop })
            })
            .collect();
        let [engine, bare_loop] = Contender::ALL.map(|contender| self.throughput_json(contender));
        json!({
            "ok": self.ok(),
            "commands": Tally::to_json(count),
            "perSecond": engine["perSecond"],
            "latencyMs": self.at_pace.first().map(|pace| pace.to_json(Contender::Engine)),
            "kills": 0,
            "restarts": 0,
            "throughput": {
                "engine": engine, "bareLoop": bare_loop,
                "ratio": { "perSecond": self.ratio(Figures::per_second), "cpu": self.ratio(Figures::cpu) },
            },
            "latency": latency,
            "checks": checks,
        })
    }

    fn throughput_json(&self, contender: Contender) -> Value {
        json!({
            "perSecond": rounded(self.per_second(contender), 0),
            "cpuSecondsPerMillion": rounded(self.cpu(contender), 2),
            "peakRssMib": rounded(self.peak_mib(contender), 0),
            "rounds": of(&self.drained, contender).map(|drained| drained.per_second.round()).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self) -> String {
        let per_second = if self.load.is_saga() { "transfers/s" } else { "commands/s" };
        let measured = Contender::ALL.map(|contender| {
            vec![
                contender.name().to_owned(),
                shown(rounded(self.per_second(contender), 0)),
                shown(rounded(self.cpu(contender), 2)),
                shown(rounded(self.peak_mib(contender), 0)),
            ]
        });
        let ratios = [Figures::per_second, Figures::cpu, Figures::peak_mib].map(|figure| shown(self.ratio(figure)));
        let ratio = [vec!["ratio".to_owned()], ratios.into()].concat();
        let latency = self.at_pace.iter().flat_map(|pace| {
            Contender::ALL.map(|contender| {
                let [p50, p99] = pace.medians(contender).map(|value| shown(rounded(value, 1)));
                vec![pace.rate.to_string(), contender.name().to_owned(), p50, p99]
            })
        });
        let checks = self.checks().into_iter().map(|check| {
            let verdict = if check.ok { "ok" } else { "FAILED" };
            vec![verdict.to_owned(), check.name.to_owned(), check.detail]
        });
        let throughput = measured.into_iter().chain([ratio]);
        format!(
            "{}\n\n{}\n\n{}",
            table(&["throughput", per_second, "cpu s a million", "peak MiB"], throughput),
            table(&[per_second, "latency", "p50 ms", "p99 ms"], latency),
            table(&[], checks)
        )
    }
}

/// What must hold for the figures to mean anything.
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

fn check(contender: Contender) -> &'static str {
    match contender {
        Contender::Engine => "the engine answers every command exactly once",
        Contender::BareLoop => "the bare loop copies every command exactly once",
    }
}

impl AtPace {
    fn medians(&self, contender: Contender) -> [Option<f64>; 2] {
        let of = |part: fn(&Latency) -> Duration| median(of(&self.latencies, contender).map(|l| millis(part(l))));
        [of(|latency| latency.p50), of(|latency| latency.p99)]
    }

    fn to_json(&self, contender: Contender) -> Value {
        let [p50, p99] = self.medians(contender).map(|value| rounded(value, 2));
        json!({ "p50": p50, "p99": p99 })
    }
}
