//! `send`: JSON lines become commands, each to the partition its aggregate lives in.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::reach::{self, Reach};
use super::{Failure, Output};
use crate::config::Config;
use crate::engine::ACCOUNTS;
use crate::log::{Chunk, Client, Drafts, Offset, Record, Topic};
use crate::partition::placement::partition_of;
use crate::partition::{DEAD_LETTERS, REPLIES};

/// Lines that are sent together.
const BATCH: usize = 1_000;

/// `send`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A file of JSON lines, one command each; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Wait for the answer to each command and print it; fails when one stays unanswered
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Sends commands.
///
/// # Errors
/// The file cannot be read, the log does not answer, a command stays unanswered.
pub fn send(args: &Args, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let lines: Box<dyn BufRead> = match args.file.as_str() {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(BufReader::new(
            File::open(path).map_err(|error| Failure::failed("IO", format!("cannot read {path}: {error}")))?,
        )),
    };
    let client = args.reach.client(config)?;
    let partitions = config.topics.partitions.get();
    let prefix = &config.topics.prefix;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut answers = if args.wait { Some(Answers::follow(client.clone(), prefix, partitions, &args.reach).await?) } else { None };
        let mut sent = 0;
        let progress = progress();
        for lines in batches(lines) {
            let lines = lines?;
            sent += lines.len();
            let offsets = within(&args.reach, client.append(drafts(&lines, partitions))).await?;
            if let Some(answers) = &mut answers {
                answers.expect(&lines, &offsets, partitions);
            }
            progress.inc(lines.len() as u64);
        }
        progress.finish_and_clear();
        match answers {
            Some(answers) => answers.print_all(output).await,
            None => output.object(&serde_json::json!({ "sent": sent }), || format!("sent {sent} commands")),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn within<T>(reach: &Reach, answer: impl Future<Output = Result<T, crate::log::Error>>) -> Result<T, Failure> {
    let timed_out = |_| Failure::failed("TIMEOUT", format!("no answer of the log within {:?}", reach.timeout()));
    Ok(tokio::time::timeout(reach.timeout(), answer).await.map_err(timed_out)??)
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{human_pos} commands sent, {per_sec}").unwrap_or(ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(style)
}

/// Lines that are not blank, some at a time.
fn batches(lines: Box<dyn BufRead>) -> impl Iterator<Item = io::Result<Vec<Vec<u8>>>> {
    let mut lines = lines.split(b'\n').filter(|line| !line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty()));
    std::iter::from_fn(move || {
        let batch: io::Result<Vec<_>> = lines.by_ref().take(BATCH).collect();
        (!batch.as_ref().is_ok_and(Vec::is_empty)).then_some(batch)
    })
}

/// What of a command decides where it goes and which answer is its own.
#[derive(Deserialize)]
struct Addressed {
    #[serde(rename = "aggregateId")]
    aggregate_id: String,
    #[serde(rename = "commandId", default)]
    command_id: String,
}

fn drafts(lines: &[Vec<u8>], partitions: u32) -> Drafts {
    let mut drafts = Drafts::default();
    for line in lines {
        // What cannot be read is sent all the same: it becomes a dead letter, which says why.
        let id = serde_json::from_slice::<Addressed>(line).ok().map(|command| command.aggregate_id);
        let partition = id.as_ref().map_or(0, |id| partition_of(id, partitions));
        drafts.push(ACCOUNTS.commands, partition, None, |draft| {
            if let Some(id) = &id {
                draft.key(id.as_bytes());
            }
            draft.value(line);
        });
    }
    drafts
}

/// Replies and dead letters as they come, and which of them are awaited.
struct Answers {
    arrivals: mpsc::Receiver<Result<(Topic, Chunk), crate::log::Error>>,
    commands_topic: String,
    by_command: HashMap<(String, String), usize>,
    by_place: HashMap<(u32, Offset), (String, String)>,
    awaited: usize,
    patience: std::time::Duration,
}

impl Answers {
    /// Follows both topics from their present ends.
    async fn follow(client: Arc<dyn Client>, prefix: &str, partitions: u32, reach: &Reach) -> Result<Self, Failure> {
        let (sender, arrivals) = mpsc::channel(64);
        for topic in [REPLIES, DEAD_LETTERS] {
            for partition in 0..partitions {
                let end = within(reach, client.bounds(topic, partition)).await?.end;
                let mut chunks = client.follow(topic, partition, end);
                let sender = sender.clone();
                tokio::spawn(async move {
                    while let Some(chunk) = chunks.recv().await {
                        if sender.send(chunk.map(|chunk| (topic, chunk))).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
        let commands_topic = ACCOUNTS.commands.full_name(prefix);
        let (by_command, by_place) = (HashMap::new(), HashMap::new());
        Ok(Answers { arrivals, commands_topic, by_command, by_place, awaited: 0, patience: reach.timeout() })
    }

    fn expect(&mut self, lines: &[Vec<u8>], offsets: &[Offset], partitions: u32) {
        for (line, offset) in lines.iter().zip(offsets) {
            let addressed = serde_json::from_slice::<Addressed>(line);
            let (partition, name) = match addressed {
                Ok(command) => (
                    partition_of(&command.aggregate_id, partitions),
                    (command.aggregate_id, command.command_id),
                ),
                Err(_) => (0, Default::default()),
            };
            *self.by_command.entry(name.clone()).or_default() += 1;
            self.by_place.insert((partition, *offset), name);
            self.awaited += 1;
        }
    }

    /// Prints each answer as it stands on Kafka, until all are there.
    async fn print_all(mut self, output: Output) -> Result<(), Failure> {
        while self.awaited > 0 {
            let arrival = tokio::time::timeout(self.patience, self.arrivals.recv()).await;
            let Ok(Some(arrival)) = arrival else {
                let message = format!("{} commands are unanswered after {:?}; is an engine running?", self.awaited, self.patience);
                return Err(Failure::failed("UNANSWERED", message));
            };
            let (topic, chunk) = arrival?;
            for record in chunk.iter() {
                if self.is_awaited(topic, record) {
                    self.awaited -= 1;
                    print(topic, record, output)?;
                }
            }
        }
        Ok(())
    }

    fn is_awaited(&mut self, topic: Topic, record: Record<'_>) -> bool {
        let name = if topic == REPLIES {
            serde_json::from_slice::<Addressed>(record.value.unwrap_or_default())
                .map(|reply| (reply.aggregate_id, reply.command_id))
                .ok()
        } else {
            let header = |name: &str| record.headers.last(name).and_then(|value| std::str::from_utf8(value).ok());
            let is_ours = header("billing.dlq.topic") == Some(&self.commands_topic);
            let place = header("billing.dlq.partition").zip(header("billing.dlq.offset"));
            place
                .filter(|_| is_ours)
                .and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)))
                .and_then(|place| self.by_place.get(&place).cloned())
        };
        let awaited = name.and_then(|name| self.by_command.get_mut(&name));
        awaited.is_some_and(|count| {
            let is_awaited = *count > 0;
            *count = count.saturating_sub(1);
            is_awaited
        })
    }
}

fn print(topic: Topic, record: Record<'_>, output: Output) -> Result<(), Failure> {
    if topic == REPLIES {
        let reply: Value = serde_json::from_slice(record.value.unwrap_or_default())
            .map_err(|error| Failure::failed("UNREADABLE_REPLY", error.to_string()))?;
        let text = |field: &str| reply[field].as_str().unwrap_or_default().to_owned();
        return output.object(&reply, || {
            let why = if reply["code"].is_null() { String::new() } else { format!("  {}: {}", text("code"), text("message")) };
            format!("{:<10} {} {} version {}{why}", text("outcome"), text("aggregateId"), text("commandId"), reply["aggregateVersion"])
        });
    }
    let headers: serde_json::Map<String, Value> = record
        .headers
        .iter()
        .filter_map(|(name, value)| Some((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value?).into())))
        .collect();
    let dead_letter = serde_json::json!({ "deadLetter": headers });
    output.object(&dead_letter, || {
        let header = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("DEAD       {} at offset {}: {}", header("billing.dlq.reason"), header("billing.dlq.offset"), header("billing.dlq.error"))
    })?;
    io::stdout().flush().map_err(Failure::from)
}
