//! What `demo` and `bench` print.

use std::time::Duration;

use serde::Serialize;

use super::checks::Check;
use super::observer::Tally;
use super::output::table;
use super::{Failure, Output};

/// Everything a run found.
pub struct Outcome {
    /// What it ran on.
    pub stage: String,
    /// True when every check holds.
    pub ok: bool,
    /// How the commands were answered, and how fast.
    pub tally: Tally,
    /// How long the load took.
    pub took: Duration,
    /// Actors in memory at the end.
    pub actors: usize,
    /// Actors killed with commands in their batch.
    pub kills: u64,
    /// Actors folded again after their death.
    pub restarts: u64,
    /// What must hold.
    pub checks: Vec<Check>,
}

impl Outcome {
    fn per_second(&self) -> f64 {
        self.tally.answered() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Prints one outcome.
///
/// # Errors
/// Stdout is closed.
pub fn print(outcome: &Outcome, output: Output) -> Result<(), Failure> {
    output.object(&shown(outcome), || to_text(outcome))
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The outcome in the words and the order of the command line's contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    ok: bool,
    log: &'a str,
    commands: Commands,
    transfers: Transfers,
    per_second: f64,
    latency_ms: Latency,
    actors: usize,
    kills: u64,
    restarts: u64,
    checks: &'a [Check],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Commands {
    accepted: u64,
    rejected: u64,
    duplicate: u64,
    dead_lettered: u64,
}

#[derive(Serialize)]
struct Transfers {
    completed: u64,
    failed: u64,
    compensated: u64,
}

#[derive(Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

fn shown(outcome: &Outcome) -> Shown<'_> {
    let Outcome { stage, ok, tally, actors, kills, restarts, checks, .. } = outcome;
    Shown {
        ok: *ok,
        log: stage,
        commands: Commands {
            accepted: tally.accepted_count,
            rejected: tally.rejected,
            duplicate: tally.duplicate,
            dead_lettered: tally.dead_lettered,
        },
        transfers: Transfers { completed: tally.completed, failed: tally.failed, compensated: tally.compensated },
        per_second: outcome.per_second().round(),
        latency_ms: Latency { p50: millis(tally.latency(0.5)), p99: millis(tally.latency(0.99)) },
        actors: *actors,
        kills: *kills,
        restarts: *restarts,
        checks,
    }
}

fn to_text(outcome: &Outcome) -> String {
    let Outcome { stage, ok, tally, took, actors, kills, restarts, checks } = outcome;
    let figures = [
        ("log", stage.clone()),
        ("accepted", tally.accepted_count.to_string()),
        ("rejected", tally.rejected.to_string()),
        ("duplicate", tally.duplicate.to_string()),
        ("dead letters", tally.dead_lettered.to_string()),
        (
            "transfers",
            format!("{} completed, {} failed, {} compensated", tally.completed, tally.failed, tally.compensated),
        ),
        ("throughput", format!("{:.0} commands/s over {:.1} s", outcome.per_second(), took.as_secs_f64())),
        ("latency", format!("p50 {} ms, p99 {} ms", millis(tally.latency(0.5)), millis(tally.latency(0.99)))),
        ("actors", actors.to_string()),
        ("kills", kills.to_string()),
        ("restarts", restarts.to_string()),
    ];
    let figures = table(&[], figures.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
    let checks = table(
        &[],
        checks.iter().map(|Check { name, ok, detail }| {
            vec![if *ok { "ok" } else { "FAILED" }.to_owned(), (*name).to_owned(), detail.clone()]
        }),
    );
    let verdict = if *ok { "every check holds" } else { "a check failed" };
    format!("{figures}\n\n{checks}\n\n{verdict}")
}
