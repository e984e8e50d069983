//! Watches replies and dead letters, as upstream would: which command was answered how, and how fast.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::load::Sent;
use crate::log::{Chunk, Client, Error, Offset, Topic};
use crate::partition::{DEAD_LETTERS, REPLIES};
use crate::wire;

/// Follows the answers to the commands of one run.
pub struct Observer {
    run: String,
    arrivals: Arrivals,
    sent_at: HashMap<String, Instant>,
    sent: u64,
    tally: Tally,
}

/// How commands were answered.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Ids of accepted commands; more than one answer of this kind is a defect.
    pub accepted: HashMap<String, u64>,
    /// How many took effect.
    pub accepted_count: u64,
    /// How many were refused.
    pub rejected: u64,
    /// How many had taken effect before.
    pub duplicate: u64,
    /// How many could not be read.
    pub dead_lettered: u64,
    /// How many transfers have begun.
    pub transfers: u64,
    /// Ids of transfers that have ended, and how often that was told; more than once is a defect.
    pub ended: HashMap<String, u64>,
    /// How many transfers moved their money.
    pub completed: u64,
    /// How many transfers ended before any money moved.
    pub failed: u64,
    /// How many transfers ended with all that had moved put back.
    pub compensated: u64,
    /// From being sent to being answered, of every command's first answer.
    pub latencies: Vec<Duration>,
}

impl Tally {
    /// All first answers.
    pub fn answered(&self) -> u64 {
        self.accepted_count + self.rejected + self.duplicate + self.dead_lettered
    }

    fn end(&mut self, reply: &wire::reply::Received) {
        *self.ended.entry(reply.command_id.to_string()).or_default() += 1;
        match &*reply.outcome {
            "COMPLETED" => self.completed += 1,
            "FAILED" => self.failed += 1,
            _ => self.compensated += 1,
        }
    }

    /// The latency that the share `quantile` of all commands does not exceed; zero without any.
    pub fn latency(&self, quantile: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * quantile).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl Observer {
    /// Follows both topics from `begin`, and counts what belongs to `run`.
    pub fn follow(client: &Arc<dyn Client>, begin: &Ends, run: &str) -> Self {
        let arrivals = begin.follow(client, [REPLIES, DEAD_LETTERS]);
        Observer { run: run.to_owned(), arrivals, sent_at: HashMap::new(), sent: 0, tally: Tally::default() }
    }

    /// These commands are sent now.
    pub fn sending(&mut self, commands: &[Sent]) {
        let now = Instant::now();
        self.sent += commands.len() as u64;
        for command in commands {
            self.sent_at.entry(command.id.clone()).or_insert(now);
        }
    }

    /// Commands that were sent and not answered, and transfers that have begun and not ended.
    pub fn under_way(&self) -> u64 {
        let open = self.tally.transfers.saturating_sub(self.tally.ended.len() as u64);
        self.sent.saturating_sub(self.tally.answered()) + open
    }

    /// What was answered so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Counts in the next answers.
    ///
    /// # Errors
    /// What stopped the reading.
    pub async fn next(&mut self) -> Result<(), Error> {
        let Some((topic, chunk)) = self.arrivals.recv().await else { return Err(Error::Closed) };
        let chunk = chunk?;
        let now = Instant::now();
        for record in chunk.iter() {
            if topic == DEAD_LETTERS {
                self.tally.dead_lettered +=
                    u64::from(record.key.is_some_and(|key| key.starts_with(self.run.as_bytes())));
            } else if let Ok(reply) = wire::reply::decode(record.value.unwrap_or_default()) {
                self.answered(&reply, now);
            }
        }
        Ok(())
    }

    fn answered(&mut self, reply: &wire::reply::Received, now: Instant) {
        if !reply.aggregate_id.starts_with(&self.run) {
            return;
        }
        match &*reply.outcome {
            "ACCEPTED" => {
                self.tally.accepted_count += 1;
                *self.tally.accepted.entry(reply.command_id.to_string()).or_default() += 1;
                self.tally.transfers += u64::from(&*reply.command_type == "RequestTransfer");
            }
            "DUPLICATE" => self.tally.duplicate += 1,
            "COMPLETED" | "FAILED" | "COMPENSATED" => return self.tally.end(reply),
            _ => self.tally.rejected += 1,
        }
        if let Some(sent_at) = self.sent_at.remove(&*reply.command_id) {
            self.tally.latencies.push(now.duration_since(sent_at));
        }
    }
}

/// Chunks of several topics as they come, each with the topic it is of.
pub type Arrivals = mpsc::Receiver<(Topic, Result<Chunk, Error>)>;

/// Where partitions of some topics end.
pub struct Ends(Vec<(Topic, u32, Offset)>);

impl Ends {
    /// Asks for the ends of all partitions of `topics`.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn ask(client: &dyn Client, topics: &[Topic], partitions: u32) -> Result<Self, Error> {
        let mut ends = Vec::new();
        for topic in topics {
            for partition in 0..partitions {
                let Range { end, .. } = client.bounds(*topic, partition).await?;
                ends.push((*topic, partition, end));
            }
        }
        Ok(Ends(ends))
    }

    /// What comes behind the ends of these topics, of all their partitions.
    pub fn follow<const N: usize>(&self, client: &Arc<dyn Client>, topics: [Topic; N]) -> Arrivals {
        let (sender, arrivals) = mpsc::channel(256);
        for (topic, partition, from) in self.of(topics) {
            let mut chunks = client.follow(topic, partition, from);
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(chunk) = chunks.recv().await {
                    if sender.send((topic, chunk)).await.is_err() {
                        return;
                    }
                }
            });
        }
        arrivals
    }

    /// The ends of these topics.
    pub fn of<const N: usize>(&self, topics: [Topic; N]) -> impl Iterator<Item = (Topic, u32, Offset)> {
        self.0.iter().copied().filter(move |(topic, ..)| topics.contains(topic))
    }
}
