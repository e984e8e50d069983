//! Snapshots on the disks of machines: what a crash leaves of them, and everything that happens to a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing_engine::snapshots::{Answer, Error, Key, Shelf, Shelves};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use tokio::sync::{mpsc, oneshot};

use crate::faults::{Fault, Step, When};
use crate::unit::{Kind, Unit};
use crate::world::{Life, World};

/// Most values that are written together: few, so that a save is torn.
const BATCH: usize = 3;

/// What a disk has of one partition.
#[derive(Clone, Default)]
pub struct Kept {
    pub position: Option<Vec<u8>>,
    pub values: BTreeMap<Key, Vec<u8>>,
}

/// The disk of one machine; it outlives every node on it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    kept: BTreeMap<Unit, Kept>,
    /// What is not flushed yet: what was there before each write, oldest first.
    unflushed: Vec<(Unit, Kept)>,
    /// An older state of everything, to be found again.
    backup: BTreeMap<Unit, Kept>,
    /// Counts up when the store on it is opened anew.
    opened: u64,
    /// Somebody wrote into it who does not know what.
    is_tampered: bool,
    /// What was on it when the topics were made anew, if they were: of another log.
    of_another_log: Option<BTreeMap<Unit, Kept>>,
}

impl Kept {
    /// True while nothing was added to that.
    fn is_left_of(&self, earlier: &Kept) -> bool {
        let is_same = |(key, value): (&Key, &Vec<u8>)| earlier.values.get(key) == Some(value);
        self.position == earlier.position && self.values.iter().all(is_same)
    }
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything on it that is of this log; none when what is there was damaged on purpose.
    pub fn kept(&self) -> BTreeMap<Unit, Kept> {
        let content = self.content();
        if content.is_tampered {
            return BTreeMap::new();
        }
        let mut kept = content.kept.clone();
        if let Some(earlier) = &content.of_another_log {
            // Values that no position speaks for may also come from a topic that was spared.
            let is_left = |unit: &Unit, kept: &Kept| earlier.get(unit).is_some_and(|earlier| kept.is_left_of(earlier));
            kept.retain(|unit, kept| kept.position.is_some() && !is_left(unit, kept));
        }
        kept
    }

    /// From now on what is there is of another log.
    fn log_is_another(&self) {
        let content = &mut *self.content();
        content.unflushed.clear();
        (content.of_another_log, content.backup) = (Some(content.kept.clone()), content.kept.clone());
    }

    /// What somebody finds who starts a node there: after a crash the last writes are gone, and sometimes more happened.
    pub fn find(&self, world: &World, crashed: bool) {
        let mut state = world.state();
        let content = &mut *self.content();
        if crashed {
            let lost = state.weather.dice().random_range(0..=content.unflushed.len());
            for _ in 0..lost {
                if let Some((unit, before)) = content.unflushed.pop() {
                    content.kept.insert(unit, before);
                }
            }
        }
        content.unflushed.clear();
        if state.weather.is_calm() {
            return;
        }
        match state.weather.dice().random_range(0..12) {
            0 => {
                Fault::SnapshotsDeleted.note();
                content.kept.clear();
            }
            1 => {
                Fault::SnapshotsOld.note();
                content.kept = content.backup.clone();
            }
            2 | 3 => content.backup = content.kept.clone(),
            4 => {
                let values =
                    content.kept.values_mut().flat_map(|kept| kept.values.values_mut().chain(&mut kept.position));
                if let Some(value) = values.choose(state.weather.dice()) {
                    Fault::SnapshotDamaged.note();
                    let bit = state.weather.dice().random_range(0..value.len() * 8);
                    value[bit / 8] ^= 1 << (bit % 8);
                    content.is_tampered = true;
                }
            }
            5 => {
                let values =
                    content.kept.values_mut().flat_map(|kept| kept.values.values_mut().chain(&mut kept.position));
                if let Some(value) = values.choose(state.weather.dice()) {
                    Fault::SnapshotTorn.note();
                    value.truncate(state.weather.dice().random_range(0..value.len()));
                    content.is_tampered = true;
                }
            }
            _ => {}
        }
    }
}

/// What nodes run on, one at a time.
pub struct Machines([Machine; 3]);

