//! The simulated log: the broker behind delays and faults, as one node sees it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use billing_engine::log::{
    Answer, Chunks, Commit, Error, Input, Intake, Lane, Log, Offset, Ownership, Partition, PerLane, Signal,
};
use rand::Rng;
use tokio::sync::{mpsc, oneshot};

use crate::broker::{Broker, Fate, HandleId, TransactionId};
use crate::faults::{Fortune, Step, When};
use crate::lanes;
use crate::unit::{Kind, Unit};
use crate::world::{Life, World};

/// How long a transaction may stay open before the broker gives it up.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The log of one life of one node.
pub struct NodeLog {
    world: Arc<World>,
    life: Life,
    kind: Kind,
    leave: Box<dyn Fn() -> Answer<()> + Send + Sync>,
}

impl NodeLog {
    /// `leave` gives up what the node owns.
    pub fn new(
        world: Arc<World>,
        life: Life,
        kind: Kind,
        leave: impl Fn() -> Answer<()> + Send + Sync + 'static,
    ) -> Self {
        NodeLog { world, life, kind, leave: Box::new(leave) }
    }
}

impl Log for NodeLog {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        self.world.state().join(self.life, self.kind)
    }

    fn leave(&self) -> Answer<()> {
        (self.leave)()
    }

    fn open(&self, partition: u32) -> Arc<dyn Partition> {
        let mut state = self.world.state();
        let unit = Unit { kind: self.kind, partition };
        let (id, epoch) = (state.next_handle(), state.broker.epoch(unit));
        Arc::new(Handle(Arc::new(Core {
            world: self.world.clone(),
            life: self.life,
            unit,
            id,
            // Whoever forgets to fence writes under the identity of the owner before.
            epoch: AtomicU64::new(epoch),
            closed: AtomicBool::new(false),
        })))
    }
}

/// A handle on one partition.
struct Handle(Arc<Core>);

/// What outlives the calls that a handle is asked for.
pub struct Core {
    pub world: Arc<World>,
    pub life: Life,
    pub unit: Unit,
    id: HandleId,
    epoch: AtomicU64,
    closed: AtomicBool,
}

impl Core {
    /// Nothing of this handle goes on.
    pub fn is_over(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || !self.world.state().lives(self.life)
    }

    /// A place on the way to the broker or back: time passes, and the node may die there.
    pub async fn pass(&self, step: Step, when: When) -> Result<(), Error> {
        self.world.dawdle().await;
        self.world.until(|state| !state.is_frozen(self.life)).await;
        if self.is_over() {
            return Err(Error::Closed);
        }
        if self.world.state().weather.crashes(step, when) {
            self.world.kill(self.life);
            return Err(Error::Closed);
        }
        let away_until = self.world.state().away_until().filter(|_| when == When::Before);
        if let Some(back) = away_until {
            if self.world.state().weather.one_in(2) {
                return Err(Error::Unavailable("the broker is away".to_owned()));
            }
            tokio::time::sleep_until(back).await;
        }
        Ok(())
    }

    /// One request to the broker and its answer.
    async fn step<T>(&self, step: Step, act: impl FnOnce(&mut Broker) -> Result<T, Error> + Send) -> Result<T, Error> {
        tracing::debug!(at = self.world.now().0, life = self.life, unit = %self.unit, handle = self.id, ?step);
        self.pass(step, When::Before).await?;
        let done = {
            if self.is_over() {
                return Err(Error::Closed);
            }
            self.world.change(|state| act(&mut state.broker))?
        };
        self.pass(step, When::After).await?;
        Ok(done)
    }

    fn fenced(&self, reason: &str) -> Error {
        let group = self.unit.kind.spec().group.to_owned();
        Error::Fenced { group, partition: self.unit.partition, reason: reason.to_owned() }
    }

    /// Nobody but the newest owner may, and only while its transaction is open.
    fn may_add_to(&self, broker: &Broker, id: TransactionId) -> Result<(), Error> {
        self.may_write(broker)?;
        if broker.fate(id) == Fate::Open { Ok(()) } else { Err(self.fenced("the transaction was given up")) }
    }

    /// True for nobody but the newest owner.
    fn may_write(&self, broker: &Broker) -> Result<(), Error> {
        let newest = broker.epoch(self.unit);
        if self.epoch.load(Ordering::SeqCst) < newest { Err(self.fenced("a newer epoch")) } else { Ok(()) }
    }

    async fn fence(&self) -> Result<(), Error> {
        let unit = self.unit;
        let epoch = self.step(Step::Fence, move |broker| Ok(broker.fence(unit))).await?;
        self.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }

    async fn inputs(&self) -> Result<PerLane<Input>, Error> {
        let settled = self.world.until(|state| !state.broker.offsets_pending(self.unit));
        if tokio::time::timeout(TRANSACTION_TIMEOUT, settled).await.is_err() {
            self.world.change(|state| state.broker.abort_open(self.unit));
        }
        self.step(Step::Inputs, |broker| {
            if self.may_write(broker).is_ok() {
                broker.take_over(self.unit, self.id);
            }
            Ok(broker.inputs(self.unit))
        })
        .await
    }

    async fn transact(&self, commit: &Commit) -> Result<Option<Offset>, Error> {
        let unit = self.unit;
        let id = self
            .step(Step::Begin, |broker| {
                self.may_write(broker)?;
                Ok(broker.begin_of(unit, self.id))
            })
            .await?;
        let outcome = self.fill(id, commit).await;
        if outcome.as_ref().is_err_and(Error::is_retriable) {
            // Said only when it is sure.
            self.world.change(|state| state.broker.end(id, Fate::Aborted));
        }
        outcome
    }

