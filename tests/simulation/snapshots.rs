//! What is kept of accounts, compared with the fold of the log: a value is exactly the fold at its version, and a
//! position is never ahead of what is committed, nor of the values that it speaks for.

use std::collections::BTreeMap;
use std::fmt::Debug;

use billing_engine::domain::Aggregate;
use billing_engine::domain::ids::AggregateId;
use billing_engine::log::{Chunk, Offset};
use billing_engine::partition::Inspection;
use billing_engine::wire::snapshot::{Appointment, Conditions, Position, Sources, decode_position, decode_value};
use billing_engine::wire::{self, StoredEvent};

use crate::broker::{Broker, Written};
use crate::disks::Disk;
use crate::fragile::{Flawed, Fragile};
use crate::node::Setup;
use crate::unit::{Kind, Unit};

/// The key of a position in the topic.
const POSITION: &[u8] = b"/position";

/// The log that snapshots of one kind of aggregate are compared with.
pub struct Snapshots<'a, A> {
    pub broker: &'a Broker,
    pub kind: Kind,
    pub setup: Setup,
    /// Every aggregate of each partition after each of its events.
    histories: Vec<Histories<A>>,
}

/// Aggregates after each of their events.
type Histories<A> = BTreeMap<Vec<u8>, Vec<Step<A>>>;

/// Values by their keys.
type Values = BTreeMap<Vec<u8>, Vec<u8>>;

impl<'a, A: Flawed + PartialEq + Debug> Snapshots<'a, A> {
    /// Compares with what that broker has.
    pub fn of(kind: Kind, broker: &'a Broker, setup: Setup) -> Self {
        let folded = |partition| folded(broker, Unit { kind, partition }, setup);
        Snapshots { broker, kind, setup, histories: (0..setup.partitions).map(folded).collect() }
    }

    fn unit(&self, partition: u32) -> Unit {
        Unit { kind: self.kind, partition }
    }

    /// What is wrong with what disks and the topic have, and with what is in memory.
    pub fn faults(&self, disks: &[Disk], inspections: &[Inspection<Fragile<A>>]) -> Vec<String> {
        let mut faults: Vec<String> = disks.iter().flat_map(|disk| self.faults_of_disk(disk)).collect();
        faults.extend(self.faults_of_topic());
        faults.extend(self.faults_of_memory(inspections));
        faults
    }

    /// What actors hold must be the fold of the log.
    fn faults_of_memory(&self, inspections: &[Inspection<Fragile<A>>]) -> Vec<String> {
        let histories: BTreeMap<_, _> = self.histories.iter().flatten().collect();
        let held = inspections.iter().flat_map(|inspection| &inspection.aggregates);
        let differences = held.filter_map(|(id, Fragile(found))| {
            let expected = histories.get(&id.as_str().as_bytes().to_vec()).and_then(|history| history.last());
            let expected = expected.map(|step| &step.state);
            (expected != Some(found)).then(|| format!("{id} in memory is {found:?}, its events make it {expected:?}"))
        });
        differences.collect()
    }

    /// What is wrong with what a disk has.
    fn faults_of_disk(&self, disk: &Disk) -> Vec<String> {
        let faults = disk.kept().into_iter().filter(|(unit, _)| unit.kind == self.kind).flat_map(|(unit, kept)| {
            let values: Values = kept.values.into_iter().map(|(key, value)| (key.to_vec(), value)).collect();
            self.faults_of_values(unit.partition, &values, kept.position.as_deref())
        });
        faults.map(|fault| format!("on a disk, {fault}")).collect()
    }

    /// What is wrong with the newest generation of the topic.
    fn faults_of_topic(&self) -> Vec<String> {
        let faults = (0..self.setup.partitions).flat_map(|partition| {
            let place = self.unit(partition).snapshots();
            let generation = |record: &Written| record.header("generation").and_then(|text| text.parse::<u64>().ok());
            let records = || self.broker.committed_records(place, 0);
            let newest = records().map(|(_, record)| generation(record)).max().flatten();
            let newest: Vec<_> = records().filter(|(_, record)| generation(record) == newest).collect();
            let (mut values, mut position) = (Values::new(), None);
            if newest.last().is_none_or(|(last, _)| *last < self.broker.inherited(place)) {
                // Of another log, and nothing was added to it.
                return Vec::new();
            }
            for (_, record) in newest {
                let (key, value) = (record.key.clone().unwrap_or_default(), record.value.clone().unwrap_or_default());
                if key == POSITION { position = Some(value) } else { drop(values.insert(key, value)) }
            }
            self.faults_of_values(partition, &values, position.as_deref())
        });
        faults.map(|fault| format!("in the topic, {fault}")).collect()
    }

    fn conditions(&self) -> Conditions {
        Conditions { partitions: self.setup.partitions, window: self.setup.window as u64 }
    }

