//! Replies: the answer to one command.

use super::headers::Header;
use super::json::{self, Fault, Object, Unknown};
use crate::domain::Rejection;
use crate::domain::ids::{AggregateId, CommandId, CorrelationId, Version};
use crate::domain::message::{Ending, Reason};
use crate::domain::transaction::Progress;

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome<'a> {
    /// Its events stand.
    Accepted,
    /// A rule refused it.
    Rejected(&'a Rejection),
    /// It took effect before.
    Duplicate,
    /// It took effect before, and what it set in motion has come so far.
    DuplicateOf(&'a Progress),
    /// What it set in motion has ended.
    Ended(&'a Ending),
}

impl Outcome<'_> {
    /// The word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Accepted => "ACCEPTED",
            Outcome::Rejected(_) => "REJECTED",
            Outcome::Duplicate | Outcome::DuplicateOf(_) => "DUPLICATE",
            Outcome::Ended(Ending::Completed) => "COMPLETED",
            Outcome::Ended(Ending::Failed(_)) => "FAILED",
            Outcome::Ended(Ending::Compensated(_)) => "COMPENSATED",
        }
    }

    /// What stands beside the word.
    fn write(&self, object: &mut Object<'_>) {
        match self {
            Outcome::Accepted | Outcome::Duplicate | Outcome::Ended(Ending::Completed) => {}
            Outcome::Rejected(rejection) => {
                object.word("code", rejection.code());
                object.text("message", &rejection.to_string());
            }
            Outcome::DuplicateOf(Progress { status, error_code }) => {
                object.word("status", status.as_str());
                object.optional_text("code", error_code.as_deref());
            }
            Outcome::Ended(
                Ending::Failed(Reason { code, message }) | Ending::Compensated(Reason { code, message }),
            ) => {
                object.text("code", code);
                object.text("message", message);
            }
        }
    }
}

/// The answer to one command.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Reply<'a> {
    pub command_id: &'a CommandId,
    pub command_type: &'a str,
    pub aggregate_id: &'a AggregateId,
    pub correlation_id: &'a CorrelationId,
    pub outcome: Outcome<'a>,
    /// After the command's last event; where the aggregate stands when nothing happened; for a duplicate what
    /// the original produced; at the end of what it set in motion the last event's.
    pub aggregate_version: Version,
}

impl<'a> Reply<'a> {
    /// Appends the value of its record.
    pub fn encode_value(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.word("commandId", self.command_id.as_str());
        object.word("commandType", self.command_type);
        object.word("aggregateId", self.aggregate_id.as_str());
        object.word("correlationId", self.correlation_id.as_str());
        object.word("outcome", self.outcome.as_str());
        self.outcome.write(&mut object);
        object.number("aggregateVersion", self.aggregate_version.0);
        object.close();
    }

    /// The header of its record.
    pub fn header(&self) -> Header<'a> {
        (b"correlationId", Some(self.correlation_id.as_str().as_bytes()))
    }
}

/// A reply as its receiver reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Received {
    pub command_id: Box<str>,
    pub command_type: Box<str>,
    pub aggregate_id: Box<str>,
    pub correlation_id: Box<str>,
    pub outcome: Box<str>,
    pub status: Option<Box<str>>,
    pub code: Option<Box<str>>,
    pub message: Option<Box<str>>,
    pub aggregate_version: Version,
}

/// Reads a reply; fields that a newer engine may add are ignored.
///
/// # Errors
/// What is no reply.
pub fn decode(value: &[u8]) -> Result<Received, Fault> {
    const NAMES: [&str; 9] = [
        "commandId",
        "commandType",
        "aggregateId",
        "correlationId",
        "outcome",
        "status",
        "code",
        "message",
        "aggregateVersion",
    ];
    let [command_id, command_type, aggregate_id, correlation_id, outcome, status, code, message, version] =
        json::fields("the reply", json::document(value)?, NAMES, Unknown::Ignored)?;
    Ok(Received {
        command_id: command_id.string()?.into(),
        command_type: command_type.string()?.into(),
        aggregate_id: aggregate_id.string()?.into(),
        correlation_id: correlation_id.string()?.into(),
        outcome: outcome.string()?.into(),
        status: status.optional(|field| Ok(field.string()?.into()))?,
        code: code.optional(|field| Ok(field.string()?.into()))?,
        message: message.optional(|field| Ok(field.string()?.into()))?,
        aggregate_version: Version(version.whole_number()?),
    })
}
