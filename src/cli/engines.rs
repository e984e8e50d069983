//! The engines of a process: one for accounts, one for transactions, as its roles say.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::ValueEnum;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use super::{Failure, setup};
use crate::config::Config;
use crate::domain::account::Account;
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Transaction;
use crate::engine::{self, ACCOUNTS, Engine, Request, TRANSACTIONS, Threads};
use crate::http::{Health, Killer};
use crate::log::kafka::KafkaLog;
use crate::log::{Offset, PerLane, Spec};
use crate::metrics::Metrics;
use crate::partition::Kill;
use crate::snapshots::Shelves;
use crate::wire::message::Mail;

/// Something that a process of the engine can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Role {
    /// Decide commands to accounts, post legs
    Accounts,
    /// Drive transactions
    Sagas,
    /// Keep the read store up to date
    Projections,
    /// Listen: metrics, health, queries
    Http,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Accounts, Role::Sagas, Role::Projections, Role::Http];
}

/// Offsets of one group that an operator decided on, by partition.
type AcceptedOffsets = BTreeMap<u32, PerLane<Option<Offset>>>;

/// Offsets that an operator decided on.
#[derive(Default)]
pub struct Accepted {
    /// Of the accounts.
    pub accounts: AcceptedOffsets,
    /// Of the transactions.
    pub sagas: AcceptedOffsets,
}

/// The logs of the engines that a process runs.
pub struct Logs {
    accounts: Option<Arc<KafkaLog>>,
    sagas: Option<Arc<KafkaLog>>,
}

impl Logs {
    /// Those of these roles. They connect, and nobody joins a group yet.
    ///
    /// # Errors
    /// What the client itself refuses, before any broker is asked.
    pub fn of(roles: &[Role], config: &Config) -> Result<Self, Failure> {
        let log = |role: Role, spec: Spec| match roles.contains(&role) {
            true => KafkaLog::new(setup::kafka_settings(config), spec).map(Some),
            false => Ok(None),
        };
        Ok(Logs { accounts: log(Role::Accounts, ACCOUNTS)?, sagas: log(Role::Sagas, TRANSACTIONS)? })
    }
}

/// What all engines of the process share.
pub struct Ground<'a> {
    /// As the operator has it.
    pub config: &'a Config,
    /// Where they count.
    pub metrics: Arc<Metrics>,
    /// Where they tell how they are.
    pub health: Health,
    /// Their snapshots on this machine, if there are to be any.
    pub shelves: Option<Arc<dyn Shelves>>,
    /// Where their partitions live.
    pub threads: Threads,
}

/// Where the engines are asked for something.
#[derive(Clone)]
pub struct Switchboard {
    accounts: mpsc::Sender<Request<Account>>,
    sagas: mpsc::Sender<Request<Transaction>>,
}

/// Where the engines hear it.
pub struct Lines {
    accounts: mpsc::Receiver<Request<Account>>,
    sagas: mpsc::Receiver<Request<Transaction>>,
}

/// Requests that may wait for an engine.
const REQUESTS: usize = 16;

/// Both ends of everything that engines can be asked for.
pub fn switchboard() -> (Switchboard, Lines) {
    let ((accounts, accounts_line), (sagas, sagas_line)) = (mpsc::channel(REQUESTS), mpsc::channel(REQUESTS));
    (Switchboard { accounts, sagas }, Lines { accounts: accounts_line, sagas: sagas_line })
}

impl Switchboard {
    /// Kills an actor of the first engine that has one at work.
    pub fn killer(&self) -> Killer {
        let switchboard = self.clone();
        Arc::new(move || {
            let (account, transaction) = (condemn(&switchboard.accounts), condemn(&switchboard.sagas));
            Box::pin(async move {
                // Whoever is not waited for any more is not killed. An engine that is gone forgets the request.
                let killed = tokio::select! {
                    Ok(killed) = account => Some(killed),
                    Ok(killed) = transaction => Some(killed),
                    else => None,
                };
                killed.map(|id| id.to_string())
            })
        })
    }

    async fn shut_down(&self) {
        self.accounts.send(Request::Shutdown).await.ok();
        self.sagas.send(Request::Shutdown).await.ok();
    }
}

fn condemn<A: Mail>(engine: &mpsc::Sender<Request<A>>) -> oneshot::Receiver<AggregateId> {
    let (killed, victim) = oneshot::channel();
    engine.try_send(Request::Kill(Kill { lot: rand::random(), killed })).ok();
    victim
}

/// Runs the engines on these logs until `signal` comes, or one of them ends; then all of them drain and end. A second
/// signal ends the process at once.
///
/// # Errors
/// What ended an engine that was not told to end.
pub async fn run(
    logs: Logs,
    ground: Ground<'_>,
    accepted: Accepted,
    (switchboard, lines): (Switchboard, Lines),
    mut signal: impl AsyncFnMut(),
) -> Result<(), Failure> {
    let mut accounts = logs.accounts.map(|log| begin(&ground, (log, ACCOUNTS), accepted.accounts, lines.accounts));
    let mut sagas = logs.sagas.map(|log| begin(&ground, (log, TRANSACTIONS), accepted.sagas, lines.sagas));
    drop(ground);
    let first = tokio::select! {
        ended = ending(&mut accounts) => outcome(ended),
        ended = ending(&mut sagas) => outcome(ended),
        () = signal() => {
            tracing::info!("draining; a second signal ends the process at once");
            Ok(())
        }
    };
    switchboard.shut_down().await;
    let rest = async {
        let accounts = if let Some(engine) = accounts.take() { outcome(engine.await) } else { Ok(()) };
        let sagas = if let Some(engine) = sagas.take() { outcome(engine.await) } else { Ok(()) };
        accounts.and(sagas)
    };
    tokio::select! {
        rest = rest => first.and(rest),
        () = signal() => std::process::exit(1),
    }
}

/// An engine that has been started.
type Running = JoinHandle<Result<(), engine::Error>>;

fn begin<A: Mail>(
    ground: &Ground<'_>,
    (log, spec): (Arc<KafkaLog>, Spec),
    accepted: AcceptedOffsets,
    line: mpsc::Receiver<Request<A>>,
) -> Running {
    let Ground { config, metrics, health, shelves, threads } = ground;
    let mut settings = setup::partition_settings(config, spec);
    settings.keep = setup::keep(config);
    let engine = Engine::<A>::new(log, settings, accepted, metrics.clone(), health.clone(), threads.clone());
    actix::spawn(engine.with_shelves(shelves.clone()).run(line))
}

/// The end of an engine, which is not waited for again; one that was not started has none.
async fn ending(engine: &mut Option<Running>) -> Result<Result<(), engine::Error>, JoinError> {
    match engine {
        Some(running) => {
            let ended = running.await;
            *engine = None;
            ended
        }
        None => std::future::pending().await,
    }
}

fn outcome(ended: Result<Result<(), engine::Error>, JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ engine::Error::Membership(_))) => Err(Failure::refused(error.to_string())),
        Ok(Err(error)) => Err(Failure::failed("ENGINE", error.to_string())),
        Err(error) => Err(Failure::failed("ENGINE", error.to_string())),
    }
}
