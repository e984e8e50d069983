//! How fast transactions that wait already come to their ends, and what that costs.
//!
//! The accounts are opened and funded before, by the same process. What waits is held back in one transaction of
//! upstream, so that all of it can be read in the same moment. An end is the final answer, readable.

use std::path::Path;
use std::time::{Duration, Instant};

use super::contender::{Contender, Process};
use super::ground::Ground;
use super::tally::Tally;
use super::throughput::Drained;
use super::upstream::{Answers, Writer};
use super::workload::Workload;
use crate::cli::Failure;

/// Between two looks at whether the contender lives.
const LOOK: Duration = Duration::from_millis(100);

/// Prepares the accounts, then lets the contender work through `transactions`.
///
/// # Errors
/// No broker, a contender that ends.
pub fn measure(
    contender: Contender,
    ground: &Ground,
    config_file: Option<&Path>,
    mut workload: Workload,
    transactions: u64,
) -> Result<Drained, Failure> {
    let (prepared, limit) = (workload.preparation(), ground.within().timeout());
    let total = prepared + transactions;
    let (opening, writer) = (workload.opening(), Writer::new(ground)?);
    writer.fill(&mut workload, 0..opening, limit)?;
    let process = contender.start(ground, config_file, workload.load())?;
    let mut course = Course { process, answers: Answers::new(ground)?, tally: workload.tally(total) };
    course.until_missing(total - opening, limit)?;
    writer.fill(&mut workload, opening..prepared, limit)?;
    course.until_missing(transactions, limit)?;
    let held = Writer::holding(ground)?;
    held.fill(&mut workload, prepared..total, limit)?;
    let (begin, cpu_before) = (Instant::now(), course.process.cpu_seconds());
    held.release(limit)?;
    course.until_missing(0, limit)?;
    let (elapsed, cpu_after) = (begin.elapsed(), course.process.cpu_seconds());
    // One more than there should be would come at once.
    course.answers.next(LOOK, |answer| _ = course.tally.count(answer))?;
    let done = transactions as f64;
    let cpu = cpu_after.zip(cpu_before).map(|(after, before)| after - before);
    Ok(Drained {
        per_second: done / elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
        cpu_seconds_per_million: cpu.map(|seconds| seconds * 1e6 / done.max(1.0)),
        peak_mib: course.process.peak_mib(),
        tally: course.tally,
    })
}

/// A contender at work, and its answers as they come.
struct Course {
    process: Process,
    answers: Answers,
    tally: Tally,
}

impl Course {
    /// Reads until no more than `missing` answers are missing, or none has come for `patience`.
    fn until_missing(&mut self, missing: u64, patience: Duration) -> Result<(), Failure> {
        let mut silent_since = Instant::now();
        while self.tally.missing() > missing {
            let Course { process, answers, tally } = self;
            if answers.next(LOOK, |answer| _ = tally.count(answer))? {
                silent_since = Instant::now();
            } else if silent_since.elapsed() < patience {
                process.check()?;
            } else {
                let text = format!("{} commands have not had all of their answers, and no more come", tally.missing());
                return Err(Failure::failed("STALLED", text));
            }
        }
        Ok(())
    }
}
