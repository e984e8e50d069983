//! The engine's topics as data, and what is done with them: [`Admin`] creates, checks and describes them.

mod admin;
mod faults;

use std::time::Duration;

pub use admin::{Admin, Change, Description, Presence};
pub use faults::Fault;

use crate::log::Topic;

/// What the topics should be like beyond the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Desired {
    /// Of every topic but the marks.
    pub partitions: u32,
    /// For topics that are created.
    pub replication_factor: u32,
    /// For topics that are created; `None` leaves it to the replication factor: 2 from three replicas on.
    pub min_insync_replicas: Option<u32>,
    /// How long events are kept at least, should a topic expire at all.
    pub events_retention: Duration,
}

/// What a topic is to the engine, which decides what would lose something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// Written by upstream.
    Commands,
    /// Messages of the engine to itself: lost ones are lost money.
    Inbox,
    /// The event store: nothing of it may ever go.
    Events,
    /// The newest per key is enough, and must stay.
    Latest,
    /// Read soon or never.
    Answers,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    topic: Topic,
    role: Role,
    retention: Option<Duration>,
    max_message_bytes: Option<u32>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// 10 MiB of value and 64 KiB for the rest.
const COMMAND_BYTES: u32 = 10_551_296;
/// A command in full, with what the engine adds to it.
const CARRIED_BYTES: u32 = 12_582_912;
const SEED_BYTES: u32 = 10_485_760;

const fn row(topic: &'static str, role: Role, retention: Option<Duration>, max_message_bytes: Option<u32>) -> Row {
    Row { topic: Topic(topic), role, retention, max_message_bytes }
}

const TABLE: &[Row] = &[
    row("account.commands", Role::Commands, Some(DAY.saturating_mul(7)), Some(COMMAND_BYTES)),
    row("account.inbox", Role::Inbox, Some(YEAR), Some(CARRIED_BYTES)),
    row("account.events", Role::Events, None, Some(SEED_BYTES)),
    row("account.snapshots", Role::Latest, None, Some(SEED_BYTES)),
    row("transaction.commands", Role::Commands, Some(DAY.saturating_mul(7)), Some(COMMAND_BYTES)),
    row("transaction.inbox", Role::Inbox, Some(YEAR), Some(CARRIED_BYTES)),
    row("transaction.events", Role::Events, None, Some(SEED_BYTES)),
    row("transaction.snapshots", Role::Latest, None, Some(SEED_BYTES)),
    row("replies", Role::Answers, Some(DAY), Some(SEED_BYTES)),
    row("dead-letters", Role::Answers, Some(YEAR), Some(CARRIED_BYTES)),
    row(MARKS.0, Role::Latest, None, None),
];

/// Which dead letters were redriven: the one topic whose partitions follow no other's.
const MARKS: Topic = Topic("dead-letters.redriven");

/// The topics that a partition's producer writes to.
pub(super) fn written_by_engine() -> impl Iterator<Item = Topic> {
    TABLE.iter().filter(|row| row.role != Role::Commands && row.topic != MARKS).map(|row| row.topic)
}

impl Row {
    fn partitions(&self, desired: &Desired) -> u32 {
        if self.topic == MARKS { 1 } else { desired.partitions }
    }

    /// The overrides of a topic that is created.
    fn overrides(&self, desired: &Desired) -> Vec<(&'static str, String)> {
        let mut overrides = Vec::new();
        match self.role {
            Role::Events => {
                // The seed's compaction would keep the newest event of an aggregate and nothing else; with the lag
                // at its maximum no record ever becomes eligible.
                overrides.push(("cleanup.policy", "compact".to_owned()));
                overrides.push(("min.compaction.lag.ms", i64::MAX.to_string()));
                overrides.push(("retention.ms", desired.events_retention.as_millis().to_string()));
            }
            Role::Latest => overrides.push(("cleanup.policy", "compact".to_owned())),
            Role::Commands | Role::Inbox | Role::Answers => {
                overrides.push(("cleanup.policy", "delete".to_owned()));
            }
        }
        if matches!(self.role, Role::Events | Role::Answers) {
            // The engine sends lz4, which KafkaJS cannot read without a codec of its own; what others read is
            // therefore stored as everybody can.
            overrides.push(("compression.type", "uncompressed".to_owned()));
        }
        if let Some(retention) = self.retention {
            overrides.push(("retention.ms", retention.as_millis().to_string()));
        }
        if let Some(bytes) = self.max_message_bytes {
            overrides.push(("max.message.bytes", bytes.to_string()));
        }
        let default = (desired.replication_factor >= 3).then_some(2);
        if let Some(replicas) = desired.min_insync_replicas.or(default) {
            overrides.push(("min.insync.replicas", replicas.to_string()));
        }
        overrides
    }
}
