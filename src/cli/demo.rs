//! `demo`: the whole engine under load with actors being killed, and what must hold afterwards.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot};

use super::checks::{self, Check};
use super::load::{Load, Sent};
use super::observer::{Observer, Tally};
use super::{Failure, Output, report};
use crate::config::Config;
use crate::domain::account::Account;
use crate::engine::{ACCOUNTS, Engine, Request};
use crate::http::health::Health;
use crate::log::embedded::Embedded;
use crate::log::kafka::{KafkaClient, KafkaLog};
use crate::log::{Client, Log};
use crate::partition::{Inspection, Kill};

/// Commands under way at most: enough to fill batches, few enough that latency means something.
const WINDOW: usize = 4_000;
/// Commands sent together.
const BATCH: usize = 200;
/// Without any answer for this long the demo gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// `demo`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Accounts to open; a few of them get most of the load (Zipf)
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    accounts: u32,
    /// Commands to send, besides those that open the accounts
    #[arg(long, default_value_t = 100_000)]
    commands: u64,
    /// Actors to kill while they have commands in the current batch
    #[arg(long, default_value_t = 30)]
    kills: u64,
    /// Makes the same load and the same kills again
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Keep the embedded log in this directory, to look at it with `account show --dir`
    #[arg(long, value_name = "DIR", conflicts_with = "brokers")]
    dir: Option<PathBuf>,
    /// Do the same on this Kafka; topics are created when they are missing
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
}

