//! The promises, checked from outside: what lies in the log, read by nobody's code but this.
//!
//! Every record of upstream carries a trace of its own, and everything it causes carries it on; so what a record
//! caused can be told without knowing how the engine works.

use std::collections::{BTreeMap, BTreeSet};

use billing_engine::engine::ACCOUNTS;
use billing_engine::log::{Lane, Offset, PerLane};
use billing_engine::partition::{DEAD_LETTERS, REPLIES};
use serde_json::Value;

use crate::broker::{Broker, HandleId, Moment, Place, Written};
use crate::oracle::{Account, Answer};
use crate::sagas::{events_of_all, is_of_saga};
use crate::traffic::{Expected, TRACE};
use crate::transfers::OF_SAGAS;
use crate::unit::{Kind, Unit};

/// What is known when everything is at rest.
pub struct Audit<'a> {
    pub broker: &'a Broker,
    pub partitions: u32,
    /// What must become of each record, by its trace.
    pub sent: &'a BTreeMap<String, Expected>,
    /// Commands that an account remembers.
    pub window: usize,
    /// The name before every topic.
    pub prefix: &'a str,
}

/// Where a record lies.
type At = (Place, Offset);

/// Everything that one record of upstream caused.
#[derive(Default)]
struct Caused<'a> {
    homes: Vec<(At, &'a Written)>,
    events: Vec<(At, &'a Written)>,
    replies: Vec<(At, &'a Written)>,
    letters: Vec<(At, &'a Written)>,
}

/// A record of upstream and what it caused.
struct Story<'a> {
    origin: At,
    record: &'a Written,
    expected: Expected,
    caused: Caused<'a>,
}

impl Story<'_> {
    /// The record that was decided: where it was sent home to, or where it was written.
    fn cause(&self) -> At {
        self.caused.homes.first().map_or(self.origin, |(at, _)| *at)
    }
}

/// Faults that were found, in words.
type Faults = Vec<String>;

impl<'a> Audit<'a> {
    /// Everything that is promised and does not hold.
    pub fn faults(&self) -> Faults {
        let mut faults = Faults::new();
        let stories = self.stories(&mut faults);
        for (trace, story) in &stories {
            let found = self.answered_once(story).into_iter().chain(self.in_its_place(story));
            faults.extend(found.map(|fault| format!("{trace} at {:?}: {fault}", story.origin)));
        }
        faults.extend(self.decided_by_the_rules(&stories).1);
        faults.extend(self.versions());
        faults.extend(self.consumed_as_committed());
        faults.extend(self.nothing_of_zombies());
        faults.extend(self.at_rest());
        faults
    }

    /// Every account as the oracle has it in the end.
    pub fn accounts(&self) -> BTreeMap<String, Account> {
        self.decided_by_the_rules(&self.stories(&mut Faults::new())).0
    }

    fn all(&self, place: Place) -> impl Iterator<Item = (At, &'a Written)> {
        let start = self.broker.bounds(place).start;
        self.broker.committed_records(place, start).map(move |(offset, record)| ((place, offset), record))
    }

    /// Brings together what belongs together.
    fn stories(&self, faults: &mut Faults) -> BTreeMap<&'a str, Story<'a>> {
        let mut stories = BTreeMap::new();
        let commands = |partition| Unit { kind: Kind::Accounts, partition }.lane(Lane::Commands);
        for (origin, record) in (0..self.partitions).flat_map(|p| self.all(commands(p))) {
            let trace = record.header(TRACE).unwrap_or_default();
            let expected = self.sent.get(trace).copied().unwrap_or(Expected::Answer);
            stories.insert(trace, Story { origin, record, expected, caused: Caused::default() });
        }
        for topic in [ACCOUNTS.inbox, ACCOUNTS.events, REPLIES, DEAD_LETTERS] {
            let records = (0..self.partitions).flat_map(|p| self.all((topic, p)));
            for (at, record) in records.filter(|(_, record)| !is_of_saga(record)) {
                let story = record.header(TRACE).and_then(|trace| stories.get_mut(trace));
                let Some(Story { caused, .. }) = story else {
                    faults.push(format!("{at:?} was caused by nothing that upstream committed"));
                    continue;
                };
                let kind = match topic {
                    topic if topic == ACCOUNTS.inbox => &mut caused.homes,
                    topic if topic == ACCOUNTS.events => &mut caused.events,
                    topic if topic == REPLIES => &mut caused.replies,
                    _ => &mut caused.letters,
                };
                kind.push((at, record));
            }
        }
        stories
    }

    /// Promise 1: an answer or a dead letter, once; an event exactly when it was accepted.
    fn answered_once(&self, story: &Story<'_>) -> Faults {
        let Caused { homes, events, replies, letters } = &story.caused;
        let mut faults = Faults::new();
        if replies.len() + letters.len() != 1 {
            faults.push(format!("{} replies and {} dead letters", replies.len(), letters.len()));
        }
        if homes.len() > 1 {
            faults.push(format!("sent home {} times", homes.len()));
        }
        let outcome = replies.first().map(|(_, reply)| json(reply)["outcome"].clone()).unwrap_or_default();
        if events.len() != usize::from(outcome == "ACCEPTED") {
            faults.push(format!("{} events, answered {outcome}", events.len()));
        }
        let reason = letters.first().and_then(|(_, letter)| letter.header("billing.dlq.reason"));
        let is_as_expected = match (story.expected, reason) {
            (Expected::Answer, reason) => reason.is_none(),
            (Expected::DeadLetter(expected), reason) => reason == Some(expected),
            (Expected::DeadLetterOrRefusal, Some(reason)) => reason == "PANIC",
            (Expected::DeadLetterOrRefusal, None) => outcome != "ACCEPTED",
        };
        if !is_as_expected {
            faults.push(format!("expected {:?}, found dead letter {reason:?}", story.expected));
        }
        faults
    }

    /// Everything lies in the partition of its cause, and names it.
    fn in_its_place(&self, story: &Story<'_>) -> Faults {
        let Caused { homes, events, replies, letters } = &story.caused;
        let mut faults = Faults::new();
        let ((topic, partition), offset) = story.cause();
        let source = format!("{}:{partition}:{offset}", topic.full_name(self.prefix));
        for (at, event) in events {
            if event.header("source") != Some(&source) || at.0.1 != partition {
                faults.push(format!("event at {at:?} names {:?}, its cause is {source}", event.header("source")));
            }
        }
        for (at, _) in replies.iter().chain(letters) {
            if at.0.1 != partition {
                faults.push(format!("{at:?} lies in another partition than its cause {source}"));
            }
        }
        for (at, letter) in letters {
            let ((topic, partition), offset) = story.origin;
            let origin = [topic.full_name(self.prefix), partition.to_string(), offset.to_string()];
            let named = ["topic", "partition", "offset"]
                .map(|name| letter.header(&format!("billing.dlq.{name}")).unwrap_or_default().to_owned());
            let kept = letter.key == story.record.key
                && letter.value == story.record.value
                && letter.headers.starts_with(&story.record.headers);
            if named != origin || !kept {
                faults.push(format!("dead letter at {at:?} does not tell what upstream wrote and where"));
            }
        }
        for (at, home) in homes {
            let kept = home.value == story.record.value && home.headers.ends_with(&story.record.headers);
            let sent_at = story.record.timestamp.to_string();
            if !kept || home.header("billing.message.timestamp") != Some(&sent_at) {
                faults.push(format!("command sent home to {at:?} is not what upstream wrote"));
            }
        }
        faults
    }

    /// Promise 2 and the rules: each account's replies, in their order, are what the oracle answers to the commands
    /// in that order; and that order is the one of each lane.
    fn decided_by_the_rules(&self, stories: &BTreeMap<&str, Story<'_>>) -> (BTreeMap<String, Account>, Faults) {
        let (mut accounts, mut faults) = (BTreeMap::<String, Account>::new(), Faults::new());
        let mut last = BTreeMap::<(String, Place), Offset>::new();
        for (at, reply) in (0..self.partitions).flat_map(|p| self.all((REPLIES, p))) {
            let Some(story) = reply.header(TRACE).and_then(|trace| stories.get(trace)) else { continue };
            let (command, reply) = (json(story.record), json(reply));
            let id = text(&command, "aggregateId");
            if id.starts_with(OF_SAGAS) {
                // What legs make of it is not the oracle's business.
                continue;
            }
            let (place, offset) = story.cause();
            if last.insert((id.clone(), place), offset).is_some_and(|before| before >= offset) {
                faults.push(format!("reply at {at:?} overtook one of {id}"));
            }
            let answer = accounts.entry(id).or_default().answer(&command, self.window);
            let event = story.caused.events.first().map(|(_, event)| json(event));
            if let Some(fault) = differs(&answer, &command, &reply, event.as_ref()) {
                faults.push(format!("reply at {at:?} to {command}: {fault}"));
            }
        }
        (accounts, faults)
    }

    /// Versions have no gap, time does not run back, an account lives in one partition.
    fn versions(&self) -> Faults {
        let mut faults = Faults::new();
        let mut standing = BTreeMap::<String, (u64, String, u32)>::new();
        for (at, event) in Unit::all(self.partitions).flat_map(|unit| self.all(unit.events())) {
            let body = json(event);
            let id = text(&body, "aggregateId");
            let (version, time, partition) = (body["aggregateVersion"].as_u64(), text(&body, "timestamp"), at.0.1);
            let (before, earlier, home) = standing.entry(id.clone()).or_insert((0, String::new(), partition));
            if version != Some(*before + 1) || time < *earlier || partition != *home {
                faults.push(format!("event at {at:?} does not follow version {before} of {id}: {body}"));
            }
            if event.key.as_deref() != Some(id.as_bytes()) || event.header("eventType") != body["eventType"].as_str() {
                faults.push(format!("event at {at:?} has another key or header than it should"));
            }
            (*before, *earlier) = (*before + 1, time);
        }
        faults
    }

    /// Whenever committed offsets moved, exactly the records they moved over were answered with it.
    fn consumed_as_committed(&self) -> Faults {
        let mut faults = Faults::new();
        let mut standing = BTreeMap::<Unit, PerLane<Option<Offset>>>::new();
        for moment in self.broker.journal() {
            match moment {
                Moment::TakenOver { .. } => {}
                Moment::Tampered { unit, before } => {
                    // What was lost is where it has to go on.
                    standing.insert(*unit, *before);
                }
                Moment::Moved { unit, to, transaction, .. } => {
                    let from = standing.insert(*unit, PerLane::from_fn(|lane| Some(*to.of(lane))));
                    let consumed: BTreeSet<_> =
                        Lane::ALL.into_iter().flat_map(|lane| self.between(*unit, lane, from, *to.of(lane))).collect();
                    let records = self.broker.records_of(*transaction);
                    let answers = records.filter(|((topic, _), _)| !events_of_all().contains(topic));
                    let answered: BTreeSet<_> = answers.filter_map(|(_, record)| record.header(TRACE)).collect();
                    if consumed != answered {
                        let odd: Vec<_> = consumed.symmetric_difference(&answered).collect();
                        faults.push(format!("offsets of {unit} moved from {from:?} to {to:?} without {odd:?}"));
                    }
                }
            }
        }
        faults
    }

    fn between(
        &self,
        unit: Unit,
        lane: Lane,
        from: Option<PerLane<Option<Offset>>>,
        to: Offset,
    ) -> impl Iterator<Item = &'a str> {
        let place = unit.lane(lane);
        let from = from.and_then(|from| *from.of(lane)).unwrap_or_else(|| self.broker.bounds(place).start);
        let records = self.all(place).filter(move |((_, offset), _)| (from..to).contains(offset));
        records.filter_map(|(_, record)| record.header(TRACE))
    }

    /// Once a handle was told where to go on, nothing of an earlier one becomes visible.
    fn nothing_of_zombies(&self) -> Faults {
        let mut owners = BTreeMap::<Unit, HandleId>::new();
        let mut faults = Faults::new();
        for moment in self.broker.journal() {
            match moment {
                Moment::TakenOver { unit, handle } => {
                    owners.insert(*unit, *handle);
                }
                Moment::Moved { unit, handle, .. } if owners.get(unit) != Some(handle) => {
                    faults.push(format!("handle {handle} wrote to {unit} after {:?} took over", owners.get(unit)));
                }
                Moment::Moved { .. } | Moment::Tampered { .. } => {}
            }
        }
        faults
    }

    /// Idle lag is zero: committed offsets have passed everything, markers too.
    fn at_rest(&self) -> Faults {
        let lanes = Unit::all(self.partitions).flat_map(|unit| Lane::ALL.map(|lane| (unit, lane)));
        let behind = lanes.filter_map(|(unit, lane)| {
            let (committed, end) = (*self.broker.committed(unit).of(lane), self.broker.bounds(unit.lane(lane)).end);
            (committed != Some(end)).then(|| format!("{lane} of {unit} stand at {committed:?} of {end}"))
        });
        behind.collect()
    }
}

fn json(record: &Written) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

fn differs(answer: &Answer, command: &Value, reply: &Value, event: Option<&Value>) -> Option<String> {
    let Answer { outcome, code, version, event: expected } = answer;
    let correlation = command.get("correlationId").unwrap_or(&command["commandId"]);
    let same = reply["outcome"] == *outcome
        && reply.get("code").and_then(Value::as_str) == *code
        && reply["aggregateVersion"] == *version
        && reply["commandId"] == command["commandId"]
        && reply["commandType"] == command["commandType"]
        && reply["correlationId"] == *correlation;
    if !same {
        return Some(format!("found {reply}, expected {answer:?}"));
    }
    let (event_type, data) = match (event, expected) {
        (None, None) => return None,
        (Some(_), None) | (None, Some(_)) => return Some(format!("found event {event:?}, expected {expected:?}")),
        (Some(_), Some(expected)) => expected,
    };
    let event = event?;
    let same = event["eventType"] == *event_type
        && event["data"] == *data
        && event["aggregateVersion"] == *version
        && event["causationId"] == command["commandId"]
        && event["correlationId"] == *correlation;
    (!same).then(|| format!("found event {event}, expected {expected:?}"))
}
