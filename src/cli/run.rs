//! `run`: a member of the group until it is told to stop.

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::engines::{self, Accepted, Ground, Logs, Role, switchboard};
use super::{Failure, read_side, setup};
use crate::config::Config;
use crate::engine::{ACCOUNTS, TRANSACTIONS, Threads};
use crate::http::{self, Health, Routes, Tokens};
use crate::log::kafka::Fault;
use crate::log::{self, Lane, Offset, Spec};
use crate::metrics::Metrics;
use crate::snapshots::{self, Shelves, Store};
use crate::telemetry;

/// Longest pause between two looks at a broker that does not answer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How long requests under way may take once everything else has ended; who sends half of one is not waited for.
const HTTP_FAREWELL: Duration = Duration::from_secs(3);

/// `run`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLE", default_values_t = Role::ALL)]
    roles: Vec<Role>,
    /// Go on at this offset although the group's own is lost or was moved; read what the halted partition says
    /// before you decide
    #[arg(long, value_name = "TOPIC:PARTITION=OFFSET")]
    accept_offset: Vec<AcceptedOffset>,
}

/// An offset an operator decided on.
#[derive(Clone, PartialEq, Eq, Debug)]
struct AcceptedOffset {
    topic: String,
    partition: u32,
    offset: Offset,
}

impl FromStr for AcceptedOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (place, offset) = text.rsplit_once('=')?;
            let (topic, partition) = place.rsplit_once(':')?;
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            Some(AcceptedOffset { topic: topic.to_owned(), partition: partition.parse().ok()?, offset })
        };
        read()
            .ok_or_else(|| "expected TOPIC:PARTITION=OFFSET, such as billing-engine.account.commands:0=1200".to_owned())
    }
}

/// Works until SIGTERM or SIGINT; drains then. A second signal ends the process at once.
///
/// # Errors
/// A listener that cannot be opened, topics that could lose events, an engine that cannot go on.
pub fn run(args: &Args, config: &Config) -> Result<ExitCode, Failure> {
    telemetry::init(&config.log).map_err(|error| Failure::failed("IO", error.to_string()))?;
    let accepted = accepted_offsets(args, config)?;
    actix::System::new().block_on(work(args, config, accepted))?;
    Ok(ExitCode::SUCCESS)
}

fn accepted_offsets(args: &Args, config: &Config) -> Result<Accepted, Failure> {
    let mut accepted = Accepted::default();
    for AcceptedOffset { topic, partition, offset } in &args.accept_offset {
        let lanes = [ACCOUNTS, TRANSACTIONS].into_iter().flat_map(|spec| Lane::ALL.map(|lane| (spec, lane)));
        let is_it = |(spec, lane): &(Spec, Lane)| spec.topic(*lane).full_name(&config.topics.prefix) == *topic;
        let found = lanes.into_iter().find(is_it).filter(|_| *partition < config.topics.partitions.get());
        let Some((spec, lane)) = found else {
            return Err(Failure::refused(format!(
                "--accept-offset names {topic}:{partition}, which the engine does not consume"
            )));
        };
        let of_group = if spec == ACCOUNTS { &mut accepted.accounts } else { &mut accepted.sagas };
        *of_group.entry(*partition).or_default().of_mut(lane) = Some(*offset);
    }
    Ok(accepted)
}

