//! What is on the topics, as JSON Schema 2020-12, for those who write or read it in other languages.
//!
//! A schema cannot say everything: equal keys, nesting, the size of metadata and `4.0` as a version are judged
//! by [`super::command`] alone.

/// A command, as upstream writes it.
pub const COMMAND: &str = include_str!("command.json");

/// An event, as the engine records it.
pub const EVENT: &str = include_str!("event.json");

/// A reply, as the engine answers.
pub const REPLY: &str = include_str!("reply.json");
