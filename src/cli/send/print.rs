//! What `send` prints: answers as they stand on the log, and what is wrong with a line.

use serde_json::{Map, Value, json};

use crate::cli::{Failure, Output};
use crate::log::{Record, Topic};
use crate::partition::REPLIES;

/// Prints a reply or a dead letter.
///
/// # Errors
/// A reply that is none, or stdout is closed.
pub fn answer(topic: Topic, record: Record<'_>, output: Output) -> Result<(), Failure> {
    if topic == REPLIES { reply(record, output) } else { dead_letter(record, output) }
}

fn reply(record: Record<'_>, output: Output) -> Result<(), Failure> {
    let reply: Value = serde_json::from_slice(record.value.unwrap_or_default())
        .map_err(|error| Failure::failed("UNREADABLE_REPLY", error.to_string()))?;
    let text = |field: &str| reply[field].as_str().unwrap_or_default();
    output.object(&reply, || {
        let why: Vec<_> = ["status", "code", "message"].map(text).into_iter().filter(|text| !text.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!("  {}", why.join(": ")) };
        let version = &reply["aggregateVersion"];
        format!("{:<11} {} {} version {version}{why}", text("outcome"), text("aggregateId"), text("commandId"))
    })
}

fn dead_letter(record: Record<'_>, output: Output) -> Result<(), Failure> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let headers: Map<String, Value> =
        record.headers.iter().filter_map(|(name, value)| Some((text(name), text(value?).into()))).collect();
    output.object(&json!({ "deadLetter": headers }), || {
        let header = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default();
        let (reason, offset) = (header("billing.dlq.reason"), header("billing.dlq.offset"));
        format!("{:<11} {reason} at offset {offset}: {}", "DEAD", header("billing.dlq.error"))
    })
}

/// What is wrong with a line, and whether it was sent all the same.
pub struct Fault<'a> {
    /// Its number, from 1.
    pub line: u64,
    /// Whether the engine gets to see it.
    pub sent: bool,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: &'a str,
}

/// Prints what is wrong with a line.
///
/// # Errors
/// Stdout is closed.
pub fn fault(fault: &Fault<'_>, output: Output) -> Result<(), Failure> {
    let Fault { line, sent, code, message } = fault;
    let value = json!({ "line": line, "sent": sent, "error": { "code": code, "message": message } });
    output.object(&value, || match sent {
        true => format!("line {line}: sent, and will be a dead letter: {message}"),
        false => format!("line {line}: not sent: {message}"),
    })
}
