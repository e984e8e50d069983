//! Where partitions begin and end, and what a group has committed: the questions that read no record.

use std::ops::Range;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::Offset as Position;

use super::patience::{Patience, SLICE};
use super::settings::Settings;
use super::voice::Voice;
use super::worker::Owned;
use crate::log::{Error, Offset, PerLane};

/// Two handles that never read a record: a committed and an uncommitted view of the log.
///
/// The handle's own isolation level decides what "the end" means: the last stable offset or the high watermark.
pub(super) struct View {
    committed: BaseConsumer<Voice>,
    written: BaseConsumer<Voice>,
    group: ConsumerGroupMetadata,
}

impl View {
    /// Neither needs a broker yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when librdkafka does not take the settings.
    pub(super) fn new(settings: &Settings, group: &str) -> Result<View, Error> {
        let create = || -> KafkaResult<View> {
            let committed: BaseConsumer<Voice> =
                settings.committed_view(group).create_with_context(Voice::new("committed view"))?;
            let written = settings.written_view().create_with_context(Voice::new("written view"))?;
            let group = committed.group_metadata().ok_or(KafkaError::Canceled)?;
            Ok(View { committed, written, group })
        };
        create().map_err(|error| not_created("the views of the log", &error))
    }

    /// Oldest offset, and the end of what is committed.
    pub(super) fn committed_range(
        &self,
        topic: &str,
        partition: u32,
        patience: &Patience,
    ) -> Result<Range<Offset>, Error> {
        range(&self.committed, topic, partition, patience)
    }

    /// Oldest offset, and the end of everything ever written.
    pub(super) fn written_range(
        &self,
        topic: &str,
        partition: u32,
        patience: &Patience,
    ) -> Result<Range<Offset>, Error> {
        range(&self.written, topic, partition, patience)
    }

    /// Names the cluster, as its brokers do.
    pub(super) fn cluster(&self, patience: &Patience) -> Result<String, Error> {
        loop {
            if let Some(cluster) = self.committed.client().fetch_cluster_id(SLICE) {
                return Ok(cluster);
            }
            patience.nap(|| Error::Unavailable("no broker names its cluster".to_owned()))?;
        }
    }

    /// The group's committed offsets of one partition of both topics; waits until no transaction over them is open.
    pub(super) fn committed_offsets(
        &self,
        topics: &PerLane<String>,
        partition: u32,
        patience: &Patience,
    ) -> Result<PerLane<Option<Offset>>, Error> {
        patience.retry("the committed offsets", &topics.commands, |timeout| {
            let mut asked = TopicPartitionList::with_capacity(2);
            asked.add_partition(&topics.commands, partition.cast_signed());
            asked.add_partition(&topics.inbox, partition.cast_signed());
            let answered = self.committed.committed_offsets(asked, timeout)?;
            Ok(PerLane {
                commands: committed_offset(&answered, &topics.commands, partition)?,
                inbox: committed_offset(&answered, &topics.inbox, partition)?,
            })
        })
    }

    /// The group's committed offset of one partition of one topic.
    pub(super) fn committed_offset(
        &self,
        topic: &str,
        partition: u32,
        patience: &Patience,
    ) -> Result<Option<Offset>, Error> {
        patience.retry("the committed offset", topic, |timeout| {
            let mut asked = TopicPartitionList::with_capacity(1);
            asked.add_partition(topic, partition.cast_signed());
            committed_offset(&self.committed.committed_offsets(asked, timeout)?, topic, partition)
        })
    }

    /// Names the group and no member of it, because this handle never subscribes: no rebalance ever disturbs a
    /// commit. What keeps a former owner out is the fence of its partition.
    pub(super) fn group_metadata(&self) -> &ConsumerGroupMetadata {
        &self.group
    }

    /// Lets the client say what it has to say.
    pub(super) fn tend(&self) {
        self.committed.poll(Duration::ZERO);
        self.written.poll(Duration::ZERO);
    }
}

impl Owned for std::sync::Arc<View> {
    fn tend(&mut self) {
        View::tend(self);
    }
}

fn range(
    consumer: &BaseConsumer<Voice>,
    topic: &str,
    partition: u32,
    patience: &Patience,
) -> Result<Range<Offset>, Error> {
    let (start, end) = patience
        .retry("the bounds", topic, |timeout| consumer.fetch_watermarks(topic, partition.cast_signed(), timeout))?;
    Ok(start..end)
}

fn committed_offset(answered: &TopicPartitionList, topic: &str, partition: u32) -> KafkaResult<Option<Offset>> {
    let Some(element) = answered.find_partition(topic, partition.cast_signed()) else {
        return Err(KafkaError::NoMessageReceived);
    };
    element.error()?;
    Ok(match element.offset() {
        Position::Offset(offset) => Some(offset),
        _ => None,
    })
}

/// The error of a client that librdkafka refuses to build.
pub(super) fn not_created(what: &str, error: &KafkaError) -> Error {
    Error::Refused { context: format!("creating {what}"), reason: error.to_string() }
}