#[derive(Default)]
struct Machine {
    disk: Disk,
    /// Its last node did not end in order.
    crashed: bool,
    last: Option<Life>,
}

impl Default for Machines {
    fn default() -> Self {
        Machines(std::array::from_fn(|_| Machine::default()))
    }
}

impl Machines {
    /// Any machine on which no node lives, for a new one; it finds what is on the disk.
    pub fn start(&mut self, life: Life, world: &World, dice: &mut StdRng) -> (usize, Disk) {
        let lives = |machine: &Machine| machine.last.is_some_and(|life| world.state().lives(life));
        let free: Vec<usize> = (0..self.0.len()).filter(|number| !lives(&self.0[*number])).collect();
        let number = free.choose(dice).copied().unwrap_or(0);
        let found = &mut self.0[number];
        if found.last.is_some() {
            found.disk.find(world, found.crashed);
        }
        (found.crashed, found.last) = (true, Some(life));
        (number, found.disk.clone())
    }

    /// Its node has closed everything.
    pub fn ended_in_order(&mut self, machine: usize) {
        self.0[machine].crashed = false;
    }

    /// What lies on the disks is of topics that are gone.
    pub fn topics_are_remade(&self) {
        self.0.iter().for_each(|machine| machine.disk.log_is_another());
    }

    /// The disks of all.
    pub fn disks(&self) -> Vec<Disk> {
        self.0.iter().map(|machine| machine.disk.clone()).collect()
    }
}

/// Values with their keys.
type Values = Vec<(Key, Vec<u8>)>;

/// One thing that is asked of the store.
enum Request {
    Position(oneshot::Sender<Result<Option<Vec<u8>>, Error>>),
    Load(Vec<Key>, oneshot::Sender<Result<Vec<Option<Vec<u8>>>, Error>>),
    Save(Vec<(Key, Vec<u8>)>, oneshot::Sender<Result<(), Error>>),
    Settle(Vec<u8>, oneshot::Sender<Result<(), Error>>),
    Clear(oneshot::Sender<Result<(), Error>>),
    Page(Option<Key>, usize, oneshot::Sender<Result<Values, Error>>),
}

/// The store of one life of one node.
pub struct Store {
    disk: Disk,
    requests: mpsc::UnboundedSender<(Unit, u64, Request)>,
}

impl Store {
    /// Opens what is on the disk.
    pub fn open(world: Arc<World>, life: Life, disk: Disk) -> Self {
        disk.content().opened += 1;
        let (requests, mut asked) = mpsc::unbounded_channel();
        let worker = Worker { world, life, disk: disk.clone() };
        tokio::spawn(async move {
            while let Some((unit, opened, request)) = asked.recv().await {
                if worker.work(unit, opened, request).await.is_none() {
                    return;
                }
            }
        });
        Store { disk, requests }
    }
}

impl Shelves for Store {
    fn shelf(&self, aggregate: &str, partition: u32) -> Arc<dyn Shelf> {
        let opened = self.disk.content().opened;
        let unit = Unit { kind: Kind::of(aggregate), partition };
        Arc::new(Handle { unit, opened, requests: self.requests.clone() })
    }
}

struct Handle {
    unit: Unit,
    opened: u64,
    requests: mpsc::UnboundedSender<(Unit, u64, Request)>,
}

impl Handle {
    fn ask<T: Send + 'static>(&self, request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send((self.unit, self.opened, request(answer))).ok();
        Box::pin(async move { answered.await.unwrap_or(Err(Error::Closed)) })
    }
}

impl Shelf for Handle {
    fn position(&self) -> Answer<Option<Vec<u8>>> {
        self.ask(Request::Position)
    }

    fn load(&self, keys: Vec<Key>) -> Answer<Vec<Option<Vec<u8>>>> {
        self.ask(|answer| Request::Load(keys, answer))
    }

    fn save(&self, values: Vec<(Key, Vec<u8>)>) -> Answer<()> {
        self.ask(|answer| Request::Save(values, answer))
    }

    fn settle(&self, position: Vec<u8>) -> Answer<()> {
        self.ask(|answer| Request::Settle(position, answer))
    }

    fn clear(&self) -> Answer<()> {
        self.ask(Request::Clear)
    }

