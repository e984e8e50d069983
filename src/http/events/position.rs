//! Where a stream of events stands, as text that leads back to exactly there.
//!
//! The id of an event names the next offset of every partition that its stream reads, `a0:12,a1:40,t0:9`: `a` is
//! `account.events`, `t` is `transaction.events`. A client that only ever repeats the last id it has seen misses nothing
//! and gets nothing twice, whatever happened in between and whichever node it comes back to.

use std::fmt;

use super::events_of;
use crate::log::{Offset, Topic};
use crate::queries::Side;

/// A partition of one of the event topics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    pub(super) side: Side,
    pub(super) partition: u32,
}

impl Place {
    pub(super) fn topic(self) -> Topic {
        events_of(self.side)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.side {
            Side::Accounts => 'a',
            Side::Transactions => 't',
        };
        write!(f, "{letter}{}", self.partition)
    }
}

/// Next offsets, in the order of the places of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Positions(pub(super) Vec<(Place, Offset)>);

impl Positions {
    /// Reads the id of an event of a stream over these places; `None` for anything else.
    pub(super) fn parse(id: &str, places: &[Place]) -> Option<Positions> {
        let mut parts = id.split(',');
        let read = |place: &Place| {
            let (name, offset) = parts.next()?.split_once(':')?;
            let digits = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
            let offset = offset.parse().ok().filter(|_| digits)?;
            (name == place.to_string()).then_some((*place, offset))
        };
        let read: Option<Vec<_>> = places.iter().map(read).collect();
        read.filter(|_| parts.next().is_none()).map(Positions)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (place, next)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{place}:{next}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 3] = [
        Place { side: Side::Accounts, partition: 0 },
        Place { side: Side::Accounts, partition: 12 },
        Place { side: Side::Transactions, partition: 0 },
    ];

    #[test]
    fn an_id_leads_back_to_where_it_was_given_out() {
        let positions = Positions(PLACES.into_iter().zip([0, i64::MAX, 7]).collect());
        assert_eq!(positions.to_string(), "a0:0,a12:9223372036854775807,t0:7");
        assert_eq!(Positions::parse(&positions.to_string(), &PLACES), Some(positions));
    }

    #[test]
    fn an_id_of_another_stream_is_none() {
        let bad = [
            "",
            "a0:0",
            "a0:0,a12:1",
            "a0:0,a12:1,t0:7,t1:0",
            "a0:0,a12:1,t0:7,",
            "a0:0,t0:1,a12:7",
            "a0:0,a13:1,t0:7",
            "a0:-1,a12:1,t0:7",
            "a0:+1,a12:1,t0:7",
            "a0:,a12:1,t0:7",
            "a0:0,a12:9223372036854775808,t0:7",
            " a0:0,a12:1,t0:7",
        ];
        for id in bad {
            assert_eq!(Positions::parse(id, &PLACES), None, "{id}");
        }
    }
}
