//! What a transaction can ask of an account.

use super::{AccountStatus, AccountType, ChangeType, ReleaseReason, Text, words};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::Reason;
use crate::domain::money::{Amount, SentAmount};
use std::fmt;

/// One message of a transaction to one of its accounts.
#[derive(Clone, PartialEq, Debug)]
pub enum AccountMessage {
    /// Post a leg, if the rules allow it.
    Post(LegPosting),
    /// Set money aside, if the rules allow it: the first leg of an authorization.
    PlaceHold(NewHold),
    /// Take money that was set aside: the first leg of a capture. A rest is released.
    CaptureHold {
        /// How much, at most what is held.
        amount: SentAmount,
    },
    /// Release what was set aside, if it still is. Never refused.
    ReleaseHold(Release),
    /// Undo a leg. Never refused.
    Reverse(Reversal),
}

/// A posting that a transaction asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct LegPosting {
    /// Its number, from 1.
    pub leg: u8,
    /// Which way the money goes.
    pub change_type: ChangeType,
    /// How much.
    pub amount: SentAmount,
    /// Code of the currency.
    pub currency: Box<str>,
    /// What the posting is.
    pub reason: LegReason,
    /// Whose account may have this part.
    pub admitted: Admitted,
    /// The account of the next leg, where the transaction's own history does not say it: given back with the answer.
    pub next_account: Option<AggregateId>,
}

/// A hold that a transaction asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct NewHold {
    /// How much.
    pub amount: SentAmount,
    /// Code of the currency.
    pub currency: Box<str>,
    /// From then on it counts no longer.
    pub expires_at: Timestamp,
    /// Whose account may have this part.
    pub admitted: Admitted,
}

/// Why a hold is to be released.
#[derive(Clone, PartialEq, Debug)]
pub enum Release {
    /// Upstream voids the payment.
    Voided,
    /// Its capture failed; why is given back with the answer.
    Compensated(LegFailure),
}

/// A leg that is to be undone.
#[derive(Clone, PartialEq, Debug)]
pub struct Reversal {
    /// The leg that it undoes.
    pub leg: u8,
    /// Which way the money goes back.
    pub change_type: ChangeType,
    /// How much, as it was posted.
    pub amount: Amount,
    /// Why the transaction is undone: given back with the answer.
    pub failure: LegFailure,
}

/// A leg that was refused.
#[derive(Clone, PartialEq, Debug)]
pub struct LegFailure {
    /// Its number.
    pub leg: u8,
    /// The account that refused it.
    pub account_id: AggregateId,
    /// Why.
    pub reason: Reason,
}

impl Release {
    /// The word that the account's event says.
    pub fn reason(&self) -> ReleaseReason {
        match self {
            Release::Voided => ReleaseReason::Voided,
            Release::Compensated(_) => ReleaseReason::Compensated,
        }
    }
}

words!(
    /// What the posting of a leg is.
    LegReason {
        /// Money comes in.
        Topup = "Topup",
        /// Money goes out.
        Withdrawal = "Withdrawal",
        /// Between two customers.
        Transfer = "Transfer",
        /// What a customer pays and a merchant gets.
        Payment = "Payment",
        /// What the house keeps of it.
        Fee = "Fee",
        /// What a merchant gives back.
        Refund = "Refund",
        /// What had moved moves back.
        Compensation = "Compensation",
    }
);

impl LegReason {
    /// The reason as events say it.
    pub fn text(self) -> Text {
        self.as_str().into()
    }
}

words!(
    /// Whose account may have a part in a transaction.
    Admitted {
        /// A customer's.
        User = "USER",
        /// The outside world's.
        External = "EXTERNAL",
        /// The house's own.
        System = "SYSTEM",
        /// A customer's or the house's own: a merchant's.
        UserOrSystem = "USER_OR_SYSTEM",
    }
);

impl Admitted {
    /// Whether an account of that type may.
    pub fn admits(self, account_type: AccountType) -> bool {
        match self {
            Admitted::User => account_type == AccountType::User,
            Admitted::External => account_type == AccountType::External,
            Admitted::System => account_type == AccountType::System,
            Admitted::UserOrSystem => account_type != AccountType::External,
        }
    }
}

/// The status of an account that must be able to be emptied again, once money came back to it; `None` when it is.
pub(super) fn reopened(status: AccountStatus) -> Option<AccountStatus> {
    match status {
        AccountStatus::Closed => Some(AccountStatus::Suspended),
        AccountStatus::Active | AccountStatus::Suspended => None,
    }
}
