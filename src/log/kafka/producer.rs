//! The transactional producer of one partition: fenced once, then one transaction after the other.
//!
//! A transaction is begin · offsets · records · drain · commit. The order decides the latency: the next
//! transaction meets the markers of the last one at its first request, and only `send_offsets` waits for them as
//! briefly as `retry.backoff.ms` says. Records are drained before the commit because rdkafka's own wait for
//! them takes steps of 100 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset as Position;
use tracing::{debug, warn};

use super::delivery::{ANY, Deliveries, LAST_EVENT, Loss};
use super::outgoing;
use super::patience::{Patience, SLICE};
use super::settings::Settings;
use super::topics;
use super::verdict::Verdict;
use super::view::{View, not_created};
use super::worker::Owned;
use crate::log::{Commit, Draft, Error, Offset, PerLane, Spec, Topic};

/// How long a fence is tried before it is said that nobody answers; the same call goes on next time.
const FENCE_PATIENCE: Duration = Duration::from_secs(60);

/// How long an abort is tried before it is said that nobody answers; the next commit goes on with it.
const ABORT_PATIENCE: Duration = Duration::from_secs(30);

/// How long closing waits for a clean abort. Without one the next owner's fence ends the transaction.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The same value is tried so often before the caller is asked.
const ATTEMPTS: u32 = 8;

/// Between two looks at what is in flight, when no report wakes the thread.
const DRAIN_STEP: Duration = Duration::from_millis(1);

/// Between the last report and its memory being given back.
const SETTLE_STEP: Duration = Duration::from_micros(50);

/// How far a producer has come.
#[derive(Clone, Debug)]
enum Phase {
    Unfenced,
    Ready,
    /// A transaction was begun and neither committed nor aborted.
    Open,
    /// Fenced, given up or closed: nothing of this handle ever writes again, and this is what it answers.
    Dead(Error),
}

/// Why an attempt did not commit.
enum Setback {
    /// To be aborted, for this reason, and tried again unless it is final.
    Abort(Loss),
    /// Nothing more can be done with this producer.
    End(Error),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Setback::End(error)
    }
}

pub(super) struct Transactions {
    settings: Arc<Settings>,
    spec: Spec,
    partition: u32,
    view: Arc<View>,
    inputs: PerLane<String>,
    names: Names,
    closing: Arc<AtomicBool>,
    phase: Phase,
    producer: Option<ThreadedProducer<Deliveries>>,
}

/// Full names of what was written to so far.
struct Names {
    prefix: String,
    known: Vec<(Topic, String)>,
}

impl Names {
    fn of(&mut self, topic: Topic) -> &str {
        let place = self.known.iter().position(|(known, _)| *known == topic).unwrap_or_else(|| {
            self.known.push((topic, topic.full_name(&self.prefix)));
            self.known.len() - 1
        });
        &self.known[place].1
    }
}

impl Owned for Transactions {}

impl Transactions {
    /// Built and warm where a broker answers, so that fencing takes milliseconds later.
    pub(super) fn warm(
        settings: Arc<Settings>,
        spec: Spec,
        partition: u32,
        view: Arc<View>,
        closing: Arc<AtomicBool>,
    ) -> Self {
        let name = |topic: Topic| topic.full_name(&settings.prefix);
        let inputs = PerLane { commands: name(spec.commands), inbox: name(spec.inbox) };
        let names = Names { prefix: settings.prefix.clone(), known: Vec::new() };
        let mut transactions = Transactions {
            settings,
            spec,
            partition,
            view,
            inputs,
            names,
            closing,
            phase: Phase::Unfenced,
            producer: None,
        };
        match transactions.build() {
            Ok(producer) => transactions.producer = Some(producer),
            Err(error) => debug!(partition, %error, "a producer is built when it is needed"),
        }
        transactions
    }

    fn build(&self) -> Result<ThreadedProducer<Deliveries>, Error> {
        let config = self.settings.transactional_producer(self.spec.group, self.partition);
        let context = Deliveries::to_this_thread(self.settings.transactional_id(self.spec.group, self.partition));
        let producer: ThreadedProducer<Deliveries> =
            config.create_with_context(context).map_err(|error| not_created("a producer", &error))?;
        for topic in topics::written_by_engine() {
            let name = topic.full_name(&self.settings.prefix);
            if let Err(error) = producer.client().fetch_metadata(Some(&name), SLICE) {
                debug!(topic = name, %error, "no metadata yet");
                break;
            }
        }
        Ok(producer)
    }

    fn fenced(&mut self, reason: impl ToString) -> Error {
        let group = self.settings.group_name(self.spec.group);
        let reason = reason.to_string();
        warn!(group, partition = self.partition, reason, "the producer of a partition is dead");
        self.dead(Error::Fenced { group, partition: self.partition, reason })
    }

