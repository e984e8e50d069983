//! Where a projection goes on. Pure.
//!
//! Two know: the store, whose position moves with its rows, and the group on the log, which operators move to have rows
//! written again. The store is right about what is written, the group about what is wanted.

use crate::log::{Input, Offset};

/// Where one topic of a partition is read from, and what it does to the rows there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The next offset to read.
    pub from: Offset,
    /// All rows of the partition go first.
    pub clear: bool,
    /// Below it rows are written that were written before.
    pub known_until: Offset,
    /// What an operator may want to know.
    pub notice: Option<Notice>,
}

/// What is out of the ordinary and yet in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The group stands before the store: rows are written again.
    Again,
    /// The group stands behind the store's position: what is missing in between is read all the same.
    GroupAhead {
        /// Where it stands.
        group: Offset,
    },
}

/// A position that the log does not have: the store is that of another history.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the read store stands at {topic}:{partition}:{position}, and the log holds {start} to {end}; write it anew with \
     `billing-engine projection rebuild`"
)]
pub struct Astray {
    /// The event topic.
    pub topic: &'static str,
    /// Number.
    pub partition: u32,
    /// What the store says.
    pub position: Offset,
    /// The oldest offset there is.
    pub start: Offset,
    /// The offset behind the last.
    pub end: Offset,
}

/// Decides for one topic. `stored` is the position of the store.
///
/// # Errors
/// A position that the log does not have.
pub fn resume(topic: &'static str, partition: u32, stored: Offset, input: Input) -> Result<Resume, Astray> {
    let Input { committed, start, end } = input;
    if !(start..=end).contains(&stored) {
        return Err(Astray { topic, partition, position: stored, start, end });
    }
    let on = Resume { from: stored, clear: false, known_until: stored, notice: None };
    Ok(match committed {
        Some(group) if group < stored => {
            Resume { from: group.max(start), clear: group <= start, notice: Some(Notice::Again), ..on }
        }
        Some(group) if group > stored => Resume { notice: Some(Notice::GroupAhead { group }), ..on },
        Some(_) | None => on,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(stored: Offset, committed: Option<Offset>) -> Result<Resume, Astray> {
        resume("account.events", 1, stored, Input { committed, start: 100, end: 200 })
    }

    #[test]
    fn a_group_that_agrees_or_says_nothing_changes_nothing() {
        let on = Resume { from: 150, clear: false, known_until: 150, notice: None };
        assert_eq!(decide(150, Some(150)), Ok(on));
        assert_eq!(decide(150, None), Ok(on));
    }

    #[test]
    fn a_group_that_was_moved_back_has_rows_written_again_and_all_of_them_from_the_start() {
        let again = Resume { from: 120, clear: false, known_until: 150, notice: Some(Notice::Again) };
        assert_eq!(decide(150, Some(120)), Ok(again));
        let anew = Resume { from: 100, clear: true, ..again };
        assert_eq!(decide(150, Some(100)), Ok(anew));
        assert_eq!(decide(150, Some(0)), Ok(anew), "what has expired is not there to be written again");
        assert_eq!(decide(100, Some(0)).map(|resume| (resume.from, resume.clear)), Ok((100, true)));
    }

    #[test]
    fn a_group_that_is_ahead_is_not_followed() {
        let on = decide(150, Some(180)).unwrap();
        assert_eq!((on.from, on.clear, on.notice), (150, false, Some(Notice::GroupAhead { group: 180 })));
    }

    #[test]
    fn a_position_that_the_log_does_not_have_stops_and_names_the_way_on() {
        for stored in [99, 201] {
            let astray = decide(stored, Some(150)).unwrap_err();
            assert!(astray.to_string().contains("projection rebuild"), "{astray}");
        }
        for stored in [100, 200] {
            assert!(decide(stored, None).is_ok(), "{stored}");
        }
    }
}
