//! How long a command takes from being produced to its last answer being readable, at a given rate.
//!
//! An open loop: commands are produced by the clock, whoever is slow to answer. At 20,000 a second nobody could
//! wait for answers anyway.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Contender, Process};
use super::ground::Ground;
use super::tally::Tally;
use super::upstream::{Answers, Writer};
use super::workload::Workload;
use crate::cli::Failure;

/// Commands fall due this often.
const TICK: Duration = Duration::from_millis(1);

/// The load runs so long before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// Between two looks at whether the contender lives.
const LOOK: Duration = Duration::from_millis(100);

/// One measurement at one rate.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Half of the commands took no longer.
    pub p50: Duration,
    /// 99 of 100 commands took no longer.
    pub p99: Duration,
    /// How the commands were answered, those of the warm-up too.
    pub tally: Tally,
}

/// Commands of a given number are produced at a given time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Commands a second.
    pub rate: u32,
    /// How long is measured.
    pub time: Duration,
}

impl Pace {
    fn warm_up(self) -> u64 {
        self.due(WARM_UP)
    }

    fn commands(self) -> u64 {
        self.due(WARM_UP + self.time)
    }

    /// How many are due after that time.
    fn due(self, elapsed: Duration) -> u64 {
        (elapsed.as_secs_f64() * f64::from(self.rate)) as u64
    }
}

/// Prepares the accounts, then produces at that pace and reads the answers.
///
/// # Errors
/// No broker, a contender that ends.
pub fn measure(
    contender: Contender,
    ground: &Ground,
    config_file: Option<&Path>,
    mut workload: Workload,
    pace: Pace,
) -> Result<Latency, Failure> {
    let (prepared, limit) = (workload.preparation(), ground.within().timeout());
    let measured_from = prepared + pace.warm_up();
    let writer = Writer::new(ground)?;
    let opening = workload.opening();
    writer.fill(&mut workload, 0..opening, limit)?;
    let clock = Clock::over(prepared + pace.commands());
    let mut process = contender.start(ground, config_file, workload.load())?;
    let mut reading = Reading {
        answers: Answers::new(ground)?,
        tally: workload.tally(prepared + pace.commands()),
        latencies: Vec::with_capacity(pace.commands() as usize),
        measured_from,
        clock: &clock,
    };
    reading.until_missing(prepared - opening + pace.commands(), limit, &mut process)?;
    writer.fill(&mut workload, opening..prepared, limit)?;
    reading.until_missing(pace.commands(), limit, &mut process)?;
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(&writer, &mut workload, &clock, pace));
        reading.until_missing(0, WARM_UP + pace.time + limit, &mut process)?;
        sending.join().map_err(|_| Failure::failed("PANIC", "the producing thread panicked"))?
    })?;
    let Reading { mut latencies, tally, .. } = reading;
    latencies.sort_unstable();
    Ok(Latency { p50: quantile(&latencies, 0.5), p99: quantile(&latencies, 0.99), tally })
}

/// When each command was produced.
struct Clock {
    begin: Instant,
    /// Nanoseconds since then.
    sent: Vec<AtomicU64>,
}

impl Clock {
    fn over(commands: u64) -> Self {
        Clock { begin: Instant::now(), sent: (0..commands).map(|_| AtomicU64::new(0)).collect() }
    }

    fn nanos(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn sending(&self, number: u64) {
        self.sent[number as usize].store(self.nanos(), Ordering::Release);
    }

    fn since(&self, number: u64) -> Duration {
        Duration::from_nanos(self.nanos().saturating_sub(self.sent[number as usize].load(Ordering::Acquire)))
    }
}

fn send(writer: &Writer, workload: &mut Workload, clock: &Clock, pace: Pace) -> Result<(), Failure> {
    let (started, mut sent) = (Instant::now(), 0);
    while sent < pace.commands() {
        let due = pace.due(started.elapsed()).min(pace.commands());
        while sent < due {
            let number = workload.preparation() + sent;
            let command = workload.command(number);
            clock.sending(number);
            writer.send(&command)?;
            sent += 1;
        }
        writer.tend();
        thread::sleep(TICK);
    }
    writer.settle(Duration::from_secs(5))
}

/// The answers as they come.
struct Reading<'a> {
    answers: Answers,
    tally: Tally,
    latencies: Vec<Duration>,
    measured_from: u64,
    clock: &'a Clock,
}

impl Reading<'_> {
    /// Reads until no more than `missing` answers are missing, or the time is up.
    fn until_missing(&mut self, missing: u64, limit: Duration, process: &mut Process) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        while self.tally.missing() > missing && Instant::now() < deadline {
            let Reading { answers, tally, latencies, measured_from, clock } = self;
            let came = answers.next(LOOK, |answer| {
                if let Some(number) = tally.count(answer).filter(|number| number >= measured_from) {
                    latencies.push(clock.since(number));
                }
            })?;
            if !came {
                process.check()?;
            }
        }
        Ok(())
    }
}

/// What the share `quantile` of all, sorted, does not exceed; zero without any.
fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
