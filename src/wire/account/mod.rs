//! How accounts are written.

mod command;
mod event;
mod snapshot;

use super::Wire;
use super::command::Data;
use super::json::{Fault, Object};
use super::snapshot::{Conditions, Error};
use crate::domain::account::{Account, AccountCommand, AccountEvent};
use crate::domain::ids::CommandHash;

impl Wire for Account {
    const AGGREGATE: &'static str = "account";
    const AGGREGATE_TYPE: &'static str = "Account";
    const SNAPSHOT_FORMAT: u16 = snapshot::FORMAT;

    fn command_type(command: &AccountCommand) -> &'static str {
        command::command_type(command)
    }

    fn read_command(command_type: &str, data: Data<'_>) -> Result<(AccountCommand, CommandHash), Fault> {
        command::read(command_type, data)
    }

    fn event_type(event: &AccountEvent) -> &'static str {
        event::event_type(event)
    }

    fn write_event(event: &AccountEvent, data: &mut Object<'_>) {
        event::write(event, data);
    }

    fn read_event(event_type: &str, data: &str) -> Result<AccountEvent, Fault> {
        event::read(event_type, data)
    }

    fn write_snapshot(&self, out: &mut Vec<u8>) {
        snapshot::write(self, out);
    }

    fn read_snapshot(bytes: &[u8], conditions: Conditions) -> Result<Account, Error> {
        snapshot::read(bytes, conditions)
    }
}
