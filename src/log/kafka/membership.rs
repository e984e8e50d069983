//! Who owns what: one consumer that is a member of the group and never reads a record.
//!
//! Whoever is given partition p of the commands topic owns p, its inbox included. The partitions are assigned
//! paused, records come through the lanes' own readers from exact offsets. So nothing here needs to be in step with
//! what is read, and no rebalance disturbs a commit.
//!
//! It subscribes to the commands alone: given both topics, the group balances partitions without regard to their
//! topic, and one engine can end with all inboxes and no work. The price is that the group's offsets of the inbox
//! expire, 7 days after their last commit, which is why every commit names both topics, and why idle partitions
//! commit from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::bookmarks::Bookmarks;
use super::patience::{is_missing_topic, unavailable};
use super::rebalance::{REVOCATION_LIMIT, Rebalance};
use super::settings::Settings;
use super::view::not_created;
use crate::log::{Answer, Error, Ownership};

/// Every poll serves the group, so this is also how fast leaving is noticed.
const POLL: Duration = Duration::from_millis(100);

/// How often the topics are looked at: their partitions must not change under a running engine.
const LOOK_AT_TOPICS: Duration = Duration::from_secs(5);

/// How long the cluster may take to describe a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// What does not change is said once in this time.
const REMIND: Duration = Duration::from_secs(30);

/// Before a broken member is replaced: it may have been fenced by another engine of the same name.
const REPLACE_AFTER: Duration = Duration::from_secs(2);

/// A member of the group, on a thread of its own.
pub(super) struct Membership {
    leaving: Arc<AtomicBool>,
    left: oneshot::Receiver<()>,
}

impl Membership {
    /// Joins, and goes on joining until it is told to leave.
    pub(super) fn join(
        settings: Arc<Settings>,
        group: &'static str,
        topics: Vec<String>,
        bookmarks: Option<Arc<Bookmarks>>,
        ownership: mpsc::UnboundedSender<Ownership>,
    ) -> Membership {
        let leaving = Arc::new(AtomicBool::new(false));
        let (done, left) = oneshot::channel();
        let failed = ownership.clone();
        let member = Member { settings, group, topics, bookmarks, ownership, leaving: leaving.clone() };
        let started = thread::Builder::new().name(format!("member {group}")).spawn(move || member.run(done));
        if let Err(reason) = started {
            failed.send(Ownership::Failed(Error::Unavailable(format!("no thread for the member: {reason}")))).ok();
        }
        Membership { leaving, left }
    }

