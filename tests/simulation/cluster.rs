//! Two nodes, and a coordinator that gives them partitions.

mod mishaps;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing_engine::domain::ids::AggregateId;
use billing_engine::log::{Answer, Lane, Ownership, PerLane};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::disks::{Disk, Machines};
use crate::faults::Fault;
use crate::log::NodeLog;
use crate::node::{Accepted, Node, Setup};
use crate::traffic::Traffic;
use crate::transfers::{DEFAULT_HOLD, Transfers};
use crate::unit::{Kind, Unit};
use crate::world::{Life, World};

/// Far more than anything takes that comes to an end at all.
const DEADLINE: Duration = Duration::from_secs(600);
/// Within that long a hold that is past is recorded as such, while its partition runs.
const SWEEP: Duration = Duration::from_secs(5);
/// Between two looks at what has come to rest.
const LOOK: Duration = Duration::from_millis(250);

/// Who owns which partition, as the coordinator has it.
type Owners = Arc<Mutex<BTreeMap<Unit, Life>>>;

/// All nodes of one seed.
pub struct Cluster {
    world: Arc<World>,
    setup: Setup,
    dice: StdRng,
    traffic: Traffic,
    transfers: Transfers,
    owners: Owners,
    places: Vec<Place>,
    lives: Life,
    machines: Machines,
    kills: Vec<(u64, oneshot::Receiver<AggregateId>)>,
}

/// Where one node after the other lives.
enum Place {
    Vacant {
        until: Instant,
    },
    Taken(Node),
    /// It sleeps, and its partitions went to others.
    Asleep {
        node: Node,
        until: Instant,
        lost: Vec<Unit>,
    },
}

