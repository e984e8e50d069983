//! How far the snapshots reach, and how far they are to reach next. Pure.
//!
//! A checkpoint is fuzzy: it begins with what is committed then, takes the aggregates that changed since the last
//! one began, slice by slice, each as of the end of some later batch, and settles what was committed when it began
//! once all of them are saved. So a value may be newer than the position, and never older than it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::agenda::Appointment;
use super::held;
use super::milestones::Milestones;
use crate::log::{Lane, Offset, PerLane};
use crate::wire::snapshot::LastEvent;

/// Tells the values of the snapshots topic that belong together from those of earlier times; counts up whenever all
/// values are written anew.
pub type Generation = u64;

/// What is known of the committed events below an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The offset: nothing at it or behind it is spoken of.
    pub covered: Offset,
    /// The highest offset of each lane that caused one of the events. May be higher than that, of what is committed.
    pub sources: PerLane<Option<Offset>>,
    /// How many aggregates began with one of the events.
    pub aggregates: u64,
    /// The last of the events.
    pub last_event: Option<LastEvent>,
}

/// What a committed batch has added.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    /// The highest offset of each lane that caused an event.
    pub sources: PerLane<Option<Offset>>,
    /// Aggregates that began.
    pub aggregates: u64,
    /// Commands that took effect.
    pub accepted: u64,
    /// Messages that were heard.
    pub heard: u64,
    /// What somebody counts.
    pub milestones: Milestones,
}

impl Added {
    /// Adds what more was decided for the same commit.
    pub fn add(&mut self, more: Added) {
        for lane in Lane::ALL {
            held::note(&mut self.sources, more.sources.of(lane).map(|offset| (lane, offset)));
        }
        self.aggregates += more.aggregates;
        self.accepted += more.accepted;
        self.heard += more.heard;
        self.milestones.merge(&more.milestones);
    }
}

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between the beginnings of two checkpoints.
    pub interval: Duration,
    /// Commands and messages that took effect, after which one does not wait for the interval.
    pub every_events: u64,
}

/// A checkpoint that has begun.
#[derive(Debug)]
pub struct UnderWay {
    /// What is settled when all are saved.
    pub standing: Standing,
    /// What was to come of all aggregates then.
    pub agenda: Vec<Appointment>,
    /// Places of those that are yet to be serialised.
    pub due: VecDeque<u32>,
    /// The generation of the topic that holds all that was saved until it began; `None` when none does.
    pub generation: Option<Generation>,
    begun_at: Instant,
}

/// The checkpoints of one partition.
#[derive(Debug)]
pub struct Checkpoints {
    pace: Pace,
    standing: Standing,
    /// Committed, but nobody said where.
    unplaced: Added,
    since_begin: u64,
    /// `None` when events had to be read again: they are covered first, or every further crash would add to them.
    begun_at: Option<Instant>,
    /// Places of those that changed since the last checkpoint began.
    pub changed: Vec<u32>,
    under_way: Option<UnderWay>,
    settled_at: Instant,
    settled: Option<Offset>,
}

impl Checkpoints {
    /// Goes on where recovery stands; `settled` is the covered offset on the shelf, `replayed` are the events behind it.
    pub fn new(pace: Pace, standing: Standing, settled: Option<Offset>, replayed: u64) -> Self {
        let now = Instant::now();
        Checkpoints {
            pace,
            standing,
            unplaced: Added::default(),
            since_begin: replayed,
            begun_at: (replayed == 0).then_some(now),
            changed: Vec::new(),
            under_way: None,
            settled_at: now,
            settled,
        }
    }

    /// Covered by what the shelf was settled at; `None` when it was not.
    pub fn settled(&self) -> Option<Offset> {
        self.settled
    }

    /// How long ago everything was covered, as far as there is anything that is not.
    pub fn age(&self) -> Duration {
        if self.changed.is_empty() && self.under_way.is_none() { Duration::ZERO } else { self.settled_at.elapsed() }
    }

    /// A batch took effect. The log says where its last event lies, or it has none.
    pub fn committed(&mut self, added: Added, last_event: Option<LastEvent>) {
        self.unplaced.add(added);
        self.since_begin += added.accepted + added.heard;
        for lane in Lane::ALL {
            held::note(&mut self.standing.sources, added.sources.of(lane).map(|offset| (lane, offset)));
        }
        if let Some(last_event) = last_event {
            self.standing.covered = last_event.offset + 1;
            self.standing.last_event = Some(last_event);
            self.standing.aggregates += std::mem::take(&mut self.unplaced).aggregates;
        }
    }

    /// True when a checkpoint is to begin.
    pub fn is_due(&self) -> bool {
        self.under_way.is_none()
            && !self.changed.is_empty()
            && (self.since_begin >= self.pace.every_events
                || self.begun_at.is_none_or(|at| at.elapsed() >= self.pace.interval))
    }

