//! Events that repeat a command: its data, and behind it its id.

use super::command;
use crate::domain::ids::CommandId;
use crate::domain::transaction::{Operation, Requested, TransactionCommand};
use crate::wire::json::{Fault, Field, Object};
use crate::wire::recorded::members;

const KEY: &str = "idempotencyKey";

/// The type of the event that repeats such a command.
pub(super) fn event_type(operation: Operation) -> &'static str {
    match operation {
        Operation::Topup => "TopupRequested",
        Operation::Withdrawal => "WithdrawalRequested",
        Operation::Transfer => "TransferRequested",
        Operation::Payment => "PaymentRequested",
        Operation::Refund => "RefundRequested",
        Operation::Authorize => "AuthorizationRequested",
        Operation::Capture => "CaptureRequested",
        Operation::Void => "VoidRequested",
    }
}

/// The command that an event of that type repeats.
pub(super) fn operation(event_type: &str) -> Option<Operation> {
    Operation::ALL.iter().copied().find(|operation| self::event_type(*operation) == event_type)
}

pub(super) fn write(requested: &Requested, data: &mut Object<'_>) {
    command::write(&requested.command, data);
    data.word(KEY, requested.idempotency_key.as_str());
}

pub(super) fn read(operation: Operation, data: &str) -> Result<Requested, Fault> {
    match operation {
        Operation::Topup => {
            let [fields @ .., key] = members(data, const { command::and::<5, 6>(command::TOPUP, KEY) })?;
            requested(command::topup(fields), key)
        }
        Operation::Withdrawal => {
            let [fields @ .., key] = members(data, const { command::and::<5, 6>(command::WITHDRAWAL, KEY) })?;
            requested(command::withdrawal(fields), key)
        }
        Operation::Transfer => {
            let [fields @ .., key] = members(data, const { command::and::<6, 7>(command::TRANSFER, KEY) })?;
            requested(command::transfer(fields), key)
        }
        Operation::Payment => {
            let [fields @ .., key] = members(data, const { command::and::<8, 9>(command::PAYMENT, KEY) })?;
            requested(command::payment(fields).map(TransactionCommand::Payment), key)
        }
        Operation::Refund => {
            let [fields @ .., key] = members(data, const { command::and::<6, 7>(command::REFUND, KEY) })?;
            requested(command::refund(fields), key)
        }
        Operation::Authorize => {
            let [fields @ .., key] = members(data, const { command::and::<9, 10>(command::AUTHORIZATION, KEY) })?;
            requested(command::authorization(fields), key)
        }
        Operation::Capture => {
            let [fields @ .., key] = members(data, const { command::and::<2, 3>(command::CAPTURE, KEY) })?;
            requested(command::capture(fields), key)
        }
        Operation::Void => {
            let [fields @ .., key] = members(data, const { command::and::<2, 3>(command::VOID, KEY) })?;
            requested(command::void(fields), key)
        }
    }
}

fn requested(command: Result<TransactionCommand, Fault>, key: Field<'_>) -> Result<Requested, Fault> {
    Ok(Requested { command: command?, idempotency_key: key.id(CommandId::parse)? })
}
