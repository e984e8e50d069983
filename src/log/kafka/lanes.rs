//! What a reader's thread owns: the consumer and a lane for every partition it follows.

use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset as Position;
use rdkafka::types::RDKafkaErrorCode;
use tracing::{debug, warn};

use super::fetched;
use super::patience::unavailable;
use super::reader::{Request, Ticket, create};
use super::voice::Voice;
use crate::log::{Chunk, Error, Intake};

/// Messages in one go before requests are looked at again.
const BUDGET: usize = 4096;

/// While nobody is hungry for so long all are paused, so that the client can be polled for its own sake.
const FASTING: Duration = Duration::from_secs(1);

/// How long to ask for the bounds of a partition after a reader fell out of one.
const BOUNDS_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Lanes {
    topic: String,
    /// Bytes that a full lane is still given before it is paused.
    slack: usize,
    config: ClientConfig,
    consumer: BaseConsumer<Voice>,
    thread: Option<Thread>,
    /// By partition number.
    lanes: Vec<Option<Lane>>,
    fed: Instant,
}

struct Lane {
    ticket: Ticket,
    intake: Intake,
    /// What was read and not yet handed on.
    chunk: Chunk,
    paused: bool,
    /// Bytes given to it since it was full.
    surplus: usize,
}

impl Lane {
    fn hand_on(&mut self) {
        if self.chunk.is_empty() && self.chunk.next_offset <= self.intake.next_offset() {
            return;
        }
        if self.intake.is_full() {
            self.surplus += self.chunk.size();
        } else {
            self.surplus = 0;
        }
        let next = Chunk::following(&self.chunk);
        self.intake.push(std::mem::replace(&mut self.chunk, next));
    }
}

impl Lanes {
    pub(super) fn new(topic: String, capacity: usize, config: ClientConfig, consumer: BaseConsumer<Voice>) -> Self {
        Lanes { topic, slack: capacity / 2, config, consumer, thread: None, lanes: Vec::new(), fed: Instant::now() }
    }

    /// From now on whatever arrives wakes this thread.
    pub(super) fn wake_by(&mut self, thread: &Thread) {
        let woken = thread.clone();
        self.consumer.set_nonempty_callback(move || woken.unpark());
        self.thread = Some(thread.clone());
    }

    pub(super) fn serve(&mut self, request: Request) {
        match request {
            Request::Follow { ticket, partition, intake, done } => {
                done.send(self.follow(ticket, partition, intake)).ok();
            }
            Request::Leave { ticket, done } => {
                self.leave(ticket);
                done.send(()).ok();
            }
        }
    }

