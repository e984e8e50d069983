//! One partition, from assignment to revocation.
//!
//! A [`Supervisor`] owns everything of its partition: it takes records from the `stock`, lays them out on
//! the `desk`, lets one `aggregate_actor` an account decide, and commits what comes out together with the
//! offsets. While one commit is under way the next batch is decided ahead, one ahead and no more. A batch is
//! cut by what waits, never by a timer.
//!
//! A partition is one failure domain. When anything in it goes wrong it [ends](lifecycle::End), all of it is
//! dropped, and `recovery` builds it again from the log.

mod aggregate_actor;
mod attendance;
mod batch;
mod clerk;
mod committing;
mod desk;
pub mod guard;
mod inspect;
pub mod lifecycle;
mod mailbox;
mod measures;
pub mod placement;
pub mod poison;
mod recovery;
mod refolding;
mod round;
mod routes;
mod stock;
mod supervisor;

use std::sync::Arc;

use crate::domain::Rules;
use crate::domain::ids::Timestamp;
use crate::log::{Lane, PerLane, Spec};

pub use clerk::{DEAD_LETTERS, REPLIES};
pub use inspect::{Inspect, Inspection};
pub use mailbox::{Kill, Release};
pub use recovery::{Folded, fold};
pub use supervisor::{Incarnation, Report, Start, Supervisor};

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
    /// Most bytes of a command's value.
    pub message_bytes: usize,
    /// Most bytes of an event: key, value and headers.
    pub event_bytes: usize,
    /// Most bytes of what carries a record of upstream, a dead letter or a message home: key, value and headers.
    pub carried_bytes: usize,
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
            message_bytes: 10 << 20,
            event_bytes: EVENT_TOPIC_BYTES - BATCH_OVERHEAD,
            carried_bytes: CARRYING_TOPIC_BYTES - BATCH_OVERHEAD,
            clock,
            group: format!("{prefix}-{}", spec.group).into(),
            events: spec.events.full_name(prefix).into(),
            lanes: PerLane::from_fn(|lane| spec.topic(lane).full_name(prefix).into()),
        }
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

/// `max.message.bytes` of the event topics.
const EVENT_TOPIC_BYTES: usize = 10_485_760;
/// `max.message.bytes` of inbox and dead letters.
const CARRYING_TOPIC_BYTES: usize = 12_582_912;
/// The topic's limit holds for a record batch: its header of 61 bytes, and at most some varints around the
/// one record in it.
const BATCH_OVERHEAD: usize = 1_024;
