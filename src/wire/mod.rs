//! Bytes to domain and back: the only place that knows JSON, headers and versions.
//!
//! Upstream is read strictly ([`command`]): what could be misread is a dead letter, never a guess. The engine's
//! own records are read as what they are ([`event`], [`message`], [`snapshot`]): if they cannot be, something newer or
//! something broken wrote them, and that is an error which names it.
//!
//! Everything works on borrowed slices and writes into buffers of the caller.

pub mod command;
pub mod dead_letter;
pub mod event;
pub mod hash;
pub mod headers;
pub mod json;
pub mod message;
pub mod reply;
pub mod schema;
pub mod snapshot;

mod account;
mod image;
mod metadata;
mod recorded;
mod transaction;

use crate::domain::Aggregate;
use crate::domain::ids::CommandHash;

pub use command::{Request, Unreadable};
pub use dead_letter::Reason;
pub use event::StoredEvent;
pub use headers::{Header, Headers, Source, Trace, record_size};
pub use json::Fault;
pub use reply::{Outcome, Reply};

/// The version of this engine, as records and errors name it.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// An aggregate that can be read and written.
pub trait Wire: Aggregate {
    /// In topics and metrics (`account`).
    const AGGREGATE: &'static str;
    /// In headers (`Account`).
    const AGGREGATE_TYPE: &'static str;
    /// The format of its snapshots, counted up with every change of what [`Wire::write_snapshot`] writes.
    const SNAPSHOT_FORMAT: u16;

    /// The type of a command.
    fn command_type(command: &Self::Command) -> &'static str;

    /// Reads the data of a command of that type.
    ///
    /// # Errors
    /// A type that is no command of this aggregate, or data that is malformed.
    fn read_command(command_type: &str, data: command::Data<'_>) -> Result<(Self::Command, CommandHash), Fault>;

    /// The type of an event.
    fn event_type(event: &Self::Event) -> &'static str;

    /// Writes the data of an event.
    fn write_event(event: &Self::Event, data: &mut json::Object<'_>);

    /// Reads the data of an event of that type.
    ///
    /// # Errors
    /// A type or a field that is not known here, or data that is no event's.
    fn read_event(event_type: &str, data: &str) -> Result<Self::Event, Fault>;

    /// Appends everything that it is.
    fn write_snapshot(&self, out: &mut Vec<u8>);

    /// Reads what was written, all of `bytes`, under these conditions.
    ///
    /// # Errors
    /// Bytes that are no snapshot, or say what no history leads to.
    fn read_snapshot(bytes: &[u8], conditions: snapshot::Conditions) -> Result<Self, snapshot::Error>;
}
