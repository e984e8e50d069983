//! Account commands.

use crate::domain::account::{AccountCommand, AccountStatus, AccountType, Change, CreateAccount, Posting};
use crate::domain::ids::CommandHash;
use crate::domain::money::RequestedAmount;
use crate::wire::command::Data;
use crate::wire::json::{Fault, Field};
use crate::wire::metadata::metadata;

const CREATE: &str = "CreateAccount";
const CREDIT: &str = "Credit";
const DEBIT: &str = "Debit";
const CHANGE_STATUS: &str = "ChangeAccountStatus";
const CHANGE_LIMITS: &str = "ChangeAccountLimits";

const CREATE_FIELDS: [&str; 7] =
    ["ownerId", "ownerType", "accountType", "currency", "minBalance", "maxBalance", "metadata"];
const POSTING_FIELDS: [&str; 5] = ["amount", "currency", "reason", "reference", "metadata"];
const STATUS_FIELDS: [&str; 2] = ["status", "reason"];
const LIMITS_FIELDS: [&str; 2] = ["minBalance", "maxBalance"];

/// Characters of an owner's name or type.
const LONGEST_OWNER: usize = 256;
/// Characters of a reason or reference.
const LONGEST_REASON: usize = 500;

pub(super) fn command_type(command: &AccountCommand) -> &'static str {
    match command {
        AccountCommand::Create(_) => CREATE,
        AccountCommand::Credit(_) => CREDIT,
        AccountCommand::Debit(_) => DEBIT,
        AccountCommand::ChangeStatus { .. } => CHANGE_STATUS,
        AccountCommand::ChangeLimits { .. } => CHANGE_LIMITS,
    }
}

pub(super) fn read(command_type: &str, data: Data<'_>) -> Result<(AccountCommand, CommandHash), Fault> {
    match command_type {
        CREATE => data.read(CREATE_FIELDS, create),
        CREDIT => data.read(POSTING_FIELDS, |fields| posting(fields).map(AccountCommand::Credit)),
        DEBIT => data.read(POSTING_FIELDS, |fields| posting(fields).map(AccountCommand::Debit)),
        CHANGE_STATUS => data.read(STATUS_FIELDS, change_status),
        CHANGE_LIMITS => data.read_nullable(LIMITS_FIELDS, change_limits),
        _ => Err(data.unknown_type()),
    }
}

fn create(fields: [Field<'_>; 7]) -> Result<AccountCommand, Fault> {
    let [owner_id, owner_type, account_type, currency, min_balance, max_balance, free] = fields;
    Ok(AccountCommand::Create(CreateAccount {
        owner_id: owner_id.text(LONGEST_OWNER)?,
        owner_type: owner_type.text(LONGEST_OWNER)?,
        account_type: account_type.word(AccountType::parse, AccountType::ALL)?,
        currency: currency.string()?.into(),
        min_balance: min_balance.optional(Field::amount)?,
        max_balance: max_balance.optional(Field::amount)?,
        metadata: free.optional(metadata)?,
    }))
}

fn posting([amount, currency, reason, reference, free]: [Field<'_>; 5]) -> Result<Posting, Fault> {
    Ok(Posting {
        amount: amount.amount()?,
        currency: currency.string()?.into(),
        reason: reason.text(LONGEST_REASON)?,
        reference: reference.optional(|field| field.text(LONGEST_REASON))?,
        metadata: free.optional(metadata)?,
    })
}

fn change_status([status, reason]: [Field<'_>; 2]) -> Result<AccountCommand, Fault> {
    Ok(AccountCommand::ChangeStatus {
        status: status.word(AccountStatus::parse, AccountStatus::ALL)?,
        reason: reason.text(LONGEST_REASON)?,
    })
}

fn change_limits([min_balance, max_balance]: [Field<'_>; 2]) -> Result<AccountCommand, Fault> {
    if min_balance.sent().is_none() && max_balance.sent().is_none() {
        return Err(Fault::Missing("minBalance or maxBalance"));
    }
    Ok(AccountCommand::ChangeLimits { min_balance: change(min_balance)?, max_balance: change(max_balance)? })
}

fn change(limit: Field<'_>) -> Result<Change<RequestedAmount>, Fault> {
    match limit.sent() {
        None => Ok(Change::Keep),
        Some("null") => Ok(Change::Clear),
        Some(_) => limit.amount().map(Change::Set),
    }
}
