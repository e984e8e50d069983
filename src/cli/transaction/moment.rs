//! Which event of a transaction follows from which.
//!
//! Everything that one transaction does happens in turn: it asks, one account or payment answers, it asks the next. So the
//! place of an event in that order is known from the event alone. Only a hold expires by the account's own clock, beside
//! whatever the transaction is doing.

use std::cmp::Reverse;

use crate::domain::account::{AccountEvent, Force, ReleaseReason};
use crate::domain::ids::AggregateId;
use crate::domain::transaction::{Reserved, TransactionCommand, TransactionEvent};

/// A place in the order in which the events of one transaction follow from each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Moment {
    /// Upstream asks for it.
    Asked,
    /// A payment promises money to this refund.
    Reserved,
    /// The customer's account sets money aside.
    Held,
    /// It is authorized.
    Authorized,
    /// Upstream goes on with it.
    GoesOn,
    /// The leg of that number, first at its account.
    Leg(u8, Side),
    /// An account undoes the leg of that number, the last leg first.
    Undone(Reverse<u8>),
    /// What is left of a hold is free again.
    Released,
    /// A hold's time is over, by the clock of its account.
    Expired,
    /// A payment hears how this refund has ended.
    Settled,
    /// It has ended.
    Ended,
    /// Refunds of it come and go.
    Refunds,
}

/// Where a leg is recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// Where the money moves.
    Account,
    /// Where it is heard of.
    Transaction,
}

/// Of an event of the transaction itself.
pub fn of_own(event: &TransactionEvent) -> Moment {
    match event {
        TransactionEvent::Requested(requested) => match requested.command {
            TransactionCommand::Capture(_) | TransactionCommand::Void(_) => Moment::GoesOn,
            TransactionCommand::Topup(_)
            | TransactionCommand::Withdrawal(_)
            | TransactionCommand::Transfer(_)
            | TransactionCommand::Payment(_)
            | TransactionCommand::Refund(_)
            | TransactionCommand::Authorize(_) => Moment::Asked,
        },
        TransactionEvent::LegPosted(posted) => Moment::Leg(posted.leg, Side::Transaction),
        TransactionEvent::PaymentAuthorized(_) => Moment::Authorized,
        TransactionEvent::RefundReserved(_)
        | TransactionEvent::RefundSettled(_)
        | TransactionEvent::RefundReservationReleased(_) => Moment::Refunds,
        TransactionEvent::TopupCompleted(_)
        | TransactionEvent::WithdrawalCompleted(_)
        | TransactionEvent::TransferCompleted(_)
        | TransactionEvent::PaymentCompleted(_)
        | TransactionEvent::RefundCompleted(_)
        | TransactionEvent::PaymentVoided(_)
        | TransactionEvent::PaymentExpired { .. }
        | TransactionEvent::Failed(_)
        | TransactionEvent::Compensated(_) => Moment::Ended,
    }
}

/// Of an event of the payment that the refund `id` is of; `None` when it is about something else.
pub fn of_payment(event: &TransactionEvent, id: &AggregateId) -> Option<Moment> {
    let about = |reserved: &Reserved, moment| (reserved.refund_id == *id).then_some(moment);
    match event {
        TransactionEvent::RefundReserved(reserved) => about(reserved, Moment::Reserved),
        TransactionEvent::RefundSettled(reserved) | TransactionEvent::RefundReservationReleased(reserved) => {
            about(reserved, Moment::Settled)
        }
        _ => None,
    }
}

/// Of an event of an account; `None` when it does not name the transaction `id`.
pub fn of_account(event: &AccountEvent, id: &AggregateId) -> Option<Moment> {
    let about = |named: &AggregateId, moment| (named == id).then_some(moment);
    match event {
        AccountEvent::BalanceChanged(posted) => posted.leg.as_ref().and_then(|leg| match leg.force {
            Force::Judged => about(&leg.transaction_id, Moment::Leg(leg.number, Side::Account)),
            Force::Forced => about(&leg.transaction_id, Moment::Undone(Reverse(leg.number))),
        }),
        AccountEvent::HoldPlaced(placed) => about(&placed.hold_id, Moment::Held),
        AccountEvent::HoldCaptured(captured) => about(&captured.hold_id, Moment::Leg(1, Side::Account)),
        AccountEvent::HoldReleased(released) => match released.reason {
            ReleaseReason::PartialCapture => about(&released.hold_id, Moment::Leg(1, Side::Account)),
            ReleaseReason::Voided | ReleaseReason::Compensated => about(&released.hold_id, Moment::Released),
            ReleaseReason::Expired => about(&released.hold_id, Moment::Expired),
        },
        AccountEvent::Created(_) | AccountEvent::StatusChanged(_) | AccountEvent::LimitsChanged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_posted_heard_of_and_undone_and_the_last_one_is_undone_first() {
        let order = [
            Moment::GoesOn,
            Moment::Leg(1, Side::Account),
            Moment::Leg(1, Side::Transaction),
            Moment::Leg(2, Side::Account),
            Moment::Leg(2, Side::Transaction),
            Moment::Undone(Reverse(2)),
            Moment::Undone(Reverse(1)),
            Moment::Released,
            Moment::Ended,
        ];
        assert!(order.is_sorted());
    }
}
