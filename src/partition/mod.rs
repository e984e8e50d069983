//! One partition, from assignment to revocation.
//!
//! A [`Supervisor`] owns everything of its partition: it takes records from the `stock`, reads them (`reading`), lays
//! them out on the `desk`, lets one `aggregate_actor` an account or a transaction answer (`answering`), and commits what
//! comes out together with the offsets: events, replies, and messages to other aggregates, all written by the `clerk`.
//! While one commit is under way the next batch is decided ahead, one ahead and no more. A batch is cut by what waits,
//! never by a timer.
//!
//! A partition is one failure domain. When anything in it goes wrong it [ends](lifecycle::End), all of it is
//! dropped, and `recovery` builds it again: `rebuilding` takes the snapshots that can be trusted (`trust`) and the
//! events behind them, or every event there is. Recovery says nothing to anybody: whatever was to be said lies on the log.
//!
//! What its aggregates are is kept beside the log: `keeping` lets slices of them be serialised at the end of a batch and
//! saves them once that took effect, `checkpoint` knows how far that reaches, `mirroring` writes the same to the
//! snapshots topic. So an aggregate may leave memory (`passivation`) and come back with its next command (`loading`).
//!
//! What the partition comes back to by itself stands in the `agenda`: whose time has come is asked in the next round
//! (`taking`), and while too many transactions are open no more are admitted (`admission`).

mod admission;
mod agenda;
mod aggregate_actor;
mod answering;
mod attendance;
mod bases;
mod batch;
mod checkpoint;
mod clerk;
mod committing;
mod desk;
mod folding;
pub mod guard;
mod held;
mod images;
mod inspect;
mod keeping;
pub mod lifecycle;
mod loading;
mod mailbox;
mod measures;
mod milestones;
mod mirroring;
mod passivation;
pub mod placement;
pub mod poison;
mod reading;
mod rebuilding;
mod recovery;
mod refolding;
mod round;
mod routes;
mod stock;
mod supervisor;
mod taking;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Rules;
use crate::domain::ids::Timestamp;
use crate::log::{Lane, PerLane, Spec};
use crate::wire::snapshot::Conditions;

pub use agenda::{Agenda, Appointment, Outlook};
pub use checkpoint::{Generation, Pace, Standing};
pub use clerk::{ACCOUNT_INBOX, DEAD_LETTERS, REPLIES, TRANSACTION_INBOX};
pub use held::Held;
pub use inspect::{Inspect, Inspection};
pub use mailbox::{Kill, Release};
pub use supervisor::{Incarnation, Report, Start, Supervisor};
pub use trust::Position;

/// Reads the time. The engine's clock in production, a simulated one in simulation.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What every partition of one aggregate type is run with.
#[derive(Clone)]
pub struct Settings {
    /// The topics and the group.
    pub spec: Spec,
    /// How many partitions there are.
    pub partitions: u32,
    /// What decisions depend on.
    pub rules: Rules,
    /// Most records of one commit.
    pub batch_records: usize,
    /// Bytes to be written after which a batch takes no more records.
    pub batch_bytes: usize,
    /// Transactions that may be open at once; then commands wait.
    pub max_open: usize,
    /// Most bytes of a command's value.
    pub message_bytes: usize,
    /// Most bytes of an event: key, value and headers.
    pub event_bytes: usize,
    /// Most bytes of what carries a record of upstream, a dead letter or a message home: key, value and headers.
    pub carried_bytes: usize,
    /// What is kept in memory and what is saved.
    pub keep: Keep,
    /// Tells the time.
    pub clock: Clock,
    group: Arc<str>,
    events: Arc<str>,
    lanes: PerLane<Arc<str>>,
}

impl Settings {
    /// Settings for the topics of `spec` under `prefix`, with the sizes of the contract.
    pub fn new(prefix: &str, spec: Spec, partitions: u32, rules: Rules, clock: Clock) -> Self {
        Settings {
            spec,
            partitions,
            rules,
            batch_records: 2_000,
            batch_bytes: 8 << 20,
            max_open: 10_000,
            message_bytes: 10 << 20,
            event_bytes: EVENT_TOPIC_BYTES - BATCH_OVERHEAD,
            carried_bytes: CARRYING_TOPIC_BYTES - BATCH_OVERHEAD,
            keep: Keep::everything(),
            clock,
            group: format!("{prefix}-{}", spec.group).into(),
            events: spec.events.full_name(prefix).into(),
            lanes: PerLane::from_fn(|lane| spec.topic(lane).full_name(prefix).into()),
        }
    }

    /// What changes the fold of the same events.
    pub fn conditions(&self) -> Conditions {
        Conditions { partitions: self.partitions, window: self.rules.idempotency_window as u64 }
    }

    /// A value of the snapshots topic, unless it is too large for it: a partition that finds an older position there
    /// only has more to fold.
    fn fitting(&self, value: Vec<u8>) -> Option<Vec<u8>> {
        Some(value).filter(|value| value.len() <= self.event_bytes)
    }

    /// Full name of the consumer group.
    pub fn group_name(&self) -> &str {
        &self.group
    }

    /// Full name of the events topic.
    pub fn events_name(&self) -> &str {
        &self.events
    }

    /// Full name of that lane's topic.
    pub fn topic_name(&self, lane: Lane) -> &str {
        self.lanes.of(lane)
    }
}

/// What is kept in memory and what is saved.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Most aggregates in memory, where there are snapshots to let them go to.
    pub max_resident: usize,
    /// How long an aggregate stays that nobody asks.
    pub idle_timeout: Duration,
    /// When what changed is saved.
    pub pace: Pace,
    /// Whether the snapshots topic is read and written.
    pub topic: bool,
}

impl Keep {
    /// Everything in memory, nothing in the topic.
    pub fn everything() -> Self {
        let pace = Pace { interval: Duration::MAX, every_events: u64::MAX };
        Keep { max_resident: usize::MAX, idle_timeout: Duration::MAX, pace, topic: false }
    }
}

/// `max.message.bytes` of the event topics.
const EVENT_TOPIC_BYTES: usize = 10_485_760;
/// `max.message.bytes` of inbox and dead letters.
const CARRYING_TOPIC_BYTES: usize = 12_582_912;
/// The topic's limit holds for a record batch: its header of 61 bytes, and at most some varints around the
/// one record in it.
const BATCH_OVERHEAD: usize = 1_024;
