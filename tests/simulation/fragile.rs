//! An account that panics when it is asked to: the bugs that the engine has to survive.

use billing_engine::domain::account::{Account, AccountCommand, AccountEvent};
use billing_engine::domain::ids::{CommandHash, Timestamp, Version};
use billing_engine::domain::{Aggregate, Command, Decision, Recorded, Rules, Unfit};
use billing_engine::wire::json::{Fault, Object};
use billing_engine::wire::snapshot::{self, Conditions};
use billing_engine::wire::{Wire, command};

/// A posting of this reason panics while it is decided.
pub const IN_DECIDE: &str = "poison in decide";
/// A posting of this reason is accepted, and panics when its event is applied.
pub const IN_APPLY: &str = "poison in apply";
/// A posting of this reason panics while it is read.
pub const IN_READING: &str = "poison in reading";

/// Every panic that is made on purpose says so.
pub const POISON: &str = "poison";

/// An account with bugs.
#[derive(Clone, Debug)]
pub struct Fragile(pub Account);

impl Aggregate for Fragile {
    type Command = AccountCommand;
    type Event = AccountEvent;

    fn blank(rules: &Rules) -> Self {
        Fragile(Account::blank(rules))
    }

    fn version(&self) -> Version {
        self.0.version()
    }

    fn last_at(&self) -> Timestamp {
        self.0.last_at()
    }

    fn decide(&self, command: &Command<AccountCommand>, rules: &Rules, now: Timestamp) -> Decision<AccountEvent> {
        break_if(reason(&command.body), IN_DECIDE);
        self.0.decide(command, rules, now)
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) -> Result<(), Unfit> {
        if let AccountEvent::BalanceChanged(posted) = &event.body {
            break_if(Some(&posted.reason), IN_APPLY);
        }
        self.0.apply(event)
    }
}

impl Wire for Fragile {
    const AGGREGATE: &'static str = Account::AGGREGATE;
    const AGGREGATE_TYPE: &'static str = Account::AGGREGATE_TYPE;
    const SNAPSHOT_FORMAT: u16 = Account::SNAPSHOT_FORMAT;

    fn command_type(command: &AccountCommand) -> &'static str {
        Account::command_type(command)
    }

    fn read_command(command_type: &str, data: command::Data<'_>) -> Result<(AccountCommand, CommandHash), Fault> {
        let (command, hash) = Account::read_command(command_type, data)?;
        break_if(reason(&command), IN_READING);
        Ok((command, hash))
    }

    fn event_type(event: &AccountEvent) -> &'static str {
        Account::event_type(event)
    }

    fn write_event(event: &AccountEvent, data: &mut Object<'_>) {
        Account::write_event(event, data);
    }

    fn read_event(event_type: &str, data: &str) -> Result<AccountEvent, Fault> {
        Account::read_event(event_type, data)
    }

    fn write_snapshot(&self, out: &mut Vec<u8>) {
        self.0.write_snapshot(out);
    }

    fn read_snapshot(bytes: &[u8], conditions: Conditions) -> Result<Self, snapshot::Error> {
        Account::read_snapshot(bytes, conditions).map(Fragile)
    }
}

fn reason(command: &AccountCommand) -> Option<&str> {
    match command {
        AccountCommand::Credit(posting) | AccountCommand::Debit(posting) => Some(&posting.reason),
        _ => None,
    }
}

fn break_if(found: Option<&str>, poison: &str) {
    assert!(found != Some(poison), "{poison}");
}