async fn work(args: &Args, config: &Config, accepted: Accepted) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (metrics, health) = (Metrics::new(), Health::new());
    let store = setup::shelves(config, &metrics)?;
    let (switchboard, lines) = switchboard();
    let (stop, stopped) = watch::channel(());
    let routes = Routes {
        metrics: metrics.clone(),
        health: health.clone(),
        tokens: Tokens::new(&config.http.tokens),
        api: setup::api(config)?,
        killer: config.chaos.enabled.then(|| switchboard.killer()),
        patience: http::PATIENCE,
    };
    let served = match args.roles.contains(&Role::Http) {
        true => Some(actix::spawn(http::serve(listener(config).await?, routes, ended(stopped)))),
        false => None,
    };
    // They connect while the topics are looked at.
    let logs = Logs::of(&args.roles, config)?;
    let worked = tokio::select! {
        ready = topics_ready(config, &health) => match ready {
            Ok(()) => {
                let shelves = store.clone().map(|store| store as Arc<dyn Shelves>);
                let projections = match args.roles.contains(&Role::Projections) {
                    true => read_side::start(config, &metrics, &health)?,
                    false => None,
                };
                let ground = Ground { config, metrics, health, shelves, threads: threads() };
                let lines = (switchboard, lines);
                let ended = engines::run(logs, ground, accepted, lines, async || signals.next().await).await;
                read_side::stop(projections).await;
                ended
            }
            Err(failure) => Err(failure),
        },
        error = unusable(store.as_deref()) => Err(error.into()),
        () = signals.next() => Ok(()),
    };
    drop(stop);
    if let Some(served) = served {
        tokio::select! {
            closed = tokio::time::timeout(HTTP_FAREWELL, served) => if let Ok(Ok(Err(error))) = closed {
                tracing::warn!(%error, "the http listener broke");
            },
            () = signals.next() => {}
        }
    }
    worked
}

async fn listener(config: &Config) -> Result<TcpListener, Failure> {
    TcpListener::bind(config.http.listen).await.map_err(|error| {
        Failure::failed("IO", format!("cannot listen on {}: {error}; set http.listen", config.http.listen))
    })
}

fn threads() -> Threads {
    Threads::start(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

async fn ended(mut stopped: watch::Receiver<()>) {
    stopped.changed().await.ok();
}

/// Answers when snapshots turn out to be out of reach; never while they are not.
async fn unusable(store: Option<&Store>) -> snapshots::Error {
    match store.map(Store::opened) {
        Some(opened) => match opened.await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Waits until the broker answers and the topics are there.
///
/// # Errors
/// Topics with faults that time does not mend.
async fn topics_ready(config: &Config, health: &Health) -> Result<(), Failure> {
    let brokers = &config.kafka.brokers;
    tracing::info!(brokers, "looking at the topics");
    health.waiting_for(Some(format!("an answer of the brokers at {brokers}")));
    let admin = setup::topics_admin(config, &setup::kafka_settings(config), LONGEST_BACKOFF);
    let mut backoff = Duration::from_millis(250);
    loop {
        let need = match admin.check().await {
            Ok(faults) if faults.is_empty() => {
                health.waiting_for(None);
                return Ok(());
            }
            Ok(faults) => match missing(&faults) {
                Some(topics) => format!("topics {topics} are missing; create them with `billing-engine topics ensure`"),
                None => return Err(Failure::refused(refusal(&faults))),
            },
            // What the client itself refuses, before any broker is asked.
            Err(error @ log::Error::Refused { .. }) => return Err(Failure::refused(error.to_string())),
            Err(error) => format!("no answer of the brokers at {brokers}: {error}"),
        };
        tracing::warn!(need, retry_in = ?backoff, "waiting");
        health.waiting_for(Some(need));
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// The missing topics, when nothing else is wrong.
fn missing(faults: &[Fault]) -> Option<String> {
    let is_missing = |fault: &Fault| fault.key == "topic" && fault.found == "missing";
    faults
        .iter()
        .all(is_missing)
        .then(|| faults.iter().map(|fault| fault.topic.as_str()).collect::<Vec<_>>().join(", "))
}

fn refusal(faults: &[Fault]) -> String {
    let lines = faults
        .iter()
        .map(|Fault { topic, key, found, wanted, fix }| format!("  {topic}: {key} is {found}, wanted {wanted}; {fix}"));
    format!("the topics have {} fault(s)\n{}", faults.len(), lines.collect::<Vec<_>>().join("\n"))
}

/// SIGTERM and SIGINT alike.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_offset_names_its_place() {
        let accepted = "a.b.c:2=41".parse();
        assert_eq!(accepted, Ok(AcceptedOffset { topic: "a.b.c".into(), partition: 2, offset: 41 }));
        for bad in ["", "a", "a:1", "a=1", "a:x=1", "a:1=", "a:1=-1", "a:1=x"] {
            assert!(bad.parse::<AcceptedOffset>().is_err(), "{bad}");
        }
    }
}
