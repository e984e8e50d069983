//! What can have happened to an account. Amounts stand at the scale of the account's currency.

use super::command::{Metadata, Text};
use super::{AccountStatus, AccountType, words};
use crate::domain::ids::{AggregateId, Timestamp};
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
    /// Money was set aside for a payment.
    HoldPlaced(HoldPlaced),
    /// Money that was set aside is taken; the posting follows, then the release of a rest.
    HoldCaptured(HoldCaptured),
    /// Money that was set aside is free again.
    HoldReleased(HoldReleased),
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

impl ChangeType {
    /// The way back.
    pub fn opposite(self) -> Self {
        match self {
            ChangeType::Credit => ChangeType::Debit,
            ChangeType::Debit => ChangeType::Credit,
        }
    }
}

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
    /// The leg of a transaction that it is; `None` for a command of upstream.
    pub leg: Option<TransactionLeg>,
    pub reference: Option<Text>,
    pub metadata: Option<Metadata>,
}

/// Which part of which transaction a posting is.
#[derive(Clone, PartialEq, Debug)]
pub struct TransactionLeg {
    /// The transaction.
    pub transaction_id: AggregateId,
    /// The leg that it posts, or undoes.
    pub number: u8,
    /// Whether the rules were asked.
    pub force: Force,
}

/// Whether an account could have refused a posting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Force {
    /// It could have.
    Judged,
    /// It could not: what had moved moves back, past every rule.
    Forced,
}

/// `HoldPlaced`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the hold")]
pub struct HoldPlaced {
    /// The transaction is named twice on the wire: a hold has its id.
    pub hold_id: AggregateId,
    pub amount: Amount,
    pub currency: Currency,
    pub expires_at: Timestamp,
}

/// `HoldCaptured`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the hold")]
pub struct HoldCaptured {
    pub hold_id: AggregateId,
    pub captured_amount: Amount,
}

/// `HoldReleased`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the hold")]
pub struct HoldReleased {
    pub hold_id: AggregateId,
    pub amount: Amount,
    pub reason: ReleaseReason,
}

words!(
    /// Why a hold ended.
    ReleaseReason {
        /// Upstream voided the payment.
        Voided = "VOIDED",
        /// Its time was over.
        Expired = "EXPIRED",
        /// Less was captured than held.
        PartialCapture = "PARTIAL_CAPTURE",
        /// Its capture failed.
        Compensated = "COMPENSATED",
    }
);

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
