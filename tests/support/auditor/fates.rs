//! What became of each command: how often it was asked for, answered, and took effect.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::reading::Seen;

/// A command id of an account.
type Id = (String, String);

/// One command id, of all records that carry it.
#[derive(Debug)]
pub struct Fate {
    /// The command of the first record.
    pub command: Value,
    /// Offsets of its records, by partition.
    pub places: Vec<(i32, i64)>,
    /// Version of the event that it caused.
    pub effect: Option<u64>,
    answers: usize,
    accepted: Option<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Fates {
    all: HashMap<Id, Fate>,
    /// Command ids of an account that are not answered yet, by the partition they came in, in order.
    waiting: HashMap<String, BTreeMap<i32, VecDeque<String>>>,
}

impl Fates {
    /// A command that is no dead letter.
    pub fn asked(&mut self, record: &Seen, faults: &mut Vec<String>) {
        let command = record.json().unwrap_or_default();
        let Some((account, id)) = id(&command, "commandId") else {
            return faults.push(format!("neither a command nor a dead letter: {record:?}"));
        };
        let queues = self.waiting.entry(account.clone()).or_default();
        queues.entry(record.partition).or_default().push_back(id.clone());
        let fate = self.all.entry((account, id)).or_insert_with(|| Fate {
            command,
            places: Vec::new(),
            effect: None,
            answers: 0,
            accepted: None,
        });
        fate.places.push((record.partition, record.offset));
    }

    /// A reply: replies of an account come in the order of its commands, those of each partition by themselves.
    pub fn answered(&mut self, record: &Seen, reply: &Value, faults: &mut Vec<String>) {
        let Some((account, command)) = id(reply, "commandId") else {
            return faults.push(format!("a reply to nothing: {reply}"));
        };
        if record.key() != Some(&account) {
            faults.push(format!("a reply under another key: {record:?}"));
        }
        let mut queues = self.waiting.get_mut(&account).into_iter().flat_map(BTreeMap::values_mut);
        match queues.find(|queue| queue.front() == Some(&command)) {
            Some(queue) => drop(queue.pop_front()),
            None => faults.push(format!("a reply out of order, or one too many: {reply}")),
        }
        let Some(fate) = self.all.get_mut(&(account, command)) else {
            return faults.push(format!("a reply to a command that never was: {reply}"));
        };
        fate.answers += 1;
        if reply["outcome"] == "ACCEPTED" {
            let version = reply["aggregateVersion"].as_u64();
            if version.is_none() || fate.accepted.is_some() {
                faults.push(format!("accepted twice, or without a version: {reply}"));
            }
            fate.accepted = version;
        }
    }

    /// The fate of the command that caused `event`.
    pub fn cause_of(&mut self, event: &Value) -> Option<&mut Fate> {
        self.all.get_mut(&id(event, "causationId")?)
    }

    /// Everything has been read: each record has one reply, and each accepted command, and no other, one event.
    pub fn close(self, faults: &mut Vec<String>) {
        for ((account, command), fate) in self.all {
            if fate.answers != fate.places.len() {
                let (records, answers) = (fate.places.len(), fate.answers);
                faults.push(format!("{command} of {account}: {records} records, {answers} replies"));
            }
            if fate.accepted != fate.effect {
                let (said, done) = (fate.accepted, fate.effect);
                faults.push(format!("{command} of {account}: accepted as version {said:?}, took effect as {done:?}"));
            }
        }
    }
}

fn id(value: &Value, field: &str) -> Option<Id> {
    Some((value["aggregateId"].as_str()?.to_owned(), value[field].as_str()?.to_owned()))
}
