//! What waits for a partition: two lanes, taken by portions.

use std::ops::Range;
use std::rc::Rc;

use crate::log::{Chunk, Error, Intake, Lane, Offset, PerLane, Record};

/// Of eight records, at least one is a command while commands wait.
const SHARES: usize = 8;

/// Some consecutive records of one lane.
#[derive(Clone, Debug)]
pub struct Portion {
    /// Where they come from.
    pub lane: Lane,
    chunk: Rc<Chunk>,
    range: Range<usize>,
}

impl Portion {
    /// Its records in offset order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.range.clone().map(|index| self.chunk.get(index))
    }

    /// The record at `index`, counted from the portion's first.
    pub fn record(&self, index: usize) -> Record<'_> {
        self.chunk.get(self.range.start + index)
    }

    /// How many records; none when it carries only a position.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Bytes of its records: keys, values and headers.
    pub fn bytes(&self) -> usize {
        let part = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        self.records().map(|record| part(record.key) + part(record.value) + record.headers.size()).sum()
    }

    /// The next offset to read once these records are decided.
    pub fn next_offset(&self) -> Offset {
        if self.range.end < self.chunk.len() { self.chunk.get(self.range.end).offset } else { self.chunk.next_offset }
    }
}

/// Both lanes of a partition, and what is left of a chunk that was not taken whole.
#[derive(Debug)]
pub struct Stock {
    intakes: PerLane<Intake>,
    left: PerLane<Option<Portion>>,
    /// Records taken of each lane since both wait.
    served: PerLane<usize>,
}

impl Stock {
    /// Takes from these.
    pub fn new(intakes: PerLane<Intake>) -> Self {
        Stock { intakes, left: PerLane::default(), served: PerLane::default() }
    }

    /// True when something waits in that lane, if only a position.
    pub fn waits(&self, lane: Lane) -> bool {
        self.left.of(lane).is_some() || !self.intakes.of(lane).is_empty()
    }

    /// The lane to take from next: the inbox first, because what is under way finishes before new work; but while
    /// both wait an eighth is commands, so that nobody starves, however small the batches are.
    fn next_lane(&mut self, room: PerLane<usize>) -> Option<Lane> {
        let waits = |lane| *room.of(lane) > 0 && self.waits(lane);
        let (inbox, commands) = (waits(Lane::Inbox), waits(Lane::Commands));
        if !(inbox && commands) {
            self.served = PerLane::default();
        }
        match (inbox, commands) {
            (true, true) if self.served.commands * SHARES < self.served.commands + self.served.inbox => {
                Some(Lane::Commands)
            }
            (true, _) => Some(Lane::Inbox),
            (false, true) => Some(Lane::Commands),
            (false, false) => None,
        }
    }

    /// At most as many records that wait in a lane as there is `room` for. Without room, or when nothing waits, `None`.
    ///
    /// # Errors
    /// What stopped the reader of a lane.
    pub fn take(&mut self, room: PerLane<usize>) -> Result<Option<Portion>, Error> {
        Lane::ALL.into_iter().try_for_each(|lane| self.intakes.of(lane).check())?;
        let Some(lane) = self.next_lane(room) else { return Ok(None) };
        let room = *room.of(lane);
        let Some(mut portion) =
            self.left.of_mut(lane).take().map_or_else(|| self.fetch(lane), |left| Ok(Some(left)))?
        else {
            return Ok(None);
        };
        if portion.len() > room {
            let cut = portion.range.start + room;
            *self.left.of_mut(lane) = Some(Portion { range: cut..portion.range.end, ..portion.clone() });
            portion.range.end = cut;
        }
        *self.served.of_mut(lane) += portion.len();
        Ok(Some(portion))
    }

    fn fetch(&self, lane: Lane) -> Result<Option<Portion>, Error> {
        let chunk = self.intakes.of(lane).take()?;
        Ok(chunk.map(|chunk| Portion { lane, range: 0..chunk.len(), chunk: Rc::new(chunk) }))
    }

    /// The intake of that lane, to be measured.
    pub fn intake(&self, lane: Lane) -> &Intake {
        self.intakes.of(lane)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn stock(commands: usize, inbox: usize) -> Stock {
        let filled = |records: usize| {
            let lane = Intake::new(0, usize::MAX, Arc::new(|| ()), Arc::new(|| ()));
            let mut chunk = Chunk::empty(0);
            for offset in 0..records {
                chunk.push(offset as Offset * 2, 0, |r| r.value(b"x"));
            }
            chunk.next_offset = records as Offset * 2 + 5;
            if records > 0 {
                lane.push(chunk);
            }
            lane
        };
        Stock::new(PerLane { commands: filled(commands), inbox: filled(inbox) })
    }

    fn both(room: usize) -> PerLane<usize> {
        PerLane { commands: room, inbox: room }
    }

    fn drain(stock: &mut Stock, step: usize, batch: usize) -> PerLane<usize> {
        let mut taken = PerLane::<usize>::default();
        while taken.commands + taken.inbox < batch {
            let Some(portion) = stock.take(both(step.min(batch - taken.commands - taken.inbox))).unwrap() else {
                break;
            };
            *taken.of_mut(portion.lane) += portion.len();
        }
        taken
    }

    #[test]
    fn while_both_wait_the_inbox_goes_first_and_an_eighth_is_commands() {
        let taken = drain(&mut stock(1000, 1000), 1, 800);
        assert_eq!((taken.commands, taken.inbox), (100, 700));
    }

    #[test]
    fn a_lane_alone_fills_the_batch() {
        assert_eq!(drain(&mut stock(50, 0), 8, 40).commands, 40);
        assert_eq!(drain(&mut stock(0, 50), 8, 40).inbox, 40);
    }

    #[test]
    fn a_chunk_taken_in_parts_loses_nothing_and_ends_at_its_position() {
        let mut stock = stock(5, 0);
        let mut offsets = Vec::new();
        let mut positions = Vec::new();
        while let Some(portion) = stock.take(both(2)).unwrap() {
            offsets.extend(portion.records().map(|record| record.offset));
            positions.push(portion.next_offset());
        }
        assert_eq!(offsets, [0, 2, 4, 6, 8]);
        assert_eq!(positions, [4, 8, 15]);
    }

    #[test]
    fn nobody_starves_however_small_the_batches_are() {
        let mut stock = stock(100, 1000);
        let lanes: Vec<Lane> = (0..80).map(|_| stock.take(both(1)).unwrap().unwrap().lane).collect();
        assert_eq!(lanes.iter().filter(|lane| **lane == Lane::Commands).count(), 10);
    }

    #[test]
    fn a_lane_that_is_paused_waits_and_the_other_goes_on() {
        let mut stock = stock(8, 30);
        let mut taken = PerLane::<usize>::default();
        while let Some(portion) = stock.take(PerLane { commands: 0, inbox: 7 }).unwrap() {
            *taken.of_mut(portion.lane) += portion.len();
        }
        assert_eq!((taken.commands, taken.inbox), (0, 30));
        assert_eq!(stock.take(PerLane { commands: 3, inbox: 7 }).unwrap().unwrap().len(), 3);
    }

    #[test]
    fn a_reader_that_failed_is_heard_once_its_records_are_taken_while_the_other_lane_has_work() {
        let mut stock = stock(1000, 1);
        stock.intake(Lane::Inbox).fail(Error::Closed);
        assert_eq!(stock.take(both(9)).unwrap().unwrap().lane, Lane::Inbox);
        assert!(stock.take(both(9)).is_err());
    }
}