    /// Answers when everything owned was revoked and closed.
    pub(super) fn leave(mut self) -> Answer<()> {
        self.leaving.store(true, Ordering::Relaxed);
        let (_, never) = oneshot::channel();
        let left = std::mem::replace(&mut self.left, never);
        // A member whose thread is gone has left, too.
        Box::pin(async move {
            left.await.ok();
            Ok(())
        })
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

struct Member {
    settings: Arc<Settings>,
    group: &'static str,
    /// All topics whose partitions must agree; the commands topic first.
    topics: Vec<String>,
    /// Of a group that only reads: what is to be committed.
    bookmarks: Option<Arc<Bookmarks>>,
    ownership: mpsc::UnboundedSender<Ownership>,
    leaving: Arc<AtomicBool>,
}

/// Why a member is no more.
enum End {
    Leaving,
    /// The client is unusable; a new one may do.
    Broken(KafkaError),
    /// Going on would be wrong.
    Failed(Error),
}

impl Member {
    fn run(self, done: oneshot::Sender<()>) {
        let mut done = Some(done);
        loop {
            let consumer = match self.create() {
                Ok(consumer) => consumer,
                Err(error) => {
                    self.ownership.send(Ownership::Failed(error)).ok();
                    return;
                }
            };
            let end = match self.wait_for_topics(&consumer).and_then(|()| self.serve(&consumer)) {
                Ok(()) => End::Leaving,
                Err(end) => end,
            };
            if matches!(end, End::Failed(_)) {
                // Not ready from now on, while it drains.
                self.lost();
            }
            if !matches!(end, End::Broken(_)) {
                self.retire(&consumer);
            }
            consumer.context().give_up_the_rest();
            if matches!(end, End::Leaving)
                && let Some(done) = done.take()
            {
                // Before the client is dropped, which may wait for a broker that is away.
                done.send(()).ok();
            }
            drop(consumer);
            match end {
                End::Leaving => return,
                End::Failed(error) => {
                    self.ownership.send(Ownership::Failed(error)).ok();
                    return;
                }
                End::Broken(error) => {
                    warn!(group = self.group, %error, "the member of the group is unusable, joining anew; does another \
                          engine run with the same instance_id?");
                    self.lost();
                    self.pause(REPLACE_AFTER);
                }
            }
        }
    }

    /// Who owned nothing is no member any more, too.
    fn lost(&self) {
        let (done, _) = oneshot::channel();
        self.ownership.send(Ownership::Revoked { partitions: Vec::new(), lost: true, done }).ok();
    }

    fn commands(&self) -> &str {
        &self.topics[0]
    }

    fn create(&self) -> Result<BaseConsumer<Rebalance>, Error> {
        let context = Rebalance::new(self.commands().to_owned(), self.settings.partitions, self.ownership.clone())
            .with_bookmarks(self.bookmarks.clone());
        self.settings
            .membership(self.group)
            .create_with_context(context)
            .map_err(|error| not_created("a member of the group", &error))
    }

    fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        while Instant::now() < until && !self.leaving.load(Ordering::Relaxed) {
            thread::sleep(POLL.min(length));
        }
    }

    fn stay(&self) -> Result<(), End> {
        // Who no longer listens cannot own anything.
        let leaving = self.leaving.load(Ordering::Relaxed) || self.ownership.is_closed();
        if leaving { Err(End::Leaving) } else { Ok(()) }
    }

    /// No broker, no topics: neither is a reason to give up.
    fn wait_for_topics(&self, consumer: &BaseConsumer<Rebalance>) -> Result<(), End> {
        let mut reminded: Option<Instant> = None;
        loop {
            self.stay()?;
            let Err(error) = self.look_at_topics(consumer)? else { return Ok(()) };
            if reminded.is_none_or(|at| at.elapsed() > REMIND) {
                warn!(group = self.group, %error, "waiting to join");
                reminded = Some(Instant::now());
            }
            consumer.poll(Duration::ZERO);
            self.pause(Duration::from_millis(500));
        }
    }

    /// The inner error passes, the outer does not.
    fn look_at_topics(&self, consumer: &BaseConsumer<Rebalance>) -> Result<Result<(), Error>, End> {
        for name in &self.topics {
            let metadata = match consumer.fetch_metadata(Some(name), METADATA_TIMEOUT) {
                Ok(metadata) => metadata,
                Err(error) => return Ok(Err(unavailable("the metadata", name, &error))),
            };
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                return Ok(Err(Error::TopicMissing { topic: name.clone() }));
            };
            if let Some(code) = topic.error() {
                let error = KafkaError::MetadataFetch(code.into());
                return Ok(Err(unavailable("the metadata", name, &error)));
            }
            let (found, wanted) = (topic.partitions().len(), self.settings.partitions);
            if found != wanted as usize {
                return Err(End::Failed(Error::Refused {
                    context: format!("topic {name}"),
                    reason: format!(
                        "it has {found} partitions and the engine works with {wanted}; events stay where they are when \
                         partitions are added, so aggregates would lose their history: go back to {wanted}, or migrate \
                         and set `topics.partitions`"
                    ),
                }));
            }
        }
        Ok(Ok(()))
    }

    fn serve(&self, consumer: &BaseConsumer<Rebalance>) -> Result<(), End> {
        consumer.subscribe(&[self.commands()]).map_err(End::Broken)?;
        info!(group = self.group, instance = self.settings.instance_id, "joining");
        let mut looked = Instant::now();
        loop {
            self.stay()?;
            if let Some(Err(error)) = consumer.poll(POLL) {
                self.on_error(error)?;
            }
            if let Some(due) = self.bookmarks.as_ref().and_then(|bookmarks| bookmarks.due()) {
                self.commit(consumer, &due);
            }
            if consumer.context().is_broken() {
                return Err(End::Broken(KafkaError::Canceled));
            }
            if looked.elapsed() >= LOOK_AT_TOPICS {
                if let Err(error) = self.look_at_topics(consumer)? {
                    debug!(group = self.group, %error, "the topics cannot be looked at");
                }
                looked = Instant::now();
            }
        }
    }

    /// The answer comes to the client's context.
    fn commit(&self, consumer: &BaseConsumer<Rebalance>, due: &TopicPartitionList) {
        if let Err(error) = consumer.commit(due, CommitMode::Async) {
            debug!(group = self.group, %error, "where the group stands is said again later");
        }
    }

    fn on_error(&self, error: KafkaError) -> Result<(), End> {
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return Err(End::Broken(error));
        }
        if error.rdkafka_error_code().is_some_and(is_missing_topic) {
            warn!(group = self.group, %error, "a topic of the group is gone");
        } else {
            debug!(group = self.group, %error, "membership goes on");
        }
        Ok(())
    }

    /// Leaves in order: what is owned is revoked and closed first, so that the next owner need not wait.
    fn retire(&self, consumer: &BaseConsumer<Rebalance>) {
        consumer.unsubscribe();
        let deadline = Instant::now() + REVOCATION_LIMIT;
        let empty = || consumer.assignment().is_ok_and(|assignment| assignment.count() == 0);
        while !(consumer.context().owns_nothing() && empty()) && Instant::now() < deadline {
            consumer.poll(POLL);
        }
    }
}
