//! Commands of upstream: read to the letter, or not at all.

use super::Wire;
use super::dead_letter::Reason;
use super::hash::{Null, command_hash};
use super::json::{self, Fault, Field, Unknown, shown};
use crate::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Version};
use crate::domain::{Cause, Command};

/// A command with what has to be known around it.
#[derive(Clone, PartialEq, Debug)]
pub struct Request<C> {
    /// Whom it is for.
    pub aggregate_id: AggregateId,
    /// Upstream's story; the command id when it has none.
    pub correlation_id: CorrelationId,
    /// Its type, as replies repeat it.
    pub command_type: &'static str,
    /// What is asked.
    pub command: Command<C>,
}

impl<C> Request<C> {
    /// What it sets in motion is told by this.
    pub fn cause(&self) -> Cause {
        let Command { id, hash, .. } = &self.command;
        Cause { command_id: id.clone(), command_hash: *hash, correlation_id: self.correlation_id.clone() }
    }
}

/// Bytes that are no command: they become a dead letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// For programs.
    pub reason: Reason,
    /// For people; short, and free of content.
    pub error: String,
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        let reason = match fault {
            Fault::UnknownType { .. } => Reason::UnknownType,
            _ => Reason::Malformed,
        };
        Unreadable { reason, error: fault.to_string() }
    }
}

/// Reads a command of `A` from the value of a record, of at most `message_bytes`.
///
/// # Errors
/// Size is judged first, then the envelope, then the type, then the data.
pub fn decode<A: Wire>(value: Option<&[u8]>, message_bytes: usize) -> Result<Request<A::Command>, Unreadable> {
    let Some(value) = value else {
        return Err(Unreadable { reason: Reason::Malformed, error: "no value".to_owned() });
    };
    if value.len() > message_bytes {
        let error = format!("Event too large: {} bytes", value.len());
        return Err(Unreadable { reason: Reason::TooLarge, error });
    }
    Ok(read::<A>(value)?)
}

fn read<A: Wire>(value: &[u8]) -> Result<Request<A::Command>, Fault> {
    const NAMES: [&str; 6] = ["commandType", "commandId", "aggregateId", "correlationId", "expectedVersion", "data"];
    let [command_type, id, aggregate_id, correlation_id, expected_version, data] =
        json::fields("the command", json::document(value)?, NAMES, Unknown::Ignored)?;
    let command_type = command_type.string()?;
    let id = id.id(CommandId::parse)?;
    let aggregate_id = aggregate_id.id(AggregateId::parse)?;
    let correlation_id = correlation_id.optional(|field| field.id(CorrelationId::parse))?;
    let expected_version = expected_version.optional(Field::whole_number)?.map(Version);
    let object = data.required()?;
    if !object.starts_with('{') {
        return Err(Fault::NotAnObject(data.name()));
    }
    let (body, hash) = A::read_command(&command_type, Data { command_type: &command_type, object })?;
    Ok(Request {
        aggregate_id,
        correlation_id: correlation_id.unwrap_or_else(|| CorrelationId::from(&id)),
        command_type: A::command_type(&body),
        command: Command { id, hash, expected_version, body },
    })
}

/// The data of a command, before anybody knows what it should hold.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    command_type: &'a str,
    object: &'a str,
}

impl<'a> Data<'a> {
    /// Reads data that has these fields and no other, where null is the same as absent.
    ///
    /// # Errors
    /// Other fields, equal keys, and what `build` refuses.
    pub fn read<const N: usize, C>(
        self,
        names: [&'static str; N],
        build: impl FnOnce([Field<'a>; N]) -> Result<C, Fault>,
    ) -> Result<(C, CommandHash), Fault> {
        self.read_hashed(names, Null::Absent, build)
    }

    /// Like [`Data::read`], where null says something.
    ///
    /// # Errors
    /// Other fields, equal keys, and what `build` refuses.
    pub fn read_nullable<const N: usize, C>(
        self,
        names: [&'static str; N],
        build: impl FnOnce([Field<'a>; N]) -> Result<C, Fault>,
    ) -> Result<(C, CommandHash), Fault> {
        self.read_hashed(names, Null::Value, build)
    }

    /// The fault of a type that this aggregate does not have.
    pub fn unknown_type(self) -> Fault {
        Fault::UnknownType { field: "commandType", found: shown(self.command_type) }
    }

    fn read_hashed<const N: usize, C>(
        self,
        names: [&'static str; N],
        null: Null,
        build: impl FnOnce([Field<'a>; N]) -> Result<C, Fault>,
    ) -> Result<(C, CommandHash), Fault> {
        let fields = json::fields("data", self.object, names, Unknown::Refused)?;
        let command = build(fields)?;
        Ok((command, command_hash(self.command_type, &fields, null)?))
    }
}
