//! How transactions are written.

mod command;
mod event;
mod requested;

pub(super) use command::sent_amount;
pub(super) use event::{read_leg, write_leg};

use super::Wire;
use super::command::Data;
use super::json::{Fault, Object};
use crate::domain::ids::CommandHash;
use crate::domain::transaction::{Transaction, TransactionCommand, TransactionEvent};

impl Wire for Transaction {
    const AGGREGATE: &'static str = "transaction";
    const AGGREGATE_TYPE: &'static str = "Transaction";

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
}
