//! Messages of the engine to itself, in inboxes: what aggregates say to each other, and commands that arrived on the
//! wrong partition and are sent home.
//!
//! Before everything else in the headers stand a format and a type, so that nothing that upstream wrote can be taken
//! for a message, and an engine that knows less halts instead of guessing.

mod account;
mod home;
mod letter;
mod transaction;

use super::ENGINE_VERSION;
use super::headers::{Header, Headers};
use super::json::shown;
use crate::domain::message::Delivery;

pub use home::SentHome;
pub use letter::{Mail, encode_headers, encode_value};

const FORMAT: &str = "billing.message.format";
const TYPE: &str = "billing.message.type";

const FORMAT_KNOWN: u32 = 1;
const TYPE_COMMAND: &str = "command";

/// What lies in an inbox.
#[derive(Clone, PartialEq, Debug)]
pub enum Inbox<'a, M, H> {
    /// A command that was sent home.
    Command(SentHome<'a, H>),
    /// A message of another aggregate.
    Message(Delivery<M>),
}

/// A message that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A newer engine wrote it: its partition halts.
    #[error("message needs an engine that reads format {needed}, this is {ENGINE_VERSION} and reads {FORMAT_KNOWN}")]
    NewerFormat {
        /// Its format.
        needed: u32,
    },
    /// Likewise, of the format that is known.
    #[error("message needs an engine newer than {ENGINE_VERSION}, which knows no type {message_type:?}")]
    NewerType {
        /// Its type.
        message_type: String,
    },
    /// Likewise, of a type that is known.
    #[error("message needs an engine newer than {ENGINE_VERSION}: {fault}")]
    NewerField {
        /// Which field, and where.
        fault: String,
    },
    /// No engine wrote it.
    #[error("header {0} is missing or damaged")]
    Damaged(&'static str),
    /// An engine wrote it, but not so.
    #[error("damaged message: {0}")]
    DamagedValue(String),
}

/// Reads a record of the inbox of `A`.
///
/// # Errors
/// A format, type or field that is not known here, and what no engine wrote.
pub fn decode<'a, A: Mail, H: Headers<'a>>(
    value: Option<&'a [u8]>,
    mut headers: H,
) -> Result<Inbox<'a, A::Message, H>, Error> {
    let whole = headers.clone();
    match message_type(&mut headers)? {
        TYPE_COMMAND => SentHome::decode(value, whole).map(Inbox::Command),
        message_type => letter::decode::<A>(message_type, value).map(Inbox::Message),
    }
}

/// The value of the next header, which must have that name.
fn next<'a>(headers: &mut impl Iterator<Item = Header<'a>>, name: &'static str) -> Result<Option<&'a [u8]>, Error> {
    let header = headers.next().filter(|(found, _)| *found == name.as_bytes());
    header.map(|(_, value)| value).ok_or(Error::Damaged(name))
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    value.and_then(|value| str::from_utf8(value).ok())
}

/// The type of a message of the known format.
fn message_type<'a>(headers: &mut impl Iterator<Item = Header<'a>>) -> Result<&'a str, Error> {
    let format = text(next(headers, FORMAT)?).and_then(|text| text.parse().ok()).ok_or(Error::Damaged(FORMAT))?;
    if format > FORMAT_KNOWN {
        return Err(Error::NewerFormat { needed: format });
    }
    text(next(headers, TYPE)?).ok_or(Error::Damaged(TYPE))
}

fn newer_type(message_type: &str) -> Error {
    Error::NewerType { message_type: shown(message_type) }
}
