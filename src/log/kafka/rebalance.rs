//! Answers the group's rebalances, on the member's thread, inside its polls.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::Offset as Position;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::bookmarks::Bookmarks;
use super::voice::Voice;
use crate::log::Ownership;

/// A revocation waits so long for what is open, well inside the 60 s after which the group takes the partitions away.
pub(super) const REVOCATION_LIMIT: Duration = Duration::from_secs(25);

/// Between two looks whether a revocation is done.
const STEP: Duration = Duration::from_millis(2);

pub(super) struct Rebalance {
    voice: Voice,
    commands: String,
    partitions: u32,
    owned: Mutex<BTreeSet<u32>>,
    broken: AtomicBool,
    ownership: mpsc::UnboundedSender<Ownership>,
    bookmarks: Option<Arc<Bookmarks>>,
}

impl Rebalance {
    pub(super) fn new(commands: String, partitions: u32, ownership: mpsc::UnboundedSender<Ownership>) -> Self {
        let voice = Voice::new("member");
        Rebalance {
            voice,
            commands,
            partitions,
            owned: Mutex::default(),
            broken: AtomicBool::new(false),
            ownership,
            bookmarks: None,
        }
    }

    /// Commits these too, for the last time when their partition is given up.
    pub(super) fn with_bookmarks(self, bookmarks: Option<Arc<Bookmarks>>) -> Self {
        Rebalance { bookmarks, ..self }
    }

    fn owned(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn owns_nothing(&self) -> bool {
        self.owned().is_empty()
    }

    /// True when the client did not take an answer: it no longer knows what it holds.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// The partitions of the commands topic; one beyond the known count is nobody's.
    fn commands_of(&self, list: &TopicPartitionList) -> Vec<u32> {
        let ours = list.elements_for_topic(&self.commands);
        ours.iter().map(|element| element.partition().cast_unsigned()).filter(|p| *p < self.partitions).collect()
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        // An explicit offset spares the question for a committed one; paused, nothing is ever read from it.
        let answered = list
            .set_all_offsets(Position::Offset(0))
            .and_then(|()| consumer.incremental_assign(list))
            .and_then(|()| if list.count() > 0 { consumer.pause(list) } else { Ok(()) });
        if !self.took(answered) {
            return;
        }
        // None is an answer too: this engine is a member that has nothing to do for now.
        let partitions = self.commands_of(list);
        self.owned().extend(&partitions);
        self.ownership.send(Ownership::Assigned(partitions)).ok();
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        // Asked before the answer, which clears it.
        let lost = consumer.assignment_lost();
        let partitions = self.commands_of(list);
        self.give_up(partitions.clone(), lost);
        let last = self.bookmarks.as_ref().and_then(|bookmarks| bookmarks.close(&partitions));
        if let Some(last) = last.filter(|_| !lost)
            && let Err(error) = consumer.commit(&last, CommitMode::Async)
        {
            debug!(%error, "where the group stood at the end is not said");
        }
        self.took(consumer.incremental_unassign(list));
    }

    fn took(&self, answered: Result<(), KafkaError>) -> bool {
        if let Err(error) = &answered {
            warn!(%error, "the client did not take a rebalance");
            self.broken.store(true, Ordering::Relaxed);
        }
        answered.is_ok()
    }

    /// Tells the owner and waits until it is done.
    fn give_up(&self, mut partitions: Vec<u32>, lost: bool) {
        partitions.retain(|partition| self.owned().remove(partition));
        if partitions.is_empty() {
            return;
        }
        info!(?partitions, lost, "revoked");
        let (done, mut closed) = oneshot::channel();
        if self.ownership.send(Ownership::Revoked { partitions: partitions.clone(), lost, done }).is_err() {
            return;
        }
        let deadline = Instant::now() + REVOCATION_LIMIT;
        while let Err(oneshot::error::TryRecvError::Empty) = closed.try_recv() {
            if Instant::now() >= deadline {
                warn!(?partitions, "partitions are given up before they are closed; the next owner fences them");
                return;
            }
            thread::sleep(STEP);
        }
    }

    /// After the client is of no use: what it still held may have an owner already.
    pub(super) fn give_up_the_rest(&self) {
        let rest: Vec<u32> = self.owned().iter().copied().collect();
        self.give_up(rest.clone(), true);
        self.bookmarks.iter().for_each(|bookmarks| drop(bookmarks.close(&rest)));
    }
}

impl ConsumerContext for Rebalance {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, list);
        } else {
            self.revoke(consumer, list);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => self.bookmarks.iter().for_each(|bookmarks| bookmarks.confirm(offsets)),
            Err(error) => debug!(%error, "where the group stands was not taken down"),
        }
    }
}

impl ClientContext for Rebalance {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}
