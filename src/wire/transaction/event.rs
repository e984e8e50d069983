//! Transaction events.

use super::requested;
use crate::domain::account::ChangeType;
use crate::domain::ids::AggregateId;
use crate::domain::message::Reason;
use crate::domain::transaction::{
    AuthorizedHold, Compensated, CompensationAction, Failed, LegPosted, PaymentCompleted, RefundCompleted, Reserved,
    SimpleCompleted, TransactionEvent, TransferCompleted, Voided,
};
use crate::wire::json::{self, Fault, Field, Object, Unknown, shown};
use crate::wire::recorded::{amount, leg_number, members, time};

const LEG_POSTED: &str = "LegPosted";
const TOPUP_COMPLETED: &str = "TopupCompleted";
const WITHDRAWAL_COMPLETED: &str = "WithdrawalCompleted";
const TRANSFER_COMPLETED: &str = "TransferCompleted";
const PAYMENT_COMPLETED: &str = "PaymentCompleted";
const REFUND_COMPLETED: &str = "RefundCompleted";
const PAYMENT_AUTHORIZED: &str = "PaymentAuthorized";
const PAYMENT_VOIDED: &str = "PaymentVoided";
const PAYMENT_EXPIRED: &str = "PaymentExpired";
const REFUND_RESERVED: &str = "RefundReserved";
const REFUND_SETTLED: &str = "RefundSettled";
const REFUND_RELEASED: &str = "RefundReservationReleased";
const FAILED: &str = "TransactionFailed";
const COMPENSATED: &str = "TransactionCompensated";

pub(super) fn event_type(event: &TransactionEvent) -> &'static str {
    match event {
        TransactionEvent::Requested(requested) => requested::event_type(requested.command.operation()),
        TransactionEvent::LegPosted(_) => LEG_POSTED,
        TransactionEvent::TopupCompleted(_) => TOPUP_COMPLETED,
        TransactionEvent::WithdrawalCompleted(_) => WITHDRAWAL_COMPLETED,
        TransactionEvent::TransferCompleted(_) => TRANSFER_COMPLETED,
        TransactionEvent::PaymentCompleted(_) => PAYMENT_COMPLETED,
        TransactionEvent::RefundCompleted(_) => REFUND_COMPLETED,
        TransactionEvent::PaymentAuthorized(_) => PAYMENT_AUTHORIZED,
        TransactionEvent::PaymentVoided(_) => PAYMENT_VOIDED,
        TransactionEvent::PaymentExpired { .. } => PAYMENT_EXPIRED,
        TransactionEvent::RefundReserved(_) => REFUND_RESERVED,
        TransactionEvent::RefundSettled(_) => REFUND_SETTLED,
        TransactionEvent::RefundReservationReleased(_) => REFUND_RELEASED,
        TransactionEvent::Failed(_) => FAILED,
        TransactionEvent::Compensated(_) => COMPENSATED,
    }
}

pub(super) fn write(event: &TransactionEvent, data: &mut Object<'_>) {
    match event {
        TransactionEvent::Requested(requested) => requested::write(requested, data),
        TransactionEvent::LegPosted(leg) => write_leg(leg, data),
        TransactionEvent::TopupCompleted(done) | TransactionEvent::WithdrawalCompleted(done) => {
            data.word("accountId", done.account_id.as_str());
            data.amount("amount", done.amount);
            data.amount("newBalance", done.new_balance);
            data.timestamp("completedAt", done.completed_at);
        }
        TransactionEvent::TransferCompleted(done) => {
            data.word("sourceAccountId", done.source_account_id.as_str());
            data.word("destinationAccountId", done.destination_account_id.as_str());
            data.amount("amount", done.amount);
            data.amount("sourceNewBalance", done.source_new_balance);
            data.amount("destinationNewBalance", done.destination_new_balance);
            data.timestamp("completedAt", done.completed_at);
        }
        TransactionEvent::PaymentCompleted(done) => {
            data.word("transactionId", done.transaction_id.as_str());
            data.amount("customerNewBalance", done.customer_new_balance);
            data.amount("merchantNewBalance", done.merchant_new_balance);
            data.optional_amount("feeNewBalance", done.fee_new_balance);
            data.amount("capturedAmount", done.captured_amount);
            data.timestamp("completedAt", done.completed_at);
        }
        TransactionEvent::RefundCompleted(done) => {
            data.word("refundId", done.refund_id.as_str());
            data.amount("merchantNewBalance", done.merchant_new_balance);
            data.amount("customerNewBalance", done.customer_new_balance);
            data.timestamp("completedAt", done.completed_at);
        }
        TransactionEvent::PaymentAuthorized(AuthorizedHold { hold_id, amount, expires_at }) => {
            data.word("holdId", hold_id.as_str());
            data.amount("amount", *amount);
            data.timestamp("expiresAt", *expires_at);
        }
        TransactionEvent::PaymentVoided(Voided { hold_id, amount, reason }) => {
            data.word("holdId", hold_id.as_str());
            data.amount("amount", *amount);
            data.optional_text("reason", reason.as_deref());
        }
        TransactionEvent::PaymentExpired { hold_id, amount } => {
            data.word("holdId", hold_id.as_str());
            data.amount("amount", *amount);
        }
        TransactionEvent::RefundReserved(reserved)
        | TransactionEvent::RefundSettled(reserved)
        | TransactionEvent::RefundReservationReleased(reserved) => {
            data.word("refundId", reserved.refund_id.as_str());
            data.amount("amount", reserved.amount);
        }
        TransactionEvent::Failed(failed) => write_failed(failed, data),
        TransactionEvent::Compensated(compensated) => write_compensated(compensated, data),
    }
}

