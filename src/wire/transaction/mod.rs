//! How transactions are written.

mod command;
mod event;
mod requested;
mod snapshot;

pub(super) use command::sent_amount;
pub(super) use event::{read_leg, write_leg};

use super::Wire;
use super::command::Data;
use super::json::{Fault, Object};
use super::snapshot::{Conditions, Error};
use crate::domain::ids::CommandHash;
use crate::domain::transaction::{Transaction, TransactionCommand, TransactionEvent};

impl Wire for Transaction {
    const AGGREGATE: &'static str = "transaction";
    const AGGREGATE_TYPE: &'static str = "Transaction";
    const SNAPSHOT_FORMAT: u16 = snapshot::FORMAT;

    fn command_type(command: &TransactionCommand) -> &'static str {
        command.operation().as_str()
    }

    fn read_command(command_type: &str, data: Data<'_>) -> Result<(TransactionCommand, CommandHash), Fault> {
        command::read(command_type, data)
    }

    fn event_type(event: &TransactionEvent) -> &'static str {
        event::event_type(event)
    }

    fn write_event(event: &TransactionEvent, data: &mut Object<'_>) {
        event::write(event, data);
    }

    fn read_event(event_type: &str, data: &str) -> Result<TransactionEvent, Fault> {
        event::read(event_type, data)
    }

    fn write_snapshot(&self, out: &mut Vec<u8>) {
        snapshot::write(self, out);
    }

    /// Whatever the conditions: a transaction remembers all of its commands.
    fn read_snapshot(bytes: &[u8], _conditions: Conditions) -> Result<Transaction, Error> {
        snapshot::read(bytes)
    }
}
