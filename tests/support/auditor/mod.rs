//! The auditor: a plain client that reads every topic and checks the promises. It shares no line with the engine.
//!
//! It is told nothing: what should have happened follows from the commands that lie on the log.

pub mod accounts;
mod fates;
pub mod offsets;
pub mod reading;
pub mod sagas;

use std::collections::HashSet;

use super::kafka::Kafka;
use accounts::Accounts;
use fates::Fates;
use reading::{Seen, read};

/// Faults beyond this number are only counted.
const SHOWN: usize = 20;

/// What was found. The counts are of records.
#[derive(Debug, Default)]
pub struct Audit {
    /// Account commands, whatever became of them.
    pub commands: usize,
    /// Of them, those that could not be read.
    pub dead_letters: usize,
    /// Replies, by outcome.
    pub accepted: usize,
    /// Replies, by outcome.
    pub rejected: usize,
    /// Replies, by outcome.
    pub duplicates: usize,
    /// Events of accounts.
    pub events: usize,
    /// Each a sentence.
    pub faults: Vec<String>,
}

/// Where a record lies: topic, partition, offset.
type Place = (String, i32, i64);

impl Audit {
    /// Reads all topics of an engine with this prefix, as they are now.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn of(kafka: &Kafka, prefix: &str) -> Audit {
        let mut audit = Audit::default();
        let commands = format!("{prefix}.account.commands");
        let mut dead = audit.dead_letters(kafka, prefix);
        let mut fates = Fates::default();
        read(kafka, &commands, |record| {
            audit.commands += 1;
            if dead.remove(&(commands.clone(), record.partition, record.offset)) {
                audit.dead_letters += 1;
            } else {
                fates.asked(&record, &mut audit.faults);
            }
        });
        audit.faults.extend(dead.iter().filter(|dead| dead.0 == commands).map(|dead| format!("{dead:?} never was")));
        read(kafka, &format!("{prefix}.replies"), |record| audit.reply(&mut fates, &record));
        let partitions = reading::partitions(kafka, &commands);
        let mut accounts = Accounts::new(commands, partitions);
        read(kafka, &format!("{prefix}.account.events"), |record| {
            audit.events += 1;
            accounts.event(&mut fates, &record, &mut audit.faults);
        });
        fates.close(&mut audit.faults);
        audit
    }

    /// # Panics
    /// When a promise is broken; the message names the first faults.
    pub fn assert_clean(&self) {
        let faults = &self.faults;
        let shown = faults.iter().take(SHOWN).fold(String::new(), |all, fault| all + "\n  " + fault);
        assert!(faults.is_empty(), "{} promises are broken:{shown}\nof {}", faults.len(), self.counts());
    }

    /// The counts in one line.
    pub fn counts(&self) -> String {
        let Audit { commands, dead_letters, accepted, rejected, duplicates, events, .. } = self;
        format!(
            "{commands} commands: {accepted} accepted, {rejected} rejected, {duplicates} duplicates, \
             {dead_letters} dead letters; {events} events"
        )
    }

    /// The places of the records that became dead letters.
    fn dead_letters(&mut self, kafka: &Kafka, prefix: &str) -> HashSet<Place> {
        let mut dead = HashSet::new();
        read(kafka, &format!("{prefix}.dead-letters"), |record| match place(&record) {
            Some(place) if dead.insert(place.clone()) => {}
            Some(place) => self.faults.push(format!("two dead letters for {place:?}")),
            None => self.faults.push(format!("a dead letter does not say where it is from: {record:?}")),
        });
        dead
    }

    fn reply(&mut self, fates: &mut Fates, record: &Seen) {
        let Some(reply) = record.json() else {
            return self.faults.push(format!("a reply is no JSON: {record:?}"));
        };
        match reply["outcome"].as_str() {
            Some("ACCEPTED") => self.accepted += 1,
            Some("REJECTED") => self.rejected += 1,
            Some("DUPLICATE") => self.duplicates += 1,
            _ => self.faults.push(format!("a reply without an outcome: {reply}")),
        }
        fates.answered(record, &reply, &mut self.faults);
    }
}

fn place(dead_letter: &Seen) -> Option<Place> {
    let topic = dead_letter.header("billing.dlq.topic")?.to_owned();
    let partition = dead_letter.header("billing.dlq.partition")?.parse().ok()?;
    let offset = dead_letter.header("billing.dlq.offset")?.parse().ok()?;
    Some((topic, partition, offset))
}
