//! Whether a position speaks of this log, under these settings. Pure: nothing that was stored is believed because it is
//! there.

use std::ops::Range;

use super::Settings;
use super::agenda::Appointment;
use super::checkpoint::{Generation, Standing};
use crate::log::{Offset, Record};
use crate::metrics::DiscardReason;
use crate::wire::snapshot::{Conditions, LastEvent};

/// A position as it was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// How far the values reach, and what is known below.
    pub standing: Standing,
    /// What is to come of the aggregates that have events below.
    pub agenda: Vec<Appointment>,
    /// Under which the values were taken.
    pub conditions: Conditions,
    /// Which log it was, in the words of the log.
    pub identity: String,
    /// The generation of the snapshots topic that held all of it as well; `None` when none did.
    pub generation: Option<Generation>,
}

impl Position {
    /// The position at which everything below `standing` is saved.
    pub fn of(
        standing: Standing,
        agenda: Vec<Appointment>,
        generation: Option<Generation>,
        settings: &Settings,
        identity: &str,
    ) -> Self {
        Position { standing, agenda, conditions: settings.conditions(), identity: identity.to_owned(), generation }
    }
}

/// What a position has to agree with.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    /// As they are.
    pub conditions: Conditions,
    /// Which log this is.
    pub identity: &'a str,
    /// Bounds of its events.
    pub bounds: Range<Offset>,
}

/// Whether the position may be about this log.
///
/// # Errors
/// Why it cannot be.
pub fn judge(position: &Position, present: &Present<'_>) -> Result<(), DiscardReason> {
    let Position { standing, conditions, identity, .. } = position;
    let Range { start, end } = present.bounds;
    let remembered = standing.last_event.map(|event| event.offset);
    let is_in_the_log = (start..=end).contains(&standing.covered);
    if identity != present.identity {
        Err(DiscardReason::OtherLog)
    } else if conditions.partitions != present.conditions.partitions {
        Err(DiscardReason::OtherPartitions)
    } else if conditions.window != present.conditions.window {
        Err(DiscardReason::OtherWindow)
    } else if !is_in_the_log || remembered.is_some_and(|offset| !(start..standing.covered).contains(&offset)) {
        Err(DiscardReason::OutsideTheLog)
    } else if remembered.is_none() {
        // It fits every log of that name, also one that was deleted and made anew, and the values may be newer than it.
        Err(DiscardReason::OtherEvent)
    } else {
        Ok(())
    }
}

/// Whether the log still holds the event that was remembered of it; `found` is the first record from its offset on.
///
/// # Errors
/// It holds another one there, or none.
pub fn recognise(remembered: LastEvent, found: Option<Record<'_>>) -> Result<(), DiscardReason> {
    let found = found.map(|record| LastEvent::of(record.offset, record.key, record.value));
    if found == Some(remembered) { Ok(()) } else { Err(DiscardReason::OtherEvent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Chunk;

    fn position() -> Position {
        let last_event = Some(LastEvent { offset: 70, crc32: 7 });
        Position {
            standing: Standing { covered: 71, last_event, ..Standing::default() },
            agenda: Vec::new(),
            conditions: CONDITIONS,
            identity: "cluster/events".to_owned(),
            generation: None,
        }
    }

    fn at(covered: Offset, last_event: Option<Offset>) -> Position {
        let last_event = last_event.map(|offset| LastEvent { offset, crc32: 7 });
        Position { standing: Standing { covered, last_event, ..Standing::default() }, ..position() }
    }

    const CONDITIONS: Conditions = Conditions { partitions: 3, window: 256 };
    const PRESENT: Present<'static> = Present { conditions: CONDITIONS, identity: "cluster/events", bounds: 10..100 };

    #[test]
    fn a_position_is_believed_only_of_this_log_and_under_these_settings() {
        use DiscardReason::{OtherEvent, OtherLog, OtherPartitions, OtherWindow, OutsideTheLog};
        let cases = [
            (position(), Ok(())),
            (Position { identity: "other/events".to_owned(), ..position() }, Err(OtherLog)),
            (Position { conditions: Conditions { partitions: 4, ..CONDITIONS }, ..position() }, Err(OtherPartitions)),
            (Position { conditions: Conditions { window: 255, ..CONDITIONS }, ..position() }, Err(OtherWindow)),
            (at(100, Some(99)), Ok(())),
            (at(101, Some(100)), Err(OutsideTheLog)),
            (at(10, None), Err(OtherEvent)),
            (at(11, Some(10)), Ok(())),
            (at(9, None), Err(OutsideTheLog)),
            (at(20, Some(9)), Err(OutsideTheLog)),
            (at(20, Some(20)), Err(OutsideTheLog)),
        ];
        for (position, verdict) in cases {
            assert_eq!(judge(&position, &PRESENT), verdict, "{position:?}");
        }
    }

    #[test]
    fn the_event_that_is_remembered_is_still_there() {
        let mut chunk = Chunk::empty(70);
        chunk.push(70, 0, |record| {
            record.key(b"a");
            record.value(b"event");
        });
        let found = || Some(chunk.get(0));
        let remembered = LastEvent::of(70, Some(b"a"), Some(b"event"));
        assert_eq!(recognise(remembered, found()), Ok(()));
        for other in [
            LastEvent::of(71, Some(b"a"), Some(b"event")),
            LastEvent::of(70, Some(b"b"), Some(b"event")),
            LastEvent::of(70, Some(b"a"), Some(b"other")),
        ] {
            assert_eq!(recognise(other, found()), Err(DiscardReason::OtherEvent));
        }
        assert_eq!(recognise(remembered, None), Err(DiscardReason::OtherEvent));
    }
}