    fn dead(&mut self, error: Error) -> Error {
        self.phase = Phase::Dead(error.clone());
        error
    }

    /// Shuts out and ends whatever an earlier producer of this partition left open.
    pub(super) fn fence(&mut self) -> Result<(), Error> {
        match &self.phase {
            Phase::Ready | Phase::Open => return Ok(()),
            Phase::Unfenced => {}
            Phase::Dead(error) => return Err(error.clone()),
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.build()?,
        };
        let patience = Patience::new(FENCE_PATIENCE, &self.closing);
        let outcome = loop {
            let Err(error) = producer.init_transactions(SLICE) else { break Ok(()) };
            let unanswered = || Error::Unavailable(format!("the coordinator of partition {}: {error}", self.partition));
            match Verdict::on(&error) {
                Verdict::Resume => {
                    if let Err(error) = patience.nap(unanswered) {
                        break Err(error);
                    }
                }
                Verdict::Abort | Verdict::Fatal => {
                    let context = format!("fencing partition {}", self.partition);
                    break Err(self.dead(Error::Refused { context, reason: error.to_string() }));
                }
            }
        };
        self.producer = Some(producer);
        outcome.inspect(|()| self.phase = Phase::Ready)
    }

    /// Makes the value visible; an abort that is known to be clean is followed by the same value again. Answers the
    /// offset behind the last event, where the broker told it.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Option<Offset>, Error> {
        let Some(producer) = self.producer.take() else { return Err(self.not_ready()) };
        let outcome = self.commit_with(&producer, commit);
        let end_of_events = producer.client().context().end_of_events();
        self.producer = Some(producer);
        outcome.map(|()| end_of_events)
    }

    fn commit_with(&mut self, producer: &ThreadedProducer<Deliveries>, commit: &Commit) -> Result<(), Error> {
        match self.phase {
            Phase::Ready => {}
            // The caller was told that nobody answers, and asks again.
            Phase::Open => self.abort(producer, ABORT_PATIENCE)?,
            Phase::Unfenced | Phase::Dead(_) => return Err(self.not_ready()),
        }
        let mut attempt = 1;
        loop {
            let loss = match self.attempt(producer, commit) {
                Ok(()) => return Ok(()),
                Err(Setback::End(error)) => return Err(error),
                Err(Setback::Abort(loss)) => loss,
            };
            self.abort(producer, ABORT_PATIENCE)?;
            if loss.is_final() || attempt == ATTEMPTS {
                return Err(loss.into_error());
            }
            warn!(partition = self.partition, attempt, ?loss, "a transaction was aborted, it is tried again");
            thread::sleep(Duration::from_millis(5 << attempt));
            attempt += 1;
        }
    }

    fn not_ready(&self) -> Error {
        match &self.phase {
            Phase::Dead(error) => error.clone(),
            _ => Error::Refused {
                context: format!("committing in partition {}", self.partition),
                reason: "it was not fenced".into(),
            },
        }
    }

    fn attempt(&mut self, producer: &ThreadedProducer<Deliveries>, commit: &Commit) -> Result<(), Setback> {
        producer.begin_transaction().map_err(|error| self.fenced(error))?;
        self.phase = Phase::Open;
        self.send_offsets(producer, &commit.next_offsets)?;
        self.send_all(producer, commit)?;
        self.drain(producer)?;
        self.end(producer)
    }

    fn send_offsets(&mut self, producer: &ThreadedProducer<Deliveries>, next: &PerLane<i64>) -> Result<(), Setback> {
        let mut offsets = TopicPartitionList::with_capacity(2);
        let partition = self.partition.cast_signed();
        let added = offsets
            .add_partition_offset(&self.inputs.commands, partition, Position::Offset(next.commands))
            .and_then(|()| offsets.add_partition_offset(&self.inputs.inbox, partition, Position::Offset(next.inbox)));
        added.map_err(|error| self.fenced(error))?;
        let view = self.view.clone();
        loop {
            let sent = producer.send_offsets_to_transaction(&offsets, view.group_metadata(), SLICE);
            let Err(error) = sent else { return Ok(()) };
            match Verdict::on(&error) {
                Verdict::Resume => self.stay_open()?,
                Verdict::Abort => return Err(Setback::Abort(self.loss_of_offsets(&error))),
                Verdict::Fatal => return Err(self.fenced(error).into()),
            }
        }
    }

    fn loss_of_offsets(&self, error: &KafkaError) -> Loss {
        Loss::new(&self.inputs.commands, self.partition.cast_signed(), error)
    }

    /// A breath before the same call, unless the handle is being closed.
    fn stay_open(&self) -> Result<(), Error> {
        Patience::new(SLICE, &self.closing).nap(|| Error::Closed)
    }

    fn send_all(&mut self, producer: &ThreadedProducer<Deliveries>, commit: &Commit) -> Result<(), Setback> {
        let deliveries = producer.client().context();
        let (records, last_event) = (commit.records.len(), commit.last_event(self.spec.events, self.partition));
        deliveries.expect(records);
        // All that goes to one partition is there by the time its request is written, and no rest waits for the answer.
        for (sent, index) in commit.records.by_destination().into_iter().enumerate() {
            let mark = if last_event == Some(index) { LAST_EVENT } else { ANY };
            if let Err(setback) = self.send(producer, commit.records.get(index), mark) {
                deliveries.expect_less(records - sent);
                return Err(setback);
            }
        }
        Ok(())
    }

    fn send(&mut self, producer: &ThreadedProducer<Deliveries>, draft: Draft<'_>, mark: usize) -> Result<(), Setback> {
        let headers = outgoing::headers(&draft)?;
        let mut record = BaseRecord {
            topic: self.names.of(draft.topic),
            partition: Some(draft.partition.cast_signed()),
            payload: draft.value,
            key: draft.key,
            timestamp: draft.timestamp,
            headers,
            delivery_opaque: mark,
        };
        loop {
            let Err((error, unsent)) = producer.send(record) else { return Ok(()) };
            let loss = Loss::new(unsent.topic, draft.partition.cast_signed(), &error);
            record = unsent;
            match Verdict::on_send(&error) {
                Verdict::Resume if self.closing.load(Ordering::Relaxed) => return Err(Error::Closed.into()),
                Verdict::Resume => thread::park_timeout(DRAIN_STEP),
                Verdict::Abort => return Err(Setback::Abort(producer.client().context().take_loss().unwrap_or(loss))),
                Verdict::Fatal => {
                    let reason = producer.client().fatal_error().map_or_else(|| error.to_string(), |(_, text)| text);
                    return Err(self.fenced(reason).into());
                }
            }
        }
    }

    /// Waits until every record is acknowledged. The broker's answer, or the end of the transaction's time, is sure.
    fn drain(&mut self, producer: &ThreadedProducer<Deliveries>) -> Result<(), Setback> {
        let deliveries = producer.client().context();
        while deliveries.outstanding() > 0 && !deliveries.has_loss() {
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed.into());
            }
            thread::park_timeout(DRAIN_STEP);
        }
        if let Some((_, reason)) = producer.client().fatal_error() {
            return Err(self.fenced(reason).into());
        }
        if let Some(loss) = deliveries.take_loss() {
            return Err(Setback::Abort(loss));
        }
        while producer.in_flight_count() > 0 && !self.closing.load(Ordering::Relaxed) {
            thread::sleep(SETTLE_STEP);
        }
        Ok(())
    }

    /// The commit itself. Without an answer the same call is made again, for as long as it takes: nobody but the
    /// coordinator knows whether it took effect.
    fn end(&mut self, producer: &ThreadedProducer<Deliveries>) -> Result<(), Setback> {
        loop {
            let Err(error) = producer.commit_transaction(SLICE) else {
                self.phase = Phase::Ready;
                return Ok(());
            };
            match Verdict::on_commit(&error) {
                Verdict::Resume => self.stay_open()?,
                Verdict::Abort => return Err(Setback::Abort(self.loss_of_offsets(&error))),
                Verdict::Fatal => return Err(self.fenced(error).into()),
            }
            debug!(partition = self.partition, %error, "a commit has no answer yet");
        }
    }

    /// After this, if it succeeds, nothing of the transaction took effect.
    fn abort(&mut self, producer: &ThreadedProducer<Deliveries>, limit: Duration) -> Result<(), Error> {
        let patience = Patience::new(limit, &self.closing);
        loop {
            let Err(error) = producer.abort_transaction(SLICE.min(limit)) else { break };
            match Verdict::on(&error) {
                Verdict::Resume | Verdict::Abort => {
                    patience.nap(|| Error::Unavailable(format!("aborting in partition {}: {error}", self.partition)))?
                }
                Verdict::Fatal => return Err(self.fenced(error)),
            }
        }
        let deliveries = producer.client().context();
        while deliveries.outstanding() > 0 {
            patience.nap(|| Error::Unavailable(format!("reports of partition {} are missing", self.partition)))?;
        }
        deliveries.take_loss();
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Abandons what is open and drops the producer; from then on the handle answers that it is closed.
    pub(super) fn close(&mut self) {
        if let Some(producer) = self.producer.take()
            && matches!(self.phase, Phase::Open)
        {
            // The flag that broke off the commit must not break off the abort.
            self.closing = Arc::default();
            if let Err(error) = self.abort(&producer, CLOSE_PATIENCE) {
                debug!(partition = self.partition, %error, "an open transaction is left to the next owner's fence");
            }
        }
        self.phase = Phase::Dead(Error::Closed);
    }
}
