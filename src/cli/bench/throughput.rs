//! How fast commands that wait already are worked through, and what that costs.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Contender, Process};
use super::ground::Ground;
use super::tally::Tally;
use super::upstream::{Answers, Progress, Writer};
use super::workload::Workload;
use crate::cli::Failure;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(10);

/// Without an answer for so long the rest is missing.
const SILENCE: Duration = Duration::from_secs(10);

/// One drained topic.
#[derive(Clone, Debug)]
pub struct Drained {
    /// From the first commit to the last.
    pub per_second: f64,
    /// Of the process, over the same time.
    pub cpu_seconds_per_million: Option<f64>,
    /// Of the process, from its start.
    pub peak_mib: Option<f64>,
    /// How the commands were answered.
    pub tally: Tally,
}

/// What is known at one moment.
struct Mark {
    at: Instant,
    committed: u64,
    cpu_seconds: Option<f64>,
}

/// Writes `commands` beside the openings, lets the contender work through all of them, reads all answers.
///
/// # Errors
/// No broker, a contender that ends or does not get on.
pub fn measure(
    contender: Contender,
    ground: &Ground,
    config_file: Option<&Path>,
    mut workload: Workload,
    commands: u64,
) -> Result<Drained, Failure> {
    let total = workload.preparation() + commands;
    Writer::new(ground)?.fill(&mut workload, 0..total, ground.within().timeout())?;
    let progress = Progress::new(ground)?;
    let mut process = contender.start(ground, config_file, workload.load())?;
    let first = reached(&progress, &mut process, 1)?;
    let last = reached(&progress, &mut process, total)?;
    let peak_mib = process.peak_mib();
    drop(process);
    let done = (last.committed - first.committed) as f64;
    let cpu = last.cpu_seconds.zip(first.cpu_seconds).map(|(last, first)| last - first);
    Ok(Drained {
        per_second: done / last.at.duration_since(first.at).as_secs_f64().max(f64::MIN_POSITIVE),
        cpu_seconds_per_million: cpu.map(|seconds| seconds * 1e6 / done.max(1.0)),
        peak_mib,
        tally: answers(ground, workload.tally(total))?,
    })
}

/// Waits until at least `wanted` commands are committed.
fn reached(progress: &Progress, process: &mut Process, wanted: u64) -> Result<Mark, Failure> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let committed = progress.committed().unwrap_or(seen);
        if committed >= wanted {
            return Ok(Mark { at: Instant::now(), committed, cpu_seconds: process.cpu_seconds() });
        }
        process.check()?;
        if committed > seen {
            (seen, moved) = (committed, Instant::now());
        } else if moved.elapsed() > progress.patience() {
            return Err(Failure::failed("STALLED", format!("{committed} of {wanted} commands, and no more")));
        }
        thread::sleep(LOOK);
    }
}

fn answers(ground: &Ground, mut tally: Tally) -> Result<Tally, Failure> {
    let answers = Answers::new(ground)?;
    while tally.missing() > 0 && answers.next(SILENCE, |answer| _ = tally.count(answer))? {}
    // One more than there should be would come at once.
    answers.next(Duration::from_millis(100), |answer| _ = tally.count(answer))?;
    Ok(tally)
}
