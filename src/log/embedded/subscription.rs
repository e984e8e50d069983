//! A group of one member that only reads.

use std::sync::Arc;

use futures_util::future::{self, FutureExt};
use tokio::sync::{Notify, mpsc};

use super::Core;
use super::member::Member;
use super::readers::feed;
use crate::log::{Answer, Following, Input, Intake, Offset, Ownership, Signal, Subscription, Topic};

pub(super) struct EmbeddedSubscription {
    core: Arc<Core>,
    topics: Vec<Topic>,
    capacity: usize,
    member: Member,
}

impl EmbeddedSubscription {
    pub(super) fn new(core: Arc<Core>, topics: &[Topic], capacity: usize) -> Self {
        let member = Member::new(core.store.partitions());
        EmbeddedSubscription { core, topics: topics.to_vec(), capacity, member }
    }
}

impl Subscription for EmbeddedSubscription {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        self.member.join()
    }

    fn leave(&self) -> Answer<()> {
        self.member.leave()
    }

    fn identity(&self) -> Answer<String> {
        self.core.look_up(|store| store.identity())
    }

    fn topics(&self) -> &[Topic] {
        &self.topics
    }

    fn inputs(&self, partition: u32) -> Answer<Vec<Input>> {
        let topics = self.topics.clone();
        self.core.look_up(move |store| {
            let input = |topic: &Topic| Ok(Input { committed: None, start: 0, end: store.end(*topic, partition)? });
            topics.iter().map(input).collect()
        })
    }

    fn follow(&self, partition: u32, from: &[Offset], arrived: Signal) -> Answer<Following> {
        let follow = |(topic, from): (&Topic, &Offset)| {
            let hungry = Arc::new(Notify::new());
            let wake = hungry.clone();
            let intake = Intake::new(*from, self.capacity, arrived.clone(), Arc::new(move || wake.notify_one()));
            let cursor = self.core.cursor(*topic, partition, *from);
            let fed = self.core.readers.tasks().spawn(feed(cursor, intake.clone(), hungry, self.capacity));
            (intake, fed.abort_handle())
        };
        let (intakes, feeding): (Vec<_>, Vec<_>) = self.topics.iter().zip(from).map(follow).unzip();
        let stop = move || feeding.iter().for_each(tokio::task::AbortHandle::abort);
        future::ready(Ok(Following::new(intakes, stop))).boxed()
    }

    /// There are no operators to tell it to.
    fn acknowledge(&self, _partition: u32, _next_offsets: &[Offset]) {}
}