    fn follow(&mut self, ticket: Ticket, partition: u32, intake: Intake) -> Result<(), Error> {
        let index = partition as usize;
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, || None);
        }
        if let Some(lane) = &self.lanes[index] {
            let earlier = lane.ticket;
            warn!(topic = self.topic, partition, "followed again before it was left");
            self.leave(earlier);
        }
        let from = intake.next_offset();
        self.assign(partition, from).map_err(|error| unavailable("assignment", &self.topic, &error))?;
        self.lanes[index] = Some(Lane { ticket, intake, chunk: Chunk::empty(from), paused: false, surplus: 0 });
        debug!(topic = self.topic, partition, from, "reading");
        Ok(())
    }

    fn assign(&self, partition: u32, from: i64) -> KafkaResult<()> {
        let mut start = TopicPartitionList::with_capacity(1);
        start.add_partition_offset(&self.topic, partition.cast_signed(), Position::Offset(from))?;
        self.consumer.incremental_assign(&start)
    }

    fn leave(&mut self, ticket: Ticket) {
        let found = self.lanes.iter().position(|lane| lane.as_ref().is_some_and(|lane| lane.ticket == ticket));
        let Some(index) = found else { return };
        let partition = self.one(index);
        // A partition that is given up while paused would come back paused.
        let ended = self.consumer.resume(&partition).and_then(|()| self.consumer.incremental_unassign(&partition));
        if let Err(error) = ended {
            warn!(topic = self.topic, partition = index, %error, "a partition could not be given up, reading anew");
            self.lanes[index] = None;
            self.rebuild();
        }
        self.lanes[index] = None;
    }

    fn one(&self, index: usize) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topic, index as i32);
        list
    }

    fn open(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().flatten()
    }

    /// Reads what is at hand; false when there was nothing more, or nobody wants it.
    pub(super) fn read(&mut self) -> bool {
        let hungry = self.open().next().is_none() || self.open().any(|lane| !lane.intake.is_full());
        if hungry {
            self.fed = Instant::now();
        } else if self.fed.elapsed() < FASTING {
            return false;
        }
        self.balance(hungry);
        let more = self.read_some();
        for lane in self.lanes.iter_mut().flatten() {
            lane.hand_on();
        }
        if !more {
            self.pass_control_records();
        }
        more
    }

    /// Pauses who has more than enough, resumes who is hungry again.
    fn balance(&mut self, anybody_hungry: bool) {
        for index in 0..self.lanes.len() {
            let Some(lane) = &self.lanes[index] else { continue };
            let full = lane.intake.is_full();
            let pause = full && !lane.paused && (lane.surplus >= self.slack || !anybody_hungry);
            let resume = !full && lane.paused;
            let changed = match (pause, resume) {
                (true, _) => self.consumer.pause(&self.one(index)),
                (_, true) => self.consumer.resume(&self.one(index)),
                _ => continue,
            };
            if let Err(error) = changed {
                warn!(topic = self.topic, partition = index, %error, "a partition could not be paused or resumed");
            } else if let Some(lane) = &mut self.lanes[index] {
                lane.paused = pause;
                lane.surplus = 0;
            }
        }
    }

    /// Reads until nothing is at hand, or so much that it is time to look at the lanes again.
    fn read_some(&mut self) -> bool {
        let mut bytes = 0;
        for _ in 0..BUDGET {
            // A line of the client's log makes a poll come back empty, too: only the second time it is true.
            let Some(read) = self.read_one().or_else(|| self.read_one()) else { return false };
            bytes += read;
            if bytes > self.slack / 2 {
                break;
            }
        }
        true
    }

    /// The bytes of one record, `None` when nothing is at hand.
    fn read_one(&mut self) -> Option<usize> {
        let error = match self.consumer.poll(Duration::ZERO) {
            None => return None,
            Some(Ok(message)) => {
                let lane = self.lanes.get_mut(message.partition() as usize).and_then(Option::as_mut);
                // What was fetched before a partition was given up may still come out.
                if let Some(lane) = lane.filter(|lane| message.offset() >= lane.chunk.next_offset) {
                    fetched::append(&mut lane.chunk, &message);
                    if fetched::is_complete(&lane.chunk) {
                        lane.hand_on();
                    }
                }
                return Some(message.payload_len() + message.key_len());
            }
            Some(Err(error)) => error,
        };
        self.on_error(&error);
        Some(0)
    }

    /// Everything that was polled is handed on, so the client's own position is behind all of it and behind the
    /// control records and aborted records that are never delivered.
    fn pass_control_records(&mut self) {
        let Ok(positions) = self.consumer.position() else { return };
        for element in positions.elements() {
            let lane = self.lanes.get_mut(element.partition() as usize).and_then(Option::as_mut);
            if let (Some(lane), Position::Offset(position)) = (lane, element.offset())
                && position > lane.chunk.next_offset
            {
                lane.chunk.next_offset = position;
                lane.hand_on();
            }
        }
    }

    fn on_error(&mut self, error: &KafkaError) {
        use RDKafkaErrorCode::{
            AutoOffsetReset, BadCompression, BadMessage, OffsetOutOfRange, TopicAuthorizationFailed,
        };
        match error.rdkafka_error_code() {
            Some(AutoOffsetReset | OffsetOutOfRange) => self.fail_the_lost(error),
            Some(TopicAuthorizationFailed) => self.fail(|_| true, &unavailable("reading", &self.topic, error)),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                warn!(topic = self.topic, %error, "the client is unusable, reading anew");
                self.rebuild();
            }
            // Tried again for ever, and which partition it is only the client's own log line says.
            Some(BadCompression | BadMessage) => {
                warn!(topic = self.topic, %error, "a record cannot be taken apart, its partition stands still");
            }
            _ => debug!(topic = self.topic, %error, "reading goes on"),
        }
    }

    /// The client says that a position does not exist, and not which: whoever stands outside the log is it.
    fn fail_the_lost(&mut self, error: &KafkaError) {
        let mut found = false;
        for index in 0..self.lanes.len() {
            let Some(lane) = &self.lanes[index] else { continue };
            let next = lane.chunk.next_offset;
            let bounds = self.consumer.fetch_watermarks(&self.topic, index as i32, BOUNDS_TIMEOUT);
            let reason = match bounds {
                Ok((start, end)) if (start..=end).contains(&next) => continue,
                Ok((start, end)) => format!("the log holds {start} to {end}"),
                Err(_) => error.to_string(),
            };
            let context = format!("reading {}:{index}:{next}", self.topic);
            self.fail(|at| at == index, &Error::Refused { context, reason });
            found = true;
        }
        if !found {
            // The client has stopped reading the one it meant.
            self.rebuild();
        }
    }

    fn fail(&mut self, which: impl Fn(usize) -> bool, error: &Error) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(lane) = lane.as_mut().filter(|_| which(index)) {
                lane.hand_on();
                lane.intake.fail(error.clone());
            }
        }
    }

    /// A new client that goes on exactly where the old one stood.
    fn rebuild(&mut self) {
        match create(&self.config) {
            Ok(consumer) => self.consumer = consumer,
            Err(error) => return self.fail(|_| true, &error),
        }
        if let Some(thread) = self.thread.clone() {
            self.wake_by(&thread);
        }
        for index in 0..self.lanes.len() {
            let Some(lane) = &mut self.lanes[index] else { continue };
            lane.paused = false;
            let next = lane.chunk.next_offset;
            if let Err(error) = self.assign(index as u32, next) {
                let error = unavailable("assignment", &self.topic, &error);
                self.fail(|at| at == index, &error);
            }
        }
    }
}