    async fn fill(&self, id: TransactionId, commit: &Commit) -> Result<Option<Offset>, Error> {
        let (unit, to, now) = (self.unit, commit.next_offsets, self.world.now().0);
        self.step(Step::Offsets, |broker| {
            self.may_add_to(broker, id)?;
            broker.consume(id, unit, self.id, to);
            Ok(())
        })
        .await?;
        let last_event = self.last_event(commit);
        let (mut produced, mut end_of_events) = (0, None);
        while produced < commit.records.len() {
            let left = commit.records.len() - produced;
            let some = self.world.state().weather.dice().random_range(1..=left);
            let range = produced..produced + some;
            self.step(Step::Produce, |broker| {
                self.may_add_to(broker, id)?;
                let offsets = broker.produce(id, &commit.records, range.clone(), now);
                let marked = range.zip(offsets).find(|(index, _)| last_event == Some(*index));
                end_of_events = end_of_events.or(marked.map(|(_, offset)| offset + 1));
                Ok(())
            })
            .await?;
            produced += some;
        }
        self.finish(id).await.map(|()| end_of_events)
    }

    /// The record whose offset is reported. Now and then the report says only that it is written.
    fn last_event(&self, commit: &Commit) -> Option<usize> {
        let mut state = self.world.state();
        let reported = !state.weather.one_in(16);
        commit.last_event(self.unit.events().0, self.unit.partition).filter(|_| reported)
    }

    async fn finish(&self, id: TransactionId) -> Result<(), Error> {
        let fortune = self.world.state().weather.fortune();
        self.step(Step::Commit, |broker| {
            self.may_add_to(broker, id)?;
            let committed = matches!(fortune, Fortune::Taken | Fortune::CommittedUnknown);
            broker.end(id, if committed { Fate::Committed } else { Fate::Aborted });
            Ok(())
        })
        .await?;
        match fortune {
            Fortune::Taken => Ok(()),
            Fortune::Aborted => Err(Error::Unavailable("the transaction was aborted".to_owned())),
            Fortune::CommittedUnknown | Fortune::AbortedUnknown => {
                // From here on this producer is of no use, as after a commit that was never answered.
                self.epoch.store(0, Ordering::SeqCst);
                Err(self.fenced("nobody knows what became of the transaction"))
            }
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.world.stir();
        self.world.dawdle().await;
        self.world.until(|state| !state.is_frozen(self.life)).await;
        if self.world.state().lives(self.life) {
            self.world
                .change(|state| {
                    let crashed = state.weather.crashes(Step::Close, When::Before);
                    if !crashed {
                        state.broker.abandon(self.unit, self.id);
                    }
                    crashed
                })
                .then(|| self.world.kill(self.life));
        }
        self.world.dawdle().await;
        if self.world.state().lives(self.life) && self.world.state().weather.crashes(Step::Close, When::After) {
            self.world.kill(self.life);
        }
        Ok(())
    }
}

impl Partition for Handle {
    fn number(&self) -> u32 {
        self.0.unit.partition
    }

    fn fence(&self) -> Answer<()> {
        let core = self.0.clone();
        Box::pin(async move { core.fence().await })
    }

    fn inputs(&self) -> Answer<PerLane<Input>> {
        let core = self.0.clone();
        Box::pin(async move { core.inputs().await })
    }

    fn events_bounds(&self) -> Answer<Range<Offset>> {
        let core = self.0.clone();
        Box::pin(async move { core.step(Step::Bounds, |broker| Ok(broker.bounds(core.unit.events()))).await })
    }

    fn replay(&self, range: Range<Offset>) -> Chunks {
        lanes::replay(self.0.clone(), range)
    }

    fn snapshots(&self) -> Chunks {
        lanes::snapshots(self.0.clone())
    }

    fn identity(&self) -> Answer<String> {
        let core = self.0.clone();
        Box::pin(async move { core.step(Step::Bounds, |broker| Ok(broker.identity(core.unit))).await })
    }

    fn follow(&self, from: PerLane<Offset>, arrived: Signal) -> Answer<PerLane<Intake>> {
        let core = self.0.clone();
        Box::pin(async move {
            core.step(Step::Follow, |_| Ok(())).await?;
            Ok(PerLane::from_fn(|lane| lanes::follow(&core, lane, *from.of(lane), &arrived)))
        })
    }

    fn ends(&self) -> Answer<PerLane<Offset>> {
        let core = self.0.clone();
        Box::pin(async move {
            core.world.dawdle().await;
            if core.is_over() {
                return Err(Error::Closed);
            }
            let state = core.world.state();
            let end = |lane: Lane| state.broker.stable_end(core.unit.lane(lane));
            Ok(PerLane::from_fn(end))
        })
    }

    fn commit(&self, commit: Arc<Commit>) -> Answer<Option<Offset>> {
        let core = self.0.clone();
        let (answer, answered) = oneshot::channel();
        // A thread of its own in reality: it goes on when nobody waits for its answer any more.
        tokio::spawn(async move { answer.send(core.transact(&commit).await).ok() });
        Box::pin(async move { answered.await.unwrap_or(Err(Error::Closed)) })
    }

    fn close(&self) -> Answer<()> {
        self.0.closed.store(true, Ordering::SeqCst);
        let core = self.0.clone();
        Box::pin(async move { core.close().await })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }
}
