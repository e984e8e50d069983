//! `snapshots`: what an engine that is stopped has on its disk, whether it is right, and away with it.

mod appointments;
mod audit;
mod brief;
mod verdict;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::{Failure, Output, reach, setup};
use crate::config::Config;
use crate::domain::account::Account;
use crate::domain::transaction::Transaction;
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::partition::Settings;
use crate::snapshots::{self, Key, Shelf, Shelves, Store};
use crate::wire::Wire;
use crate::wire::snapshot::{self, Conditions, Position};
use audit::Audit;
use verdict::{Difference, Verdict};

/// Values that are read at once.
const PAGE: usize = 500;

/// `snapshots`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show the snapshots of each partition, and how far they reach
    List,
    /// Fold the log and compare: every snapshot has to be, byte for byte, what its account or transaction was at its
    /// version, and what is to come of them has to be what their position says
    #[command(after_help = "\
The engine must be stopped, and nothing is changed. Exit code 1 when there is a difference. Snapshots
that no position speaks for are counted and not compared: the engine throws them away when it starts.")]
    Verify(reach::Reach),
    /// Remove all snapshots of this engine; it starts once without them and writes new ones
    #[command(after_help = "\
Nothing is lost, everything in them follows from the log. The snapshots topic, when it is on, stays as
it is: a partition that finds nothing here starts from there.")]
    Drop,
}

/// Looks at the snapshots, or removes them.
///
/// # Errors
/// An engine that runs on them, a directory or a log that cannot be read.
pub fn snapshots(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let Some(directory) = &config.data_dir else {
        return Err(Failure::not_found("data_dir is empty: this engine keeps no snapshots on its disk"));
    };
    match command {
        Command::List => list(directory, config, output),
        Command::Verify(reach) => verify(directory, reach, config, output),
        Command::Drop => drop_all(directory, config, output),
    }
}

fn list(directory: &Path, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    if let Some(store) = look(directory, config)? {
        reach::run(async {
            for (aggregate, partition) in store.present() {
                rows.push(Row::read(&*store.shelf(aggregate, *partition), aggregate, *partition).await?);
            }
            Ok(())
        })?;
    }
    output.list(&rows, &["aggregate", "partition", "values", "bytes", "covered offset", "state"], |row| {
        let Row { aggregate, partition, values, bytes, covered_offset, state } = row;
        let covered = covered_offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
        vec![aggregate.clone(), partition.to_string(), values.to_string(), bytes.to_string(), covered, state.clone()]
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The snapshots of one partition.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    aggregate: String,
    partition: u32,
    values: u64,
    bytes: u64,
    covered_offset: Option<i64>,
    state: String,
}

impl Row {
    async fn read(shelf: &dyn Shelf, aggregate: &str, partition: u32) -> Result<Self, Failure> {
        let position = match aggregate {
            Transaction::AGGREGATE => position::<Transaction>(shelf).await?,
            _ => position::<Account>(shelf).await?,
        };
        let (covered_offset, state) = match position {
            Some(Ok(position)) => (Some(position.covered), "sound".to_owned()),
            Some(Err(error)) => (None, error.to_string()),
            None => (None, "without a position".to_owned()),
        };
        let mut row = Row { aggregate: aggregate.to_owned(), partition, values: 0, bytes: 0, covered_offset, state };
        let mut last: Option<Key> = None;
        loop {
            let page = shelf.page(last, PAGE).await?;
            row.values += page.len() as u64;
            row.bytes += page.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
            let Some((key, _)) = page.into_iter().next_back() else { return Ok(row) };
            last = Some(key);
        }
    }
}

fn verify(directory: &Path, reach: &reach::Reach, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    reach.must_exist()?;
    let mut verdict = Verdict::default();
    if let Some(store) = look(directory, config)? {
        let client = reach.client(config)?;
        let (accounts, sagas) = [ACCOUNTS, TRANSACTIONS].map(|spec| setup::partition_settings(config, spec)).into();
        reach::run(async {
            for (aggregate, partition) in store.present() {
                let (shelf, partition) = (store.shelf(aggregate, *partition), *partition);
                let is_ours = partition < accounts.partitions;
                if aggregate == Account::AGGREGATE && is_ours {
                    let audit = Audit::<Account>::begin(&*shelf, partition, &accounts, &mut verdict).await?;
                    audit.run(&*client, &reach.within).await?;
                } else if aggregate == Transaction::AGGREGATE && is_ours {
                    let audit = Audit::<Transaction>::begin(&*shelf, partition, &sagas, &mut verdict).await?;
                    audit.run(&*client, &reach.within).await?;
                } else {
                    verdict.differ(foreign(aggregate, partition, accounts.partitions));
                }
            }
            Ok(())
        })?;
    }
    output.object(&verdict.report(), || verdict.text())?;
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn foreign(aggregate: &str, partition: u32, partitions: u32) -> Difference {
    Difference {
        kind: "foreign",
        aggregate: aggregate.to_owned(),
        partition,
        id: None,
        expected: format!("partitions 0 to {} of account and transaction", partitions - 1),
        found: format!("partition {partition} of {aggregate}"),
    }
}

fn drop_all(directory: &Path, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    // What cannot be opened has no names to tell, and is removed all the same.
    let shelves = match Store::look(directory, config.snapshots.cache_bytes) {
        Ok(store) => store.map(|store| store.present().to_vec()).unwrap_or_default(),
        Err(error @ snapshots::Error::Locked { .. }) => return Err(error.into()),
        Err(_) => Vec::new(),
    };
    let removed = Store::remove(directory)?;
    let names: Vec<_> = shelves
        .iter()
        .map(|(aggregate, partition)| json!({ "aggregate": aggregate, "partition": partition }))
        .collect();
    let report = json!({ "removed": removed, "directory": directory.display().to_string(), "shelves": names });
    output.object(&report, || {
        let names: Vec<_> = shelves.iter().map(|(aggregate, partition)| format!("{aggregate}-{partition}")).collect();
        match (removed, names.is_empty()) {
            (false, _) => format!("there are no snapshots in {}", directory.display()),
            (true, true) => format!("removed the snapshots in {}", directory.display()),
            (true, false) => format!("removed the snapshots of {} in {}", names.join(", "), directory.display()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The snapshots, when there are any.
fn look(directory: &Path, config: &Config) -> Result<Option<Store>, Failure> {
    Store::look(directory, config.snapshots.cache_bytes).map_err(|error| match error {
        snapshots::Error::Unusable { .. } => Failure::failed("SNAPSHOTS_UNUSABLE", error.to_string()),
        error => error.into(),
    })
}

/// The position of a shelf, and what is wrong with it.
async fn position<A: Wire>(shelf: &dyn Shelf) -> Result<Option<Result<Position, snapshot::Error>>, Failure> {
    Ok(shelf.position().await?.map(|bytes| snapshot::decode_position::<A>(&bytes)))
}

/// Under which the engine would take snapshots now.
fn conditions(settings: &Settings) -> Conditions {
    Conditions { partitions: settings.partitions, window: settings.rules.idempotency_window as u64 }
}