    fn page(&self, after: Option<Key>, most: usize) -> Answer<Vec<(Key, Vec<u8>)>> {
        self.ask(|answer| Request::Page(after, most.min(BATCH), answer))
    }
}

/// The thread that does it. It dies with its node: `None` is its end.
struct Worker {
    world: Arc<World>,
    life: Life,
    disk: Disk,
}

impl Worker {
    async fn work(&self, unit: Unit, opened: u64, request: Request) -> Option<()> {
        match request {
            Request::Position(answer) => {
                let position = self.step(unit, opened, Step::Position, |kept| kept.position.clone()).await?;
                answer.send(position).ok();
            }
            Request::Load(keys, answer) => {
                let load = |kept: &mut Kept| keys.iter().map(|key| kept.values.get(key).cloned()).collect();
                answer.send(self.step(unit, opened, Step::Load, load).await?).ok();
            }
            Request::Save(values, answer) => {
                let mut outcome = Ok(());
                for batch in values.chunks(BATCH) {
                    let save = |kept: &mut Kept| kept.values.extend(batch.iter().cloned());
                    outcome = self.step(unit, opened, Step::Save, save).await?;
                    if outcome.is_err() {
                        break;
                    }
                }
                answer.send(outcome).ok();
            }
            Request::Settle(position, answer) => {
                let settle = |kept: &mut Kept| kept.position = Some(position);
                answer.send(self.step(unit, opened, Step::Settle, settle).await?).ok();
            }
            Request::Page(after, most, answer) => {
                let behind = |(key, _): &(&Key, &Vec<u8>)| after.as_ref().is_none_or(|after| *key > after);
                let page = |kept: &mut Kept| {
                    let values = kept.values.iter().filter(behind).take(most);
                    values.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
                };
                answer.send(self.step(unit, opened, Step::Page, page).await?).ok();
            }
            Request::Clear(answer) => {
                let forget = |kept: &mut Kept| kept.position = None;
                let mut outcome = self.step(unit, opened, Step::Clear, forget).await?;
                if outcome.is_ok() {
                    outcome = self.step(unit, opened, Step::Clear, |kept| *kept = Kept::default()).await?;
                }
                answer.send(outcome).ok();
            }
        }
        Some(())
    }

    /// One write or read of the disk, which takes its time and may be the last of this life.
    async fn step<T>(
        &self,
        unit: Unit,
        opened: u64,
        step: Step,
        act: impl FnOnce(&mut Kept) -> T,
    ) -> Option<Result<T, Error>> {
        self.pass(step, When::Before).await?;
        let failed = |reason: &str| {
            let (aggregate, reason) = (unit.kind.aggregate().to_owned(), reason.to_owned());
            Error::Failed { aggregate, partition: unit.partition, reason }
        };
        let fails = self.world.state().weather.shelf_fails();
        let done = match fails {
            Some(Fault::SnapshotsLost) => {
                // The store gives up on its directory and begins with an empty one.
                let mut content = self.disk.content();
                (content.kept, content.unflushed) = (BTreeMap::new(), Vec::new());
                (content.opened, content.is_tampered) = (content.opened + 1, false);
                Err(lost(unit))
            }
            Some(_) => Err(failed("the disk is full")),
            None => self.act(unit, opened, act),
        };
        self.pass(step, When::After).await?;
        Some(done)
    }

    fn act<T>(&self, unit: Unit, opened: u64, act: impl FnOnce(&mut Kept) -> T) -> Result<T, Error> {
        let flushes = self.world.state().weather.one_in(8);
        let content = &mut *self.disk.content();
        if content.opened != opened {
            return Err(lost(unit));
        }
        let kept = content.kept.entry(unit).or_default();
        content.unflushed.push((unit, kept.clone()));
        let done = act(kept);
        if flushes {
            content.unflushed.clear();
        }
        Ok(done)
    }

    async fn pass(&self, step: Step, when: When) -> Option<()> {
        self.world.dawdle().await;
        self.world.until(|state| !state.is_frozen(self.life)).await;
        if !self.world.state().lives(self.life) {
            return None;
        }
        if self.world.state().weather.crashes(step, when) {
            self.world.kill(self.life);
            return None;
        }
        Some(())
    }
}

fn lost(Unit { kind, partition }: Unit) -> Error {
    Error::Lost { aggregate: kind.aggregate().to_owned(), partition }
}
