//! What the supervisor and the actors of one partition share: the round in progress.
//!
//! They live on one thread, so a round lies in memory once: the supervisor lays out the records, each actor
//! answers its own in turn, and the answers end up in the order of the records.

use std::cell::RefCell;
use std::ops::Range;

use super::agenda::Outlook;
use super::checkpoint::Added;
use super::clerk::{Arrival, Clerk};
use super::lifecycle::Halt;
use super::stock::Portion;
use crate::domain::Rules;
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::Delivery;
use crate::log::{Drafts, Millis};
use crate::wire::Request;
use crate::wire::message::Mail;
use crate::wire::snapshot::Conditions;

/// The shared part of a partition.
pub struct Desk<A: Mail> {
    /// The round in progress; empty between rounds.
    pub round: RefCell<Round<A>>,
    /// What decisions depend on.
    pub rules: Rules,
    /// Writes down what comes out.
    pub clerk: Clerk,
    /// Under which images are taken.
    pub conditions: Conditions,
    /// Images of aggregates that were asked for, by their places.
    pub images: RefCell<Vec<(u32, Vec<u8>)>>,
}

/// Some records that are decided together.
pub struct Round<A: Mail> {
    /// The records, in the order in which they were taken.
    pub portions: Vec<Portion>,
    /// One entry a record, in the same order.
    pub tasks: Vec<Task<A>>,
    /// The tasks that actors answer, grouped by aggregate, in record order within each.
    pub order: Vec<u32>,
    /// Everything to be written, of this round and of those before it that wait for the same commit.
    pub drafts: Drafts,
    /// Where this round's drafts begin.
    pub first_draft: usize,
    /// The time of its decisions.
    pub now: Timestamp,
    /// Places of the aggregates that it changed.
    pub changed: Vec<u32>,
    /// Aggregates of which something else is to come since.
    pub turns: Vec<Turn>,
    /// What it adds to the log.
    pub added: Added,
    /// The first thing that could be neither done nor refused.
    pub stuck: Option<Halt>,
    /// Without records, and with the memory of an earlier commit.
    spare: Drafts,
}

/// One record of a round, or time that has come.
pub struct Task<A: Mail> {
    /// Where the record lies; none for time.
    pub place: Option<Place>,
    /// When upstream sent it.
    pub sent_at: Millis,
    /// What it asks an actor; `None` when it was answered without asking one.
    pub asked: Option<Asked<A>>,
    /// What became of it.
    pub outcome: Option<Outcome>,
}

/// Something else is to come of an aggregate.
pub struct Turn {
    /// Of which.
    pub id: AggregateId,
    /// Before the round.
    pub from: Outlook,
    /// And since.
    pub to: Outlook,
}

/// Where a record of a round lies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which portion.
    pub portion: u32,
    /// Where in its portion.
    pub index: u32,
}

impl Place {
    /// The record that lies there.
    pub fn find(self, portions: &[Portion]) -> Arrival<'_> {
        let portion = &portions[self.portion as usize];
        Arrival { lane: portion.lane, record: portion.record(self.index as usize) }
    }
}

/// What an aggregate is asked.
pub enum Asked<A: Mail> {
    /// A command of upstream.
    Command(Request<A::Command>),
    /// A message of another aggregate.
    Message(Delivery<A::Message>),
    /// What of it has ended by time alone.
    WhatIsOver(AggregateId),
}

impl<A: Mail> Asked<A> {
    /// The aggregate.
    pub fn whom(&self) -> &AggregateId {
        match self {
            Asked::Command(request) => &request.aggregate_id,
            Asked::Message(delivery) => &delivery.to,
            Asked::WhatIsOver(id) => id,
        }
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it causes, as indices of the drafts.
    pub drafts: Range<usize>,
    /// How it is counted.
    pub verdict: Verdict,
    /// The record's timestamp.
    pub sent_at: Millis,
}

/// How a record is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It took effect.
    Accepted,
    /// It was refused.
    Rejected,
    /// It had taken effect before.
    Duplicate,
    /// It could not be read or decided.
    DeadLettered(crate::wire::Reason),
    /// It was sent to its own partition.
    SentHome,
    /// It is no command of upstream: a message of another aggregate, or time that has come.
    Internal,
}

impl<A: Mail> Round<A> {
    /// Nothing in progress, nothing to be written.
    pub fn empty() -> Self {
        Round {
            portions: Vec::new(),
            tasks: Vec::new(),
            order: Vec::new(),
            drafts: Drafts::default(),
            first_draft: 0,
            now: Timestamp::default(),
            changed: Vec::new(),
            turns: Vec::new(),
            added: Added::default(),
            stuck: None,
            spare: Drafts::default(),
        }
    }

    /// Everything to be written, when no round is in progress.
    pub fn take_drafts(&mut self) -> Drafts {
        self.first_draft = 0;
        std::mem::replace(&mut self.drafts, std::mem::take(&mut self.spare))
    }

    /// Takes the memory of records that are written, so that the next batches need not ask for as much again.
    pub fn recycle(&mut self, mut written: Drafts) {
        written.clear();
        self.spare = written;
    }

    /// Brings the answers into the order of their records and clears the desk for the next round.
    pub fn close(&mut self) -> Vec<Outcome> {
        let outcomes: Vec<Outcome> = self.tasks.drain(..).filter_map(|task| task.outcome).collect();
        self.drafts.arrange(self.first_draft, outcomes.iter().flat_map(|outcome| outcome.drafts.clone()));
        self.first_draft = self.drafts.len();
        self.portions.clear();
        self.order.clear();
        outcomes
    }
}