/// Runs the demo; exit code 1 when a check fails.
///
/// # Errors
/// No broker, a directory that is in use.
pub fn demo(args: &Args, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let stage = Stage::set(args, config)?;
    let outcome = actix::System::new().block_on(play(args, config, stage))?;
    report::print(&outcome, output)?;
    Ok(if outcome.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The log that the demo runs on; a temporary directory is removed with it.
struct Stage {
    name: String,
    log: Arc<dyn Log>,
    client: Arc<dyn Client>,
    _directory: Option<tempfile::TempDir>,
}

impl Stage {
    fn set(args: &Args, config: &Config) -> Result<Self, Failure> {
        if let Some(brokers) = &args.brokers {
            let settings = config.kafka_settings_for(brokers);
            super::topics::ensure_now(&settings, config)?;
            let log: Arc<dyn Log> = KafkaLog::new(settings.clone(), ACCOUNTS)?;
            return Ok(Stage { name: format!("Kafka at {brokers}"), log, client: KafkaClient::new(&settings)?, _directory: None });
        }
        let (directory, path) = match &args.dir {
            Some(path) => (None, path.clone()),
            None => {
                let directory = tempfile::tempdir()?;
                let path = directory.path().to_owned();
                (Some(directory), path)
            }
        };
        let embedded = Embedded::open(&path, config.topics.partitions.get())?;
        let name = match directory {
            Some(_) => "embedded log in a temporary directory; `run` is always Kafka".to_owned(),
            None => format!("embedded log in {}; `run` is always Kafka", path.display()),
        };
        Ok(Stage { name, log: embedded.log(ACCOUNTS), client: embedded.client(), _directory: directory })
    }
}

/// Everything the demo found.
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

async fn play(args: &Args, config: &Config, stage: Stage) -> Result<Outcome, Failure> {
    let partitions = config.topics.partitions.get();
    let run = format!("demo-{:x}", jiff::Timestamp::now().as_millisecond());
    let mut load = Load::new(&run, args.accounts as usize, partitions, args.seed);
    let begin = checks::ends(stage.client.as_ref(), partitions).await?;
    let observer = Observer::follow(stage.client.clone(), &begin, &run).await;
    let (requests, inbox) = mpsc::channel(64);
    let settings = config.partition_settings(ACCOUNTS);
    let engine = Engine::<Account>::new(stage.log.clone(), settings, Default::default(), Health::new(), 2);
    let engine = actix::spawn(engine.run(inbox));

    let progress = progress(u64::from(args.accounts) + args.commands);
    let started = Instant::now();
    let mut director = Director { client: stage.client.as_ref(), observer, progress, killer: Killer::new(args, &requests) };
    let openings: Vec<Sent> = load.openings().collect();
    let mut sent = director.send(&load, openings, false).await?;
    let commands: Vec<Sent> = (0..args.commands).map(|_| load.next_command()).collect();
    sent.extend(director.send(&load, commands, true).await?);
    director.wait_for_all().await;
    let took = started.elapsed();
    director.progress.finish_and_clear();
    let kills = director.killer.killed().await;

    let inspections = inspect(&requests).await;
    requests.send(Request::Shutdown).await.ok();
    let ended = engine.await;
    let tally = director.observer.tally();
    let evidence = checks::Evidence::read(stage.client.as_ref(), &begin, &run).await?;
    let mut checks = checks::all(&evidence, &sent, &tally, &inspections, &config.rules());
    checks.push(checks::kills(kills, args.kills));
    checks.push(checks::engine_ended(ended));
    Ok(Outcome {
        stage: stage.name,
        ok: checks.iter().all(|check| check.ok),
        tally,
        took,
        actors: inspections.iter().map(|partition| partition.aggregates.len()).sum(),
        kills,
        restarts: inspections.iter().map(|partition| partition.restarts).sum(),
        checks,
    })
}

async fn inspect(requests: &mpsc::Sender<Request<Account>>) -> Vec<Inspection<Account>> {
    let (answer, inspections) = oneshot::channel();
    requests.send(Request::Inspect(answer)).await.ok();
    inspections.await.unwrap_or_default()
}

fn progress(commands: u64) -> ProgressBar {
    let template = "{bar:30} {human_pos} of {human_len} commands answered, {per_sec}, {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    ProgressBar::new(commands).with_style(style).with_message("no actor killed yet")
}

/// Sends the load, keeps a bounded number of commands under way, and has actors killed on the way.
struct Director<'a> {
    client: &'a dyn Client,
    observer: Observer,
    progress: ProgressBar,
    killer: Killer<'a>,
}

impl Director<'_> {
    async fn send(&mut self, load: &Load, commands: Vec<Sent>, with_kills: bool) -> Result<Vec<Sent>, Failure> {
        let total = commands.len() as u64;
        for (number, batch) in commands.chunks(BATCH).enumerate() {
            self.observer.sending(batch);
            self.client.append(load.records(batch)).await?;
            if with_kills {
                self.killer.kill_as_far_as((number * BATCH) as u64, total).await;
            }
            self.wait_until_under_way(WINDOW).await;
        }
        Ok(commands)
    }

    async fn wait_until_under_way(&mut self, most: usize) {
        while self.observer.under_way() > most {
            if tokio::time::timeout(PATIENCE, self.observer.next()).await.is_err() {
                return;
            }
            self.progress.set_position(self.observer.answered());
            self.progress.set_message(format!("{} actors killed", self.killer.asked));
        }
    }

    async fn wait_for_all(&mut self) {
        self.wait_until_under_way(0).await;
    }
}

/// Has actors killed, spread evenly over the load.
struct Killer<'a> {
    requests: &'a mpsc::Sender<Request<Account>>,
    random: StdRng,
    wanted: u64,
    asked: u64,
    answers: Vec<oneshot::Receiver<crate::domain::ids::AggregateId>>,
}

impl<'a> Killer<'a> {
    fn new(args: &Args, requests: &'a mpsc::Sender<Request<Account>>) -> Self {
        let random = StdRng::seed_from_u64(args.seed);
        Killer { requests, random, wanted: args.kills, asked: 0, answers: Vec::new() }
    }

    async fn kill_as_far_as(&mut self, done: u64, total: u64) {
        while self.asked < self.wanted && self.asked * total < done * self.wanted {
            let (killed, answer) = oneshot::channel();
            let kill = Kill { lot: self.random.random(), killed };
            self.requests.send(Request::Kill(kill)).await.ok();
            self.answers.push(answer);
            self.asked += 1;
        }
    }

    /// How many died with commands in their batch.
    async fn killed(&mut self) -> u64 {
        // A condemned actor dies in the next round; after the last one there is none to wait for.
        let mut killed = 0;
        for mut answer in self.answers.drain(..) {
            killed += u64::from(answer.try_recv().is_ok());
        }
        killed
    }
}
