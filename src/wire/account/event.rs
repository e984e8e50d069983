//! Account events.

use crate::domain::account::{
    AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Force, HoldCaptured,
    HoldPlaced, HoldReleased, LimitsChanged, Metadata, ReleaseReason, StatusChanged, TransactionLeg,
};
use crate::domain::ids::AggregateId;
use crate::domain::money::{Amount, Currency};
use crate::wire::json::{Fault, Field, Object, shown};
use crate::wire::recorded::{amount, leg_number, members, time};

const CREATED: &str = "AccountCreated";
const BALANCE_CHANGED: &str = "BalanceChanged";
const STATUS_CHANGED: &str = "AccountStatusChanged";
const LIMITS_CHANGED: &str = "AccountLimitsChanged";
const HOLD_PLACED: &str = "HoldPlaced";
const HOLD_CAPTURED: &str = "HoldCaptured";
const HOLD_RELEASED: &str = "HoldReleased";

pub(super) fn event_type(event: &AccountEvent) -> &'static str {
    match event {
        AccountEvent::Created(_) => CREATED,
        AccountEvent::BalanceChanged(_) => BALANCE_CHANGED,
        AccountEvent::StatusChanged(_) => STATUS_CHANGED,
        AccountEvent::LimitsChanged(_) => LIMITS_CHANGED,
        AccountEvent::HoldPlaced(_) => HOLD_PLACED,
        AccountEvent::HoldCaptured(_) => HOLD_CAPTURED,
        AccountEvent::HoldReleased(_) => HOLD_RELEASED,
    }
}

pub(super) fn write(event: &AccountEvent, data: &mut Object<'_>) {
    match event {
        AccountEvent::Created(created) => write_created(created, data),
        AccountEvent::BalanceChanged(posted) => write_balance_changed(posted, data),
        AccountEvent::StatusChanged(changed) => {
            data.word("previousStatus", changed.previous_status.as_str());
            data.word("newStatus", changed.new_status.as_str());
            data.text("reason", &changed.reason);
        }
        AccountEvent::LimitsChanged(changed) => {
            data.nullable_amount("previousMinBalance", changed.previous_min_balance);
            data.nullable_amount("previousMaxBalance", changed.previous_max_balance);
            data.nullable_amount("newMinBalance", changed.new_min_balance);
            data.nullable_amount("newMaxBalance", changed.new_max_balance);
        }
        AccountEvent::HoldPlaced(placed) => {
            data.word("holdId", placed.hold_id.as_str());
            data.amount("amount", placed.amount);
            data.text("currency", placed.currency.code());
            data.timestamp("expiresAt", placed.expires_at);
            data.word("transactionId", placed.hold_id.as_str());
        }
        AccountEvent::HoldCaptured(captured) => {
            data.word("holdId", captured.hold_id.as_str());
            data.amount("capturedAmount", captured.captured_amount);
            data.word("transactionId", captured.hold_id.as_str());
        }
        AccountEvent::HoldReleased(released) => {
            data.word("holdId", released.hold_id.as_str());
            data.amount("amount", released.amount);
            data.word("reason", released.reason.as_str());
            data.word("transactionId", released.hold_id.as_str());
        }
    }
}

fn write_created(created: &AccountCreated, data: &mut Object<'_>) {
    data.text("ownerId", &created.owner_id);
    data.text("ownerType", &created.owner_type);
    data.word("accountType", created.account_type.as_str());
    data.text("currency", created.currency.code());
    data.word("status", created.status.as_str());
    data.amount("balance", created.balance);
    data.optional_amount("minBalance", created.min_balance);
    data.optional_amount("maxBalance", created.max_balance);
    data.optional_json("metadata", created.metadata.as_deref());
}

fn write_balance_changed(posted: &BalanceChanged, data: &mut Object<'_>) {
    data.amount("previousBalance", posted.previous_balance);
    data.amount("newBalance", posted.new_balance);
    data.amount("changeAmount", posted.change_amount);
    data.word("changeType", posted.change_type.as_str());
    data.text("reason", &posted.reason);
    data.text("currency", posted.currency.code());
    if let Some(leg) = &posted.leg {
        data.word("transactionId", leg.transaction_id.as_str());
        data.number("leg", leg.number.into());
    }
    data.optional_text("reference", posted.reference.as_deref());
    if posted.leg.as_ref().is_some_and(|leg| leg.force == Force::Forced) {
        data.json("forced", "true");
    }
    data.optional_json("metadata", posted.metadata.as_deref());
}

pub(super) fn read(event_type: &str, data: &str) -> Result<AccountEvent, Fault> {
    match event_type {
        CREATED => read_created(data).map(AccountEvent::Created),
        BALANCE_CHANGED => read_balance_changed(data).map(AccountEvent::BalanceChanged),
        STATUS_CHANGED => read_status_changed(data).map(AccountEvent::StatusChanged),
        LIMITS_CHANGED => read_limits_changed(data).map(AccountEvent::LimitsChanged),
        HOLD_PLACED => read_hold_placed(data).map(AccountEvent::HoldPlaced),
        HOLD_CAPTURED => read_hold_captured(data).map(AccountEvent::HoldCaptured),
        HOLD_RELEASED => read_hold_released(data).map(AccountEvent::HoldReleased),
        _ => Err(Fault::UnknownType { field: "eventType", found: shown(event_type) }),
    }
}

