//! The answers to what was sent, and which of them are still due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::lines::{Addressed, Line, Name};
use super::print;
use crate::cli::observer::{Arrivals, Ends};
use crate::cli::reach::{Within, in_time};
use crate::cli::{Failure, Output};
use crate::engine::TRANSACTIONS;
use crate::log::{Client, Record, Topic};
use crate::partition::{DEAD_LETTERS, REPLIES};

/// Replies and dead letters as they come, and which of them are awaited.
pub struct Answers {
    arrivals: Arrivals,
    prefix: String,
    due: HashMap<Name, Due>,
    /// Which command a value is, for dead letters, which repeat it unchanged.
    by_value: HashMap<Vec<u8>, Name>,
    all: Due,
    patience: Duration,
}

/// How many answers are due.
#[derive(Clone, Copy, Default)]
struct Due {
    /// Whether commands take effect.
    first: usize,
    /// How that ends which transactions have set in motion.
    last: usize,
}

impl Answers {
    /// Follows both topics from their present ends.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn follow(
        client: &Arc<dyn Client>,
        prefix: &str,
        partitions: u32,
        within: &Within,
    ) -> Result<Self, Failure> {
        let topics = [REPLIES, DEAD_LETTERS];
        let ends = in_time(within, Ends::ask(client.as_ref(), &topics, partitions)).await?;
        Ok(Answers {
            arrivals: ends.follow(client, topics),
            prefix: prefix.to_owned(),
            due: HashMap::new(),
            by_value: HashMap::new(),
            all: Due::default(),
            patience: within.timeout(),
        })
    }

    /// These were sent.
    pub fn expect(&mut self, lines: Vec<Line>) {
        for Line { value, name, .. } in lines {
            // What nobody can read has no name, and is answered by a dead letter of its value.
            let name = name.unwrap_or_else(|_| super::nameless());
            self.due.entry(name.clone()).or_default().first += 1;
            self.by_value.insert(value, name);
            self.all.first += 1;
        }
    }

    /// Prints each answer as it stands on the log, until all are there.
    ///
    /// # Errors
    /// None comes for too long.
    pub async fn print_all(mut self, output: Output) -> Result<(), Failure> {
        let mut last_answer = Instant::now();
        while self.all.first + self.all.last > 0 {
            let arrival = tokio::time::timeout_at(last_answer + self.patience, self.arrivals.recv()).await;
            let Ok(Some((topic, chunk))) = arrival else { return Err(self.unanswered()) };
            for record in chunk?.iter() {
                if self.is_awaited(topic, record) {
                    last_answer = Instant::now();
                    print::answer(topic, record, output)?;
                }
            }
        }
        Ok(())
    }

    fn unanswered(&self) -> Failure {
        let Due { first, last } = self.all;
        let message = format!(
            "{first} commands are unanswered and {last} transactions have not ended, {:?} after the last answer; \
             is an engine running?",
            self.patience
        );
        Failure::failed("UNANSWERED", message)
    }

    fn is_awaited(&mut self, topic: Topic, record: Record<'_>) -> bool {
        if topic == DEAD_LETTERS {
            let name = record.value.and_then(|value| self.by_value.get(value));
            let from = record.headers.last("billing.dlq.topic");
            let name = name.filter(|name| from == Some(name.topic.full_name(&self.prefix).as_bytes())).cloned();
            return name.is_some_and(|name| self.has_first(&name));
        }
        let Some((name, outcome)) = answered(record) else { return false };
        if matches!(outcome.as_str(), "COMPLETED" | "FAILED" | "COMPENSATED") {
            return self.has_last(&name);
        }
        let is_first = self.has_first(&name);
        if is_first && outcome == "ACCEPTED" && name.topic == TRANSACTIONS.commands {
            self.due.entry(name).or_default().last += 1;
            self.all.last += 1;
        }
        is_first
    }

    fn has_first(&mut self, name: &Name) -> bool {
        let due = self.due.get_mut(name).filter(|due| due.first > 0);
        due.is_some_and(|due| {
            due.first -= 1;
            self.all.first -= 1;
            true
        })
    }

    fn has_last(&mut self, name: &Name) -> bool {
        let due = self.due.get_mut(name).filter(|due| due.last > 0);
        due.is_some_and(|due| {
            due.last -= 1;
            self.all.last -= 1;
            true
        })
    }
}

/// Which command a reply is about, and what it says became of it.
fn answered(record: Record<'_>) -> Option<(Name, String)> {
    let reply: Value = serde_json::from_slice(record.value?).ok()?;
    let outcome = reply["outcome"].as_str()?.to_owned();
    Some((Name::from(serde_json::from_value::<Addressed>(reply).ok()?), outcome))
}
