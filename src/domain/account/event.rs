//! What can have happened to an account. Amounts stand at the scale of the account's currency.

use super::command::{Metadata, Text};
use super::{AccountStatus, AccountType, words};
use crate::domain::money::{Amount, Currency};
use std::fmt;

/// One event of an account's history.
#[derive(Clone, PartialEq, Debug)]
pub enum AccountEvent {
    /// It was opened, empty and active.
    Created(AccountCreated),
    /// Money moved.
    BalanceChanged(BalanceChanged),
    /// It was suspended, reactivated or closed.
    StatusChanged(StatusChanged),
    /// The bounds of its balance were set, also to what they were.
    LimitsChanged(LimitsChanged),
}

/// `AccountCreated`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the command")]
pub struct AccountCreated {
    pub owner_id: Box<str>,
    pub owner_type: Box<str>,
    pub account_type: AccountType,
    pub currency: Currency,
    pub status: AccountStatus,
    pub balance: Amount,
    pub min_balance: Option<Amount>,
    pub max_balance: Option<Amount>,
    pub metadata: Option<Metadata>,
}

words!(
    /// The direction of a posting.
    ChangeType {
        /// The balance grows.
        Credit = "CREDIT",
        /// The balance shrinks.
        Debit = "DEBIT",
    }
);

/// `BalanceChanged`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the command")]
pub struct BalanceChanged {
    pub previous_balance: Amount,
    pub new_balance: Amount,
    /// Always positive.
    pub change_amount: Amount,
    pub change_type: ChangeType,
    pub reason: Text,
    pub currency: Currency,
    pub reference: Option<Text>,
    pub metadata: Option<Metadata>,
}

/// `AccountStatusChanged`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the command")]
pub struct StatusChanged {
    pub previous_status: AccountStatus,
    pub new_status: AccountStatus,
    pub reason: Text,
}

/// `AccountLimitsChanged`: all four, `None` for a bound that is not set.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the command")]
pub struct LimitsChanged {
    pub previous_min_balance: Option<Amount>,
    pub previous_max_balance: Option<Amount>,
    pub new_min_balance: Option<Amount>,
    pub new_max_balance: Option<Amount>,
}
