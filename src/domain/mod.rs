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
//! 9. An account that is not active.
//! 10. Too little, 11. too much money, 12. more digits than money has here.
//! 13. An event that would not fit its topic; only the wire can measure that, so it is refused there.
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
pub mod money;
mod rejection;

use idempotency::Fingerprinted;
use ids::{CommandHash, CommandId, Timestamp, Version};
use money::Currencies;

pub use rejection::Rejection;

/// A consistency boundary: one account, later one transaction. Plain data, so that it can be copied and sent.
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
}

/// What the operator has configured and decisions depend on. Replay does not.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The currencies that new accounts may use.
    pub currencies: Currencies,
    /// How many of its last accepted commands an aggregate remembers.
    pub idempotency_window: usize,
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
    /// The command that asked for it, to be remembered.
    pub command_id: CommandId,
    /// The content of that command.
    pub command_hash: CommandHash,
    /// What happened.
    pub body: E,
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
    if let Some(known) = remembered.find(&Fingerprinted::new(&command.id)) {
        return Some(if known.hash == command.hash {
            Decision::Duplicate(known.version)
        } else {
            Decision::Rejected(Rejection::IdempotencyConflict { version: known.version })
        });
    }
    match command.expected_version {
        Some(expected) if expected != standing => {
            Some(Decision::Rejected(Rejection::VersionConflict { expected, standing }))
        }
        Some(_) | None => None,
    }
}
