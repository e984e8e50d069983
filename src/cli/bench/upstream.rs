//! The client outside: writes commands, reads answers as they become readable.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::ground::{Ground, failed};
use super::workload::{Command, Workload};
use crate::cli::Failure;
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::partition::REPLIES;

/// While the client's queue is full.
const QUEUE_STEP: Duration = Duration::from_millis(1);

/// The name under which answers are read; it is never a member of anything.
const GROUP: &str = "bench";

/// What is held back is given up after so long; no broker allows more than a quarter of an hour unless it is told to.
const HELD_AT_MOST: Duration = Duration::from_secs(600);

/// Writes commands.
pub struct Writer {
    accounts: String,
    transactions: String,
    producer: BaseProducer,
}

impl Writer {
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(ground: &Ground) -> Result<Self, Failure> {
        let mut config = ground.kafka.idempotent_producer();
        // What is lost is found by its missing answer.
        config.set("delivery.report.only.error", "true");
        Writer::with(ground, &config)
    }

    /// What it writes waits in the topic, unreadable, until it is released as a whole.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or nobody answers in time.
    pub fn holding(ground: &Ground) -> Result<Self, Failure> {
        let mut config = ground.kafka.idempotent_producer();
        config
            .set("delivery.report.only.error", "true")
            .set("transactional.id", format!("{}-{GROUP}", ground.config.topics.prefix))
            .set("transaction.timeout.ms", HELD_AT_MOST.as_millis().to_string());
        let writer = Writer::with(ground, &config)?;
        writer.producer.init_transactions(ground.within().timeout()).map_err(failed)?;
        writer.producer.begin_transaction().map_err(failed)?;
        Ok(writer)
    }

    fn with(ground: &Ground, config: &ClientConfig) -> Result<Self, Failure> {
        let (accounts, transactions) = (ground.name(ACCOUNTS.commands), ground.name(TRANSACTIONS.commands));
        Ok(Writer { accounts, transactions, producer: config.create().map_err(failed)? })
    }

    /// Everything that was held back can be read from now on.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub fn release(self, limit: Duration) -> Result<(), Failure> {
        self.producer.commit_transaction(limit).map_err(failed)
    }

    /// Hands one command to the client.
    ///
    /// # Errors
    /// It is refused.
    pub fn send(&self, command: &Command) -> Result<(), Failure> {
        let topic = if command.topic == ACCOUNTS.commands { &self.accounts } else { &self.transactions };
        let mut record: BaseRecord<'_, _, _> =
            BaseRecord::to(topic).partition(command.partition).key(&command.key).payload(&command.value);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(failed(error));
            }
            self.producer.poll(QUEUE_STEP);
            record = unsent;
        }
        Ok(())
    }

    /// Lets the client do what it has to do.
    pub fn tend(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Writes these commands and waits until they are durable.
    ///
    /// # Errors
    /// One is refused, or nobody answers in time.
    pub fn fill(&self, workload: &mut Workload, numbers: std::ops::Range<u64>, limit: Duration) -> Result<(), Failure> {
        for number in numbers {
            self.send(&workload.command(number))?;
        }
        self.settle(limit)
    }

    /// Waits until what was sent is durable.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub fn settle(&self, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(QUEUE_STEP);
            if Instant::now() > deadline {
                return Err(Failure::failed("TIMEOUT", "the commands could not be written"));
            }
        }
        Ok(())
    }
}

/// Reads the answers of all partitions.
pub struct Answers {
    consumer: BaseConsumer,
}

impl Answers {
    /// From the first answer on.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(ground: &Ground) -> Result<Self, Failure> {
        let consumer: BaseConsumer = ground.kafka.lane_reader(GROUP).create().map_err(failed)?;
        let (name, mut all) = (ground.name(REPLIES), TopicPartitionList::new());
        for partition in 0..ground.partitions() {
            all.add_partition_offset(&name, partition.cast_signed(), Offset::Beginning).map_err(failed)?;
        }
        consumer.assign(&all).map_err(failed)?;
        Ok(Answers { consumer })
    }

    /// Hands the next answer to `take`, if one comes within `limit`; answers whether one came.
    ///
    /// # Errors
    /// What ends the reading.
    pub fn next(&self, limit: Duration, take: impl FnOnce(&[u8])) -> Result<bool, Failure> {
        match self.consumer.poll(limit) {
            None => Ok(false),
            Some(Ok(answer)) => {
                take(answer.payload().unwrap_or_default());
                Ok(true)
            }
            // The client goes on by itself after anything else.
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(failed(error)),
            Some(Err(_)) => Ok(false),
        }
    }
}

/// Watches how far a group has committed.
pub struct Progress {
    consumer: BaseConsumer,
    asked: TopicPartitionList,
    limit: Duration,
}

impl Progress {
    /// Of the group that works on this ground.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(ground: &Ground) -> Result<Self, Failure> {
        let mut config = ground.kafka.committed_view(ACCOUNTS.group);
        // Otherwise the coordinator answers only while no transaction is open, which is never.
        config.set("isolation.level", "read_uncommitted");
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&ground.name(ACCOUNTS.commands), 0, ground.partitions().cast_signed() - 1);
        Ok(Progress { consumer: config.create().map_err(failed)?, asked, limit: ground.within().timeout() })
    }

    /// How long to wait without any.
    pub fn patience(&self) -> Duration {
        self.limit
    }

    /// Commands whose effects are committed; `None` when the coordinator does not answer this time.
    pub fn committed(&self) -> Option<u64> {
        let answered = self.consumer.committed_offsets(self.asked.clone(), self.limit).ok()?;
        let offsets = answered.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        });
        Some(offsets.sum())
    }
}
