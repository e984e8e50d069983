//! What is decided and waits for its commit.

use super::agenda::{Appointment, Outlook};
use super::checkpoint::Added;
use super::desk::Outcome;
use super::lifecycle::BatchId;
use super::stock::Portion;
use crate::domain::ids::AggregateId;
use crate::log::{Lane, Millis, Offset, PerLane};

/// Everything decided since the last commit was started.
#[derive(Debug)]
pub struct Batch {
    start: PerLane<Offset>,
    next_offsets: PerLane<Offset>,
    taken: PerLane<usize>,
    first: Option<(Lane, Offset)>,
    oldest: PerLane<Option<Millis>>,
    outcomes: Vec<Outcome>,
    added: Added,
    turns: Vec<Appointment>,
}

impl Batch {
    /// Nothing decided yet, standing at `start`.
    pub fn starting_at(start: PerLane<Offset>) -> Self {
        Batch {
            start,
            next_offsets: start,
            taken: PerLane::default(),
            first: None,
            oldest: PerLane::default(),
            outcomes: Vec::new(),
            added: Added::default(),
            turns: Vec::new(),
        }
    }

    /// Where it starts.
    pub fn start(&self) -> PerLane<Offset> {
        self.start
    }

    /// Where the lanes stand once it is committed.
    pub fn next_offsets(&self) -> PerLane<Offset> {
        self.next_offsets
    }

    /// Records taken.
    pub fn records(&self) -> usize {
        self.taken.commands + self.taken.inbox
    }

    /// Counts in what was taken.
    pub fn take(&mut self, portion: &Portion) {
        *self.taken.of_mut(portion.lane) += portion.len();
        *self.next_offsets.of_mut(portion.lane) = portion.next_offset();
        if let Some(record) = portion.records().next() {
            self.first.get_or_insert((portion.lane, record.offset));
            self.oldest.of_mut(portion.lane).get_or_insert(record.timestamp);
        }
    }

    /// Timestamp of the first record of each lane.
    pub fn oldest(&self) -> PerLane<Option<Millis>> {
        self.oldest
    }

    /// What it adds to the log once it is committed.
    pub fn added(&self) -> Added {
        self.added
    }

    /// This is to come of an aggregate from now on.
    pub fn turn(&mut self, id: AggregateId, to: Outlook) {
        self.turns.push((id, to));
    }

    /// What else is to come of aggregates once it is committed, in the order in which that was decided.
    pub fn turns(&self) -> &[Appointment] {
        &self.turns
    }

    /// Counts in what became of a round.
    pub fn settle(&mut self, outcomes: Vec<Outcome>, added: Added) {
        self.added.add(added);
        if self.outcomes.is_empty() {
            self.outcomes = outcomes;
        } else {
            self.outcomes.extend(outcomes);
        }
    }

    /// What became of its records, in their order.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes
    }

    /// Its name; `None` when it has no record.
    pub fn id(&self) -> Option<BatchId> {
        let (start, end, records) = (self.start, self.next_offsets, self.records());
        self.first.map(|first| BatchId { start, end, records, first })
    }
}
