//! One owned partition: what is asked of it, and which thread does it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tracing::warn;

use super::patience::Patience;
use super::producer::Transactions;
use super::reader::{Reader, Ticket};
use super::replay::{self, Stretch};
use super::settings::Settings;
use super::view::View;
use super::worker::Worker;
use crate::log::{Answer, Chunks, Commit, Input, Intake, Offset, Partition, PerLane, Signal, Spec, Topic};

/// An open transaction of an owner that was not fenced ends by its timeout of 10 s, looked for every 10 s.
const INPUTS_PATIENCE: Duration = Duration::from_secs(30);

/// For bounds, which wait for nobody.
const BOUNDS_PATIENCE: Duration = Duration::from_secs(10);

/// Closing is answered after this long even when the client does not come back from the broker.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What the partitions of one group have in common.
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) spec: Spec,
    pub(super) inputs: PerLane<String>,
    pub(super) view: Arc<View>,
    /// Asks for ends while the partitions' own threads commit.
    pub(super) observer: Worker<Arc<View>>,
    pub(super) readers: PerLane<Reader>,
}

impl Shared {
    pub(super) fn name(&self, topic: Topic) -> String {
        topic.full_name(&self.settings.prefix)
    }

    /// A producer on a thread of its own, and the flag that breaks off what it does.
    pub(super) fn producer(&self, partition: u32) -> (Worker<Transactions>, Arc<AtomicBool>) {
        let closing = Arc::new(AtomicBool::new(false));
        let (settings, spec, view) = (self.settings.clone(), self.spec, self.view.clone());
        let name = format!("{}-{partition}", spec.group);
        let flag = closing.clone();
        let worker = Worker::start(name, move || Transactions::warm(settings, spec, partition, view, flag));
        (worker, closing)
    }
}

/// One owned partition of a [`KafkaLog`](super::KafkaLog).
pub(super) struct KafkaPartition {
    number: u32,
    shared: Arc<Shared>,
    transactions: Worker<Transactions>,
    closing: Arc<AtomicBool>,
    followed: Mutex<Option<PerLane<Ticket>>>,
}

impl KafkaPartition {
    pub(super) fn new(
        number: u32,
        shared: Arc<Shared>,
        (transactions, closing): (Worker<Transactions>, Arc<AtomicBool>),
    ) -> Self {
        KafkaPartition { number, shared, transactions, closing, followed: Mutex::new(None) }
    }

    /// Both lanes are left; the answer comes when neither is fed any more.
    fn leave(&self) -> Answer<()> {
        let tickets = self.followed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tickets) = tickets else { return async { Ok(()) }.boxed() };
        let readers = &self.shared.readers;
        let (commands, inbox) = (readers.commands.leave(tickets.commands), readers.inbox.leave(tickets.inbox));
        async move { commands.await.and(inbox.await) }.boxed()
    }
}

impl Partition for KafkaPartition {
    fn number(&self) -> u32 {
        self.number
    }

    fn fence(&self) -> Answer<()> {
        self.transactions.ask(Transactions::fence)
    }

    fn inputs(&self) -> Answer<PerLane<Input>> {
        let (shared, closing, partition) = (self.shared.clone(), self.closing.clone(), self.number);
        self.transactions.ask(move |_| {
            let patience = Patience::new(INPUTS_PATIENCE, &closing);
            let topics = &shared.inputs;
            let committed = shared.view.committed_offsets(topics, partition, &patience)?;
            let input = |topic: &str, committed| {
                let bounds = shared.view.written_range(topic, partition, &patience)?;
                Ok(Input { committed, start: bounds.start, end: bounds.end })
            };
            Ok(PerLane {
                commands: input(&topics.commands, committed.commands)?,
                inbox: input(&topics.inbox, committed.inbox)?,
            })
        })
    }

    fn events_bounds(&self) -> Answer<Range<Offset>> {
        let (shared, closing, partition) = (self.shared.clone(), self.closing.clone(), self.number);
        self.transactions.ask(move |_| {
            let patience = Patience::new(BOUNDS_PATIENCE, &closing);
            shared.view.written_range(&shared.name(shared.spec.events), partition, &patience)
        })
    }

    fn replay(&self, range: Range<Offset>) -> Chunks {
        let Shared { settings, spec, .. } = &*self.shared;
        let topic = self.shared.name(spec.events);
        let group = spec.group.to_owned();
        replay::start(settings, Stretch { group, topic, partition: self.number, range })
    }

    fn snapshots(&self) -> Chunks {
        let Shared { settings, spec, view, .. } = &*self.shared;
        let (topic, group) = (self.shared.name(spec.snapshots), spec.group.to_owned());
        let (view, closing) = (view.clone(), self.closing.clone());
        let whole = Stretch { group, topic, partition: self.number, range: 0..0 };
        replay::start_once_known(settings, whole, move |stretch| {
            let patience = Patience::new(BOUNDS_PATIENCE, &closing);
            view.written_range(&stretch.topic, stretch.partition, &patience)
        })
    }

    fn identity(&self) -> Answer<String> {
        let (topic, closing) = (self.shared.name(self.shared.spec.events), self.closing.clone());
        self.shared.observer.ask(move |view| {
            let patience = Patience::new(BOUNDS_PATIENCE, &closing);
            Ok(format!("{}/{topic}", view.cluster(&patience)?))
        })
    }

    fn follow(&self, from: PerLane<Offset>, arrived: Signal) -> Answer<PerLane<Intake>> {
        let earlier = self.leave();
        let readers = &self.shared.readers;
        let (inbox_ticket, inbox) = readers.inbox.follow(self.number, from.inbox, arrived.clone());
        let (commands_ticket, commands) = readers.commands.follow(self.number, from.commands, arrived);
        let tickets = PerLane { commands: commands_ticket, inbox: inbox_ticket };
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some(tickets);
        async move {
            earlier.await?;
            let inbox = inbox.await?;
            Ok(PerLane { commands: commands.await?, inbox })
        }
        .boxed()
    }

    fn ends(&self) -> Answer<PerLane<Offset>> {
        let (topics, closing, partition) = (self.shared.inputs.clone(), self.closing.clone(), self.number);
        self.shared.observer.ask(move |view| {
            let patience = Patience::new(BOUNDS_PATIENCE, &closing);
            let end = |topic: &str| Ok(view.committed_range(topic, partition, &patience)?.end);
            Ok(PerLane { commands: end(&topics.commands)?, inbox: end(&topics.inbox)? })
        })
    }

    fn commit(&self, commit: Arc<Commit>) -> Answer<Option<Offset>> {
        self.transactions.ask(move |transactions| transactions.commit(&commit))
    }

    fn close(&self) -> Answer<()> {
        self.closing.store(true, Ordering::Relaxed);
        let left = self.leave();
        let closed = self.transactions.ask(|transactions| {
            transactions.close();
            Ok(())
        });
        let partition = self.number;
        async move {
            left.await?;
            match tokio::time::timeout(CLOSE_LIMIT, closed).await {
                Ok(answer) => answer,
                Err(_) => {
                    warn!(partition, "a producer does not come back from the broker; the next fence shuts it out");
                    Ok(())
                }
            }
        }
        .boxed()
    }
}

impl Drop for KafkaPartition {
    fn drop(&mut self) {
        // Without a close: nothing of this handle goes on, and nobody waits for it.
        self.closing.store(true, Ordering::Relaxed);
        drop(self.leave());
    }
}
