//! `demo`: the whole engine under load with actors being killed, and what must hold afterwards.

mod rows;
mod running;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot};

use self::rows::Rows;
use self::running::{Ground, Running};
use super::checks::{self, Evidence};
use super::load::{Load, Sent};
use super::observer::{Ends, Observer};
use super::reach::Within;
use super::report::{self, Outcome};
use super::{Failure, Output, read_side, setup, topics};
use crate::config::Config;
use crate::domain::account::Account;
use crate::domain::transaction::Transaction;
use crate::engine::{ACCOUNTS, Request, TRANSACTIONS, Threads};
use crate::http::Health;
use crate::log::embedded::Embedded;
use crate::log::kafka::{KafkaClient, KafkaLog};
use crate::log::{Client, Log, Subscription};
use crate::metrics::Metrics;
use crate::partition::{DEAD_LETTERS, Kill, REPLIES};
use crate::projection;

/// Commands under way at most: enough to fill batches, few enough that latency means something.
const WINDOW: u64 = 4_000;
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
    /// Keep the embedded log and its read store in this directory, to look at the log with `account show --dir`
    #[arg(long, value_name = "DIR", conflicts_with = "brokers")]
    dir: Option<PathBuf>,
    /// Do the same on this Kafka, in topics of its own (`…-demo`), which are created when they are missing
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    #[command(flatten)]
    within: Within,
}

/// Runs the demo; exit code 1 when a check fails.
///
/// # Errors
/// No broker, a directory that is in use.
pub fn demo(args: &Args, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let config = &match &args.brokers {
        Some(brokers) => beside_the_real_one(config, brokers),
        None => config.clone(),
    };
    let stage = Stage::set(args, config)?;
    let outcome = actix::System::new().block_on(play(args, config, stage))?;
    report::print(&outcome, output)?;
    Ok(if outcome.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A demo on a Kafka must neither write into the real event store nor be taken for the engine that does.
fn beside_the_real_one(config: &Config, brokers: &str) -> Config {
    let mut config = config.clone();
    config.kafka.brokers = brokers.to_owned();
    config.topics.prefix.push_str("-demo");
    config.instance_id.push_str("-demo");
    config
}

/// The log that the demo runs on, and where its rows go; a temporary directory is removed with it.
struct Stage {
    name: String,
    accounts: Arc<dyn Log>,
    sagas: Arc<dyn Log>,
    client: Arc<dyn Client>,
    events: Arc<dyn Subscription>,
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    fn set(args: &Args, config: &Config) -> Result<Self, Failure> {
        let (temporary, path) = match &args.dir {
            Some(path) => (None, path.clone()),
            None => {
                let temporary = tempfile::tempdir()?;
                let path = temporary.path().to_owned();
                (Some(temporary), path)
            }
        };
        if let Some(brokers) = &args.brokers {
            let settings = setup::kafka_settings(config);
            topics::ensure_now(config, &settings, &args.within)?;
            return Ok(Stage {
                name: format!("Kafka at {brokers}"),
                client: Arc::new(KafkaClient::new(settings.clone())?),
                accounts: KafkaLog::new(settings.clone(), ACCOUNTS)?,
                sagas: KafkaLog::new(settings, TRANSACTIONS)?,
                events: Arc::new(read_side::subscription(config)?),
                path,
                _temporary: temporary,
            });
        }
        let embedded = Embedded::open(&path, config.topics.partitions.get())?;
        let name = match temporary {
            Some(_) => "embedded log in a temporary directory; `run` is always Kafka".to_owned(),
            None => format!("embedded log in {}; `run` is always Kafka", path.display()),
        };
        Ok(Stage {
            name,
            accounts: embedded.log(ACCOUNTS),
            sagas: embedded.log(TRANSACTIONS),
            client: embedded.client(),
            events: embedded.subscription(&projection::TOPICS),
            path,
            _temporary: temporary,
        })
    }
}

async fn play(args: &Args, config: &Config, stage: Stage) -> Result<Outcome, Failure> {
    let partitions = config.topics.partitions.get();
    let run = format!("demo-{:x}", jiff::Timestamp::now().as_millisecond());
    let mut load = Load::new(&run, args.accounts as usize, partitions, args.seed);
    let topics = [ACCOUNTS.events, TRANSACTIONS.events, REPLIES, DEAD_LETTERS];
    let begin = Ends::ask(stage.client.as_ref(), &topics, partitions).await?;
    let observer = Observer::follow(&stage.client, &begin, &run);
    let (metrics, health) = (Metrics::new(), Health::new());
    let rows = Rows::start(config, &stage.path, stage.events.clone(), &metrics, &health).await?;
    let threads = Threads::start(std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let ground = Ground { config, metrics, health, threads };
    let accounts = Running::<Account>::start(&ground, ACCOUNTS, stage.accounts.clone());
    let sagas = Running::<Transaction>::start(&ground, TRANSACTIONS, stage.sagas.clone());

    let progress = progress(u64::from(args.accounts) + args.commands);
    let started = Instant::now();
    let mut director =
        Director { client: stage.client.as_ref(), observer, progress, killer: Killer::new(args, &accounts.requests) };
    let openings: Vec<Sent> = load.openings().collect();
    let mut sent = director.send(&load, openings, false).await?;
    // Who is to be killed must be at work: before that the engine may not even have joined.
    director.wait_until_under_way(0).await?;
    let commands: Vec<Sent> = (0..args.commands).map(|_| load.next_command()).collect();
    sent.extend(director.send(&load, commands, true).await?);
    director.wait_until_under_way(0).await?;
    let took = started.elapsed();
    director.progress.finish_and_clear();
    let kills = director.killer.killed();

    let tally = director.observer.tally().clone();
    let inspections = accounts.inspect().await;
    accounts.stop().await?;
    sagas.stop().await?;
    let evidence = Evidence::read(stage.client.as_ref(), &begin, &run, &setup::rules(config)).await?;
    let mut checks = checks::all(&evidence, &sent, &tally, &inspections);
    checks.push(checks::kills(kills, args.kills));
    checks.push(rows.check(stage.client.as_ref(), &args.within).await?);
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
            if with_kills {
                // Asked for before the commands are there: whoever is condemned dies with them, the last ones too.
                // The last part of the load is for those who are condemned late.
                let most = total - total / 5;
                self.killer.kill_as_far_as(((number * BATCH + batch.len()) as u64).min(most), most).await;
            }
            self.observer.sending(batch);
            self.client.append(load.records(batch)).await?;
            self.wait_until_under_way(WINDOW.min(total / 10)).await?;
        }
        Ok(commands)
    }

    async fn wait_until_under_way(&mut self, most: u64) -> Result<(), Failure> {
        while self.observer.under_way() > most {
            match tokio::time::timeout(PATIENCE, self.observer.next()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error.into()),
                // The check of the answers tells how many are missing.
                Err(_) => return Ok(()),
            }
            self.progress.set_position(self.observer.tally().answered());
            self.progress.set_message(format!("{} actors killed", self.killer.asked));
        }
        Ok(())
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
    fn killed(&mut self) -> u64 {
        // A condemned actor dies in the next round; once everything is answered there is none to wait for.
        let died = self.answers.drain(..).map(|mut answer| u64::from(answer.try_recv().is_ok()));
        died.sum()
    }
}
