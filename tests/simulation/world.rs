//! What all nodes share: one broker, one weather, and who is alive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing_engine::domain::ids::Timestamp;
use billing_engine::log::{Error, Intake, Millis, Ownership};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::broker::{Broker, HandleId};
use crate::faults::Weather;
use crate::unit::Kind;

/// One life of one node, from its start to its end; never used again.
pub type Life = u64;

/// When the simulation begins: 2025-12-09T12:00:00Z.
const BEGINNING: Millis = 1_765_281_600_000;

/// Everything that nodes share.
pub struct World {
    state: Mutex<State>,
    /// Not a watch channel: that wakes in an order of its own chance.
    changed: Notify,
    begun: Instant,
}

/// What changes in it.
pub struct State {
    pub broker: Broker,
    pub weather: Weather,
    /// Until when the broker answers nobody.
    away_until: Option<Instant>,
    living: BTreeMap<Life, Living>,
    frozen: BTreeSet<Life>,
    handles: HandleId,
}

/// What dies with a life.
struct Living {
    ownership: BTreeMap<Kind, mpsc::UnboundedSender<Ownership>>,
    /// Until it joins.
    receivers: BTreeMap<Kind, mpsc::UnboundedReceiver<Ownership>>,
    intakes: Vec<Intake>,
}

impl World {
    /// A world without nodes. Its time is that of the runtime it is made in.
    pub fn new(broker: Broker, weather: Weather) -> Arc<Self> {
        let state =
            State { broker, weather, away_until: None, living: BTreeMap::new(), frozen: BTreeSet::new(), handles: 0 };
        Arc::new(World { state: Mutex::new(state), changed: Notify::new(), begun: Instant::now() })
    }

    /// Looks at it, or changes it without anybody being told.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it; everybody who waits looks again.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.stir();
        changed
    }

    /// Makes everybody who waits look again.
    pub fn stir(&self) {
        self.changed.notify_waiters();
    }

    /// Comes to its end at the next change after this call.
    pub fn change_after_now(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until the state is such.
    pub async fn until(&self, such: impl Fn(&State) -> bool) {
        loop {
            let change = self.change_after_now();
            if such(&self.state()) {
                return;
            }
            change.await;
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp(BEGINNING + self.begun.elapsed().as_millis() as Millis)
    }

    /// Lets some time pass, as the weather has it.
    pub async fn dawdle(&self) {
        let delay = self.state().weather.delay();
        tokio::time::sleep(delay).await;
    }

    /// The broker answers nobody for so long.
    pub fn send_away(&self, time: Duration) {
        self.state().away_until = Some(Instant::now() + time);
    }

    /// A node begins.
    pub fn be_born(&self, life: Life) {
        let mut living = Living { ownership: BTreeMap::new(), receivers: BTreeMap::new(), intakes: Vec::new() };
        for kind in Kind::ALL {
            let (ownership, receiver) = mpsc::unbounded_channel();
            // A group answers everybody who joins, if only that there is nothing for them.
            ownership.send(Ownership::Assigned(Vec::new())).ok();
            living.ownership.insert(kind, ownership);
            living.receivers.insert(kind, receiver);
        }
        self.state().living.insert(life, living);
    }

    /// A node is gone: nothing of it reaches the broker any more, and what it waits for never comes.
    pub fn kill(&self, life: Life) {
        tracing::debug!(at = self.now().0, life, "dies");
        let dead = self.change(|state| {
            state.frozen.remove(&life);
            state.living.remove(&life)
        });
        // In a real crash its memory is gone; here that memory ends itself when its log is closed.
        for intake in dead.into_iter().flat_map(|living| living.intakes) {
            intake.fail(Error::Closed);
        }
    }

    /// A node stops where it is, or goes on.
    pub fn freeze(&self, life: Life, frozen: bool) {
        tracing::debug!(at = self.now().0, life, frozen);
        self.change(|state| if frozen { state.frozen.insert(life) } else { state.frozen.remove(&life) });
    }
}

impl State {
    /// True unless it crashed.
    pub fn lives(&self, life: Life) -> bool {
        self.living.contains_key(&life)
    }

    /// True while it is stopped.
    pub fn is_frozen(&self, life: Life) -> bool {
        self.frozen.contains(&life)
    }

    /// When the broker will be back; `None` when it is here.
    pub fn away_until(&self) -> Option<Instant> {
        self.away_until.filter(|until| *until > Instant::now())
    }

    /// Where a node hears of changes of ownership; for a dead one there is nothing to hear.
    pub fn join(&mut self, life: Life, kind: Kind) -> mpsc::UnboundedReceiver<Ownership> {
        let receiver = self.living.get_mut(&life).and_then(|living| living.receivers.remove(&kind));
        receiver.unwrap_or_else(|| mpsc::unbounded_channel().1)
    }

    /// Tells a node about a change of ownership; a dead one does not hear it.
    pub fn tell(&self, life: Life, kind: Kind, change: Ownership) {
        if let Some(ownership) = self.living.get(&life).and_then(|living| living.ownership.get(&kind)) {
            ownership.send(change).ok();
        }
    }

    /// Lanes that a node reads.
    pub fn reads(&mut self, life: Life, intake: Intake) {
        if let Some(living) = self.living.get_mut(&life) {
            living.intakes.push(intake);
        }
    }

    /// The next handle.
    pub fn next_handle(&mut self) -> HandleId {
        self.handles += 1;
        self.handles
    }
}
