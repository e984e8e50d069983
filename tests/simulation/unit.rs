//! One partition of one aggregate type: what has an owner, a transactional id and committed offsets.

use std::fmt;

use billing_engine::engine::{ACCOUNTS, TRANSACTIONS};
use billing_engine::log::{Lane, Spec};

use crate::broker::Place;

/// What the engine works on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Accounts,
    Sagas,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Accounts, Kind::Sagas];

    /// Its topics and its group.
    pub fn spec(self) -> Spec {
        match self {
            Kind::Accounts => ACCOUNTS,
            Kind::Sagas => TRANSACTIONS,
        }
    }

    /// The aggregate type of that name.
    pub fn of(aggregate: &str) -> Self {
        if aggregate == "account" { Kind::Accounts } else { Kind::Sagas }
    }

    /// The name of its aggregates.
    pub fn aggregate(self) -> &'static str {
        match self {
            Kind::Accounts => "account",
            Kind::Sagas => "transaction",
        }
    }
}

/// One partition of one kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Unit {
    pub kind: Kind,
    pub partition: u32,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.aggregate(), self.partition)
    }
}

impl Unit {
    /// All of them, of so many partitions each.
    pub fn all(partitions: u32) -> impl Iterator<Item = Unit> {
        Kind::ALL.into_iter().flat_map(move |kind| (0..partitions).map(move |partition| Unit { kind, partition }))
    }

    /// One of its inputs.
    pub fn lane(self, lane: Lane) -> Place {
        (self.kind.spec().topic(lane), self.partition)
    }

    /// Its events.
    pub fn events(self) -> Place {
        (self.kind.spec().events, self.partition)
    }

    /// Its part of the snapshots topic.
    pub fn snapshots(self) -> Place {
        (self.kind.spec().snapshots, self.partition)
    }
}
