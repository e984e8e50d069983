//! Finding the one record that ends its partition again and again. Pure.

use super::lifecycle::BatchId;
use crate::log::{Lane, Offset, PerLane};

/// How often a batch may end its partition before it is halved.
const STRIKES: u32 = 3;

/// What is suspected of a partition, kept across its incarnations.
///
/// A batch that ends its partition three times is tried again with half as many records, and so on, until one
/// record alone does it: that one is convicted, and becomes a dead letter without being decided. Batches stay
/// that small until all of the batch that was halved is behind, so a record among thousands takes some dozens of
/// attempts and not hundreds.
#[derive(Clone, Debug, Default)]
pub struct Suspicion {
    at: Option<PerLane<Offset>>,
    until: PerLane<Offset>,
    strikes: u32,
    records: usize,
    convicted: Option<(Lane, Offset)>,
}

impl Suspicion {
    /// A batch ended the partition. True when the suspicion went on, false when it began.
    pub fn strike(&mut self, batch: BatchId) -> bool {
        // A lane that the batch took nothing from may have moved on since.
        let is_same = |at: &PerLane<Offset>, lane: Lane| {
            at.of(lane) == batch.start.of(lane) || batch.start.of(lane) == batch.end.of(lane)
        };
        let goes_on = self.at.is_some_and(|at| Lane::ALL.into_iter().all(|lane| is_same(&at, lane)));
        if !goes_on {
            *self = Suspicion::default();
        }
        self.at = Some(batch.start);
        (self.until, self.records) = (batch.end, batch.records);
        self.strikes += 1;
        if self.strikes >= STRIKES {
            self.strikes = 0;
            if self.records <= 1 {
                self.convicted = Some(batch.first);
            } else {
                self.records /= 2;
            }
        }
        goes_on
    }

    /// Most records of a batch that starts here; `None` when nothing is suspected of it.
    pub fn bound(&self, start: PerLane<Offset>) -> Option<usize> {
        let suspected = Lane::ALL.into_iter().any(|lane| start.of(lane) < self.until.of(lane));
        suspected.then_some(self.records)
    }

    /// True for the record that is to become a dead letter undecided.
    pub fn convicts(&self, lane: Lane, offset: Offset) -> bool {
        self.convicted == Some((lane, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(commands: Offset) -> PerLane<Offset> {
        PerLane { commands, inbox: 0 }
    }

    fn batch(start: Offset, records: usize) -> BatchId {
        BatchId { start: at(start), end: at(start + records as Offset), records, first: (Lane::Commands, start) }
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
    fn wherever_the_record_lies_some_dozens_of_attempts_find_it() {
        for poison in [0, 1, 2047, 2500, 3333, 4999] {
            let (mut suspicion, mut start, mut strikes) = (Suspicion::default(), 0, 0);
            while !suspicion.convicts(Lane::Commands, poison) {
                let records = suspicion.bound(at(start)).unwrap_or(5000);
                if (start..start + records as Offset).contains(&poison) {
                    suspicion.strike(batch(start, records));
                    strikes += 1;
                } else {
                    start += records as Offset;
                }
            }
            assert!(strikes <= 3 * 13, "{poison} took {strikes}");
        }
    }

    #[test]
    fn what_lies_behind_the_suspected_batch_is_not_suspected() {
        let mut suspicion = Suspicion::default();
        suspicion.strike(batch(7, 4));
        assert_eq!(
            (suspicion.bound(at(7)), suspicion.bound(at(10)), suspicion.bound(at(11))),
            (Some(4), Some(4), None)
        );
        suspicion.strike(batch(7, 4));
        suspicion.strike(batch(11, 4));
        suspicion.strike(batch(11, 4));
        assert_eq!(suspicion.bound(at(11)), Some(4), "another batch starts without strikes");
    }

    #[test]
    fn a_lane_that_moves_on_beside_the_record_does_not_clear_it() {
        let mut suspicion = Suspicion::default();
        let mut attempts = 0;
        while !suspicion.convicts(Lane::Commands, 7) {
            let start = PerLane { commands: 7, inbox: attempts };
            let records = suspicion.bound(start).unwrap_or(4);
            let end = PerLane { commands: 7 + records as Offset, ..start };
            let goes_on = suspicion.strike(BatchId { start, end, records, first: (Lane::Commands, 7) });
            assert_eq!(goes_on, attempts > 0);
            attempts += 1;
        }
        assert_eq!(attempts, 9);
    }
}
