//! Kafka, by librdkafka.
//!
//! One group, its two input topics and its partitions are served by these clients, each on the thread it needs:
//!
//! - one member of the group (`membership`), which decides who owns what and reads nothing;
//! - two readers (`reader`), one an input topic, which read from exact offsets and are no members;
//! - one transactional producer a partition (`producer`), whose id is the fence between two owners;
//! - a view (`view`) for offsets and bounds, and a reader for each replay (`replay`).
//!
//! A partition is taken over in the order in which each step protects the next: fence, committed offsets, bounds of
//! the events, replay, follow.

mod bookmarks;
mod client;
mod delivery;
mod fetched;
mod lanes;
mod membership;
mod outgoing;
mod partition;
mod patience;
mod producer;
mod reader;
mod rebalance;
mod replay;
mod settings;
mod subscription;
pub mod topics;
mod verdict;
mod view;
mod voice;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

pub use client::KafkaClient;
pub use settings::{GroupProtocol, OWNED_KEYS, Settings};
pub use subscription::KafkaSubscription;
pub use topics::{Admin, Change, Description, Desired, Fault, Presence};

use self::membership::Membership;
use self::partition::{KafkaPartition, Shared};
use self::producer::Transactions;
use self::reader::Reader;
use self::view::View;
use self::worker::Worker;
use super::{Answer, Error, Log, Ownership, Partition, PerLane, Spec};

/// A producer that waits to be fenced, and what breaks it off.
type Standby = (Worker<Transactions>, Arc<AtomicBool>);

/// One group's view of a Kafka cluster.
pub struct KafkaLog {
    shared: Arc<Shared>,
    standbys: Mutex<HashMap<u32, Standby>>,
    membership: Mutex<Option<Membership>>,
}

impl KafkaLog {
    /// Starts the readers and warms a producer for every partition. Needs no broker yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when librdkafka does not take the settings.
    pub fn new(settings: Settings, spec: Spec) -> Result<Arc<KafkaLog>, Error> {
        let settings = Arc::new(settings);
        let inputs = PerLane {
            commands: spec.commands.full_name(&settings.prefix),
            inbox: spec.inbox.full_name(&settings.prefix),
        };
        let view = Arc::new(View::new(&settings, spec.group)?);
        let reader =
            |topic: &str| Reader::start(topic.to_owned(), settings.intake_bytes, settings.lane_reader(spec.group));
        let readers = PerLane { commands: reader(&inputs.commands)?, inbox: reader(&inputs.inbox)? };
        let observed = view.clone();
        let observer = Worker::start(format!("{} view", spec.group), move || observed);
        let shared = Arc::new(Shared { settings, spec, inputs, view, observer, readers });
        let standbys = (0..shared.settings.partitions).map(|number| (number, shared.producer(number))).collect();
        Ok(Arc::new(KafkaLog { shared, standbys: Mutex::new(standbys), membership: Mutex::new(None) }))
    }

    fn membership(&self) -> MutexGuard<'_, Option<Membership>> {
        self.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for KafkaLog {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        let (ownership, changes) = mpsc::unbounded_channel();
        let Shared { settings, spec, inputs, .. } = &*self.shared;
        let topics = vec![inputs.commands.clone(), inputs.inbox.clone(), self.shared.name(spec.events)];
        *self.membership() = Some(Membership::join(settings.clone(), spec.group, topics, None, ownership));
        changes
    }

    fn leave(&self) -> Answer<()> {
        match self.membership().take() {
            Some(membership) => membership.leave(),
            None => Box::pin(async { Ok(()) }),
        }
    }

    fn open(&self, partition: u32) -> Arc<dyn Partition> {
        let standby = self.standbys.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        let producer = standby.unwrap_or_else(|| self.shared.producer(partition));
        Arc::new(KafkaPartition::new(partition, self.shared.clone(), producer))
    }
}