    fn faults_of_values(&self, partition: u32, values: &Values, position: Option<&[u8]>) -> Vec<String> {
        let histories = &self.histories[partition as usize];
        let mut faults = Vec::new();
        let mut versions = BTreeMap::new();
        for (key, value) in values {
            let id = AggregateId::parse(&String::from_utf8_lossy(key)).unwrap();
            match decode_value::<Fragile<A>>(&id, value, self.conditions()) {
                Err(error) => faults.push(format!("the value of {id} cannot be read: {error}")),
                Ok(found) => {
                    let version = found.state.version().0;
                    versions.insert(key.clone(), version);
                    let fold = histories.get(key).and_then(|history| history.get(version as usize - 1));
                    if fold.map(|step| (&step.state, step.sources)) != Some((&found.state.0, found.sources)) {
                        let fold = fold.map(|step| &step.state);
                        faults.push(format!("the value of {id} is {found:?}, the log says {fold:?}"));
                    }
                }
            }
        }
        let Some(position) = position else { return faults };
        match decode_position::<Fragile<A>>(position) {
            Err(error) => faults.push(format!("the position of {partition} cannot be read: {error}")),
            Ok(position) => faults.extend(self.faults_of_position(partition, &position, histories, &versions)),
        }
        faults
    }

    fn faults_of_position(
        &self,
        partition: u32,
        position: &Position,
        histories: &Histories<A>,
        versions: &BTreeMap<Vec<u8>, u64>,
    ) -> Vec<String> {
        let end = self.broker.stable_end(self.unit(partition).events());
        let mut faults = Vec::new();
        if position.covered > end {
            faults.push(format!("the position of {partition} is {position:?}, the log ends at {end}"));
        }
        let (mut begun, mut last) = (0, None);
        for (key, history) in histories {
            let below: Vec<&Step<A>> = history.iter().take_while(|step| step.offset < position.covered).collect();
            begun += u64::from(!below.is_empty());
            last = last.max(below.last().map(|step| step.offset));
            let (wanted, found) = (below.len() as u64, versions.get(key).copied().unwrap_or(0));
            if found < wanted {
                let id = String::from_utf8_lossy(key);
                faults.push(format!("{id} is kept at version {found}, {wanted} events are below {position:?}"));
            }
        }
        if position.aggregates != begun || position.last_event.map(|event| event.offset) != last {
            faults.push(format!("below {position:?} there are {begun} accounts, the last event is at {last:?}"));
        }
        faults.extend(self.faults_of_agenda(partition, position, histories));
        faults
    }

    /// What is to come of those whose values are not newer than the position: others are looked at when the events
    /// behind it are folded.
    fn faults_of_agenda(&self, partition: u32, position: &Position, histories: &Histories<A>) -> Vec<String> {
        let noted: BTreeMap<&[u8], &Appointment> =
            position.agenda.iter().map(|appointment| (appointment.id.as_bytes(), appointment)).collect();
        let mut faults = Vec::new();
        for (key, history) in histories {
            let Some(last) = history.last().filter(|step| step.offset < position.covered) else { continue };
            let wanted = (last.state.next_expiry().map(|time| time.0), last.state.is_open());
            let found = noted.get(&key[..]).map_or((None, false), |noted| (noted.next_expiry, noted.is_open));
            if found != wanted {
                let id = String::from_utf8_lossy(key);
                faults.push(format!("the agenda of {partition} says {found:?} of {id}, its events say {wanted:?}"));
            }
        }
        faults
    }
}

fn folded<A: Flawed>(broker: &Broker, unit: Unit, setup: Setup) -> Histories<A> {
    let rules = setup.rules();
    let mut histories = Histories::<A>::new();
    let events: Chunk = broker.read(unit.events(), 0, usize::MAX);
    for record in events.iter() {
        let event = wire::event::decode::<Fragile<A>>(record.value, record.headers.iter()).unwrap();
        let history = histories.entry(record.key.unwrap().to_vec()).or_default();
        let before = history.last().map(|step| (step.state.clone(), step.sources));
        let (state, sources) = before.unwrap_or_else(|| (Fragile::<A>::blank(&rules).0, Sources::default()));
        let mut account = Fragile(state);
        if account.apply(&event.recorded).is_err() {
            // Whoever looks at the log itself tells of that.
            continue;
        }
        let sources = with_source(sources, &event);
        history.push(Step { offset: record.offset, state: account.0, sources });
    }
    histories
}

/// An aggregate after one of its events.
struct Step<A> {
    offset: Offset,
    state: A,
    sources: Sources,
}

fn with_source<E>(mut sources: Sources, event: &StoredEvent<'_, E>) -> Sources {
    if let Some(source) = &event.source {
        let lane = if source.topic.contains("inbox") { &mut sources.inbox } else { &mut sources.commands };
        *lane = (*lane).max(Some(source.offset));
    }
    sources
}
