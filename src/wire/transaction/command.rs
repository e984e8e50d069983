//! Transaction commands. Their data is read from commands and from the events that repeat it.

use crate::domain::account::Text;
use crate::domain::ids::{AggregateId, CommandHash, Timestamp};
use crate::domain::money::{AsSent, SentAmount};
use crate::domain::transaction::{
    Authorization, Capture, Fee, Movement, Operation, Payment, Refund, TransactionCommand, Void,
};
use crate::wire::command::Data;
use crate::wire::json::{Fault, Field, Object, strict_timestamp};
use crate::wire::metadata::metadata;

pub(super) const TOPUP: [&str; 5] = ["accountId", "sourceAccountId", "amount", "currency", "metadata"];
pub(super) const WITHDRAWAL: [&str; 5] = ["accountId", "destinationAccountId", "amount", "currency", "metadata"];
pub(super) const TRANSFER: [&str; 6] =
    ["sourceAccountId", "destinationAccountId", "amount", "currency", "reference", "metadata"];
pub(super) const PAYMENT: [&str; 8] = [
    "customerAccountId",
    "merchantAccountId",
    "amount",
    "currency",
    "feeAccountId",
    "feeAmount",
    "paymentMetadata",
    "metadata",
];
pub(super) const REFUND: [&str; 6] =
    ["originalPaymentId", "refundAmount", "currency", "reason", "refundMetadata", "metadata"];
pub(super) const AUTHORIZATION: [&str; 9] = and(PAYMENT, "expiresAt");
pub(super) const CAPTURE: [&str; 2] = ["amount", "metadata"];
pub(super) const VOID: [&str; 2] = ["reason", "metadata"];

