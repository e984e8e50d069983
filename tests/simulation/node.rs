//! A node: both engines on their own views of the log, from their start to their end.

use std::collections::BTreeMap;
use std::sync::Arc;

use billing_engine::domain::Rules;
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::money::Currency;
use billing_engine::engine::{Engine, Error, Request, Threads};
use billing_engine::http::Health;
use billing_engine::log::{Offset, PerLane};
use billing_engine::metrics::Metrics;
use billing_engine::partition::{Inspection, Keep, Kill, Settings};
use billing_engine::snapshots::Shelves;
use billing_engine::wire::message::Mail;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::disks::{Disk, Store};
use crate::fragile::{FragileAccount, FragileTransaction};
use crate::log::NodeLog;
use crate::traffic::{EVENT_BYTES, MESSAGE_BYTES};
use crate::unit::{Kind, Unit};
use crate::world::{Life, World};

/// The name before every topic.
pub const PREFIX: &str = "sim";

/// Offsets that an operator accepts.
pub type Accepted = BTreeMap<Unit, PerLane<Option<Offset>>>;

/// How all nodes of a seed are set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub partitions: u32,
    pub batch_records: usize,
    /// Commands that an account remembers.
    pub window: usize,
    /// Transactions that may be open at once in a partition.
    pub max_open: usize,
    /// What is kept in memory and what is saved.
    pub keep: Keep,
    /// Whether machines have disks.
    pub disks: bool,
}

impl Setup {
    /// What decisions depend on.
    pub fn rules(&self) -> Rules {
        let currencies = [("USD", 2), ("JPY", 0)].into_iter().filter_map(|(code, digits)| Currency::new(code, digits));
        Rules {
            currencies: currencies.collect(),
            idempotency_window: self.window,
            default_hold: crate::transfers::DEFAULT_HOLD,
        }
    }
}

/// One process.
pub struct Node {
    pub life: Life,
    /// Which machine it is on.
    pub machine: usize,
    health: Health,
    accounts: Running<FragileAccount>,
    sagas: Running<FragileTransaction>,
}

/// One engine of it.
struct Running<A: Mail> {
    requests: mpsc::Sender<Request<A>>,
    engine: JoinHandle<Result<(), Error>>,
}

/// What all engines of a node are started with.
struct Start<'a> {
    world: &'a Arc<World>,
    setup: Setup,
    accepted: &'a Accepted,
    topic: bool,
    shelves: Option<Arc<dyn Shelves>>,
    metrics: Arc<Metrics>,
    health: Health,
}

impl<A: Mail> Running<A> {
    fn start(kind: Kind, log: NodeLog, start: &Start<'_>) -> Self {
        let Start { world, setup, accepted, topic, shelves, metrics, health } = start;
        let clock = (*world).clone();
        let clock = Arc::new(move || clock.now());
        let mut settings = Settings::new(PREFIX, kind.spec(), setup.partitions, setup.rules(), clock);
        settings.batch_records = setup.batch_records;
        settings.message_bytes = MESSAGE_BYTES;
        settings.event_bytes = EVENT_BYTES;
        settings.max_open = setup.max_open;
        settings.keep = setup.keep;
        settings.keep.topic &= topic;
        let of_kind = accepted.iter().filter(|(unit, _)| unit.kind == kind);
        let accepted = of_kind.map(|(unit, offsets)| (unit.partition, *offsets)).collect();
        let log = Arc::new(log);
        let engine = Engine::<A>::new(log, settings, accepted, metrics.clone(), health.clone(), Threads::start(0));
        let (requests, receiver) = mpsc::channel(16);
        let engine = engine.with_shelves(shelves.clone());
        Running { requests, engine: tokio::task::spawn_local(engine.run(receiver)) }
    }

    async fn inspect(&self) -> Vec<Inspection<A>> {
        let (answer, inspections) = oneshot::channel();
        self.requests.send(Request::Inspect(answer)).await.ok();
        inspections.await.unwrap_or_default()
    }

    async fn shut_down(self) -> Result<(), Error> {
        self.requests.send(Request::Shutdown).await.ok();
        self.engine.await.unwrap_or(Ok(()))
    }
}

impl Node {
    /// Starts both engines; they own nothing yet.
    pub fn start(
        world: &Arc<World>,
        life: Life,
        logs: [NodeLog; 2],
        setup: Setup,
        accepted: &Accepted,
        (machine, disk): (usize, Disk),
    ) -> Self {
        world.be_born(life);
        let health = Health::new();
        let shelves = setup.disks.then(|| Arc::new(Store::open(world.clone(), life, disk)) as Arc<dyn Shelves>);
        // Not every node is set up alike.
        let topic = !world.state().weather.one_in(3);
        let start = Start { world, setup, accepted, topic, shelves, metrics: Metrics::new(), health };
        let [accounts, sagas] = logs;
        let (accounts, sagas) =
            (Running::start(Kind::Accounts, accounts, &start), Running::start(Kind::Sagas, sagas, &start));
        Node { life, machine, health: start.health, accounts, sagas }
    }

    /// Kills an actor with work, if there is one soon.
    pub fn kill(&self, kind: Kind, lot: u64) -> oneshot::Receiver<AggregateId> {
        let (killed, victim) = oneshot::channel();
        let kill = Kill { lot, killed };
        match kind {
            Kind::Accounts => self.accounts.requests.try_send(Request::Kill(kill)).ok(),
            Kind::Sagas => self.sagas.requests.try_send(Request::Kill(kill)).ok(),
        };
        victim
    }

    /// What it holds in memory, once it is at rest.
    pub async fn inspect(&self) -> (Vec<Inspection<FragileAccount>>, Vec<Inspection<FragileTransaction>>) {
        (self.accounts.inspect().await, self.sagas.inspect().await)
    }

    /// Why a partition is halted, if it is.
    pub fn halted(&self, unit: Unit) -> Option<String> {
        let partitions = self.health.readiness().partitions.into_iter();
        let is_it = |aggregate: &str, partition: u32| aggregate == unit.kind.aggregate() && partition == unit.partition;
        partitions.filter(|p| is_it(p.aggregate, p.partition) && p.state == "halted").find_map(|p| p.reason)
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
        let (accounts, sagas) = tokio::join!(self.accounts.shut_down(), self.sagas.shut_down());
        accounts.and(sagas)
    }

    /// True when one of its engines gave up by itself.
    pub fn has_given_up(&self) -> bool {
        self.accounts.engine.is_finished() || self.sagas.engine.is_finished()
    }

    /// Its process is gone.
    pub fn bury(self) {
        self.accounts.engine.abort();
        self.sagas.engine.abort();
    }
}
