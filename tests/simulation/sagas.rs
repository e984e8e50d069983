//! The promises about transactions, checked from outside: what lies in the log, read by nobody's code but this.

use std::collections::{BTreeMap, BTreeSet};

use billing_engine::engine::{ACCOUNTS, TRANSACTIONS};
use billing_engine::log::{Lane, Offset};
use billing_engine::partition::{DEAD_LETTERS, REPLIES};
use serde_json::Value;

use crate::broker::{Broker, Moment, Place, Written};
use crate::faults::Fault;
use crate::fragile::{IN_APPLYING, IN_HEARING};
use crate::ledger::Ledger;
use crate::traffic::{Expected, TRACE};
use crate::transfers::SAGA_TRACE;
use crate::unit::{Kind, Unit};

/// What is known when everything is at rest.
pub struct Sagas<'a> {
    pub broker: &'a Broker,
    pub partitions: u32,
    /// What must become of each record, by its trace.
    pub sent: &'a BTreeMap<String, Expected>,
}

type Faults = Vec<String>;

/// What one command of upstream has caused, as far as it is told to upstream.
#[derive(Default)]
struct Told {
    answers: Vec<(Offset, Value)>,
    finals: Vec<(Offset, Value)>,
    letters: Vec<String>,
}

/// One transaction in the end.
#[derive(Default)]
struct Saga {
    /// The event that ended it, and all of their types.
    end: Option<Value>,
    types: Vec<String>,
}

const DIRECT: [&str; 3] = ["ACCEPTED", "REJECTED", "DUPLICATE"];

impl Sagas<'_> {
    /// Everything that is promised and does not hold.
    pub fn faults(&self) -> Faults {
        let sagas = self.sagas();
        let mut faults = self.answered(&sagas);
        faults.extend(self.ended(&sagas));
        faults.extend(self.caused());
        faults.extend(self.conserved());
        faults
    }

    fn all(&self, place: Place) -> impl Iterator<Item = (Offset, &Written)> {
        self.broker.committed_records(place, self.broker.bounds(place).start)
    }

    fn everywhere(&self, topic: billing_engine::log::Topic) -> impl Iterator<Item = (Offset, &Written)> {
        (0..self.partitions).flat_map(move |partition| self.all((topic, partition)))
    }

    fn told(&self) -> BTreeMap<&str, Told> {
        let mut told = BTreeMap::<&str, Told>::new();
        let ours = |record: &'_ Written| record.header(TRACE).is_some_and(|trace| trace.starts_with(SAGA_TRACE));
        for (offset, record) in self.everywhere(REPLIES).filter(|(_, record)| ours(record)) {
            let told = told.entry(record.header(TRACE).unwrap_or_default()).or_default();
            let reply = json(record);
            let is_direct = DIRECT.contains(&reply["outcome"].as_str().unwrap_or_default());
            if is_direct { &mut told.answers } else { &mut told.finals }.push((offset, reply));
        }
        for (_, record) in self.everywhere(DEAD_LETTERS).filter(|(_, record)| ours(record)) {
            let reason = record.header("billing.dlq.reason").unwrap_or_default().to_owned();
            told.entry(record.header(TRACE).unwrap_or_default()).or_default().letters.push(reason);
        }
        told
    }

    /// One answer or dead letter to every command, and one final reply to every command that was accepted, behind it.
    fn answered(&self, sagas: &BTreeMap<String, Saga>) -> Faults {
        let (mut faults, mut told) = (Faults::new(), self.told());
        let mut accepted = BTreeSet::new();
        for (_, record) in self.everywhere(TRANSACTIONS.commands) {
            let trace = record.header(TRACE).unwrap_or_default();
            let Told { answers, finals, letters } = told.remove(trace).unwrap_or_default();
            let mut fault = |text: String| faults.push(format!("{trace}: {text}"));
            if answers.len() + letters.len() != 1 {
                fault(format!("{} answers and {} dead letters", answers.len(), letters.len()));
            }
            let expected = match self.sent.get(trace).copied().unwrap_or(Expected::Answer) {
                Expected::DeadLetter(reason) => Some(reason),
                Expected::Answer | Expected::DeadLetterOrRefusal => None,
            };
            if letters.first().map(String::as_str) != expected {
                fault(format!("expected {expected:?}, found dead letter {letters:?}"));
            }
            let Some((at, answer)) = answers.first() else { continue };
            let is_accepted = answer["outcome"] == "ACCEPTED";
            if finals.len() != usize::from(is_accepted) {
                fault(format!("answered {}, {} final replies", answer["outcome"], finals.len()));
            }
            if is_accepted && !accepted.insert((text(answer, "aggregateId"), text(answer, "commandId"))) {
                fault("accepted twice".to_owned());
            }
            if (answer["outcome"] == "DUPLICATE") != answer["status"].is_string() {
                fault(format!("a duplicate, and nothing else, tells how far it has come: {answer}"));
            }
            for (behind, last) in &finals {
                if behind <= at || last["commandId"] != answer["commandId"] {
                    fault(format!("the final reply {last} does not follow {answer}"));
                }
                let event = sagas.get(&text(answer, "aggregateId")).and_then(|saga| {
                    saga.types.get(usize::try_from(last["aggregateVersion"].as_u64()?.checked_sub(1)?).ok()?)
                });
                if !event.is_some_and(|event| says(event, &text(last, "outcome"))) {
                    fault(format!("the final reply {last} is about {event:?}"));
                }
            }
        }
        faults.extend(told.keys().map(|trace| format!("{trace} was answered and never committed")));
        faults
    }

    fn sagas(&self) -> BTreeMap<String, Saga> {
        let mut sagas = BTreeMap::<String, Saga>::new();
        for (_, record) in self.everywhere(TRANSACTIONS.events) {
            let event = json(record);
            let saga = sagas.entry(text(&event, "aggregateId")).or_default();
            let event_type = text(&event, "eventType");
            if is_end(&event_type) {
                saga.end = Some(event);
            }
            saga.types.push(event_type);
        }
        sagas
    }

    /// Every transaction has reached one final state, and those of which a leg cannot be decided say so.
    fn ended(&self, sagas: &BTreeMap<String, Saga>) -> Faults {
        let mut faults = Faults::new();
        for (id, Saga { end, types }) in sagas {
            if types.iter().filter(|event| is_end(event)).count() != 1 {
                faults.push(format!("{id} has not ended once: {types:?}"));
                continue;
            }
            let event = end.as_ref().map(|end| (text(end, "eventType"), text(&end["data"], "errorCode")));
            let (event_type, code) = event.unwrap_or_default();
            if id.starts_with(IN_HEARING) && (&*event_type, &*code) != ("TransactionFailed", "ACCOUNT_UNAVAILABLE") {
                faults.push(format!("{id}: a leg that cannot be decided ends with {event_type} {code}"));
            }
            if id.starts_with(IN_APPLYING) && event_type != "TransactionFailed" {
                faults.push(format!("{id}: a leg that cannot be taken ends with {event_type}"));
            }
            note(&event_type, &code);
        }
        faults
    }

    /// Every event, message and reply in the course of a transaction is in the partition of what caused it, and of the
    /// same trace; only what time has ended has no cause.
    fn caused(&self) -> Faults {
        let mut faults = Faults::new();
        for unit in Unit::all(self.partitions) {
            for (offset, record) in self.all(unit.events()) {
                let event = json(record);
                let is_expiry = event["eventType"] == "PaymentExpired" || event["data"]["reason"] == "EXPIRED";
                let Some(source) = record.header("source") else {
                    if !is_expiry || record.header(TRACE).is_some() {
                        faults.push(format!("{unit} at {offset} was caused by nothing: {event}"));
                    }
                    continue;
                };
                let found = self.find(unit, source);
                if found.is_none_or(|cause| cause.header(TRACE) != record.header(TRACE)) {
                    faults.push(format!("{unit} at {offset} was not caused by {source}: {event}"));
                }
            }
        }
        faults
    }

    fn find(&self, unit: Unit, source: &str) -> Option<&Written> {
        let mut parts = source.rsplitn(3, ':');
        let offset: Offset = parts.next()?.parse().ok()?;
        let partition: u32 = parts.next()?.parse().ok()?;
        let lane = if parts.next()?.ends_with("inbox") { Lane::Inbox } else { Lane::Commands };
        let (found, record) = self.broker.committed_records(unit.lane(lane), offset).next()?;
        (found == offset && partition == unit.partition).then_some(record)
    }

    /// Commit by commit: money is conserved, whatever is under way.
    fn conserved(&self) -> Faults {
        let mut ledger = Ledger::default();
        for moment in self.broker.journal() {
            let Moment::Moved { transaction, .. } = moment else { continue };
            for ((topic, _), record) in self.broker.records_of(*transaction) {
                if topic == ACCOUNTS.events {
                    ledger.account(&json(record));
                } else if topic == TRANSACTIONS.events {
                    ledger.transaction(&json(record));
                }
            }
            ledger.balance();
        }
        ledger.close()
    }
}

