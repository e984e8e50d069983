//! From where a partition may go on: offsets are checked against the log before they are trusted. Pure.

use super::lifecycle::Halt;
use crate::log::{Input, Offset};

/// What is known about one lane of a partition after its events were replayed.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Consumer group, for the message.
    pub group: &'a str,
    /// Full name of the topic.
    pub topic: &'a str,
    /// Partition number.
    pub partition: u32,
    /// Committed offset and bounds of the topic.
    pub input: Input,
    /// True when the partition has any event.
    pub has_events: bool,
    /// Highest offset of this topic that an event names as its source.
    pub highest_source: Option<Offset>,
    /// The offset an operator decided on.
    pub accepted: Option<Offset>,
}

/// The next offset to read.
///
/// Lost or moved offsets never lose or double money: there is no automatic reset. What the operator accepts stands in
/// for an offset that is lost or cannot be trusted, never for one that can, and never leads back behind what the group
/// has committed: it stays in the arguments of an engine that is started again and again, also before it has caught
/// up. It overrides what the events say, but not the bounds of the log.
///
/// # Errors
/// The [`Halt`] that names the gap.
pub fn starting_offset(evidence: Evidence<'_>) -> Result<Offset, Halt> {
    let Evidence { group, topic, partition, input: Input { committed, start, end }, highest_source, .. } = evidence;
    let (group, topic) = (group.to_owned(), topic.to_owned());
    match (committed, evidence.accepted) {
        (None, None) if evidence.has_events => {
            Err(Halt::OffsetLost { group, topic, partition, start, end, highest_source })
        }
        (None, None) => Ok(start),
        (None, Some(accepted)) => inside(&evidence, accepted),
        (Some(committed), None) => trusted(&evidence, committed),
        (Some(committed), Some(accepted)) => trusted(&evidence, committed).or_else(|halt| match halt {
            Halt::OffsetMovedBack { .. } => inside(&evidence, accepted.max(committed)),
            _ => inside(&evidence, accepted),
        }),
    }
}

fn inside(evidence: &Evidence<'_>, offset: Offset) -> Result<Offset, Halt> {
    let Evidence { group, topic, partition, input: Input { start, end, .. }, .. } = *evidence;
    if (start..=end).contains(&offset) {
        return Ok(offset);
    }
    let (group, topic) = (group.to_owned(), topic.to_owned());
    Err(Halt::OffsetOutside { group, topic, partition, committed: offset, start, end })
}

fn trusted(evidence: &Evidence<'_>, committed: Offset) -> Result<Offset, Halt> {
    let Evidence { group, topic, partition, highest_source, .. } = *evidence;
    let committed = inside(evidence, committed)?;
    match highest_source {
        Some(highest_source) if committed <= highest_source => {
            let (group, topic) = (group.to_owned(), topic.to_owned());
            Err(Halt::OffsetMovedBack { group, topic, partition, committed, highest_source })
        }
        _ => Ok(committed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(committed: Option<Offset>) -> Evidence<'static> {
        Evidence {
            group: "g",
            topic: "t",
            partition: 0,
            input: Input { committed, start: 10, end: 100 },
            has_events: true,
            highest_source: Some(49),
            accepted: None,
        }
    }

    #[test]
    fn a_partition_goes_on_behind_the_last_source_and_inside_the_log() {
        assert_eq!(starting_offset(evidence(Some(50))), Ok(50));
        assert_eq!(starting_offset(evidence(Some(100))), Ok(100));
    }

    #[test]
    fn the_first_start_begins_at_the_log_start() {
        let fresh = Evidence { has_events: false, highest_source: None, ..evidence(None) };
        assert_eq!(starting_offset(fresh), Ok(10));
    }

    #[test]
    fn offsets_that_are_gone_halt_when_there_are_events() {
        assert!(matches!(starting_offset(evidence(None)), Err(Halt::OffsetLost { .. })));
        let unnamed = Evidence { highest_source: None, ..evidence(None) };
        assert!(matches!(starting_offset(unnamed), Err(Halt::OffsetLost { .. })), "events of the other lane count");
    }

    #[test]
    fn offsets_outside_of_the_log_halt() {
        for committed in [9, 101] {
            assert!(matches!(starting_offset(evidence(Some(committed))), Err(Halt::OffsetOutside { .. })));
        }
        let accepted = Evidence { accepted: Some(101), ..evidence(None) };
        assert!(matches!(starting_offset(accepted), Err(Halt::OffsetOutside { committed: 101, .. })));
    }

    #[test]
    fn an_offset_that_an_event_names_halts_unless_an_operator_accepts_it() {
        assert!(matches!(starting_offset(evidence(Some(49))), Err(Halt::OffsetMovedBack { highest_source: 49, .. })));
        let accepted = |accepted| Evidence { accepted: Some(accepted), ..evidence(Some(20)) };
        assert_eq!(starting_offset(accepted(30)), Ok(30));
        assert_eq!(starting_offset(accepted(15)), Ok(20), "what was committed was decided");
    }

    #[test]
    fn what_an_operator_accepted_once_does_not_rewind_a_group_that_has_gone_on() {
        let again = Evidence { accepted: Some(20), ..evidence(Some(80)) };
        assert_eq!(starting_offset(again), Ok(80));
        let before_it_caught_up = Evidence { accepted: Some(20), ..evidence(Some(25)) };
        assert_eq!(starting_offset(before_it_caught_up), Ok(25));
        let gone = Evidence { accepted: Some(20), ..evidence(Some(101)) };
        assert_eq!(starting_offset(gone), Ok(20), "a topic that was made anew");
        let without_events = Evidence { has_events: false, highest_source: None, accepted: Some(20), ..evidence(None) };
        assert_eq!(starting_offset(without_events), Ok(20));
    }
}
