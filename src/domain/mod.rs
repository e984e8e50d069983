//! What billing means. Pure: no clock, no randomness, no bytes, no other module of the crate.
//!
//! An aggregate decides about one command at a time. The rules refuse in a fixed order, which is part of the
//! contract: a command that breaks two rules is refused by the first.
//!
//! 1. The same command id again is answered, not done again ([`Decision::Duplicate`]); with other content it
//!    is refused.
//! 2. An expected version that does not stand.
//! 3. Whether the aggregate exists.
//! 4. The currency, 5. the amount, 6. the kind of account.
//! 7. Status and limits that may not become what is asked.
//! 8. A hold that is gone, or whose time is.
//! 9. An account that is not active.
//! 10. Too little, 11. too much money, 12. more digits than money has here.
//! 13. An event that would not fit its topic; only the wire can measure that, so it is refused there.
//!
//! Money between two accounts is a [`transaction`]: it has no balance of its own, it asks accounts to post one leg
//! after the other and hears what became of each. Its rules stand with it. [`message`] is how they speak.
//!
//! What is decided is applied by the same function that replays the log, so state is a fold of events and
//! nothing else.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants
)]

pub mod account;
pub mod idempotency;
pub mod ids;
pub mod message;
pub mod money;
mod rejection;
pub mod transaction;

use idempotency::Fingerprinted;
use ids::{CommandHash, CommandId, CorrelationId, Timestamp, Version};
use money::Currencies;
use std::time::Duration;

pub use rejection::Rejection;

/// A consistency boundary: one account, or one transaction. Plain data, so that it can be copied and sent.
pub trait Aggregate: Clone + Send + Unpin + 'static {
    /// What can be asked of it.
    type Command: Unpin + 'static;
    /// What can have happened to it.
    type Event: Unpin + 'static;

    /// The aggregate before its first event.
    fn blank(rules: &Rules) -> Self;

    /// How many events made it; 0 when it does not exist yet.
    fn version(&self) -> Version;

    /// The time of its last event.
    fn last_at(&self) -> Timestamp;

    /// What happens when `command` comes now. Changes nothing.
    fn decide(&self, command: &Command<Self::Command>, rules: &Rules, now: Timestamp) -> Decision<Self::Event>;

    /// Takes the next event, in replay and after a decision alike.
    ///
    /// # Errors
    /// An event that does not follow from the history so far. Never for what [`Aggregate::decide`] answered.
    fn apply(&mut self, event: &Recorded<Self::Event>) -> Result<(), Unfit>;

    /// When something of it ends by time alone; none by default.
    fn next_expiry(&self) -> Option<Timestamp> {
        None
    }

    /// What has ended by time alone at `now`, and is not recorded yet; nothing by default.
    fn expire(&self, _now: Timestamp) -> Vec<Self::Event> {
        Vec::new()
    }

    /// Whose doing an event is that time brought about and nobody asked for: the cause of what has ended. `None`, the
    /// default, for every other event. Asked before the event is applied.
    fn expiry_cause(&self, _event: &Self::Event) -> Option<Cause> {
        None
    }
}

/// What one step decided, with its place behind the history so far. Times never run backwards within an aggregate.
pub fn record<A: Aggregate>(
    aggregate: &A,
    events: Vec<A::Event>,
    cause: &Cause,
    now: Timestamp,
) -> Vec<Recorded<A::Event>> {
    let at = now.max(aggregate.last_at());
    let mut version = aggregate.version();
    let place = |body| {
        version = version.next();
        let cause = aggregate.expiry_cause(&body).unwrap_or_else(|| cause.clone());
        let Cause { command_id, command_hash, correlation_id } = cause;
        Recorded { version, at, command_id, command_hash, correlation_id, body }
    };
    events.into_iter().map(place).collect()
}

/// What the operator has configured and decisions depend on. Replay does not.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The currencies that new accounts may use.
    pub currencies: Currencies,
    /// How many of its last accepted commands an aggregate remembers.
    pub idempotency_window: usize,
    /// How long a hold lasts whose authorization names no end.
    pub default_hold: Duration,
}

impl Rules {
    /// Seven days: how long a hold lasts unless something else is configured.
    pub const DEFAULT_HOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);
}

/// The command of upstream that set something in motion, however far from its own aggregate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// Its id.
    pub command_id: CommandId,
    /// Its content.
    pub command_hash: CommandHash,
    /// The story of upstream it belongs to.
    pub correlation_id: CorrelationId,
}

/// A command with what every aggregate asks of it first.
#[derive(Clone, PartialEq, Debug)]
pub struct Command<C> {
    /// Scoped to its aggregate.
    pub id: CommandId,
    /// Equal exactly when type and data are.
    pub hash: CommandHash,
    /// Refuse unless the aggregate stands here.
    pub expected_version: Option<Version>,
    /// What is asked.
    pub body: C,
}

/// The answer to a command.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision<E> {
    /// These events follow, in this order, at least one.
    Accepted(Vec<E>),
    /// It took effect before; this was the version then.
    Duplicate(Version),
    /// Nothing happens, nothing is remembered.
    Rejected(Rejection),
}

/// An event with its place in the history of its aggregate.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded<E> {
    /// Its number, from 1, without gap.
    pub version: Version,
    /// When it was decided.
    pub at: Timestamp,
    /// The command that asked for it, or set in motion what asked for it.
    pub command_id: CommandId,
    /// The content of that command.
    pub command_hash: CommandHash,
    /// The story of upstream that command belongs to.
    pub correlation_id: CorrelationId,
    /// What happened.
    pub body: E,
}

impl<E> Recorded<E> {
    /// The command behind it.
    pub fn cause(&self) -> Cause {
        Cause {
            command_id: self.command_id.clone(),
            command_hash: self.command_hash,
            correlation_id: self.correlation_id.clone(),
        }
    }
}

/// An event of the log that the aggregate's history does not allow: the log is damaged, or written by
/// something newer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// An event is missing, or comes twice.
    #[error("version {found} follows version {standing}")]
    VersionGap {
        /// Where the aggregate stands.
        standing: Version,
        /// What the event claims to be.
        found: Version,
    },
    /// An event that contradicts the state it is applied to.
    #[error("{0}")]
    Contradiction(&'static str),
}

/// Rules 1 and 2, the same for every aggregate: `Some` is the answer, `None` lets the rules after them judge.
fn answered_before<C, E>(
    command: &Command<C>,
    remembered: &idempotency::Window,
    standing: Version,
) -> Option<Decision<E>> {
    match remembered.find(&Fingerprinted::new(&command.id)) {
        Some(known) => Some(answered_again(command, known.hash, known.version)),
        None => expected_elsewhere(command, standing),
    }
}

/// The answer to a command whose id was accepted before, with that content, leading to that version.
fn answered_again<C, E>(command: &Command<C>, hash: CommandHash, version: Version) -> Decision<E> {
    if hash == command.hash {
        Decision::Duplicate(version)
    } else {
        Decision::Rejected(Rejection::IdempotencyConflict { version })
    }
}

/// Rule 2 alone.
fn expected_elsewhere<C, E>(command: &Command<C>, standing: Version) -> Option<Decision<E>> {
    match command.expected_version {
        Some(expected) if expected != standing => {
            Some(Decision::Rejected(Rejection::VersionConflict { expected, standing }))
        }
        Some(_) | None => None,
    }
}
