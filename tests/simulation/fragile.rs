//! Aggregates that panic when they are asked to: the bugs that the engine has to survive.

use billing_engine::domain::account::{Account, AccountCommand, AccountEvent, AccountMessage, Force};
use billing_engine::domain::ids::{AggregateId, CommandHash, Timestamp, Version};
use billing_engine::domain::message::{Delivery, Effect, Letter, Milestone, Participant, Receipt, Unexpected};
use billing_engine::domain::transaction::{Progress, Transaction, TransactionCommand};
use billing_engine::domain::{Aggregate, Cause, Command, Decision, Recorded, Rules, Unfit};
use billing_engine::wire::json::{Fault, Object};
use billing_engine::wire::message::Mail;
use billing_engine::wire::snapshot::{self, Conditions};
use billing_engine::wire::{Wire, command};

/// A posting of this reason, or a transfer of this reference, panics while it is decided.
pub const IN_DECIDE: &str = "poison in decide";
/// A posting of this reason is accepted, and panics when its event is applied.
pub const IN_APPLY: &str = "poison in apply";
/// A posting of this reason panics while it is read.
pub const IN_READING: &str = "poison in reading";
/// Legs that accounts can refuse panic while they are heard, when their transaction's id begins so.
pub const IN_HEARING: &str = "poison-in-hearing";

/// Legs panic when their event is applied, when their transaction's id begins so.
pub const IN_APPLYING: &str = "poison-in-applying";

/// Every panic that is made on purpose says so.
pub const POISON: &str = "poison";

/// An aggregate with bugs.
#[derive(Clone, Debug)]
pub struct Fragile<A>(pub A);

/// An account with bugs.
pub type FragileAccount = Fragile<Account>;
/// A transaction with bugs.
pub type FragileTransaction = Fragile<Transaction>;

/// Where it can be made to break.
pub trait Flawed: Mail {
    /// What a command says that may break it.
    fn told(command: &Self::Command) -> Option<&str>;

    /// Whether it breaks when this event is applied.
    fn breaks_applying(_event: &Self::Event) -> bool {
        false
    }

    /// Whether it breaks at this message.
    fn breaks_at(_delivery: &Delivery<Self::Message>) -> bool {
        false
    }
}

impl Flawed for Account {
    fn told(command: &AccountCommand) -> Option<&str> {
        match command {
            AccountCommand::Credit(posting) | AccountCommand::Debit(posting) => Some(&posting.reason),
            _ => None,
        }
    }

    fn breaks_applying(event: &AccountEvent) -> bool {
        let AccountEvent::BalanceChanged(posted) = event else { return false };
        let leg = posted.leg.as_ref().filter(|leg| leg.force == Force::Judged);
        &*posted.reason == IN_APPLY || leg.is_some_and(|leg| leg.transaction_id.as_str().starts_with(IN_APPLYING))
    }

    fn breaks_at(delivery: &Delivery<AccountMessage>) -> bool {
        let undoes = matches!(delivery.body, AccountMessage::Reverse(_) | AccountMessage::ReleaseHold(_));
        !undoes && delivery.from.as_str().starts_with(IN_HEARING)
    }
}

impl Flawed for Transaction {
    fn told(command: &TransactionCommand) -> Option<&str> {
        match command {
            TransactionCommand::Transfer(movement) => movement.reference.as_deref(),
            _ => None,
        }
    }
}

impl<A: Flawed> Aggregate for Fragile<A> {
    type Command = A::Command;
    type Event = A::Event;

    fn blank(rules: &Rules) -> Self {
        Fragile(A::blank(rules))
    }

    fn version(&self) -> Version {
        self.0.version()
    }

    fn last_at(&self) -> Timestamp {
        self.0.last_at()
    }

    fn decide(&self, command: &Command<A::Command>, rules: &Rules, now: Timestamp) -> Decision<A::Event> {
        break_if(A::told(&command.body), IN_DECIDE);
        self.0.decide(command, rules, now)
    }

    fn apply(&mut self, event: &Recorded<A::Event>) -> Result<(), Unfit> {
        assert!(!A::breaks_applying(&event.body), "{POISON}");
        self.0.apply(event)
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.0.next_expiry()
    }

    fn expire(&self, now: Timestamp) -> Vec<A::Event> {
        self.0.expire(now)
    }

    fn expiry_cause(&self, event: &A::Event) -> Option<Cause> {
        self.0.expiry_cause(event)
    }
}

impl<A: Flawed> Participant for Fragile<A> {
    type Message = A::Message;

    fn receive(
        &self,
        delivery: &Delivery<A::Message>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Receipt<A::Event>, Unexpected> {
        assert!(!A::breaks_at(delivery), "{POISON}");
        self.0.receive(delivery, rules, now)
    }

    fn react(&self, id: &AggregateId, event: &Recorded<A::Event>, rules: &Rules) -> Vec<Effect> {
        self.0.react(id, event, rules)
    }

    fn unavailable(delivery: &Delivery<A::Message>) -> Option<Letter> {
        A::unavailable(delivery)
    }

    fn progress(&self) -> Option<Progress> {
        self.0.progress()
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn milestone(&self, event: &A::Event) -> Option<Milestone> {
        self.0.milestone(event)
    }
}

impl<A: Flawed> Mail for Fragile<A> {
    fn read_message(message_type: &str, data: &str) -> Result<A::Message, Fault> {
        A::read_message(message_type, data)
    }
}

impl<A: Flawed> Wire for Fragile<A> {
    const AGGREGATE: &'static str = A::AGGREGATE;
    const AGGREGATE_TYPE: &'static str = A::AGGREGATE_TYPE;
    const SNAPSHOT_FORMAT: u16 = A::SNAPSHOT_FORMAT;

    fn command_type(command: &A::Command) -> &'static str {
        A::command_type(command)
    }

    fn read_command(command_type: &str, data: command::Data<'_>) -> Result<(A::Command, CommandHash), Fault> {
        let (command, hash) = A::read_command(command_type, data)?;
        break_if(A::told(&command), IN_READING);
        Ok((command, hash))
    }

    fn event_type(event: &A::Event) -> &'static str {
        A::event_type(event)
    }

    fn write_event(event: &A::Event, data: &mut Object<'_>) {
        A::write_event(event, data);
    }

    fn read_event(event_type: &str, data: &str) -> Result<A::Event, Fault> {
        A::read_event(event_type, data)
    }

    fn write_snapshot(&self, out: &mut Vec<u8>) {
        self.0.write_snapshot(out);
    }

    fn read_snapshot(bytes: &[u8], conditions: Conditions) -> Result<Self, snapshot::Error> {
        A::read_snapshot(bytes, conditions).map(Fragile)
    }
}

fn break_if(found: Option<&str>, poison: &str) {
    assert!(found != Some(poison), "{poison}");
}
