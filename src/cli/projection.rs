//! `projection`: how far the read store is, and all of it written anew.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::{Failure, Output, reach, read_side};
use crate::config::Config;
use crate::domain::ids::Timestamp;
use crate::log::{Client, Input, Subscription};
use crate::projection::{self, AGGREGATES, Origin, Position, ReadStore, Rebuild, RebuildError, Standing, TOPICS};
use crate::wire::json::push_timestamp;

/// `projection`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show how far every partition is written
    #[command(after_help = "\
STATE is `current`, `behind`, `unwritten` when no projector has come yet, `astray` when the log does not
have the position, or `foreign` when the rows are of another log: only a rebuild mends the last two.")]
    Status(reach::Reach),
    /// Write all rows anew from the log, beside those that are asked, and put them in their place at the end
    #[command(after_help = "\
Engines may run meanwhile: queries see the old rows until the new ones are whole, and projections go on
behind them. Nothing but the read store is touched.")]
    Rebuild(reach::Reach),
}

/// Looks at the read store, or writes it anew.
///
/// # Errors
/// No read store is configured, or it or the log does not answer.
pub fn projection(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let Some(url) = &config.read_store.url else {
        return Err(Failure::refused("read_store.url is empty: there is no read side"));
    };
    let partitions = config.topics.partitions.get();
    let (Command::Status(reach) | Command::Rebuild(reach)) = command;
    reach.must_exist()?;
    match command {
        Command::Status(reach) => {
            let events = reach.event_topics(config)?;
            reach::block_on(&reach.within, async {
                let store = projection::open(url.expose(), 1)?;
                let origin = origin(config, &*events).await?;
                let rows = rows(&*store, &origin, &*events).await?;
                show(&rows, output)
            })
        }
        Command::Rebuild(reach) => reach::run(async {
            let store = projection::open(url.expose(), partitions)?;
            // One after the other: an embedded log is open once.
            let events = reach.event_topics(config)?;
            let origin = reach::in_time(&reach.within, origin(config, &*events)).await?;
            let total = reach::in_time(&reach.within, offsets(&*events, partitions)).await?;
            drop(events);
            rebuild(store, reach.client(config)?, origin, total, config, output).await
        }),
    }
}

async fn origin(config: &Config, events: &dyn Subscription) -> Result<Origin, Failure> {
    Ok(Origin {
        cluster_id: events.identity().await?,
        prefix: config.topics.prefix.clone(),
        partitions: config.topics.partitions.get(),
    })
}

/// How many offsets there are to read.
async fn offsets(events: &dyn Subscription, partitions: u32) -> Result<u64, Failure> {
    let mut total = 0;
    for partition in 0..partitions {
        let inputs = events.inputs(partition).await?;
        total += inputs.iter().map(|input| (input.end - input.start).unsigned_abs()).sum::<u64>();
    }
    Ok(total)
}

/// How far one partition of one event topic is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    aggregate: &'static str,
    partition: u32,
    position: Option<i64>,
    end: i64,
    lag: Option<i64>,
    as_of: Option<String>,
    state: &'static str,
}

async fn rows(store: &dyn ReadStore, origin: &Origin, events: &dyn Subscription) -> Result<Vec<Row>, Failure> {
    let standing = store.standing().await?.unwrap_or(Standing { origin: None, positions: Vec::new() });
    let foreign = standing.origin.as_ref().is_some_and(|stored| stored != origin);
    let mut rows = Vec::new();
    for partition in 0..origin.partitions {
        let inputs = events.inputs(partition).await?;
        for (aggregate, input) in inputs.into_iter().enumerate() {
            let is_it = |stored: &&Position| (stored.aggregate, stored.partition) == (aggregate, partition);
            rows.push(Row::of(aggregate, partition, standing.positions.iter().find(is_it), input, foreign));
        }
    }
    rows.sort_by_key(|row| (row.aggregate, row.partition));
    Ok(rows)
}

impl Row {
    fn of(aggregate: usize, partition: u32, stored: Option<&Position>, input: Input, foreign: bool) -> Row {
        let Input { start, end, .. } = input;
        let position = stored.map(|stored| stored.position);
        let state = match position {
            _ if foreign => "foreign",
            None => "unwritten",
            Some(position) if !(start..=end).contains(&position) => "astray",
            Some(position) if position == end => "current",
            Some(_) => "behind",
        };
        Row {
            aggregate: AGGREGATES[aggregate],
            partition,
            position,
            end,
            lag: position.filter(|_| !foreign).map(|position| (end - position).max(0)),
            as_of: stored.and_then(|stored| stored.as_of).map(text),
            state,
        }
    }
}

fn text(at: Timestamp) -> String {
    let mut text = Vec::new();
    push_timestamp(&mut text, at);
    String::from_utf8_lossy(&text).into_owned()
}

/// Rows that only a rebuild mends are a finding.
fn show(rows: &[Row], output: Output) -> Result<ExitCode, Failure> {
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    output.list(rows, &["aggregate", "partition", "position", "end", "lag", "as of", "state"], |row| {
        vec![
            row.aggregate.to_owned(),
            row.partition.to_string(),
            number(row.position),
            row.end.to_string(),
            number(row.lag),
            row.as_of.clone().unwrap_or_else(|| "-".to_owned()),
            row.state.to_owned(),
        ]
    })?;
    let lost = rows.iter().any(|row| matches!(row.state, "astray" | "foreign"));
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn rebuild(
    store: Arc<dyn ReadStore>,
    client: Arc<dyn Client>,
    origin: Origin,
    total: u64,
    config: &Config,
    output: Output,
) -> Result<ExitCode, Failure> {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} offsets, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let events = std::cell::Cell::new(0);
    let rebuild = Rebuild { store, client, origin, pace: read_side::pace(config) };
    let done = rebuild.run(|offsets, count| {
        bar.inc(offsets);
        events.set(events.get() + count);
    });
    done.await.map_err(|error| match error {
        RebuildError::Store(error) => error.into(),
        RebuildError::Log(error) => error.into(),
        RebuildError::Unreadable(error) => Failure::failed("UNREADABLE", error.to_string()),
    })?;
    bar.finish_and_clear();
    let (events, topics) = (events.get(), TOPICS.map(|topic| topic.full_name(&config.topics.prefix)));
    let report = json!({ "rebuilt": true, "events": events, "topics": topics });
    output.object(&report, || format!("wrote the rows of {events} events anew and put them in place"))?;
    Ok(ExitCode::SUCCESS)
}
