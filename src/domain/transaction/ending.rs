//! How a transaction ends: the event that says so, out of the legs that stand.

use super::{
    Begun, Compensated, CompensationAction, Failed, LegPosted, Parties, PaymentCompleted, RefundCompleted,
    SimpleCompleted, TransactionEvent, TransferCompleted,
};
use crate::domain::account::{LegFailure, LegReason};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::{Reason, Unexpected};

/// The event of a transaction whose legs all stand.
pub(super) fn completed(
    parties: &Parties,
    legs: &[LegPosted],
    id: &AggregateId,
    completed_at: Timestamp,
) -> Result<TransactionEvent, Unexpected> {
    let [first, second, third @ ..] = legs else { return Err(Unexpected("a transaction ends before its legs stand")) };
    Ok(match parties {
        Parties::Movement { kind, .. } => moved(*kind, first, second, completed_at)?,
        Parties::Payment { .. } => TransactionEvent::PaymentCompleted(PaymentCompleted {
            transaction_id: id.clone(),
            customer_new_balance: first.new_balance,
            merchant_new_balance: second.new_balance,
            fee_new_balance: third.first().map(|fee| fee.new_balance),
            captured_amount: first.amount,
            completed_at,
        }),
        Parties::Refund { .. } => TransactionEvent::RefundCompleted(RefundCompleted {
            refund_id: id.clone(),
            merchant_new_balance: first.new_balance,
            customer_new_balance: second.new_balance,
            completed_at,
        }),
    })
}

fn moved(
    kind: super::Kind,
    debited: &LegPosted,
    credited: &LegPosted,
    completed_at: Timestamp,
) -> Result<TransactionEvent, Unexpected> {
    let of_customer = |leg: &LegPosted| SimpleCompleted {
        account_id: leg.account_id.clone(),
        amount: leg.amount,
        new_balance: leg.new_balance,
        completed_at,
    };
    match kind {
        super::Kind::Topup => Ok(TransactionEvent::TopupCompleted(of_customer(credited))),
        super::Kind::Withdrawal => Ok(TransactionEvent::WithdrawalCompleted(of_customer(debited))),
        super::Kind::Transfer => Ok(TransactionEvent::TransferCompleted(TransferCompleted {
            source_account_id: debited.account_id.clone(),
            destination_account_id: credited.account_id.clone(),
            amount: debited.amount,
            source_new_balance: debited.new_balance,
            destination_new_balance: credited.new_balance,
            completed_at,
        })),
        super::Kind::Payment | super::Kind::Refund => Err(Unexpected("no movement between two named accounts")),
    }
}

/// The event of a transaction that was refused before anything stood.
pub(super) fn failed(failure: LegFailure, failed_at: Timestamp) -> TransactionEvent {
    let LegFailure { leg, account_id, reason } = failure;
    TransactionEvent::Failed(Failed { reason, leg: Some((leg, account_id)), failed_at })
}

/// The event of a refund that its payment refused.
pub(super) fn not_reserved(reason: &Reason, failed_at: Timestamp) -> TransactionEvent {
    TransactionEvent::Failed(Failed { reason: reason.clone(), leg: None, failed_at })
}

impl Begun {
    /// The event of a transaction whose legs are undone, the last one first.
    pub(super) fn compensated(&self, id: &AggregateId, failure: LegFailure, at: Timestamp) -> TransactionEvent {
        let actions = self.legs.iter().rev().map(|leg| CompensationAction {
            account_id: leg.account_id.clone(),
            action: leg.change_type.opposite(),
            amount: leg.amount,
            reason: LegReason::Compensation.text(),
        });
        TransactionEvent::Compensated(Compensated {
            transaction_id: id.clone(),
            reason: failure.reason,
            actions: actions.collect(),
            compensated_at: at,
        })
    }
}