/// Whether an event is what a final reply of that outcome is about.
fn says(event_type: &str, outcome: &str) -> bool {
    match outcome {
        "FAILED" => event_type == "TransactionFailed",
        "COMPENSATED" => event_type == "TransactionCompensated",
        _ => event_type.ends_with("Completed") || event_type == "PaymentAuthorized" || event_type == "PaymentVoided",
    }
}

/// Whether nothing more happens to a transaction's own money.
pub fn is_end(event_type: &str) -> bool {
    event_type.ends_with("Completed")
        || ["PaymentVoided", "PaymentExpired", "TransactionFailed", "TransactionCompensated"].contains(&event_type)
}

fn note(event_type: &str, code: &str) {
    match event_type {
        "TransactionFailed" if code == "REFUND_EXCEEDS_PAYMENT" => Fault::RefundRefused.note(),
        "TransactionFailed" => Fault::SagaFailed.note(),
        "TransactionCompensated" => {
            Fault::SagaCompensated.note();
            Fault::PostingForced.note();
        }
        "PaymentVoided" => Fault::SagaVoided.note(),
        "PaymentExpired" => Fault::SagaExpired.note(),
        "RefundCompleted" => Fault::SagaRefunded.note(),
        _ => {}
    }
}

fn json(record: &Written) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

/// True for what belongs to the course of a transaction.
pub fn is_of_saga(record: &Written) -> bool {
    record.header(TRACE).map_or_else(|| record.header("source").is_none(), |trace| trace.starts_with(SAGA_TRACE))
}

/// The kinds whose inputs were consumed with a transaction; for whoever counts.
pub fn events_of_all() -> [billing_engine::log::Topic; 2] {
    Kind::ALL.map(|kind| kind.spec().events)
}