fn read_created(data: &str) -> Result<AccountCreated, Fault> {
    const NAMES: [&str; 9] = [
        "ownerId",
        "ownerType",
        "accountType",
        "currency",
        "status",
        "balance",
        "minBalance",
        "maxBalance",
        "metadata",
    ];
    let [owner_id, owner_type, account_type, code, status, balance, min_balance, max_balance, metadata] =
        members(data, NAMES)?;
    let balance = amount(balance)?;
    Ok(AccountCreated {
        owner_id: owner_id.string()?.into(),
        owner_type: owner_type.string()?.into(),
        account_type: account_type.word(AccountType::parse, AccountType::ALL)?,
        currency: currency(code, balance)?,
        status: status.word(AccountStatus::parse, AccountStatus::ALL)?,
        balance,
        min_balance: min_balance.optional(amount)?,
        max_balance: max_balance.optional(amount)?,
        metadata: metadata.optional(free)?,
    })
}

fn read_balance_changed(data: &str) -> Result<BalanceChanged, Fault> {
    const NAMES: [&str; 11] = [
        "previousBalance",
        "newBalance",
        "changeAmount",
        "changeType",
        "reason",
        "currency",
        "transactionId",
        "leg",
        "reference",
        "forced",
        "metadata",
    ];
    let [
        previous_balance,
        new_balance,
        change_amount,
        change_type,
        reason,
        code,
        transaction_id,
        leg,
        reference,
        forced,
        metadata,
    ] = members(data, NAMES)?;
    let new_balance = amount(new_balance)?;
    Ok(BalanceChanged {
        previous_balance: amount(previous_balance)?,
        new_balance,
        change_amount: amount(change_amount)?,
        change_type: change_type.word(ChangeType::parse, ChangeType::ALL)?,
        reason: reason.string()?.into(),
        currency: currency(code, new_balance)?,
        leg: transaction_leg(transaction_id, leg, forced)?,
        reference: reference.optional(|field| Ok(field.string()?.into()))?,
        metadata: metadata.optional(free)?,
    })
}

/// Which part of which transaction a posting is; none when none of the fields is there.
fn transaction_leg(id: Field<'_>, leg: Field<'_>, forced: Field<'_>) -> Result<Option<TransactionLeg>, Fault> {
    if [id, leg, forced].iter().all(|field| field.present().is_none()) {
        return Ok(None);
    }
    let force = match forced.present() {
        None => Force::Judged,
        Some("true") => Force::Forced,
        Some(_) => return Err(forced.must_be("true, or absent")),
    };
    Ok(Some(TransactionLeg { transaction_id: id.id(AggregateId::parse)?, number: leg_number(leg)?, force }))
}

fn read_hold_placed(data: &str) -> Result<HoldPlaced, Fault> {
    const NAMES: [&str; 5] = ["holdId", "amount", "currency", "expiresAt", "transactionId"];
    let [hold_id, held, code, expires_at, transaction_id] = members(data, NAMES)?;
    let held = amount(held)?;
    Ok(HoldPlaced {
        hold_id: hold(hold_id, transaction_id)?,
        amount: held,
        currency: currency(code, held)?,
        expires_at: time(expires_at)?,
    })
}

fn read_hold_captured(data: &str) -> Result<HoldCaptured, Fault> {
    let [hold_id, captured, transaction_id] = members(data, ["holdId", "capturedAmount", "transactionId"])?;
    Ok(HoldCaptured { hold_id: hold(hold_id, transaction_id)?, captured_amount: amount(captured)? })
}

fn read_hold_released(data: &str) -> Result<HoldReleased, Fault> {
    let [hold_id, released, reason, transaction_id] = members(data, ["holdId", "amount", "reason", "transactionId"])?;
    Ok(HoldReleased {
        hold_id: hold(hold_id, transaction_id)?,
        amount: amount(released)?,
        reason: reason.word(ReleaseReason::parse, ReleaseReason::ALL)?,
    })
}

/// The id of a hold, which is that of its transaction.
fn hold(hold_id: Field<'_>, transaction_id: Field<'_>) -> Result<AggregateId, Fault> {
    let id = hold_id.id(AggregateId::parse)?;
    if transaction_id.id(AggregateId::parse)? == id { Ok(id) } else { Err(hold_id.must_be("the transaction's id")) }
}

fn read_status_changed(data: &str) -> Result<StatusChanged, Fault> {
    let [previous_status, new_status, reason] = members(data, ["previousStatus", "newStatus", "reason"])?;
    Ok(StatusChanged {
        previous_status: previous_status.word(AccountStatus::parse, AccountStatus::ALL)?,
        new_status: new_status.word(AccountStatus::parse, AccountStatus::ALL)?,
        reason: reason.string()?.into(),
    })
}

fn read_limits_changed(data: &str) -> Result<LimitsChanged, Fault> {
    const NAMES: [&str; 4] = ["previousMinBalance", "previousMaxBalance", "newMinBalance", "newMaxBalance"];
    let [previous_min_balance, previous_max_balance, new_min_balance, new_max_balance] = members(data, NAMES)?;
    let limit = |field: Field<'_>| match field.sent() {
        None => Err(Fault::Missing(field.name())),
        Some(_) => field.optional(amount),
    };
    Ok(LimitsChanged {
        previous_min_balance: limit(previous_min_balance)?,
        previous_max_balance: limit(previous_max_balance)?,
        new_min_balance: limit(new_min_balance)?,
        new_max_balance: limit(new_max_balance)?,
    })
}

/// The currency, with the decimals it had when the event was written.
fn currency(code: Field<'_>, amount: Amount) -> Result<Currency, Fault> {
    let decimals = u8::try_from(amount.decimals()).ok();
    decimals
        .and_then(|decimals| code.string().ok().and_then(|code| Currency::new(&code, decimals)))
        .ok_or_else(|| code.must_be("a currency of at most 10 decimals"))
}

fn free(metadata: Field<'_>) -> Result<Metadata, Fault> {
    Ok(metadata.required()?.into())
}