/// The names of fields and one more; `M` is `N + 1`, which the language cannot say yet.
pub(super) const fn and<const N: usize, const M: usize>(
    names: [&'static str; N],
    more: &'static str,
) -> [&'static str; M] {
    assert!(M == N + 1, "one more");
    let mut all = [more; M];
    let mut at = 0;
    while at < N {
        all[at] = names[at];
        at += 1;
    }
    all
}

/// Characters of a reason or reference.
const LONGEST_REASON: usize = 500;

pub(super) fn read(command_type: &str, data: Data<'_>) -> Result<(TransactionCommand, CommandHash), Fault> {
    match Operation::parse(command_type).ok_or_else(|| data.unknown_type())? {
        Operation::Topup => data.read(TOPUP, topup),
        Operation::Withdrawal => data.read(WITHDRAWAL, withdrawal),
        Operation::Transfer => data.read(TRANSFER, transfer),
        Operation::Payment => data.read(PAYMENT, |fields| payment(fields).map(TransactionCommand::Payment)),
        Operation::Refund => data.read(REFUND, refund),
        Operation::Authorize => data.read(AUTHORIZATION, authorization),
        Operation::Capture => data.read(CAPTURE, capture),
        Operation::Void => data.read(VOID, void),
    }
}

pub(super) fn topup([account, source, amount, currency, free]: [Field<'_>; 5]) -> Result<TransactionCommand, Fault> {
    movement([source, account, amount, currency, free]).map(TransactionCommand::Topup)
}

pub(super) fn withdrawal(fields: [Field<'_>; 5]) -> Result<TransactionCommand, Fault> {
    movement(fields).map(TransactionCommand::Withdrawal)
}

pub(super) fn transfer(fields: [Field<'_>; 6]) -> Result<TransactionCommand, Fault> {
    let [source, destination, amount, currency, reference, free] = fields;
    let movement = movement([source, destination, amount, currency, free])?;
    Ok(TransactionCommand::Transfer(Movement { reference: reference.optional(reason)?, ..movement }))
}

fn movement([debited, credited, amount, currency, free]: [Field<'_>; 5]) -> Result<Movement, Fault> {
    Ok(Movement {
        debited: debited.id(AggregateId::parse)?,
        credited: credited.id(AggregateId::parse)?,
        amount: sent_amount(amount)?,
        currency: currency.string()?.into(),
        reference: None,
        metadata: free.optional(metadata)?,
    })
}

pub(super) fn payment(fields: [Field<'_>; 8]) -> Result<Payment, Fault> {
    let [customer, merchant, amount, currency, fee_account, fee_amount, payment_metadata, free] = fields;
    Ok(Payment {
        customer: customer.id(AggregateId::parse)?,
        merchant: merchant.id(AggregateId::parse)?,
        amount: sent_amount(amount)?,
        currency: currency.string()?.into(),
        fee: fee(fee_account, fee_amount)?,
        payment_metadata: payment_metadata.optional(metadata)?,
        metadata: free.optional(metadata)?,
    })
}

/// Both halves, or none.
fn fee(account: Field<'_>, amount: Field<'_>) -> Result<Option<Fee>, Fault> {
    if account.present().is_none() && amount.present().is_none() {
        return Ok(None);
    }
    Ok(Some(Fee { account: account.id(AggregateId::parse)?, amount: sent_amount(amount)? }))
}

pub(super) fn refund(fields: [Field<'_>; 6]) -> Result<TransactionCommand, Fault> {
    let [original_payment, amount, currency, why, refund_metadata, free] = fields;
    Ok(TransactionCommand::Refund(Refund {
        original_payment: original_payment.id(AggregateId::parse)?,
        amount: amount.optional(sent_amount)?,
        currency: currency.string()?.into(),
        reason: why.optional(reason)?,
        refund_metadata: refund_metadata.optional(metadata)?,
        metadata: free.optional(metadata)?,
    }))
}

pub(super) fn authorization(fields: [Field<'_>; 9]) -> Result<TransactionCommand, Fault> {
    let [of_payment @ .., expires_at] = fields;
    let (payment, expires_at) = (payment(of_payment)?, expires_at.optional(sent_time)?);
    Ok(TransactionCommand::Authorize(Authorization { payment, expires_at }))
}

pub(super) fn capture([amount, free]: [Field<'_>; 2]) -> Result<TransactionCommand, Fault> {
    let (amount, metadata) = (amount.optional(sent_amount)?, free.optional(metadata)?);
    Ok(TransactionCommand::Capture(Capture { amount, metadata }))
}

pub(super) fn void([why, free]: [Field<'_>; 2]) -> Result<TransactionCommand, Fault> {
    Ok(TransactionCommand::Void(Void { reason: why.optional(reason)?, metadata: free.optional(metadata)? }))
}

fn reason(field: Field<'_>) -> Result<Text, Fault> {
    field.text(LONGEST_REASON)
}

/// An amount with its text, which events repeat.
pub(in crate::wire) fn sent_amount(field: Field<'_>) -> Result<SentAmount, Fault> {
    Ok(AsSent { value: field.amount()?, text: field.string()?.into() })
}

fn sent_time(field: Field<'_>) -> Result<AsSent<Timestamp>, Fault> {
    let text = field.string()?;
    let value = strict_timestamp(&text).ok_or_else(|| field.must_be("an RFC 3339 time"))?;
    Ok(AsSent { text: text.into(), value })
}

/// The data as it was sent, without nulls.
pub(super) fn write(command: &TransactionCommand, data: &mut Object<'_>) {
    match command {
        TransactionCommand::Topup(topup) => {
            write_movement(topup, [("accountId", &topup.credited), ("sourceAccountId", &topup.debited)], data);
        }
        TransactionCommand::Withdrawal(out) => {
            write_movement(out, [("accountId", &out.debited), ("destinationAccountId", &out.credited)], data);
        }
        TransactionCommand::Transfer(transfer) => {
            let accounts = [("sourceAccountId", &transfer.debited), ("destinationAccountId", &transfer.credited)];
            write_movement(transfer, accounts, data);
        }
        TransactionCommand::Payment(payment) => write_payment(payment, data),
        TransactionCommand::Refund(refund) => write_refund(refund, data),
        TransactionCommand::Authorize(Authorization { payment, expires_at }) => {
            write_payment(payment, data);
            data.optional_text("expiresAt", expires_at.as_ref().map(|at| &*at.text));
        }
        TransactionCommand::Capture(capture) => {
            data.optional_text("amount", capture.amount.as_ref().map(|amount| &*amount.text));
            data.optional_json("metadata", capture.metadata.as_deref());
        }
        TransactionCommand::Void(void) => {
            data.optional_text("reason", void.reason.as_deref());
            data.optional_json("metadata", void.metadata.as_deref());
        }
    }
}

fn write_movement(movement: &Movement, accounts: [(&'static str, &AggregateId); 2], data: &mut Object<'_>) {
    for (name, id) in accounts {
        data.word(name, id.as_str());
    }
    data.text("amount", &movement.amount.text);
    data.text("currency", &movement.currency);
    data.optional_text("reference", movement.reference.as_deref());
    data.optional_json("metadata", movement.metadata.as_deref());
}

fn write_payment(payment: &Payment, data: &mut Object<'_>) {
    data.word("customerAccountId", payment.customer.as_str());
    data.word("merchantAccountId", payment.merchant.as_str());
    data.text("amount", &payment.amount.text);
    data.text("currency", &payment.currency);
    if let Some(fee) = &payment.fee {
        data.word("feeAccountId", fee.account.as_str());
        data.text("feeAmount", &fee.amount.text);
    }
    data.optional_json("paymentMetadata", payment.payment_metadata.as_deref());
    data.optional_json("metadata", payment.metadata.as_deref());
}

fn write_refund(refund: &Refund, data: &mut Object<'_>) {
    data.word("originalPaymentId", refund.original_payment.as_str());
    data.optional_text("refundAmount", refund.amount.as_ref().map(|amount| &*amount.text));
    data.text("currency", &refund.currency);
    data.optional_text("reason", refund.reason.as_deref());
    data.optional_json("refundMetadata", refund.refund_metadata.as_deref());
    data.optional_json("metadata", refund.metadata.as_deref());
}
