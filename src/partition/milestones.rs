//! What of a batch somebody counts, until it took effect.

use crate::domain::message::Milestone;
use crate::domain::transaction::{Kind, Status};

/// Transactions that have ended, and postings that no rule could refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Milestones {
    /// By kind and status, in the order in which they are declared.
    ended: [[u32; Status::ALL.len()]; Kind::ALL.len()],
    forced: u32,
}

impl Milestones {
    /// Counts one.
    pub fn add(&mut self, milestone: Milestone) {
        match milestone {
            Milestone::Ended(kind, status) => self.ended[kind as usize][status as usize] += 1,
            Milestone::Forced => self.forced += 1,
        }
    }

    /// Counts in what more was decided for the same commit.
    pub fn merge(&mut self, more: &Milestones) {
        let counts = self.ended.as_flattened_mut().iter_mut().zip(more.ended.as_flattened());
        counts.for_each(|(count, more)| *count += more);
        self.forced += more.forced;
    }

    /// How many transactions of each kind have ended in each status.
    pub fn ended(&self) -> impl Iterator<Item = (Kind, Status, u32)> {
        let of_kind = |(kind, counts): (Kind, [u32; Status::ALL.len()])| {
            Status::ALL.iter().copied().zip(counts).map(move |(status, count)| (kind, status, count))
        };
        Kind::ALL.iter().copied().zip(self.ended).flat_map(of_kind).filter(|(_, _, count)| *count > 0)
    }

    /// How many postings were forced.
    pub fn forced(&self) -> u32 {
        self.forced
    }
}
