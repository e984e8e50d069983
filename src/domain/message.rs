//! How aggregates speak to each other: messages of accounts and transactions, delivered once and in order.
//!
//! A step is one transaction of the log. It takes in a command or a message and gives out events, messages and
//! replies, so that each of them exists exactly when all of them do. Nobody waits for an answer: whoever asked
//! hears it as a message of its own.

use super::account::{AccountMessage, Text};
use super::ids::{AggregateId, Timestamp, Version};
use super::transaction::{Kind, Operation, Progress, Status, TransactionMessage};
use super::{Aggregate, Cause, Recorded, Rejection, Rules};

/// An aggregate that has a part in transactions.
pub trait Participant: Aggregate {
    /// What other aggregates say to it.
    type Message: Unpin + 'static;

    /// What happens when `delivery` comes now. Changes nothing.
    ///
    /// # Errors
    /// A message that does not follow from the history so far: the log is damaged, or written by something newer.
    fn receive(
        &self,
        delivery: &Delivery<Self::Message>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Receipt<Self::Event>, Unexpected>;

    /// What follows from an event of the aggregate `id` that was just applied, beside what its step said already.
    /// Never asked in replay. Nothing by default.
    fn react(&self, _id: &AggregateId, _event: &Recorded<Self::Event>, _rules: &Rules) -> Vec<Effect> {
        Vec::new()
    }

    /// The answer to a message that nobody can decide about, because the aggregate cannot be had or its decision
    /// breaks. `None`, the default, for a message that must take effect all the same: it waits.
    fn unavailable(_delivery: &Delivery<Self::Message>) -> Option<Letter> {
        None
    }

    /// How far it has come, for whoever sends one of its commands again; none by default.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// Whether a message of it is under way, so that it changes without being asked by upstream; never by default.
    fn is_open(&self) -> bool {
        false
    }

    /// What an event that was just applied is counted as, beside being one; nothing by default.
    fn milestone(&self, _event: &Self::Event) -> Option<Milestone> {
        None
    }
}

/// An event that somebody counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Milestone {
    /// A transaction of that kind has ended so.
    Ended(Kind, Status),
    /// A posting that no rule could refuse.
    Forced,
}

/// A message on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery<M> {
    /// Whom it is for.
    pub to: AggregateId,
    /// Who says it.
    pub from: AggregateId,
    /// The command that set this in motion.
    pub cause: Cause,
    /// What is said.
    pub body: M,
}

/// A message of either kind, to be sent.
pub type Letter = Delivery<Content>;

/// What a letter says, and so to whom.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// To an account.
    Account(AccountMessage),
    /// To a transaction.
    Transaction(TransactionMessage),
}

impl<M> Delivery<M> {
    /// The answer to whoever said this.
    pub fn answer(&self, content: Content) -> Letter {
        Delivery { to: self.from.clone(), from: self.to.clone(), cause: self.cause.clone(), body: content }
    }

    /// A message to another, in the course of the same command.
    pub fn pass_on(&self, to: &AggregateId, content: Content) -> Letter {
        Delivery { to: to.clone(), from: self.to.clone(), cause: self.cause.clone(), body: content }
    }
}

/// What comes of a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Receipt<E> {
    /// These events follow, in this order; none when the message is refused or changes nothing.
    pub events: Vec<E>,
    /// What is said next.
    pub letters: Vec<Letter>,
}

impl<E> Receipt<E> {
    /// Nothing happens here, and this is said.
    pub fn only(letter: Letter) -> Self {
        Receipt { events: Vec::new(), letters: vec![letter] }
    }
}

/// What follows from an event.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// A message to another aggregate.
    Message(Letter),
    /// The last answer to a command of upstream.
    Reply(FinalReply),
}

/// The last answer to a command: what it set in motion has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct FinalReply {
    /// What the command asked for.
    pub operation: Operation,
    /// The command.
    pub cause: Cause,
    /// Where the transaction stands at its end.
    pub version: Version,
    /// How it ended.
    pub ending: Ending,
}

/// How what a command set in motion has ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Ending {
    /// As it was asked.
    Completed,
    /// Before any money moved.
    Failed(Reason),
    /// After what had moved was moved back.
    Compensated(Reason),
}

/// Why something was refused, once it has left the place that refused it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// For programs.
    pub code: Text,
    /// For people.
    pub message: Text,
}

impl From<&Rejection> for Reason {
    fn from(rejection: &Rejection) -> Self {
        Reason { code: rejection.code().into(), message: rejection.to_string().into() }
    }
}

/// A message that the history of its receiver does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unexpected(pub &'static str);
