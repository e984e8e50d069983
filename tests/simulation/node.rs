//! A node: one engine on its own view of the log, from its start to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use billing_engine::domain::Rules;
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::money::Currency;
use billing_engine::engine::{ACCOUNTS, Engine, Error, Request, Threads};
use billing_engine::http::Health;
use billing_engine::log::{Offset, PerLane};
use billing_engine::metrics::Metrics;
use billing_engine::partition::{Inspection, Keep, Kill, Settings};
use billing_engine::snapshots::Shelves;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::disks::{Disk, Store};
use crate::fragile::FragileAccount;
use crate::log::NodeLog;
use crate::traffic::{EVENT_BYTES, MESSAGE_BYTES};
use crate::world::{Life, World};

/// The name before every topic.
pub const PREFIX: &str = "sim";

/// Offsets that an operator accepts, by partition.
pub type Accepted = BTreeMap<u32, PerLane<Option<Offset>>>;

/// How all nodes of a seed are set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub partitions: u32,
    pub batch_records: usize,
    /// Commands that an account remembers.
    pub window: usize,
    /// What is kept in memory and what is saved.
    pub keep: Keep,
    /// Whether machines have disks.
    pub disks: bool,
}

/// One engine.
pub struct Node {
    pub life: Life,
    /// Which machine it is on.
    pub machine: usize,
    health: Health,
    requests: mpsc::Sender<Request<FragileAccount>>,
    engine: JoinHandle<Result<(), Error>>,
}

impl Node {
    /// Starts an engine; it owns nothing yet.
    pub fn start(
        world: &Arc<World>,
        life: Life,
        log: NodeLog,
        setup: Setup,
        accepted: Accepted,
        (machine, disk): (usize, Disk),
    ) -> Self {
        world.be_born(life);
        let currencies = [("USD", 2), ("JPY", 0)].into_iter().filter_map(|(code, digits)| Currency::new(code, digits));
        let rules = Rules {
            currencies: currencies.collect(),
            idempotency_window: setup.window,
            default_hold: Rules::DEFAULT_HOLD,
        };
        let clock = world.clone();
        let clock = Arc::new(move || clock.now());
        let mut settings = Settings::new(PREFIX, ACCOUNTS, setup.partitions, rules, clock);
        settings.batch_records = setup.batch_records;
        settings.message_bytes = MESSAGE_BYTES;
        settings.event_bytes = EVENT_BYTES;
        settings.keep = setup.keep;
        // Not every node is set up alike.
        settings.keep.topic &= !world.state().weather.one_in(3);
        let health = Health::new();
        let shelves = setup.disks.then(|| Arc::new(Store::open(world.clone(), life, disk)) as Arc<dyn Shelves>);
        let engine = Engine::<FragileAccount>::new(
            Arc::new(log),
            settings,
            accepted,
            Metrics::new(),
            health.clone(),
            Threads::start(0),
        )
        .with_shelves(shelves);
        let (requests, receiver) = mpsc::channel(16);
        Node { life, machine, health, requests, engine: tokio::task::spawn_local(engine.run(receiver)) }
    }

    /// Kills an actor with commands, if there is one soon.
    pub fn kill(&self, lot: u64) -> oneshot::Receiver<AggregateId> {
        let (killed, victim) = oneshot::channel();
        self.requests.try_send(Request::Kill(Kill { lot, killed })).ok();
        victim
    }

    /// What it holds in memory, once it is at rest.
    pub async fn inspect(&self) -> Vec<Inspection<FragileAccount>> {
        let (answer, inspections) = oneshot::channel();
        self.requests.send(Request::Inspect(answer)).await.ok();
        inspections.await.unwrap_or_default()
    }

    /// Why a partition is halted, if it is.
    pub fn halted(&self, partition: u32) -> Option<String> {
        let partitions = self.health.readiness().partitions.into_iter();
        partitions.filter(|p| p.partition == partition && p.state == "halted").find_map(|p| p.reason)
    }

    /// Every partition and its state, for people.
    pub fn states(&self) -> String {
        format!("{:?}", self.health.readiness())
    }

    /// True while every partition it owns runs.
    pub fn is_ready(&self) -> bool {
        self.health.readiness().ready
    }

    /// Ends it in order.
    pub async fn shut_down(self) -> Result<(), Error> {
        self.requests.send(Request::Shutdown).await.ok();
        self.engine.await.unwrap_or(Ok(()))
    }

    /// True when its engine gave up by itself.
    pub fn has_given_up(&self) -> bool {
        self.engine.is_finished()
    }

    /// Its process is gone.
    pub fn bury(self) {
        self.engine.abort();
    }
}
