//! Events as they lie on the log, for commands that fold them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::Failure;
use super::reach::{Within, in_time};
use crate::config::Config;
use crate::domain::ids::{AggregateId, Version};
use crate::domain::{Recorded, Unfit};
use crate::log::{Client, Record, Topic};
use crate::partition::placement::partition_of;
use crate::wire::{self, StoredEvent, Wire};

/// One event, read.
pub struct Event<A: Wire> {
    /// Whose history it belongs to.
    pub aggregate_id: AggregateId,
    /// What happened.
    pub recorded: Recorded<A::Event>,
    /// As it was written: a number of any length stays what it is.
    pub written: Box<RawValue>,
}

/// Reads what is committed, from the first event to where the log ended when it was asked.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    client: &'a dyn Client,
    within: &'a Within,
    /// How many there are of every topic.
    pub partitions: u32,
}

impl<'a> Reader<'a> {
    /// A reader that gives up when the log is silent for longer than `within` allows.
    pub fn new(client: &'a dyn Client, within: &'a Within, config: &Config) -> Self {
        Reader { client, within, partitions: config.topics.partitions.get() }
    }

    /// How many offsets a partition has: about as many records, and some that only the log reads.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn length(&self, topic: Topic, partition: u32) -> Result<u64, Failure> {
        let bounds = in_time(self.within, self.client.bounds(topic, partition)).await?;
        Ok(u64::try_from(bounds.end.saturating_sub(bounds.start)).unwrap_or_default())
    }

    /// Hands over every record of a partition, in order.
    ///
    /// # Errors
    /// The log does not answer, or what `each` failed with.
    pub async fn records(
        &self,
        topic: Topic,
        partition: u32,
        mut each: impl FnMut(Record<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let bounds = in_time(self.within, self.client.bounds(topic, partition)).await?;
        let mut chunks = self.client.read(topic, partition, bounds);
        while let Some(chunk) = in_time(self.within, async { Ok::<_, Failure>(chunks.recv().await) }).await? {
            chunk?.iter().try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// Hands over every event of these aggregates, each one's in order. A partition is read once, however many of them
    /// live there.
    ///
    /// # Errors
    /// The log does not answer, an event cannot be read, or what `each` failed with.
    pub async fn histories<A: Wire>(
        &self,
        topic: Topic,
        ids: &BTreeSet<AggregateId>,
        mut each: impl FnMut(Event<A>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut homes: BTreeMap<u32, BTreeSet<&[u8]>> = BTreeMap::new();
        for id in ids {
            homes.entry(partition_of(id.as_str(), self.partitions)).or_default().insert(id.as_str().as_bytes());
        }
        for (partition, keys) in homes {
            let take = |record: Record<'_>| match record.key {
                Some(key) if keys.contains(key) => each(read(record)?),
                _ => Ok(()),
            };
            self.records(topic, partition, take).await?;
        }
        Ok(())
    }
}

/// Reads an event, and keeps what was written.
///
/// # Errors
/// As [`decode`].
pub fn read<A: Wire>(record: Record<'_>) -> Result<Event<A>, Failure> {
    let StoredEvent { aggregate_id, recorded, .. } = decode::<A>(record)?;
    let written = serde_json::from_slice(record.value.unwrap_or_default())
        .map_err(|error| broken(record.offset, &error.to_string()))?;
    Ok(Event { aggregate_id, recorded, written })
}

/// Reads an event.
///
/// # Errors
/// What is none, or was written by a newer engine.
pub fn decode<A: Wire>(record: Record<'_>) -> Result<StoredEvent<'_, A::Event>, Failure> {
    wire::event::decode::<A>(record.value, record.headers.iter())
        .map_err(|error| broken(record.offset, &error.to_string()))
}

fn broken(offset: i64, reason: &str) -> Failure {
    Failure::failed("UNREADABLE_EVENT", format!("event at offset {offset} cannot be read: {reason}"))
}

/// The failure of a history that its own events contradict.
pub fn contradicted(id: &AggregateId, version: Version, reason: &Unfit) -> Failure {
    Failure::failed("UNREADABLE_EVENT", format!("event {version} of {id} cannot be applied: {reason}"))
}
