//! Everything that happens to nodes, to their offsets and to the topics.

use std::time::Duration;

use billing_engine::log::{Lane, Offset, PerLane};
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep, timeout};

use super::{Cluster, DEADLINE, LOOK, Place, lock};
use crate::faults::Fault;
use crate::node::{Accepted, Node};
use crate::traffic::Traffic;
use crate::transfers::Transfers;
use crate::unit::{Kind, Unit};
use crate::world::Life;

/// By then nothing goes on any more of a node that died.
const LAST_BREATH: Duration = Duration::from_secs(30);

impl Cluster {
    pub(super) fn kill_an_actor(&mut self) {
        let (lot, kind) = (self.dice.random(), *Kind::ALL.choose(&mut self.dice).unwrap_or(&Kind::Accounts));
        let victims = self.nodes().next().map(|node| (lot, node.kill(kind, lot)));
        self.kills.extend(victims);
        self.places.rotate_left(1);
    }

    pub(super) fn send_broker_away(&mut self) {
        Fault::BrokerAway.note();
        let time = Duration::from_millis(self.dice.random_range(20..3000));
        self.world.send_away(time);
    }

    fn any_owned(&mut self) -> Option<(Unit, Life)> {
        let awake: Vec<Life> = self.nodes().map(|node| node.life).collect();
        let owned: Vec<_> = lock(&self.owners).iter().map(|(unit, life)| (*unit, *life)).collect();
        let owned: Vec<_> = owned.into_iter().filter(|(_, life)| awake.contains(life)).collect();
        owned.choose(&mut self.dice).copied()
    }

    pub(super) async fn reassign(&mut self) {
        let Some((unit, life)) = self.any_owned() else { return };
        Fault::Reassigned.note();
        if self.revoke(life, unit).await {
            lock(&self.owners).remove(&unit);
        } else {
            // It does not answer, so the coordinator takes it for dead, and in the end it is.
            self.world.kill(life);
        }
    }

    pub(super) fn put_to_sleep(&mut self) {
        let Some(index) = self.places.iter().position(|place| matches!(place, Place::Taken(_))) else { return };
        let until = Instant::now() + Duration::from_millis(self.dice.random_range(50..2500));
        let vacant = Place::Vacant { until };
        if let Place::Taken(node) = std::mem::replace(&mut self.places[index], vacant) {
            Fault::Zombie.note();
            self.world.freeze(node.life, true);
            let mut owners = lock(&self.owners);
            let lost = owners.iter().filter(|(_, life)| **life == node.life).map(|(unit, _)| *unit).collect();
            owners.retain(|_, life| *life != node.life);
            self.places[index] = Place::Asleep { node, until, lost };
        }
    }

    /// The zombie goes on where it was, until it hears that it owns nothing any more.
    pub(super) async fn wake(&mut self, node: Node, lost: Vec<Unit>) -> Place {
        self.world.freeze(node.life, false);
        let ignorant = Duration::from_millis(self.dice.random_range(0..400));
        sleep(ignorant).await;
        self.expel(node.life, &lost).await;
        Place::Taken(node)
    }

