//! What is kept of accounts, compared with the fold of the log: a value is exactly the fold at its version, and a
//! position is never ahead of what is committed, nor of the values that it speaks for.

use std::collections::BTreeMap;

use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::{Aggregate, Rules};
use billing_engine::engine::ACCOUNTS;
use billing_engine::log::{Chunk, Offset};
use billing_engine::wire::snapshot::{Conditions, Position, Sources, decode_position, decode_value};
use billing_engine::wire::{self, StoredEvent};

use crate::broker::Broker;
use crate::disks::Disk;
use crate::fragile::{Fragile, FragileAccount};

/// The key of a position in the topic.
const POSITION: &[u8] = b"/position";

/// The log that snapshots are compared with.
pub struct Snapshots<'a> {
    pub broker: &'a Broker,
    pub partitions: u32,
    /// Commands that an account remembers.
    pub window: usize,
}

/// Values by their keys.
type Values = BTreeMap<Vec<u8>, Vec<u8>>;

impl Snapshots<'_> {
    /// What is wrong with what a disk has.
    pub fn faults_of_disk(&self, disk: &Disk) -> Vec<String> {
        let faults = disk.kept().into_iter().flat_map(|(partition, kept)| {
            let values: Values = kept.values.into_iter().map(|(key, value)| (key.to_vec(), value)).collect();
            self.faults(partition, &values, kept.position.as_deref())
        });
        faults.map(|fault| format!("on a disk, {fault}")).collect()
    }

    /// What is wrong with the newest generation of the topic.
    pub fn faults_of_topic(&self) -> Vec<String> {
        let faults = (0..self.partitions).flat_map(|partition| {
            let records =
                || self.broker.committed_records((ACCOUNTS.snapshots, partition), 0).map(|(_, record)| record);
            let generation = |header: Option<&str>| header.and_then(|text| text.parse::<u64>().ok());
            let newest = records().map(|record| generation(record.header("generation"))).max().flatten();
            let (mut values, mut position) = (Values::new(), None);
            for record in records().filter(|record| generation(record.header("generation")) == newest) {
                let (key, value) = (record.key.clone().unwrap_or_default(), record.value.clone().unwrap_or_default());
                if key == POSITION { position = Some(value) } else { drop(values.insert(key, value)) }
            }
            self.faults(partition, &values, position.as_deref())
        });
        faults.map(|fault| format!("in the topic, {fault}")).collect()
    }

    fn conditions(&self) -> Conditions {
        Conditions { partitions: self.partitions, window: self.window as u64 }
    }

    fn faults(&self, partition: u32, values: &Values, position: Option<&[u8]>) -> Vec<String> {
        let histories = self.histories(partition);
        let mut faults = Vec::new();
        let mut versions = BTreeMap::new();
        for (key, value) in values {
            let id = AggregateId::parse(&String::from_utf8_lossy(key)).unwrap();
            match decode_value::<FragileAccount>(&id, value, self.conditions()) {
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
        match decode_position::<FragileAccount>(position) {
            Err(error) => faults.push(format!("the position of {partition} cannot be read: {error}")),
            Ok(position) => faults.extend(self.faults_of_position(partition, &position, &histories, &versions)),
        }
        faults
    }

    fn faults_of_position(
        &self,
        partition: u32,
        position: &Position,
        histories: &BTreeMap<Vec<u8>, Vec<Step>>,
        versions: &BTreeMap<Vec<u8>, u64>,
    ) -> Vec<String> {
        let end = self.broker.stable_end((ACCOUNTS.events, partition));
        let mut faults = Vec::new();
        if position.covered > end {
            faults.push(format!("the position of {partition} is {position:?}, the log ends at {end}"));
        }
        let (mut begun, mut last) = (0, None);
        for (key, history) in histories {
            let below: Vec<&Step> = history.iter().take_while(|step| step.offset < position.covered).collect();
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
        faults
    }

    /// Every account after each of its events.
    fn histories(&self, partition: u32) -> BTreeMap<Vec<u8>, Vec<Step>> {
        let rules = Rules {
            currencies: [].into_iter().collect(),
            idempotency_window: self.window,
            default_hold: Rules::DEFAULT_HOLD,
        };
        let mut histories = BTreeMap::<Vec<u8>, Vec<Step>>::new();
        let events: Chunk = self.broker.read((ACCOUNTS.events, partition), 0, usize::MAX);
        for record in events.iter() {
            let event = wire::event::decode::<FragileAccount>(record.value, record.headers.iter()).unwrap();
            let history = histories.entry(record.key.unwrap().to_vec()).or_default();
            let before = history.last().map(|step| (step.state.clone(), step.sources));
            let (state, sources) = before.unwrap_or_else(|| (FragileAccount::blank(&rules).0, Sources::default()));
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
}

/// An account after one of its events.
struct Step {
    offset: Offset,
    state: billing_engine::domain::account::Account,
    sources: Sources,
}

fn with_source<E>(mut sources: Sources, event: &StoredEvent<'_, E>) -> Sources {
    if let Some(source) = &event.source {
        let lane = if source.topic.contains("inbox") { &mut sources.inbox } else { &mut sources.commands };
        *lane = (*lane).max(Some(source.offset));
    }
    sources
}
