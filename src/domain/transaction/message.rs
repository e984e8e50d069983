//! What others say to a transaction: accounts about its legs, refunds to their payment, payments to their refund.

use super::LegPosted;
use crate::domain::account::{LegFailure, Release};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::Reason;
use crate::domain::money::{Amount, SentAmount};

/// One message to a transaction.
#[derive(Clone, PartialEq, Debug)]
pub enum TransactionMessage {
    /// From an account: the leg stands.
    Posted {
        /// The leg as it was posted.
        posted: LegPosted,
        /// Given back: the account of the next leg.
        next_account: Option<AggregateId>,
    },
    /// From an account: the money is set aside.
    HoldPlaced {
        /// How much.
        amount: Amount,
        /// Until then.
        expires_at: Timestamp,
    },
    /// From an account: nothing is set aside any more.
    HoldReleased(Release),
    /// From an account: the leg is undone.
    Reversed {
        /// Which.
        leg: u8,
        /// Given back: why.
        failure: LegFailure,
    },
    /// From an account: a rule refused the leg.
    Refused {
        /// Which.
        leg: u8,
        /// Why.
        reason: Reason,
    },
    /// From a refund: promise me this much of what you brought.
    Reserve {
        /// How much; all that is left when absent.
        amount: Option<SentAmount>,
        /// Code of the currency.
        currency: Box<str>,
    },
    /// From a refund: what was promised has moved.
    Settle,
    /// From a refund: what was promised did not move.
    ReleaseReservation {
        /// Why: given back with the answer.
        failure: LegFailure,
    },
    /// From a payment: it is promised.
    ReservationMade {
        /// How much.
        amount: Amount,
        /// Who gives it back.
        merchant: AggregateId,
        /// Who gets it.
        customer: AggregateId,
    },
    /// From a payment: a rule refused the reservation.
    ReservationRefused(Reason),
    /// From a payment: it is settled.
    Settled,
    /// From a payment: it is free again.
    ReservationReleased {
        /// Given back: why.
        failure: LegFailure,
    },
}
