//! What can have happened to a transaction. Amounts stand at the scale of the accounts' currency, but for those that
//! only repeat a command.

use super::TransactionCommand;
use crate::domain::account::{ChangeType, Text};
use crate::domain::ids::{AggregateId, CommandId, Timestamp};
use crate::domain::message::Reason;
use crate::domain::money::Amount;

/// One event of a transaction's history.
#[derive(Clone, PartialEq, Debug)]
pub enum TransactionEvent {
    /// Upstream asked for something; each command has an event of its own name.
    Requested(Box<Requested>),
    /// An account has posted a leg.
    LegPosted(LegPosted),
    /// `TopupCompleted`.
    TopupCompleted(SimpleCompleted),
    /// `WithdrawalCompleted`.
    WithdrawalCompleted(SimpleCompleted),
    /// `TransferCompleted`.
    TransferCompleted(TransferCompleted),
    /// `PaymentCompleted`.
    PaymentCompleted(PaymentCompleted),
    /// `RefundCompleted`.
    RefundCompleted(RefundCompleted),
    /// `PaymentAuthorized`.
    PaymentAuthorized(AuthorizedHold),
    /// `PaymentVoided`.
    PaymentVoided(Voided),
    /// `PaymentExpired`.
    PaymentExpired {
        /// The hold, named after its transaction.
        hold_id: AggregateId,
        /// How much was held.
        amount: Amount,
    },
    /// `RefundReserved`: part of a payment is promised to a refund.
    RefundReserved(Reserved),
    /// `RefundSettled`: the refund has moved it.
    RefundSettled(Reserved),
    /// `RefundReservationReleased`: the refund came to nothing.
    RefundReservationReleased(Reserved),
    /// `TransactionFailed`.
    Failed(Failed),
    /// `TransactionCompensated`.
    Compensated(Compensated),
}

impl TransactionEvent {
    /// Whether nothing more happens to the transaction's own money.
    pub(super) fn ends(&self) -> bool {
        match self {
            TransactionEvent::TopupCompleted(_)
            | TransactionEvent::WithdrawalCompleted(_)
            | TransactionEvent::TransferCompleted(_)
            | TransactionEvent::PaymentCompleted(_)
            | TransactionEvent::RefundCompleted(_)
            | TransactionEvent::PaymentVoided(_)
            | TransactionEvent::PaymentExpired { .. }
            | TransactionEvent::Failed(_)
            | TransactionEvent::Compensated(_) => true,
            TransactionEvent::Requested(_)
            | TransactionEvent::LegPosted(_)
            | TransactionEvent::PaymentAuthorized(_)
            | TransactionEvent::RefundReserved(_)
            | TransactionEvent::RefundSettled(_)
            | TransactionEvent::RefundReservationReleased(_) => false,
        }
    }
}

/// `TopupRequested` and all of its kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Requested {
    /// What was asked.
    pub command: TransactionCommand,
    /// The id of the command.
    pub idempotency_key: CommandId,
}

/// `LegPosted`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct LegPosted {
    /// Its number, from 1.
    pub leg: u8,
    pub account_id: AggregateId,
    pub change_type: ChangeType,
    pub amount: Amount,
    pub new_balance: Amount,
}

/// `TopupCompleted` and `WithdrawalCompleted`: of the customer's account.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct SimpleCompleted {
    pub account_id: AggregateId,
    pub amount: Amount,
    pub new_balance: Amount,
    pub completed_at: Timestamp,
}

/// `TransferCompleted`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct TransferCompleted {
    pub source_account_id: AggregateId,
    pub destination_account_id: AggregateId,
    pub amount: Amount,
    pub source_new_balance: Amount,
    pub destination_new_balance: Amount,
    pub completed_at: Timestamp,
}

/// `PaymentCompleted`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct PaymentCompleted {
    pub transaction_id: AggregateId,
    pub customer_new_balance: Amount,
    pub merchant_new_balance: Amount,
    pub fee_new_balance: Option<Amount>,
    /// All that the customer paid, fee included.
    pub captured_amount: Amount,
    pub completed_at: Timestamp,
}

/// `RefundCompleted`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct RefundCompleted {
    pub refund_id: AggregateId,
    pub merchant_new_balance: Amount,
    pub customer_new_balance: Amount,
    pub completed_at: Timestamp,
}

/// `PaymentAuthorized`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct AuthorizedHold {
    pub hold_id: AggregateId,
    pub amount: Amount,
    pub expires_at: Timestamp,
}

/// `PaymentVoided`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Voided {
    pub hold_id: AggregateId,
    pub amount: Amount,
    pub reason: Option<Text>,
}

/// What a payment promises to a refund.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Reserved {
    pub refund_id: AggregateId,
    pub amount: Amount,
}

/// `TransactionFailed`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Failed {
    pub reason: Reason,
    /// The leg that was refused, and by whom; `None` when no leg was.
    pub leg: Option<(u8, AggregateId)>,
    pub failed_at: Timestamp,
}

/// `TransactionCompensated`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Compensated {
    pub transaction_id: AggregateId,
    pub reason: Reason,
    /// In the order in which they were done: the last leg first.
    pub actions: Vec<CompensationAction>,
    pub compensated_at: Timestamp,
}

/// A posting that undid a leg.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct CompensationAction {
    pub account_id: AggregateId,
    pub action: ChangeType,
    pub amount: Amount,
    pub reason: Text,
}
