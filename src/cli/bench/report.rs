//! The figures of a sitting, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::contender::Contender;
use super::latency::Latency;
use super::tally::Tally;
use super::throughput::Drained;
use crate::cli::output::table;
use crate::cli::{Failure, Output};

/// Everything that was measured.
#[derive(Default)]
pub struct Figures {
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

fn of<T>(measured: &[(Contender, T)], contender: Contender) -> impl Iterator<Item = &T> {
    measured.iter().filter(move |(whose, _)| *whose == contender).map(|(_, measured)| measured)
}

/// The middle value; of an even number the lower one of the two. `None` without any.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn rounded(value: Option<f64>, decimals: i32) -> Option<f64> {
    let scale = 10_f64.powi(decimals);
    value.map(|value| (value * scale).round() / scale)
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}

impl Figures {
    fn tallies(&self) -> impl Iterator<Item = (Contender, &Tally)> {
        let drained = self.drained.iter().map(|(contender, drained)| (*contender, &drained.tally));
        let paced = self.at_pace.iter().flat_map(|pace| &pace.latencies);
        drained.chain(paced.map(|(contender, latency)| (*contender, &latency.tally)))
    }

    /// True when every command of every measurement was answered exactly once.
    pub fn ok(&self) -> bool {
        Contender::ALL.into_iter().all(|contender| self.exact(contender))
    }

    fn of(&self, contender: Contender) -> impl Iterator<Item = &Tally> {
        self.tallies().filter(move |(whose, _)| *whose == contender).map(|(_, tally)| tally)
    }

    fn exact(&self, contender: Contender) -> bool {
        self.of(contender).all(Tally::is_exact)
    }

    fn detail(&self, contender: Contender) -> String {
        let sum = |count: fn(&Tally) -> u64| self.of(contender).map(count).sum::<u64>();
        format!(
            "{} commands, {} without an answer, {} answers too many",
            sum(Tally::commands),
            sum(Tally::missing),
            sum(|tally| tally.surplus)
        )
    }

    fn to_json(&self) -> Value {
        let count = |count: fn(&Tally) -> u64| self.of(Contender::Engine).map(count).sum::<u64>();
        let checks = Contender::ALL.map(|contender| {
            json!({ "name": check(contender), "ok": self.exact(contender), "detail": self.detail(contender) })
        });
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
            "commands": {
                "accepted": count(|tally| tally.accepted), "rejected": count(|tally| tally.rejected),
                "duplicate": count(|tally| tally.duplicate),
            },
            "perSecond": engine["perSecond"],
            "latencyMs": self.at_pace.first().map(|pace| pace.to_json(Contender::Engine)),
            "kills": 0,
            "restarts": 0,
            "throughput": { "engine": engine, "bareLoop": bare_loop },
            "latency": latency,
            "checks": checks,
        })
    }

    fn throughput_json(&self, contender: Contender) -> Value {
        let drained = || of(&self.drained, contender);
        json!({
            "perSecond": rounded(median(drained().map(|drained| drained.per_second)), 0),
            "cpuSecondsPerMillion": rounded(median(drained().filter_map(|drained| drained.cpu_seconds_per_million)), 2),
            "peakRssMib": rounded(median(drained().filter_map(|drained| drained.peak_mib)), 0),
            "rounds": drained().map(|drained| drained.per_second.round()).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self) -> String {
        let throughput = Contender::ALL.map(|contender| {
            let drained = || of(&self.drained, contender);
            vec![
                contender.name().to_owned(),
                shown(rounded(median(drained().map(|drained| drained.per_second)), 0)),
                shown(rounded(median(drained().filter_map(|drained| drained.cpu_seconds_per_million)), 2)),
                shown(rounded(median(drained().filter_map(|drained| drained.peak_mib)), 0)),
            ]
        });
        let latency = self.at_pace.iter().flat_map(|pace| {
            Contender::ALL.map(|contender| {
                let [p50, p99] = pace.medians(contender).map(|value| shown(rounded(value, 1)));
                vec![pace.rate.to_string(), contender.name().to_owned(), p50, p99]
            })
        });
        let checks = Contender::ALL.map(|contender| {
            let verdict = if self.exact(contender) { "ok" } else { "FAILED" };
            vec![verdict.to_owned(), check(contender).to_owned(), self.detail(contender)]
        });
        format!(
            "{}\n\n{}\n\n{}",
            table(&["throughput", "commands/s", "cpu s a million", "peak MiB"], throughput.into_iter()),
            table(&["commands/s", "latency", "p50 ms", "p99 ms"], latency),
            table(&[], checks.into_iter())
        )
    }
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
