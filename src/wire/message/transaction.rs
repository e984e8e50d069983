//! Messages to transactions.

use super::account::{FAILURE, read_failure, read_reason, read_release, write_failure, write_reason, write_release};
use crate::domain::ids::AggregateId;
use crate::domain::transaction::TransactionMessage;
use crate::wire::json::{Fault, Object, shown};
use crate::wire::recorded::{amount, leg_number, members, time};
use crate::wire::transaction::{read_leg, sent_amount, write_leg};

const POSTED: &str = "leg-posted";
const HOLD_PLACED: &str = "hold-placed";
const HOLD_RELEASED: &str = "hold-released";
const REVERSED: &str = "leg-reversed";
const REFUSED: &str = "leg-refused";
const RESERVE: &str = "reserve-refund";
const SETTLE: &str = "settle-refund";
const RELEASE: &str = "release-refund";
const RESERVATION_MADE: &str = "refund-reserved";
const RESERVATION_REFUSED: &str = "refund-refused";
const SETTLED: &str = "refund-settled";
const RESERVATION_RELEASED: &str = "refund-released";

pub(super) fn message_type(message: &TransactionMessage) -> &'static str {
    match message {
        TransactionMessage::Posted { .. } => POSTED,
        TransactionMessage::HoldPlaced { .. } => HOLD_PLACED,
        TransactionMessage::HoldReleased(_) => HOLD_RELEASED,
        TransactionMessage::Reversed { .. } => REVERSED,
        TransactionMessage::Refused { .. } => REFUSED,
        TransactionMessage::Reserve { .. } => RESERVE,
        TransactionMessage::Settle => SETTLE,
        TransactionMessage::ReleaseReservation { .. } => RELEASE,
        TransactionMessage::ReservationMade { .. } => RESERVATION_MADE,
        TransactionMessage::ReservationRefused(_) => RESERVATION_REFUSED,
        TransactionMessage::Settled => SETTLED,
        TransactionMessage::ReservationReleased { .. } => RESERVATION_RELEASED,
    }
}

pub(super) fn write(message: &TransactionMessage, data: &mut Object<'_>) {
    match message {
        TransactionMessage::Posted { posted, next_account } => {
            write_leg(posted, data);
            data.optional_text("nextAccountId", next_account.as_ref().map(AggregateId::as_str));
        }
        TransactionMessage::HoldPlaced { amount, expires_at } => {
            data.amount("amount", *amount);
            data.timestamp("expiresAt", *expires_at);
        }
        TransactionMessage::HoldReleased(release) => write_release(release, data),
        TransactionMessage::Reversed { leg, failure } => {
            data.number("leg", (*leg).into());
            write_failure(failure, data);
        }
        TransactionMessage::Refused { leg, reason } => {
            data.number("leg", (*leg).into());
            write_reason(reason, data);
        }
        TransactionMessage::Reserve { amount, currency } => {
            data.optional_text("amount", amount.as_ref().map(|amount| &*amount.text));
            data.text("currency", currency);
        }
        TransactionMessage::Settle | TransactionMessage::Settled => {}
        TransactionMessage::ReleaseReservation { failure } | TransactionMessage::ReservationReleased { failure } => {
            write_failure(failure, data);
        }
        TransactionMessage::ReservationMade { amount, merchant, customer } => {
            data.amount("amount", *amount);
            data.word("merchantAccountId", merchant.as_str());
            data.word("customerAccountId", customer.as_str());
        }
        TransactionMessage::ReservationRefused(reason) => write_reason(reason, data),
    }
}

pub(super) fn read(message_type: &str, data: &str) -> Result<TransactionMessage, Fault> {
    match message_type {
        POSTED => read_posted(data),
        HOLD_PLACED => {
            let [held, expires_at] = members(data, ["amount", "expiresAt"])?;
            Ok(TransactionMessage::HoldPlaced { amount: amount(held)?, expires_at: time(expires_at)? })
        }
        HOLD_RELEASED => read_release(data).map(TransactionMessage::HoldReleased),
        REVERSED => {
            let [leg, failure] = members(data, ["leg", FAILURE])?;
            Ok(TransactionMessage::Reversed { leg: leg_number(leg)?, failure: read_failure(failure)? })
        }
        REFUSED => {
            let [leg, code, message] = members(data, ["leg", "code", "message"])?;
            Ok(TransactionMessage::Refused { leg: leg_number(leg)?, reason: read_reason(code, message)? })
        }
        RESERVE => {
            let [amount, currency] = members(data, ["amount", "currency"])?;
            let amount = amount.optional(sent_amount)?;
            Ok(TransactionMessage::Reserve { amount, currency: currency.string()?.into() })
        }
        SETTLE => members(data, []).map(|[]| TransactionMessage::Settle),
        RELEASE => {
            let [failure] = members(data, [FAILURE])?;
            Ok(TransactionMessage::ReleaseReservation { failure: read_failure(failure)? })
        }
        RESERVATION_MADE => read_reservation(data),
        RESERVATION_REFUSED => {
            let [code, message] = members(data, ["code", "message"])?;
            read_reason(code, message).map(TransactionMessage::ReservationRefused)
        }
        SETTLED => members(data, []).map(|[]| TransactionMessage::Settled),
        RESERVATION_RELEASED => {
            let [failure] = members(data, [FAILURE])?;
            Ok(TransactionMessage::ReservationReleased { failure: read_failure(failure)? })
        }
        _ => Err(Fault::UnknownType { field: "message", found: shown(message_type) }),
    }
}

fn read_posted(data: &str) -> Result<TransactionMessage, Fault> {
    const NAMES: [&str; 6] = ["leg", "accountId", "changeType", "amount", "newBalance", "nextAccountId"];
    let [leg @ .., next_account] = members(data, NAMES)?;
    let next_account = next_account.optional(|field| field.id(AggregateId::parse))?;
    Ok(TransactionMessage::Posted { posted: read_leg(leg)?, next_account })
}

fn read_reservation(data: &str) -> Result<TransactionMessage, Fault> {
    let [reserved, merchant, customer] = members(data, ["amount", "merchantAccountId", "customerAccountId"])?;
    Ok(TransactionMessage::ReservationMade {
        amount: amount(reserved)?,
        merchant: merchant.id(AggregateId::parse)?,
        customer: customer.id(AggregateId::parse)?,
    })
}
