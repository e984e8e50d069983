//! What the bare loop writes for a record it has read: as many records as the engine, as large, to the same topics.
//! A transfer is five steps in which five records are read and twelve are written.

use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::Topic;
use crate::partition::REPLIES;

/// One side of the engine, as far as a bare loop imitates it.
#[derive(Debug)]
pub struct Script {
    /// Its group, whose name the offsets are committed under.
    pub group: &'static str,
    /// What it reads.
    pub lanes: [Topic; 2],
    /// What it writes, by the step that a record asks for.
    steps: [&'static [Copy]; 3],
}

/// The same, whatever the topics are prefixed with.
#[derive(Debug)]
struct Copy {
    topic: Topic,
    bytes: usize,
    asks: Option<u8>,
}

/// A record to be written.
#[derive(Debug)]
pub struct Write {
    /// The full name of its topic.
    pub topic: String,
    /// Bytes of its value.
    pub bytes: usize,
    /// The step that its reader is to do; `None` when no bare loop reads it.
    pub asks: Option<u8>,
}

const fn written(topic: Topic, bytes: usize) -> Copy {
    Copy { topic, bytes, asks: None }
}

const fn asking(step: u8, topic: Topic, bytes: usize) -> Copy {
    Copy { topic, bytes, asks: Some(step) }
}

/// Account commands, and the two legs of a transfer.
pub const ACCOUNT_SIDE: Script = Script {
    group: ACCOUNTS.group,
    lanes: [ACCOUNTS.commands, ACCOUNTS.inbox],
    steps: [
        &[written(ACCOUNTS.events, 432), written(REPLIES, 234)],
        &[written(ACCOUNTS.events, 485), asking(1, TRANSACTIONS.inbox, 416)],
        &[written(ACCOUNTS.events, 485), asking(2, TRANSACTIONS.inbox, 416)],
    ],
};

/// Requests of transfers, and what comes of their two legs.
pub const SAGA_SIDE: Script = Script {
    group: TRANSACTIONS.group,
    lanes: [TRANSACTIONS.commands, TRANSACTIONS.inbox],
    steps: [
        &[written(TRANSACTIONS.events, 490), written(REPLIES, 244), asking(1, ACCOUNTS.inbox, 386)],
        &[written(TRANSACTIONS.events, 398), asking(2, ACCOUNTS.inbox, 386)],
        &[written(TRANSACTIONS.events, 398), written(TRANSACTIONS.events, 537), written(REPLIES, 244)],
    ],
};

impl Script {
    /// What is written for a record, by the step that it asks for; upstream asks for step 0.
    pub fn writes(&self, prefix: &str) -> [Vec<Write>; 3] {
        let named = |copy: &Copy| Write { topic: copy.topic.full_name(prefix), bytes: copy.bytes, asks: copy.asks };
        self.steps.map(|copies| copies.iter().map(named).collect())
    }
}
