//! Between what a partition holds and the bytes that are kept of it.

use super::Settings;
use super::agenda::{Appointment, Outlook};
use super::checkpoint::{Generation, Standing};
use super::held::Held;
use super::trust::Position;
use crate::domain::ids::{AggregateId, Timestamp};
use crate::log::{Drafts, PerLane, Record, Topic};
use crate::metrics::DiscardReason;
use crate::wire::Wire;
use crate::wire::snapshot::{self, Conditions, Error, Sources};

/// The header that tells the generation of a value in the topic.
const GENERATION: &[u8] = b"generation";

/// Why bytes cannot be used.
#[derive(Debug)]
pub enum Unreadable {
    /// A newer engine wrote them.
    Newer(String),
    /// They are of no use here, for this reason.
    Useless(DiscardReason, String),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Newer { .. } => return Unreadable::Newer(error.to_string()),
            Error::Older { .. } => DiscardReason::OlderFormat,
            Error::Outdated { found, present } if found.partitions != present.partitions => {
                DiscardReason::OtherPartitions
            }
            Error::Outdated { .. } => DiscardReason::OtherWindow,
            Error::Damaged(_) => DiscardReason::Damaged,
        };
        Unreadable::Useless(reason, error.to_string())
    }
}

/// The bytes of an aggregate.
pub fn write<A: Wire>(id: &AggregateId, held: &Held<A>, conditions: Conditions) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::encode_value(&mut bytes, id, &held.state, sources(held.sources), conditions);
    bytes
}

/// The aggregate of these bytes.
///
/// # Errors
/// Bytes that are not of it, or not for this engine.
pub fn read<A: Wire>(id: &AggregateId, bytes: &[u8], settings: &Settings) -> Result<Held<A>, Unreadable> {
    let value = snapshot::decode_value::<A>(id, bytes, settings.conditions())?;
    Ok(Held { state: value.state, sources: lanes(value.sources) })
}

/// The id and the aggregate of what was stored under a key.
///
/// # Errors
/// A key that is no id, and bytes that are not of it, or not for this engine.
pub fn check<A: Wire>(key: &[u8], bytes: &[u8], settings: &Settings) -> Result<(AggregateId, Held<A>), Unreadable> {
    let id = str::from_utf8(key).ok().and_then(|key| AggregateId::parse(key).ok());
    let id = id.ok_or_else(|| Unreadable::Useless(DiscardReason::Damaged, "a key that is no id".to_owned()))?;
    let held = read(&id, bytes, settings)?;
    Ok((id, held))
}

/// The bytes of a position of the snapshots of `A`.
pub fn write_position<A: Wire>(position: &Position) -> Vec<u8> {
    let Position { standing, agenda, conditions, identity, generation } = position;
    let appointment = |(id, outlook): &Appointment| snapshot::Appointment {
        id: id.to_string(),
        next_expiry: outlook.next_expiry.map(|time| time.0),
        is_open: outlook.is_open,
    };
    let mut bytes = Vec::new();
    let position = snapshot::Position {
        covered: standing.covered,
        sources: sources(standing.sources),
        aggregates: standing.aggregates,
        last_event: standing.last_event,
        agenda: agenda.iter().map(appointment).collect(),
        conditions: *conditions,
        identity: identity.clone(),
        generation: *generation,
    };
    snapshot::encode_position::<A>(&mut bytes, &position);
    bytes
}

/// The position of these bytes. Whether it speaks of this log is another question.
///
/// # Errors
/// Bytes that are none, or not for this engine.
pub fn read_position<A: Wire>(bytes: &[u8]) -> Result<Position, Unreadable> {
    let found = snapshot::decode_position::<A>(bytes)?;
    let (covered, sources, aggregates) = (found.covered, lanes(found.sources), found.aggregates);
    let standing = Standing { covered, sources, aggregates, last_event: found.last_event };
    let agenda = found.agenda.into_iter().map(appointment_of).collect::<Result<_, _>>()?;
    Ok(Position {
        standing,
        agenda,
        conditions: found.conditions,
        identity: found.identity,
        generation: found.generation,
    })
}

fn appointment_of(found: snapshot::Appointment) -> Result<Appointment, Unreadable> {
    let snapshot::Appointment { id, next_expiry, is_open } = found;
    let id = AggregateId::parse(&id).map_err(|error| Unreadable::Useless(DiscardReason::Damaged, error.to_string()))?;
    Ok((id, Outlook { next_expiry: next_expiry.map(Timestamp), is_open }))
}

fn sources(lanes: PerLane<Option<i64>>) -> Sources {
    Sources { commands: lanes.commands, inbox: lanes.inbox }
}

fn lanes(sources: Sources) -> PerLane<Option<i64>> {
    PerLane { commands: sources.commands, inbox: sources.inbox }
}

/// Adds a value, or the position, to what is written to the topic.
pub fn draft(drafts: &mut Drafts, place: (Topic, u32), generation: Generation, key: &[u8], value: &[u8]) {
    let (topic, partition) = place;
    drafts.push(topic, partition, None, |record| {
        record.key(key);
        record.value(value);
        record.header(GENERATION, Some(generation.to_string().as_bytes()));
    });
}

/// The generation that a record of the topic says it is of.
pub fn generation_of(record: &Record<'_>) -> Option<Generation> {
    let (_, value) = record.headers.iter().find(|(name, _)| *name == GENERATION)?;
    str::from_utf8(value?).ok()?.parse().ok()
}
