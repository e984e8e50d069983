//! `send`: JSON lines become commands, each to the partition its aggregate lives in.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;

use super::observer::{Arrivals, Ends};
use super::reach::{Reach, Within, in_time};
use super::{Failure, Output};
use crate::config::Config;
use crate::engine::ACCOUNTS;
use crate::log::{Client, Drafts, Record, Topic};
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
        let mut answers = if args.wait {
            Some(Answers::follow(client.clone(), prefix, partitions, &args.reach.within).await?)
        } else {
            None
        };
        let mut sent = 0;
        let progress = progress();
        for lines in batches(lines) {
            let lines: Vec<Line> = lines?.into_iter().map(Line::read).collect();
            sent += lines.len();
            let (records, count) = (drafts(&lines, partitions), lines.len());
            if let Some(answers) = &mut answers {
                answers.expect(lines);
            }
            in_time(&args.reach.within, client.append(records)).await?;
            progress.inc(count as u64);
        }
        progress.finish_and_clear();
        match answers {
            Some(answers) => answers.print_all(output).await,
            None => output.object(&serde_json::json!({ "sent": sent }), || format!("sent {sent} commands")),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{human_pos} commands sent, {per_sec}")
        .unwrap_or(ProgressStyle::default_spinner());
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

impl Addressed {
    /// What a reply repeats.
    fn name(self) -> (String, String) {
        (self.aggregate_id, self.command_id)
    }
}

/// One line of the file.
struct Line {
    value: Vec<u8>,
    /// `None` for what cannot be read. It is sent all the same: it becomes a dead letter, which says why.
    addressed: Option<Addressed>,
}

impl Line {
    fn read(value: Vec<u8>) -> Self {
        Line { addressed: serde_json::from_slice(&value).ok(), value }
    }
}

fn drafts(lines: &[Line], partitions: u32) -> Drafts {
    let mut drafts = Drafts::default();
    for Line { value, addressed } in lines {
        let id = addressed.as_ref().map(|command| &command.aggregate_id);
        let partition = id.map_or(0, |id| partition_of(id, partitions));
        drafts.push(ACCOUNTS.commands, partition, None, |draft| {
            if let Some(id) = id {
                draft.key(id.as_bytes());
            }
            draft.value(value);
        });
    }
    drafts
}

/// Replies and dead letters as they come, and which of them are awaited.
struct Answers {
    arrivals: Arrivals,
    commands_topic: String,
    /// How many commands of that aggregate and id are unanswered.
    by_command: HashMap<(String, String), usize>,
    /// Which command a value is, for dead letters, which repeat it unchanged.
    by_value: HashMap<Vec<u8>, (String, String)>,
    awaited: usize,
    patience: Duration,
}

impl Answers {
    /// Follows both topics from their present ends.
    async fn follow(client: Arc<dyn Client>, prefix: &str, partitions: u32, within: &Within) -> Result<Self, Failure> {
        let topics = [REPLIES, DEAD_LETTERS];
        let ends = in_time(within, Ends::ask(client.as_ref(), &topics, partitions)).await?;
        let arrivals = ends.follow(&client, topics);
        let commands_topic = ACCOUNTS.commands.full_name(prefix);
        let (by_command, by_value) = (HashMap::new(), HashMap::new());
        Ok(Answers { arrivals, commands_topic, by_command, by_value, awaited: 0, patience: within.timeout() })
    }

    fn expect(&mut self, lines: Vec<Line>) {
        for Line { value, addressed } in lines {
            let name = addressed.map(Addressed::name).unwrap_or_default();
            *self.by_command.entry(name.clone()).or_default() += 1;
            self.by_value.insert(value, name);
            self.awaited += 1;
        }
    }

    /// Prints each answer as it stands on Kafka, until all are there.
    async fn print_all(mut self, output: Output) -> Result<(), Failure> {
        while self.awaited > 0 {
            let arrival = tokio::time::timeout(self.patience, self.arrivals.recv()).await;
            let Ok(Some(arrival)) = arrival else {
                let message = format!(
                    "{} commands are unanswered after {:?}; is an engine running?",
                    self.awaited, self.patience
                );
                return Err(Failure::failed("UNANSWERED", message));
            };
            let (topic, chunk) = arrival;
            for record in chunk?.iter() {
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
            serde_json::from_slice(record.value.unwrap_or_default()).ok().map(Addressed::name)
        } else {
            let is_ours = record.headers.last("billing.dlq.topic") == Some(self.commands_topic.as_bytes());
            record.value.filter(|_| is_ours).and_then(|value| self.by_value.get(value).cloned())
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
            let why = if reply["code"].is_null() {
                String::new()
            } else {
                format!("  {}: {}", text("code"), text("message"))
            };
            format!(
                "{:<10} {} {} version {}{why}",
                text("outcome"),
                text("aggregateId"),
                text("commandId"),
                reply["aggregateVersion"]
            )
        });
    }
    let headers: serde_json::Map<String, Value> = record
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value?).into()))
        })
        .collect();
    let dead_letter = serde_json::json!({ "deadLetter": headers });
    output.object(&dead_letter, || {
        let header = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!(
            "DEAD       {} at offset {}: {}",
            header("billing.dlq.reason"),
            header("billing.dlq.offset"),
            header("billing.dlq.error")
        )
    })
}
