//! Reading a topic to its end, as any consumer of committed records would.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::support::kafka::Kafka;

/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A record as it lies on the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub offset: i64,
    /// As bytes, for not every upstream writes text.
    pub key: Option<Vec<u8>>,
    /// As it was written.
    pub value: Option<Vec<u8>>,
    /// In their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Seen {
    /// The value, read as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.value.as_deref()?).ok()
    }

    /// The key, read as text.
    pub fn key(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// The first header of that name, read as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }

    fn of(message: &BorrowedMessage<'_>) -> Seen {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Seen {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
        }
    }
}

/// Hands every committed record of `topic` to `take`, each partition in its order, up to where they end now.
///
/// # Panics
/// When the broker does not answer or the topic is not there.
pub fn read(kafka: &Kafka, topic: &str, mut take: impl FnMut(Seen)) {
    let consumer = consumer(kafka);
    let mut partitions = TopicPartitionList::new();
    for partition in 0..count(&consumer, topic) {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset to begin at");
    }
    consumer.assign(&partitions).expect("partitions to read");
    let mut open = partitions.count();
    while open > 0 {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => take(Seen::of(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("cannot read {topic}: {error}"),
            None => panic!("{topic} has fallen silent before its end"),
        }
    }
}

/// All committed records of `topic`.
///
/// # Panics
/// As [`read`].
pub fn all(kafka: &Kafka, topic: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    read(kafka, topic, |record| seen.push(record));
    seen
}

/// How many partitions `topic` has.
///
/// # Panics
/// When the broker does not answer or the topic is not there.
pub fn partitions(kafka: &Kafka, topic: &str) -> i32 {
    count(&consumer(kafka), topic)
}

fn count(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    assert!(count > 0, "{topic} is not there");
    i32::try_from(count).expect("a count of partitions")
}

fn consumer(kafka: &Kafka) -> BaseConsumer {
    kafka
        .client()
        .set("group.id", "auditor")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.message.max.bytes", "12582912")
        // The end of a partition is told with an empty answer, which the broker otherwise holds back for half a second.
        .set("fetch.wait.max.ms", "10")
        .create()
        .expect("the client takes these settings")
}
