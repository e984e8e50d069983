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
            let [fields @ .., key] = members(data, const { and_key::<5, 6>(command::TOPUP) })?;
            requested(command::topup(fields), key)
        }
        Operation::Withdrawal => {
            let [fields @ .., key] = members(data, const { and_key::<5, 6>(command::WITHDRAWAL) })?;
            requested(command::withdrawal(fields), key)
        }
        Operation::Transfer => {
            let [fields @ .., key] = members(data, const { and_key::<6, 7>(command::TRANSFER) })?;
            requested(command::transfer(fields), key)
        }
        Operation::Payment => {
            let [fields @ .., key] = members(data, const { and_key::<8, 9>(command::PAYMENT) })?;
            requested(command::payment(fields).map(TransactionCommand::Payment), key)
        }
        Operation::Refund => {
            let [fields @ .., key] = members(data, const { and_key::<6, 7>(command::REFUND) })?;
            requested(command::refund(fields), key)
        }
        Operation::Authorize => {
            let [fields @ .., key] = members(data, const { and_key::<9, 10>(command::AUTHORIZATION) })?;
            requested(command::authorization(fields), key)
        }
        Operation::Capture => {
            let [fields @ .., key] = members(data, const { and_key::<2, 3>(command::CAPTURE) })?;
            requested(command::capture(fields), key)
        }
        Operation::Void => {
            let [fields @ .., key] = members(data, const { and_key::<2, 3>(command::VOID) })?;
            requested(command::void(fields), key)
        }
    }
}

fn requested(command: Result<TransactionCommand, Fault>, key: Field<'_>) -> Result<Requested, Fault> {
    Ok(Requested { command: command?, idempotency_key: key.id(CommandId::parse)? })
}

/// The names of a command's fields and one more; `M` is `N + 1`, which the language cannot say yet.
const fn and_key<const N: usize, const M: usize>(names: [&'static str; N]) -> [&'static str; M] {
    assert!(M == N + 1, "one more");
    let mut all = [KEY; M];
    let mut at = 0;
    while at < N {
        all[at] = names[at];
        at += 1;
    }
    all
}
