//! Account events.

use crate::domain::account::{
    AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, LimitsChanged, Metadata,
    StatusChanged,
};
use crate::domain::money::{Amount, Currency};
use crate::wire::json::{Fault, Field, Object, Unknown, fields, shown};

const CREATED: &str = "AccountCreated";
const BALANCE_CHANGED: &str = "BalanceChanged";
const STATUS_CHANGED: &str = "AccountStatusChanged";
const LIMITS_CHANGED: &str = "AccountLimitsChanged";

pub(super) fn event_type(event: &AccountEvent) -> &'static str {
    match event {
        AccountEvent::Created(_) => CREATED,
        AccountEvent::BalanceChanged(_) => BALANCE_CHANGED,
        AccountEvent::StatusChanged(_) => STATUS_CHANGED,
        AccountEvent::LimitsChanged(_) => LIMITS_CHANGED,
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
    data.optional_text("reference", posted.reference.as_deref());
    data.optional_json("metadata", posted.metadata.as_deref());
}

pub(super) fn read(event_type: &str, data: &str) -> Result<AccountEvent, Fault> {
    match event_type {
        CREATED => read_created(data).map(AccountEvent::Created),
        BALANCE_CHANGED => read_balance_changed(data).map(AccountEvent::BalanceChanged),
        STATUS_CHANGED => read_status_changed(data).map(AccountEvent::StatusChanged),
        LIMITS_CHANGED => read_limits_changed(data).map(AccountEvent::LimitsChanged),
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
    const NAMES: [&str; 8] =
        ["previousBalance", "newBalance", "changeAmount", "changeType", "reason", "currency", "reference", "metadata"];
    let [previous_balance, new_balance, change_amount, change_type, reason, code, reference, metadata] =
        members(data, NAMES)?;
    let new_balance = amount(new_balance)?;
    Ok(BalanceChanged {
        previous_balance: amount(previous_balance)?,
        new_balance,
        change_amount: amount(change_amount)?,
        change_type: change_type.word(ChangeType::parse, ChangeType::ALL)?,
        reason: reason.string()?.into(),
        currency: currency(code, new_balance)?,
        reference: reference.optional(|field| Ok(field.string()?.into()))?,
        metadata: metadata.optional(free)?,
    })
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

fn members<'a, const N: usize>(data: &'a str, names: [&'static str; N]) -> Result<[Field<'a>; N], Fault> {
    fields("data", data, names, Unknown::Refused)
}

fn amount(field: Field<'_>) -> Result<Amount, Fault> {
    Amount::parse(&field.string()?).map_err(|_| field.must_be("an amount"))
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