/// A leg, as events and messages say it.
pub(in crate::wire) fn write_leg(leg: &LegPosted, data: &mut Object<'_>) {
    data.number("leg", leg.leg.into());
    data.word("accountId", leg.account_id.as_str());
    data.word("changeType", leg.change_type.as_str());
    data.amount("amount", leg.amount);
    data.amount("newBalance", leg.new_balance);
}

fn write_failed(failed: &Failed, data: &mut Object<'_>) {
    data.text("reason", &failed.reason.message);
    data.text("errorCode", &failed.reason.code);
    if let Some((leg, account_id)) = &failed.leg {
        data.number("leg", (*leg).into());
        data.word("accountId", account_id.as_str());
    }
    data.timestamp("failedAt", failed.failed_at);
}

fn write_compensated(compensated: &Compensated, data: &mut Object<'_>) {
    data.word("transactionId", compensated.transaction_id.as_str());
    data.text("reason", &compensated.reason.message);
    data.text("errorCode", &compensated.reason.code);
    data.objects("compensationActions", &compensated.actions, |action, object| {
        object.word("accountId", action.account_id.as_str());
        object.word("action", action.action.as_str());
        object.amount("amount", action.amount);
        object.text("reason", &action.reason);
    });
    data.timestamp("compensatedAt", compensated.compensated_at);
}

pub(super) fn read(event_type: &str, data: &str) -> Result<TransactionEvent, Fault> {
    if let Some(operation) = requested::operation(event_type) {
        return Ok(TransactionEvent::Requested(Box::new(requested::read(operation, data)?)));
    }
    match event_type {
        LEG_POSTED => read_leg(members(data, LEG)?).map(TransactionEvent::LegPosted),
        TOPUP_COMPLETED => read_simple(data).map(TransactionEvent::TopupCompleted),
        WITHDRAWAL_COMPLETED => read_simple(data).map(TransactionEvent::WithdrawalCompleted),
        TRANSFER_COMPLETED => read_transfer(data).map(TransactionEvent::TransferCompleted),
        PAYMENT_COMPLETED => read_payment(data).map(TransactionEvent::PaymentCompleted),
        REFUND_COMPLETED => read_refund(data).map(TransactionEvent::RefundCompleted),
        PAYMENT_AUTHORIZED => read_authorized(data).map(TransactionEvent::PaymentAuthorized),
        PAYMENT_VOIDED => read_voided(data).map(TransactionEvent::PaymentVoided),
        PAYMENT_EXPIRED => read_expired(data),
        REFUND_RESERVED => read_reserved(data).map(TransactionEvent::RefundReserved),
        REFUND_SETTLED => read_reserved(data).map(TransactionEvent::RefundSettled),
        REFUND_RELEASED => read_reserved(data).map(TransactionEvent::RefundReservationReleased),
        FAILED => read_failed(data).map(TransactionEvent::Failed),
        COMPENSATED => read_compensated(data).map(TransactionEvent::Compensated),
        _ => Err(Fault::UnknownType { field: "eventType", found: shown(event_type) }),
    }
}

/// The fields of a leg, as events and messages say it.
pub(in crate::wire) const LEG: [&str; 5] = ["leg", "accountId", "changeType", "amount", "newBalance"];

