//! Events: what the engine writes to the event store, and reads back to become what it was.

use super::hash::{hex, parse_hex};
use super::headers::{Header, Source, Trace};
use super::json::{self, Fault, Object, Unknown};
use super::{ENGINE_VERSION, Wire};
use crate::domain::Recorded;
use crate::domain::ids::{AggregateId, CommandId, CorrelationId, Version};

const EVENT_TYPE: &str = "eventType";
const AGGREGATE_TYPE: &str = "aggregateType";
const COMMAND_HASH: &str = "commandHash";
const SOURCE: &str = "source";

/// Appends the value of an event.
pub fn encode_value<A: Wire>(out: &mut Vec<u8>, aggregate_id: &AggregateId, event: &Recorded<A::Event>) {
    let mut object = Object::open(out);
    object.word(EVENT_TYPE, A::event_type(&event.body));
    object.word("aggregateId", aggregate_id.as_str());
    object.number("aggregateVersion", event.version.0);
    object.timestamp("timestamp", event.at);
    object.word("correlationId", event.correlation_id.as_str());
    object.word("causationId", event.command_id.as_str());
    let mut data = object.object("data");
    A::write_event(&event.body, &mut data);
    data.close();
    object.close();
}

/// Hands the headers of an event to `write`, in their order. `source` is the record that caused it; an expiry
/// has none.
pub fn encode_headers<A: Wire>(
    event: &Recorded<A::Event>,
    source: Option<Source<'_>>,
    trace: Trace<'_>,
    mut write: impl FnMut(&[u8], Option<&[u8]>),
) {
    write(EVENT_TYPE.as_bytes(), Some(A::event_type(&event.body).as_bytes()));
    write(AGGREGATE_TYPE.as_bytes(), Some(A::AGGREGATE_TYPE.as_bytes()));
    write(COMMAND_HASH.as_bytes(), Some(&hex(&event.command_hash)));
    if let Some(source) = source {
        write(SOURCE.as_bytes(), Some(&source.text()));
    }
    for (name, value) in trace.headers() {
        write(name, value);
    }
}

/// An event of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent<'a, E> {
    /// Whose history it belongs to.
    pub aggregate_id: AggregateId,
    /// The event with its place in that history.
    pub recorded: Recorded<E>,
    /// The record that caused it; none for an expiry.
    pub source: Option<Source<'a>>,
}

/// An event that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer engine wrote it: nothing of its partition can be done by this one.
    #[error("written by a newer engine than {ENGINE_VERSION}: {0}")]
    Newer(Fault),
    /// It is no event of any engine: the history of its aggregate is damaged.
    #[error("damaged event: {0}")]
    Damaged(#[from] Fault),
}

/// Reads an event of `A` from the value and the headers of a record.
///
/// # Errors
/// What a newer engine wrote, and what is damaged.
pub fn decode<'a, A: Wire>(
    value: Option<&[u8]>,
    headers: impl Iterator<Item = Header<'a>>,
) -> Result<StoredEvent<'a, A::Event>, Error> {
    read::<A>(value.unwrap_or_default(), headers).map_err(|fault| match fault {
        Fault::UnknownType { .. } | Fault::UnknownField { .. } => Error::Newer(fault),
        _ => Error::Damaged(fault),
    })
}

fn read<'a, A: Wire>(
    value: &[u8],
    headers: impl Iterator<Item = Header<'a>>,
) -> Result<StoredEvent<'a, A::Event>, Fault> {
    const NAMES: [&str; 7] =
        [EVENT_TYPE, "aggregateId", "aggregateVersion", "timestamp", "correlationId", "causationId", "data"];
    let text = str::from_utf8(value).map_err(|error| Fault::NotUtf8 { at: error.valid_up_to() })?;
    let [event_type, aggregate_id, version, at, correlation_id, command_id, data] =
        json::fields("the event", text, NAMES, Unknown::Refused)?;
    let (mut hash, mut source) = (None, None);
    for (name, value) in headers {
        if name == COMMAND_HASH.as_bytes() {
            hash = value;
        } else if name == SOURCE.as_bytes() {
            source = value;
        }
    }
    let wrong = |header, expected: &str| Fault::Invalid { field: header, expected: expected.to_owned() };
    let source =
        source.map(|text| Source::parse(text).ok_or_else(|| wrong(SOURCE, "topic:partition:offset"))).transpose()?;
    Ok(StoredEvent {
        aggregate_id: aggregate_id.id(AggregateId::parse)?,
        recorded: Recorded {
            version: Version(version.whole_number()?),
            at: json::timestamp(&at.string()?).ok_or_else(|| at.must_be("an RFC 3339 time"))?,
            command_id: command_id.id(CommandId::parse)?,
            command_hash: hash.and_then(parse_hex).ok_or_else(|| wrong(COMMAND_HASH, "32 hexadecimal digits"))?,
            correlation_id: correlation_id.id(CorrelationId::parse)?,
            body: A::read_event(&event_type.string()?, data.required()?)?,
        },
        source,
    })
}
