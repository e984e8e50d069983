//! A group that only reads: the member decides who owns what, one reader a topic reads, and the member commits where
//! they stand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::bookmarks::Bookmarks;
use super::membership::Membership;
use super::patience::Patience;
use super::reader::Reader;
use super::settings::Settings;
use super::view::View;
use super::worker::Worker;
use crate::log::{Answer, Error, Following, Input, Offset, Ownership, Signal, Subscription, Topic};

/// How long committed offsets and bounds are asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One group's reading of some topics of a Kafka cluster.
pub struct KafkaSubscription {
    settings: Arc<Settings>,
    group: &'static str,
    topics: Vec<Topic>,
    names: Vec<String>,
    readers: Arc<Vec<Reader>>,
    view: Worker<Arc<View>>,
    bookmarks: Arc<Bookmarks>,
    membership: Mutex<Option<Membership>>,
}

impl KafkaSubscription {
    /// Starts the readers. Needs no broker yet. The partitions are shared as those of the first topic are.
    ///
    /// # Errors
    /// [`Error::Refused`] when librdkafka does not take the settings.
    pub fn new(settings: Settings, group: &'static str, topics: &[Topic]) -> Result<KafkaSubscription, Error> {
        let settings = Arc::new(settings);
        let names: Vec<String> = topics.iter().map(|topic| topic.full_name(&settings.prefix)).collect();
        let view = Arc::new(View::new(&settings, group)?);
        let readers = names
            .iter()
            .map(|topic| Reader::start(topic.clone(), settings.intake_bytes, settings.lane_reader(group)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(KafkaSubscription {
            group,
            topics: topics.to_vec(),
            readers: Arc::new(readers),
            view: Worker::start(format!("{group} view"), move || view),
            bookmarks: Arc::new(Bookmarks::new(names.clone())),
            membership: Mutex::new(None),
            settings,
            names,
        })
    }
}

impl Subscription for KafkaSubscription {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        let (ownership, changes) = mpsc::unbounded_channel();
        let (settings, names, bookmarks) = (self.settings.clone(), self.names.clone(), self.bookmarks.clone());
        let membership = Membership::join(settings, self.group, names, Some(bookmarks), ownership);
        *self.membership.lock().unwrap_or_else(PoisonError::into_inner) = Some(membership);
        changes
    }

    fn leave(&self) -> Answer<()> {
        match self.membership.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(membership) => membership.leave(),
            None => async { Ok(()) }.boxed(),
        }
    }

    fn identity(&self) -> Answer<String> {
        self.view.ask(|view| view.cluster(&Patience::of(PATIENCE)))
    }

    fn topics(&self) -> &[Topic] {
        &self.topics
    }

    fn inputs(&self, partition: u32) -> Answer<Vec<Input>> {
        let names = self.names.clone();
        self.view.ask(move |view| {
            let patience = Patience::of(PATIENCE);
            let input = |topic: &String| {
                let committed = view.committed_offset(topic, partition, &patience)?;
                let bounds = view.committed_range(topic, partition, &patience)?;
                Ok(Input { committed, start: bounds.start, end: bounds.end })
            };
            names.iter().map(input).collect()
        })
    }

    fn follow(&self, partition: u32, from: &[Offset], arrived: Signal) -> Answer<Following> {
        let follow = |(reader, from): (&Reader, &Offset)| reader.follow(partition, *from, arrived.clone());
        let (tickets, answers): (Vec<_>, Vec<_>) = self.readers.iter().zip(from).map(follow).unzip();
        let readers = self.readers.clone();
        let stop = move || {
            // Asked for at once; nobody waits until it is done, because the intakes are gone too.
            for (reader, ticket) in readers.iter().zip(tickets) {
                drop(reader.leave(ticket));
            }
        };
        let mut following = Following::new(Vec::new(), stop);
        async move {
            following.intakes = join_all(answers).await.into_iter().collect::<Result<_, _>>()?;
            Ok(following)
        }
        .boxed()
    }

    fn acknowledge(&self, partition: u32, next_offsets: &[Offset]) {
        self.bookmarks.set(partition, next_offsets);
    }
}
