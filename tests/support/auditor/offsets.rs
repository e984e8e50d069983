//! How far things are: ends, committed offsets, lag, open transactions.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::reading;
use crate::support::kafka::Kafka;
use crate::support::wait;

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The topics of one group of an engine, seen by one who only looks.
pub struct Offsets {
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
    prefix: String,
    aggregate: &'static str,
    partitions: i32,
}

impl Offsets {
    /// Of its accounts.
    ///
    /// # Panics
    /// When the broker does not answer or the topics are not there.
    pub fn new(kafka: &Kafka, prefix: &str) -> Offsets {
        Offsets::of(kafka, prefix, "accounts", "account")
    }

    /// Of its transactions.
    ///
    /// # Panics
    /// As [`Offsets::new`].
    pub fn of_sagas(kafka: &Kafka, prefix: &str) -> Offsets {
        Offsets::of(kafka, prefix, "sagas", "transaction")
    }

    fn of(kafka: &Kafka, prefix: &str, group: &str, aggregate: &'static str) -> Offsets {
        let client = |isolation: &str| {
            let mut config = kafka.client();
            config.set("group.id", format!("{prefix}-{group}")).set("isolation.level", isolation);
            config.set("enable.auto.commit", "false").create().expect("the client takes these settings")
        };
        Offsets {
            committed: client("read_committed"),
            uncommitted: client("read_uncommitted"),
            partitions: reading::partitions(kafka, &format!("{prefix}.{aggregate}.commands")),
            prefix: prefix.to_owned(),
            aggregate,
        }
    }

    /// Whether a transaction is open on some partition of the events: committed readers stop before the end.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn transaction_is_open(&self) -> bool {
        // In this order: what is beyond the stable offset now was there before.
        let topic = format!("{}.{}.events", self.prefix, self.aggregate);
        (0..self.partitions).any(|partition| {
            let end = high(&self.uncommitted, &topic, partition);
            high(&self.committed, &topic, partition) < end
        })
    }

    /// How many offsets of the commands the group has passed.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn passed(&self) -> i64 {
        self.group("commands").into_iter().flatten().sum()
    }

    /// The group's offsets on one of its inputs, `commands` or `inbox`, by partition.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn group(&self, lane: &str) -> Vec<Option<i64>> {
        let topic = format!("{}.{}.{lane}", self.prefix, self.aggregate);
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&topic, 0, self.partitions - 1);
        // A committed reader would wait for open transactions.
        let answer = self.uncommitted.committed_offsets(asked, PATIENCE).expect("the broker knows the group");
        answer
            .elements()
            .iter()
            .map(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect()
    }

    /// Ends of the commands and the inbox, all partitions together: it only grows, whenever something is written.
    fn written(&self) -> i64 {
        let topics = ["commands", "inbox"].map(|lane| format!("{}.{}.{lane}", self.prefix, self.aggregate));
        let ends = topics.iter().flat_map(|topic| (0..self.partitions).map(|p| high(&self.uncommitted, topic, p)));
        ends.sum()
    }

    /// Commands and inbox messages that the group has not passed yet.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn lag(&self) -> i64 {
        let of_lane = |lane: &str| {
            let topic = format!("{}.{}.{lane}", self.prefix, self.aggregate);
            (0..)
                .zip(self.group(lane))
                .map(|(partition, next)| {
                    let (low, end) = self.uncommitted.fetch_watermarks(&topic, partition, PATIENCE).expect("an answer");
                    end - next.unwrap_or(low)
                })
                .sum::<i64>()
        };
        of_lane("commands") + of_lane("inbox")
    }

    /// Waits until the group has passed everything.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub fn wait_until_idle(&self, limit: Duration) {
        wait::until_true(&format!("the lag of {} to be 0", self.prefix), limit, || self.lag() == 0);
    }
}

/// Waits until nothing is under way between these groups. That each has passed everything at some moment does not say
/// so: what one passed may have gone to another that was looked at before. So nothing may have been written meanwhile.
///
/// # Panics
/// When something still is after `limit`, or the broker does not answer.
pub fn come_to_rest(groups: &[&Offsets], limit: Duration) {
    let written = || groups.iter().map(|group| group.written()).sum::<i64>();
    wait::until_true("all groups to be at rest", limit, || {
        let before = written();
        groups.iter().all(|group| group.lag() == 0) && written() == before
    });
}

fn high(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    consumer.fetch_watermarks(topic, partition, PATIENCE).expect("the broker knows where its partitions end").1
}
