//! `topics`: created, checked, described.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::reach::{self, Within};
use super::{Failure, Output, setup};
use crate::config::Config;
use crate::log::kafka::{self, Change, Description, Fault, Presence};

/// How often topics are asked for when the brokers do not take them.
const ATTEMPTS: u32 = 10;

/// `topics`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create what is missing, add what prevents loss; every other override stays. Exit code 78 when a fault is left
    Ensure(Within),
    /// Name everything that could lose events or stop the engine; exit code 78 when there is something
    Check(Within),
    /// Show every topic as it is
    Describe(Within),
}

/// Does what is asked with the topics.
///
/// # Errors
/// No broker, a topic that cannot be created, faults.
pub fn topics(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let (Command::Ensure(within) | Command::Check(within) | Command::Describe(within)) = command;
    let admin = setup::topics_admin(config, &setup::kafka_settings(config), within.timeout());
    match command {
        Command::Ensure(_) => {
            let (changes, faults) = reach::block_on(within, async {
                let changes = ensured(&admin).await?;
                let faults = admin.check().await?;
                Ok((changes, faults))
            })?;
            let changed: Vec<_> = changes.iter().map(change_json).collect();
            let left: Vec<_> = faults.iter().map(fault_json).collect();
            let report = json!({ "ok": faults.is_empty(), "changes": changed, "faults": left });
            output.object(&report, || ensured_text(&changes, &faults))?;
            Ok(verdict(&faults))
        }
        Command::Check(_) => {
            let faults = reach::block_on(within, async { Ok(admin.check().await?) })?;
            let found: Vec<_> = faults.iter().map(fault_json).collect();
            output.object(&json!({ "ok": faults.is_empty(), "faults": found }), || faults_text(&faults))?;
            Ok(verdict(&faults))
        }
        Command::Describe(_) => {
            let topics = reach::block_on(within, async { Ok(admin.describe().await?) })?;
            let rows: Vec<_> = topics.iter().map(description_json).collect();
            output.list(&rows, &["topic", "state", "partitions", "replicas", "overrides"], |row| {
                let text = |field: &str| row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned);
                let overrides = row["overrides"].as_object().into_iter().flatten();
                let overrides: Vec<_> =
                    overrides.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
                vec![text("topic"), text("state"), text("partitions"), text("replicationFactor"), overrides.join("\n")]
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Creates what is missing before a tool works on it.
///
/// # Errors
/// No broker, a topic that cannot be created.
pub fn ensure_now(config: &Config, settings: &kafka::Settings, within: &Within) -> Result<(), Failure> {
    let admin = setup::topics_admin(config, settings, within.timeout());
    reach::block_on(within, ensured(&admin))?;
    Ok(())
}

/// What was changed. Brokers that have only just started may not take new topics yet.
async fn ensured(admin: &kafka::Admin) -> Result<Vec<Change>, Failure> {
    let mut attempts = 1;
    loop {
        match admin.ensure().await {
            Err(error) if error.is_retriable() && attempts < ATTEMPTS => attempts += 1,
            answered => return Ok(answered?),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Topics with faults are a configuration that cannot work.
fn verdict(faults: &[Fault]) -> ExitCode {
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::BAD_CONFIGURATION) }
}

fn ensured_text(changes: &[Change], faults: &[Fault]) -> String {
    let changes = changes_text(changes);
    if faults.is_empty() { changes } else { format!("{changes}\n\nonly a person can mend:\n{}", faults_text(faults)) }
}

fn change_json(change: &Change) -> serde_json::Value {
    match change {
        Change::Created { topic, partitions } => json!({ "topic": topic, "created": true, "partitions": partitions }),
        Change::Configured { topic, key, from, to } => json!({ "topic": topic, "key": key, "from": from, "to": to }),
    }
}

fn changes_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "everything is there already".to_owned();
    }
    let lines = changes.iter().map(|change| match change {
        Change::Created { topic, partitions } => format!("created {topic} with {partitions} partitions"),
        Change::Configured { topic, key, from, to } => format!("set {key} of {topic} from {from} to {to}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn fault_json(fault: &Fault) -> serde_json::Value {
    let Fault { topic, key, found, wanted, fix } = fault;
    json!({ "topic": topic, "key": key, "found": found, "wanted": wanted, "fix": fix })
}

fn faults_text(faults: &[Fault]) -> String {
    if faults.is_empty() {
        return "all topics are as they should be".to_owned();
    }
    let rows = faults.iter().map(|fault| {
        let Fault { topic, key, found, wanted, fix } = fault.clone();
        vec![topic, key, found, wanted, fix]
    });
    super::output::table(&["topic", "key", "found", "wanted", "fix"], rows).to_string()
}

fn description_json(description: &Description) -> serde_json::Value {
    let Description { topic, presence, partitions, replication_factor, overrides } = description;
    let state = match presence {
        Presence::Present => "present",
        Presence::Missing => "missing",
        Presence::Unknown => "unknown",
    };
    json!({
        "topic": topic, "state": state, "partitions": partitions, "replicationFactor": replication_factor,
        "overrides": overrides,
    })
}