    /// Begins a checkpoint over all that changed.
    pub fn begin(&mut self, generation: Option<Generation>, agenda: Vec<Appointment>) {
        let mut due = std::mem::take(&mut self.changed);
        // Where many come and go, a place changed hands many times: whoever has it now is saved once.
        due.sort_unstable();
        due.dedup();
        self.since_begin = 0;
        let begun_at = Instant::now();
        self.begun_at = Some(begun_at);
        self.under_way = Some(UnderWay { standing: self.standing, agenda, due: due.into(), generation, begun_at });
    }

    /// The one that has begun.
    pub fn under_way(&mut self) -> Option<&mut UnderWay> {
        self.under_way.as_mut()
    }

    /// What can be settled: everything that the checkpoint is about was taken. Whoever asks knows that it is saved too.
    pub fn complete(&self) -> Option<&UnderWay> {
        self.under_way.as_ref().filter(|under_way| under_way.due.is_empty())
    }

    /// The checkpoint has ended.
    pub fn settle(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            self.settled = Some(under_way.standing.covered);
            self.settled_at = under_way.begun_at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Pace = Pace { interval: Duration::MAX, every_events: u64::MAX };

    fn event(offset: Offset) -> Option<LastEvent> {
        Some(LastEvent { offset, crc32: 7 })
    }

    fn added(source: Offset, aggregates: u64) -> Added {
        Added { sources: PerLane { commands: Some(source), inbox: None }, aggregates, accepted: 1, ..Added::default() }
    }

    fn ready(pace: Pace) -> Checkpoints {
        Checkpoints::new(pace, Standing::default(), None, 0)
    }

    #[test]
    fn what_is_settled_is_what_was_committed_when_the_checkpoint_began() {
        let mut checkpoints = ready(NEVER);
        checkpoints.committed(added(4, 1), event(9));
        checkpoints.changed = vec![3, 5];
        checkpoints.begin(Some(2), Vec::new());
        checkpoints.committed(added(6, 1), event(20));
        assert!(checkpoints.complete().is_none(), "two are yet to be taken");
        checkpoints.under_way().unwrap().due.clear();
        let UnderWay { standing, generation, .. } = checkpoints.complete().unwrap();
        assert_eq!((standing.covered, standing.aggregates, *generation), (10, 1, Some(2)));
        assert_eq!(checkpoints.settled(), None);
        checkpoints.settle();
        assert_eq!(checkpoints.settled(), Some(10));
    }

    #[test]
    fn a_place_that_changed_hands_is_due_once() {
        let mut checkpoints = ready(NEVER);
        checkpoints.changed = vec![5, 3, 5, 5, 3];
        checkpoints.begin(None, Vec::new());
        assert_eq!(checkpoints.under_way().unwrap().due, [3, 5]);
    }

    #[test]
    fn events_that_nobody_placed_are_covered_with_the_next_ones() {
        let mut checkpoints = ready(NEVER);
        checkpoints.committed(added(4, 1), event(9));
        checkpoints.committed(added(5, 1), None);
        checkpoints.begin(None, Vec::new());
        let standing = checkpoints.complete().unwrap().standing;
        assert_eq!((standing.covered, standing.aggregates, standing.sources.commands), (10, 1, Some(5)));
        checkpoints.settle();
        checkpoints.committed(added(6, 1), event(13));
        checkpoints.begin(None, Vec::new());
        let standing = checkpoints.complete().unwrap().standing;
        assert_eq!((standing.covered, standing.aggregates), (14, 3));
    }

    #[test]
    fn a_checkpoint_is_due_after_so_many_events_or_so_long_and_only_when_something_changed() {
        let mut checkpoints = ready(Pace { every_events: 2, ..NEVER });
        checkpoints.committed(added(1, 1), event(1));
        checkpoints.changed = vec![0];
        assert!(!checkpoints.is_due());
        checkpoints.committed(added(2, 0), event(2));
        assert!(checkpoints.is_due());
        checkpoints.begin(None, Vec::new());
        assert!(!checkpoints.is_due(), "one at a time");
        let mut at_once = ready(Pace { interval: Duration::ZERO, ..NEVER });
        assert!(!at_once.is_due(), "nothing changed");
        at_once.changed = vec![0];
        assert!(at_once.is_due());
        let mut after_a_crash = Checkpoints::new(NEVER, Standing::default(), None, 1);
        after_a_crash.changed = vec![0];
        assert!(after_a_crash.is_due(), "what was read again is covered before another crash");
        after_a_crash.begin(None, Vec::new());
        after_a_crash.settle();
        after_a_crash.changed = vec![0];
        assert!(!after_a_crash.is_due());
    }
}