fn lock(owners: &Owners) -> MutexGuard<'_, BTreeMap<Unit, Life>> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// Nodes that have yet to start.
    pub fn new(world: Arc<World>, setup: Setup, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed.rotate_left(32));
        let nodes = dice.random_range(1..=2);
        let traffic = Traffic::new(world.clone(), setup.partitions, seed);
        let transfers = Transfers::new(world.clone(), setup.partitions, seed);
        let places = (0..nodes).map(|_| Place::Vacant { until: Instant::now() }).collect();
        let owners = Owners::default();
        let machines = Machines::default();
        Cluster { world, setup, dice, traffic, transfers, owners, places, lives: 0, machines, kills: Vec::new() }
    }

    /// Upstream writes, and everything goes wrong that can.
    pub async fn storm(&mut self) -> Result<(), String> {
        self.traffic.open_accounts();
        self.transfers.open_accounts();
        for _ in 0..60 {
            self.tend().await?;
            let pause = self.dice.random_range(5..120);
            sleep(Duration::from_millis(pause)).await;
            let commands = self.dice.random_range(0..8);
            self.traffic.write(commands);
            let transfers = self.dice.random_range(0..4);
            self.transfers.write(transfers);
            if self.dice.random_bool(0.4) {
                self.kill_an_actor();
            }
            match self.dice.random_range(0..60) {
                0..3 => self.reassign().await,
                3..6 => self.put_to_sleep(),
                6..9 => self.send_broker_away(),
                9..11 => self.restart().await?,
                11..13 => self.tamper().await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: everything comes to rest.
    pub async fn calm_down(&mut self) -> Result<(), String> {
        self.world.state().weather.set_calm(true);
        self.traffic.settle();
        self.come_to_rest().await?;
        // By then every hold is past, and what follows has followed.
        sleep(DEFAULT_HOLD + SWEEP).await;
        self.come_to_rest().await?;
        for (lot, mut victim) in self.kills.drain(..) {
            if victim.try_recv().is_ok() {
                let before = lot.is_multiple_of(2);
                if before { Fault::KilledBeforeItsCommands } else { Fault::KilledAfterItsCommands }.note();
            }
        }
        Ok(())
    }

    async fn come_to_rest(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while !self.is_at_rest() {
            if begun.elapsed() > DEADLINE {
                return Err(format!("no rest after {DEADLINE:?}: {}", self.standing()));
            }
            self.tend().await?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Nodes that are up.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(node) => Some(node),
            Place::Asleep { .. } | Place::Vacant { .. } => None,
        })
    }

    /// Ends every node in order.
    pub async fn shut_down(self) -> Result<(Traffic, Transfers), String> {
        for place in self.places {
            if let Place::Taken(node) = place {
                let ended =
                    timeout(DEADLINE, node.shut_down()).await.map_err(|_| "shutdown takes for ever".to_owned())?;
                ended.map_err(|error| error.to_string())?;
            }
        }
        Ok((self.traffic, self.transfers))
    }

    fn is_at_rest(&self) -> bool {
        let awake = !self.places.iter().any(|place| matches!(place, Place::Asleep { .. }));
        let owned = lock(&self.owners).len() == Unit::all(self.setup.partitions).count();
        let state = self.world.state();
        let consumed = Unit::all(self.setup.partitions).all(|unit| {
            let committed = state.broker.committed(unit);
            Lane::ALL.into_iter().all(|lane| *committed.of(lane) == Some(state.broker.bounds(unit.lane(lane)).end))
        });
        drop(state);
        awake && owned && consumed && self.nodes().all(Node::is_ready)
    }

    /// Where everything stands, for people.
    fn standing(&self) -> String {
        let state = self.world.state();
        let partitions = Unit::all(self.setup.partitions).map(|unit| {
            let ends = PerLane::from_fn(|lane| state.broker.bounds(unit.lane(lane)).end);
            let stable = PerLane::from_fn(|lane| state.broker.stable_end(unit.lane(lane)));
            format!("{unit} at {:?} of {stable:?}, {ends:?}; ", state.broker.committed(unit))
        });
        let owners = format!("owned {:?}; ", lock(&self.owners));
        partitions.chain([owners]).chain(self.nodes().map(Node::states)).collect()
    }

    /// What the coordinator and the operator's scripts do: bury the dead, wake the sleeping, start what is down,
    /// give away what nobody owns.
    async fn tend(&mut self) -> Result<(), String> {
        for index in 0..self.places.len() {
            let vacant = Place::Vacant { until: Instant::now() };
            let place = match std::mem::replace(&mut self.places[index], vacant) {
                Place::Taken(node) | Place::Asleep { node, .. } if !self.world.state().lives(node.life) => {
                    self.bury(node)
                }
                Place::Taken(node) if node.has_given_up() => {
                    return Err(format!("the engine gave up: {}", node.states()));
                }
                Place::Asleep { node, until, lost } if until <= Instant::now() => self.wake(node, lost).await,
                Place::Vacant { until } if until <= Instant::now() => Place::Taken(self.start(Accepted::new())),
                as_it_is => as_it_is,
            };
            self.places[index] = place;
        }
        for unit in Unit::all(self.setup.partitions) {
            if !lock(&self.owners).contains_key(&unit) {
                let awake: Vec<Life> = self.nodes().map(|node| node.life).collect();
                if let Some(life) = awake.choose(&mut self.dice) {
                    self.assign(unit, *life);
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, accepted: Accepted) -> Node {
        self.lives += 1;
        let life = self.lives;
        let logs = Kind::ALL.map(|kind| {
            let (world, owners) = (self.world.clone(), self.owners.clone());
            let leave = move || leave(world.clone(), owners.clone(), life, kind);
            NodeLog::new(self.world.clone(), life, kind, leave)
        });
        let machine = self.machines.start(life, &self.world, &mut self.dice);
        Node::start(&self.world, life, logs, self.setup, &accepted, machine)
    }

    /// The disks of all machines.
    pub fn disks(&self) -> Vec<Disk> {
        self.machines.disks()
    }

    fn bury(&mut self, node: Node) -> Place {
        lock(&self.owners).retain(|_, life| *life != node.life);
        node.bury();
        let down = Duration::from_millis(self.dice.random_range(0..1500));
        Place::Vacant { until: Instant::now() + down }
    }

    fn assign(&self, unit: Unit, life: Life) {
        lock(&self.owners).insert(unit, life);
        self.world.state().tell(life, unit.kind, Ownership::Assigned(vec![unit.partition]));
    }

    /// Takes a partition from a node that can still answer.
    async fn revoke(&self, life: Life, unit: Unit) -> bool {
        let (done, answered) = oneshot::channel();
        let revoked = Ownership::Revoked { partitions: vec![unit.partition], lost: false, done };
        self.world.state().tell(life, unit.kind, revoked);
        timeout(Duration::from_secs(30), answered).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Tells a node that it is no member of either group any more, which cost it these.
    async fn expel(&self, life: Life, lost: &[Unit]) {
        for kind in Kind::ALL {
            let partitions = lost.iter().filter(|unit| unit.kind == kind).map(|unit| unit.partition).collect();
            let (done, answered) = oneshot::channel();
            self.world.state().tell(life, kind, Ownership::Revoked { partitions, lost: true, done });
            // Whoever lost its membership joins again, and is told so even when nothing is left for it.
            self.world.state().tell(life, kind, Ownership::Assigned(Vec::new()));
            timeout(Duration::from_secs(30), answered).await.ok();
        }
    }
}

/// A node gives up what it owns.
fn leave(world: Arc<World>, owners: Owners, life: Life, kind: Kind) -> Answer<()> {
    Box::pin(async move {
        let is_left = |unit: &Unit, owner: Life| unit.kind == kind && owner == life;
        let owned: Vec<Unit> =
            lock(&owners).iter().filter(|(unit, owner)| is_left(unit, **owner)).map(|(unit, _)| *unit).collect();
        let partitions = owned.iter().map(|unit| unit.partition).collect();
        let (done, answered) = oneshot::channel();
        world.state().tell(life, kind, Ownership::Revoked { partitions, lost: false, done });
        answered.await.ok();
        lock(&owners).retain(|unit, owner| !is_left(unit, *owner));
        Ok(())
    })
}
