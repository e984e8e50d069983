//! Messages to accounts.

use crate::domain::account::{
    AccountMessage, Admitted, ChangeType, LegFailure, LegPosting, LegReason, NewHold, Release, ReleaseReason, Reversal,
};
use crate::domain::ids::AggregateId;
use crate::domain::message::Reason;
use crate::wire::json::{self, Fault, Field, Object, Unknown, shown};
use crate::wire::recorded::{amount, leg_number, members, time};
use crate::wire::transaction::sent_amount;

const POST: &str = "post-leg";
const PLACE_HOLD: &str = "place-hold";
const CAPTURE_HOLD: &str = "capture-hold";
const RELEASE_HOLD: &str = "release-hold";
const REVERSE: &str = "reverse-leg";

pub(super) fn message_type(message: &AccountMessage) -> &'static str {
    match message {
        AccountMessage::Post(_) => POST,
        AccountMessage::PlaceHold(_) => PLACE_HOLD,
        AccountMessage::CaptureHold { .. } => CAPTURE_HOLD,
        AccountMessage::ReleaseHold(_) => RELEASE_HOLD,
        AccountMessage::Reverse(_) => REVERSE,
    }
}

pub(super) fn write(message: &AccountMessage, data: &mut Object<'_>) {
    match message {
        AccountMessage::Post(posting) => {
            data.number("leg", posting.leg.into());
            data.word("changeType", posting.change_type.as_str());
            data.text("amount", &posting.amount.text);
            data.text("currency", &posting.currency);
            data.word("reason", posting.reason.as_str());
            data.word("admitted", posting.admitted.as_str());
            data.optional_text("nextAccountId", posting.next_account.as_ref().map(AggregateId::as_str));
        }
        AccountMessage::PlaceHold(hold) => {
            data.text("amount", &hold.amount.text);
            data.text("currency", &hold.currency);
            data.timestamp("expiresAt", hold.expires_at);
            data.word("admitted", hold.admitted.as_str());
        }
        AccountMessage::CaptureHold { amount } => data.text("amount", &amount.text),
        AccountMessage::ReleaseHold(release) => write_release(release, data),
        AccountMessage::Reverse(reversal) => {
            data.number("leg", reversal.leg.into());
            data.word("changeType", reversal.change_type.as_str());
            data.amount("amount", reversal.amount);
            write_failure(&reversal.failure, data);
        }
    }
}

pub(super) fn read(message_type: &str, data: &str) -> Result<AccountMessage, Fault> {
    match message_type {
        POST => read_posting(data).map(AccountMessage::Post),
        PLACE_HOLD => read_hold(data).map(AccountMessage::PlaceHold),
        CAPTURE_HOLD => {
            let [amount] = members(data, ["amount"])?;
            Ok(AccountMessage::CaptureHold { amount: sent_amount(amount)? })
        }
        RELEASE_HOLD => read_release(data).map(AccountMessage::ReleaseHold),
        REVERSE => {
            let [leg, change_type, moved, failure] = members(data, ["leg", "changeType", "amount", FAILURE])?;
            Ok(AccountMessage::Reverse(Reversal {
                leg: leg_number(leg)?,
                change_type: change_type.word(ChangeType::parse, ChangeType::ALL)?,
                amount: amount(moved)?,
                failure: read_failure(failure)?,
            }))
        }
        _ => Err(Fault::UnknownType { field: "message", found: shown(message_type) }),
    }
}

fn read_posting(data: &str) -> Result<LegPosting, Fault> {
    const NAMES: [&str; 7] = ["leg", "changeType", "amount", "currency", "reason", "admitted", "nextAccountId"];
    let [leg, change_type, amount, currency, reason, admitted, next_account] = members(data, NAMES)?;
    Ok(LegPosting {
        leg: leg_number(leg)?,
        change_type: change_type.word(ChangeType::parse, ChangeType::ALL)?,
        amount: sent_amount(amount)?,
        currency: currency.string()?.into(),
        reason: reason.word(LegReason::parse, LegReason::ALL)?,
        admitted: admitted.word(Admitted::parse, Admitted::ALL)?,
        next_account: next_account.optional(|field| field.id(AggregateId::parse))?,
    })
}

fn read_hold(data: &str) -> Result<NewHold, Fault> {
    let [amount, currency, expires_at, admitted] = members(data, ["amount", "currency", "expiresAt", "admitted"])?;
    Ok(NewHold {
        amount: sent_amount(amount)?,
        currency: currency.string()?.into(),
        expires_at: time(expires_at)?,
        admitted: admitted.word(Admitted::parse, Admitted::ALL)?,
    })
}

/// Why a hold is released, in the request and in its answer.
pub(super) fn write_release(release: &Release, data: &mut Object<'_>) {
    data.word("reason", release.reason().as_str());
    if let Release::Compensated(failure) = release {
        write_failure(failure, data);
    }
}

pub(super) fn read_release(data: &str) -> Result<Release, Fault> {
    let [reason, failure] = members(data, ["reason", FAILURE])?;
    match reason.word(ReleaseReason::parse, ReleaseReason::ALL)? {
        ReleaseReason::Voided => Ok(Release::Voided),
        ReleaseReason::Compensated => read_failure(failure).map(Release::Compensated),
        ReleaseReason::Expired | ReleaseReason::PartialCapture => Err(reason.must_be("VOIDED or COMPENSATED")),
    }
}

/// A leg that was refused, as messages carry it along.
pub(super) const FAILURE: &str = "failure";

pub(super) fn write_failure(failure: &LegFailure, data: &mut Object<'_>) {
    let mut object = data.object(FAILURE);
    object.number("leg", failure.leg.into());
    object.word("accountId", failure.account_id.as_str());
    write_reason(&failure.reason, &mut object);
    object.close();
}

pub(super) fn read_failure(failure: Field<'_>) -> Result<LegFailure, Fault> {
    let [leg, account_id, code, message] =
        json::fields(FAILURE, failure.required()?, ["leg", "accountId", "code", "message"], Unknown::Refused)?;
    Ok(LegFailure {
        leg: leg_number(leg)?,
        account_id: account_id.id(AggregateId::parse)?,
        reason: read_reason(code, message)?,
    })
}

/// Why something was refused.
pub(super) fn write_reason(reason: &Reason, data: &mut Object<'_>) {
    data.text("code", &reason.code);
    data.text("message", &reason.message);
}

pub(super) fn read_reason(code: Field<'_>, message: Field<'_>) -> Result<Reason, Fault> {
    Ok(Reason { code: code.string()?.into(), message: message.string()?.into() })
}
