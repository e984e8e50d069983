//! Finding the one record that ends its partition again and again. Pure.

use super::lifecycle::BatchId;
use crate::log::{Lane, Offset, PerLane};

/// How often a batch may end its partition before it is halved.
const STRIKES: u32 = 3;

/// What is suspected of a partition, kept across its incarnations.
///
/// A batch that ends its partition three times is tried again with half as many records, and so on, until one
/// record alone does it three times: that one is convicted, and becomes a dead letter without being decided.
#[derive(Clone, Debug, Default)]
pub struct Suspicion {
    at: Option<PerLane<Offset>>,
    strikes: u32,
    records: usize,
    convicted: Option<(Lane, Offset)>,
}

impl Suspicion {
    /// A batch ended the partition.
    pub fn strike(&mut self, batch: BatchId) {
        let at = PerLane { commands: batch.commands, inbox: batch.inbox };
        if self.at != Some(at) {
            *self = Suspicion { at: Some(at), ..Suspicion::default() };
        }
        self.strikes += 1;
        self.records = batch.records;
        if self.strikes >= STRIKES {
            self.strikes = 0;
            if self.records <= 1 {
                self.convicted = Some(batch.first);
            } else {
                self.records /= 2;
            }
        }
    }

    /// Most records of the batch that starts here; `None` when nothing is suspected of it.
    pub fn bound(&self, at: PerLane<Offset>) -> Option<usize> {
        (self.at == Some(at)).then_some(self.records)
    }

    /// True for the record that is to become a dead letter undecided.
    pub fn convicts(&self, lane: Lane, offset: Offset) -> bool {
        self.convicted == Some((lane, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(commands: Offset, records: usize) -> BatchId {
        BatchId { commands, inbox: 0, records, first: (Lane::Commands, commands) }
    }

    fn at(commands: Offset) -> PerLane<Offset> {
        PerLane { commands, inbox: 0 }
    }

    #[test]
    fn a_batch_is_halved_at_every_third_strike_down_to_the_record() {
        let mut suspicion = Suspicion::default();
        let mut sizes = Vec::new();
        while !suspicion.convicts(Lane::Commands, 7) {
            let records = suspicion.bound(at(7)).unwrap_or(5);
            sizes.push(records);
            suspicion.strike(batch(7, records));
        }
        assert_eq!(sizes, [5, 5, 5, 2, 2, 2, 1, 1, 1]);
    }

    #[test]
    fn another_batch_starts_without_suspicion() {
        let mut suspicion = Suspicion::default();
        suspicion.strike(batch(7, 4));
        suspicion.strike(batch(7, 4));
        suspicion.strike(batch(9, 4));
        assert_eq!(suspicion.bound(at(7)), None);
        assert_eq!(suspicion.bound(at(9)), Some(4));
        assert!(!suspicion.convicts(Lane::Commands, 9));
    }
}