    pub(super) async fn restart(&mut self) -> Result<(), String> {
        let Some(index) = self.places.iter().position(|place| matches!(place, Place::Taken(_))) else { return Ok(()) };
        let vacant = Place::Vacant { until: Instant::now() };
        if let Place::Taken(node) = std::mem::replace(&mut self.places[index], vacant) {
            Fault::NodeRestarted.note();
            let (life, machine) = (node.life, node.machine);
            let ended = timeout(DEADLINE, node.shut_down()).await;
            let alive = self.world.state().lives(life);
            if alive {
                self.machines.ended_in_order(machine);
            }
            lock(&self.owners).retain(|_, owner| *owner != life);
            self.world.kill(life);
            match ended {
                Ok(Err(error)) if alive => return Err(format!("a shutdown failed: {error}")),
                Err(_) if alive => return Err("a shutdown takes for ever".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// While everybody is stopped, all topics are deleted and made anew, with the offsets in them; what lies on the disks
    /// stays, and sometimes the topics of snapshots.
    pub async fn remake_topics(&mut self) -> Result<(), String> {
        Fault::TopicsRemade.note();
        self.traffic.settle();
        if self.dice.random_bool(0.5) {
            self.restart().await?;
        }
        for place in std::mem::take(&mut self.places) {
            if let Place::Taken(node) | Place::Asleep { node, .. } = place {
                self.world.kill(node.life);
                self.bury(node);
            }
            self.places.push(Place::Vacant { until: Instant::now() });
        }
        sleep(LAST_BREATH).await;
        let partitions = self.setup.partitions;
        let (start, spares_snapshots) = (self.dice.random_range(0..=5), self.dice.random_bool(0.5));
        let is_spared = |place| spares_snapshots && Unit::all(partitions).any(|unit| unit.snapshots() == place);
        self.world.change(|state| state.broker.remake(partitions, start, is_spared));
        self.machines.topics_are_remade();
        let seed = self.dice.random();
        self.traffic = Traffic::new(self.world.clone(), partitions, seed);
        self.transfers = Transfers::new(self.world.clone(), partitions, seed);
        Ok(())
    }

    /// Somebody changes committed offsets: the partition must halt, and go on only where it is told to.
    pub(super) async fn tamper(&mut self) -> Result<(), String> {
        self.world.state().weather.set_calm(true);
        self.world.send_away(Duration::ZERO);
        if let Some((unit, life)) = self.any_owned()
            && let Some((lane, source)) = self.known_source(unit)
            && self.revoke(life, unit).await
            && let Some(before) = self.committed(unit, lane)
        {
            self.tamper_with(unit, life, lane, (source, before)).await?;
        }
        self.world.state().weather.set_calm(false);
        Ok(())
    }

    fn committed(&self, unit: Unit, lane: Lane) -> Option<Offset> {
        *self.world.state().broker.committed(unit).of(lane)
    }

    /// The newest event's source: a lane, and an offset that was decided for sure.
    fn known_source(&self, unit: Unit) -> Option<(Lane, Offset)> {
        let state = self.world.state();
        let (_, event) = state.broker.committed_records(unit.events(), 0).last()?;
        let (topic, offset) = event.header("source")?.rsplit_once(':')?;
        let lane = if topic.contains("inbox") { Lane::Inbox } else { Lane::Commands };
        Some((lane, offset.parse().ok()?))
    }

    async fn tamper_with(
        &mut self,
        unit: Unit,
        life: Life,
        lane: Lane,
        (source, before): (Offset, Offset),
    ) -> Result<(), String> {
        let end = self.world.state().broker.bounds(unit.lane(lane)).end;
        let (fault, offset) = match self.dice.random_range(0..3) {
            0 => (Fault::OffsetLost, None),
            1 => (Fault::OffsetMovedBack, Some(source)),
            _ => (Fault::OffsetMovedPastTheEnd, Some(end + 1000)),
        };
        fault.note();
        self.world.change(|state| state.broker.tamper(unit, lane, offset));
        self.assign(unit, life);
        let Some(index) = self.places.iter().position(|place| matches!(place, Place::Taken(n) if n.life == life))
        else {
            return Ok(());
        };
        let vacant = Place::Vacant { until: Instant::now() };
        let Place::Taken(node) = std::mem::replace(&mut self.places[index], vacant) else { return Ok(()) };
        let halted = wait(|| node.halted(unit).is_some_and(|reason| reason.contains("--accept-offset"))).await;
        if !halted {
            return Err(format!("{fault}: {unit} did not halt: {}", node.states()));
        }
        self.world.kill(life);
        self.bury(node);
        let mut offsets = PerLane::default();
        *offsets.of_mut(lane) = Some(before);
        let node = self.start(Accepted::from([(unit, offsets)]));
        self.assign(unit, node.life);
        let world = self.world.clone();
        let gone_on = wait(|| *world.state().broker.committed(unit).of(lane) >= Some(before) && node.is_ready());
        let gone_on = gone_on.await;
        let states = node.states();
        self.places[index] = Place::Taken(node);
        if gone_on { Ok(()) } else { Err(format!("{fault}: accepting {before} of {lane} does not help: {states}")) }
    }
}

/// Waits until it is so, or until it is clear that it never will be.
async fn wait(so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !so() {
        if begun.elapsed() > DEADLINE {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}
