//! Reads committed records from one offset to another, on a thread of its own.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset as Position;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc;
use tracing::debug;

use super::fetched;
use super::settings::Settings;
use super::view::not_created;
use super::voice::Voice;
use crate::log::{Chunk, Chunks, Error, Offset};

/// Chunks that wait for the reader.
const AHEAD: usize = 8;

/// How often it is looked whether the receiver is still there.
const LOOK_UP: Duration = Duration::from_millis(100);

/// An end that is known to exist is reached within the timeout of a transaction that stands in the way; later than
/// this somebody should know.
const STALLED: Duration = Duration::from_secs(60);

/// What to read: one partition of one topic, under the name of a group that is never joined.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) range: Range<Offset>,
}

/// Starts reading. The channel closes when the end is reached, or after an error.
pub(super) fn start(settings: &Settings, stretch: Stretch) -> Chunks {
    let (chunks, received) = mpsc::channel(AHEAD);
    if stretch.range.is_empty() {
        return received;
    }
    spawn(settings, stretch, chunks, |stretch| Ok(stretch.range.clone()));
    received
}

/// The same for a range that is only to be asked for, on the thread that reads.
pub(super) fn start_once_known(
    settings: &Settings,
    stretch: Stretch,
    range: impl FnOnce(&Stretch) -> Result<Range<Offset>, Error> + Send + 'static,
) -> Chunks {
    let (chunks, received) = mpsc::channel(AHEAD);
    spawn(settings, stretch, chunks, range);
    received
}

fn spawn(
    settings: &Settings,
    mut stretch: Stretch,
    chunks: mpsc::Sender<Result<Chunk, Error>>,
    range: impl FnOnce(&Stretch) -> Result<Range<Offset>, Error> + Send + 'static,
) {
    let config = settings.replay(&stretch.group);
    let failed = chunks.clone();
    let name = format!("replay {}", stretch.partition);
    let read = move |chunks: &mpsc::Sender<_>| {
        stretch.range = range(&stretch)?;
        if stretch.range.is_empty() {
            return Ok(());
        }
        let created = config.create_with_context(Voice::new("replay"));
        let consumer = created.map_err(|error| not_created("a reader", &error))?;
        Replay::new(consumer, stretch, chunks).run()
    };
    let started = thread::Builder::new().name(name).spawn(move || {
        if let Err(error) = read(&chunks) {
            chunks.blocking_send(Err(error)).ok();
        }
    });
    if let Err(reason) = started {
        failed.try_send(Err(Error::Unavailable(format!("no thread to read with: {reason}")))).ok();
    }
}

struct Replay<'a> {
    consumer: BaseConsumer<Voice>,
    stretch: Stretch,
    chunk: Chunk,
    chunks: &'a mpsc::Sender<Result<Chunk, Error>>,
    moved: Instant,
}

/// What a poll brought.
enum Polled {
    Record,
    /// A record behind the end: nothing of the range is missing any more.
    Beyond,
    Nothing,
    Failed(KafkaError),
}

impl<'a> Replay<'a> {
    fn new(
        consumer: BaseConsumer<Voice>,
        stretch: Stretch,
        chunks: &'a mpsc::Sender<Result<Chunk, Error>>,
    ) -> Replay<'a> {
        let chunk = Chunk::empty(stretch.range.start);
        Replay { consumer, stretch, chunk, chunks, moved: Instant::now() }
    }

    fn run(mut self) -> Result<(), Error> {
        let mut from = TopicPartitionList::with_capacity(1);
        let (topic, partition) = (&self.stretch.topic, self.stretch.partition.cast_signed());
        from.add_partition_offset(topic, partition, Position::Offset(self.stretch.range.start))
            .and_then(|()| self.consumer.assign(&from))
            .map_err(|error| self.refused(&error))?;
        // The receiver that is gone ends it as the end of the range does.
        while self.chunk.next_offset < self.stretch.range.end && !self.chunks.is_closed() {
            self.step()?;
        }
        self.hand_on();
        Ok(())
    }

    fn step(&mut self) -> Result<(), Error> {
        match self.poll() {
            Polled::Record if fetched::is_complete(&self.chunk) => self.hand_on(),
            Polled::Record => {}
            Polled::Beyond => self.chunk.next_offset = self.stretch.range.end,
            Polled::Nothing => self.catch_up()?,
            Polled::Failed(error) => self.on_error(&error)?,
        }
        Ok(())
    }

    /// Waits for one message, and not at all while there are records to hand on.
    fn poll(&mut self) -> Polled {
        let timeout = if self.chunk.is_empty() { LOOK_UP } else { Duration::ZERO };
        match self.consumer.poll(timeout) {
            Some(Ok(message)) if message.offset() < self.stretch.range.end => {
                fetched::append(&mut self.chunk, &message);
                Polled::Record
            }
            Some(Ok(_)) => Polled::Beyond,
            Some(Err(KafkaError::PartitionEOF(_))) | None => Polled::Nothing,
            Some(Err(error)) => Polled::Failed(error),
        }
    }

    /// Nothing is at hand: what was read goes out, and the position passes what is never delivered.
    fn catch_up(&mut self) -> Result<(), Error> {
        self.hand_on();
        if let Some(position) = self.position()
            && position > self.chunk.next_offset
        {
            self.chunk.next_offset = position.min(self.stretch.range.end);
            self.moved = Instant::now();
        }
        if self.stretch.range.end != Offset::MAX && self.moved.elapsed() > STALLED {
            let Stretch { topic, partition, range, .. } = &self.stretch;
            return Err(Error::Unavailable(format!(
                "reading {topic}:{partition} stands at {} and does not reach {}",
                self.chunk.next_offset, range.end
            )));
        }
        Ok(())
    }

    fn position(&self) -> Option<Offset> {
        let positions = self.consumer.position().ok()?;
        match positions.elements().first()?.offset() {
            Position::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// Sends what was read, if anything; a follower gets positions too.
    fn hand_on(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        self.moved = Instant::now();
        let next = Chunk::following(&self.chunk);
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.chunks.blocking_send(Ok(chunk)).ok();
    }

    fn on_error(&self, error: &KafkaError) -> Result<(), Error> {
        use RDKafkaErrorCode::{
            AutoOffsetReset, OffsetOutOfRange, TopicAuthorizationFailed, UnknownPartition, UnknownTopic,
            UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            Some(UnknownTopic | UnknownPartition | UnknownTopicOrPartition) => {
                Err(Error::TopicMissing { topic: self.stretch.topic.clone() })
            }
            Some(AutoOffsetReset | OffsetOutOfRange | TopicAuthorizationFailed) => Err(self.refused(error)),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => Err(self.refused(error)),
            _ => {
                debug!(topic = self.stretch.topic, partition = self.stretch.partition, %error, "reading goes on");
                Ok(())
            }
        }
    }

    fn refused(&self, error: &KafkaError) -> Error {
        let Stretch { topic, partition, .. } = &self.stretch;
        Error::Refused {
            context: format!("reading {topic}:{partition}:{}", self.chunk.next_offset),
            reason: error.to_string(),
        }
    }
}