pub(in crate::wire) fn read_leg(fields: [Field<'_>; 5]) -> Result<LegPosted, Fault> {
    let [leg, account_id, change_type, posted, new_balance] = fields;
    Ok(LegPosted {
        leg: leg_number(leg)?,
        account_id: id(account_id)?,
        change_type: change_type.word(ChangeType::parse, ChangeType::ALL)?,
        amount: amount(posted)?,
        new_balance: amount(new_balance)?,
    })
}

fn read_simple(data: &str) -> Result<SimpleCompleted, Fault> {
    let [account_id, moved, new_balance, completed_at] =
        members(data, ["accountId", "amount", "newBalance", "completedAt"])?;
    Ok(SimpleCompleted {
        account_id: id(account_id)?,
        amount: amount(moved)?,
        new_balance: amount(new_balance)?,
        completed_at: time(completed_at)?,
    })
}

fn read_transfer(data: &str) -> Result<TransferCompleted, Fault> {
    const NAMES: [&str; 6] = [
        "sourceAccountId",
        "destinationAccountId",
        "amount",
        "sourceNewBalance",
        "destinationNewBalance",
        "completedAt",
    ];
    let [source, destination, moved, source_new_balance, destination_new_balance, completed_at] = members(data, NAMES)?;
    Ok(TransferCompleted {
        source_account_id: id(source)?,
        destination_account_id: id(destination)?,
        amount: amount(moved)?,
        source_new_balance: amount(source_new_balance)?,
        destination_new_balance: amount(destination_new_balance)?,
        completed_at: time(completed_at)?,
    })
}

fn read_payment(data: &str) -> Result<PaymentCompleted, Fault> {
    const NAMES: [&str; 6] =
        ["transactionId", "customerNewBalance", "merchantNewBalance", "feeNewBalance", "capturedAmount", "completedAt"];
    let [transaction_id, customer_new_balance, merchant_new_balance, fee_new_balance, captured, completed_at] =
        members(data, NAMES)?;
    Ok(PaymentCompleted {
        transaction_id: id(transaction_id)?,
        customer_new_balance: amount(customer_new_balance)?,
        merchant_new_balance: amount(merchant_new_balance)?,
        fee_new_balance: fee_new_balance.optional(amount)?,
        captured_amount: amount(captured)?,
        completed_at: time(completed_at)?,
    })
}

fn read_refund(data: &str) -> Result<RefundCompleted, Fault> {
    let [refund_id, merchant_new_balance, customer_new_balance, completed_at] =
        members(data, ["refundId", "merchantNewBalance", "customerNewBalance", "completedAt"])?;
    Ok(RefundCompleted {
        refund_id: id(refund_id)?,
        merchant_new_balance: amount(merchant_new_balance)?,
        customer_new_balance: amount(customer_new_balance)?,
        completed_at: time(completed_at)?,
    })
}

fn read_authorized(data: &str) -> Result<AuthorizedHold, Fault> {
    let [hold_id, held, expires_at] = members(data, ["holdId", "amount", "expiresAt"])?;
    Ok(AuthorizedHold { hold_id: id(hold_id)?, amount: amount(held)?, expires_at: time(expires_at)? })
}

fn read_voided(data: &str) -> Result<Voided, Fault> {
    let [hold_id, held, reason] = members(data, ["holdId", "amount", "reason"])?;
    let reason = reason.optional(|field| Ok(field.string()?.into()))?;
    Ok(Voided { hold_id: id(hold_id)?, amount: amount(held)?, reason })
}

fn read_expired(data: &str) -> Result<TransactionEvent, Fault> {
    let [hold_id, held] = members(data, ["holdId", "amount"])?;
    Ok(TransactionEvent::PaymentExpired { hold_id: id(hold_id)?, amount: amount(held)? })
}

fn read_reserved(data: &str) -> Result<Reserved, Fault> {
    let [refund_id, reserved] = members(data, ["refundId", "amount"])?;
    Ok(Reserved { refund_id: id(refund_id)?, amount: amount(reserved)? })
}

fn read_failed(data: &str) -> Result<Failed, Fault> {
    let [message, code, leg, account_id, failed_at] =
        members(data, ["reason", "errorCode", "leg", "accountId", "failedAt"])?;
    let some_leg = leg.present().is_some() || account_id.present().is_some();
    Ok(Failed {
        reason: reason(code, message)?,
        leg: some_leg.then(|| Ok((leg_number(leg)?, id(account_id)?))).transpose()?,
        failed_at: time(failed_at)?,
    })
}

fn read_compensated(data: &str) -> Result<Compensated, Fault> {
    const NAMES: [&str; 5] = ["transactionId", "reason", "errorCode", "compensationActions", "compensatedAt"];
    let [transaction_id, message, code, actions, compensated_at] = members(data, NAMES)?;
    Ok(Compensated {
        transaction_id: id(transaction_id)?,
        reason: reason(code, message)?,
        actions: actions.elements()?.into_iter().map(read_action).collect::<Result<_, _>>()?,
        compensated_at: time(compensated_at)?,
    })
}

fn read_action(object: &str) -> Result<CompensationAction, Fault> {
    let [account_id, action, moved, reason] =
        json::fields("an action", object, ["accountId", "action", "amount", "reason"], Unknown::Refused)?;
    Ok(CompensationAction {
        account_id: id(account_id)?,
        action: action.word(ChangeType::parse, ChangeType::ALL)?,
        amount: amount(moved)?,
        reason: reason.string()?.into(),
    })
}

fn id(field: Field<'_>) -> Result<AggregateId, Fault> {
    field.id(AggregateId::parse)
}

fn reason(code: Field<'_>, message: Field<'_>) -> Result<Reason, Fault> {
    Ok(Reason { code: code.string()?.into(), message: message.string()?.into() })
}
