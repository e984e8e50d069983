//! A transaction: money between accounts, leg by leg, and how far it has come.
//!
//! It is a saga. Each leg is a message to an account, each outcome comes back as a message, and each step is one
//! commit. Legs run in order. When one is refused, those before it are undone in the opposite order by postings
//! that no rule can refuse, so that a transaction that has ended has moved all of its money or none.
//!
//! What upstream asks is refused at once, in this order:
//!
//! 1. A command id that was used before. A transaction remembers its few commands for ever.
//! 2. An expected version that does not stand.
//! 3. A second request, or a capture or void of what is not authorized.
//! 4. The currency, 5. the amounts.
//! 6. Two legs on one account.
//! 7. A hold whose time is past.
//! 8. More captured than authorized.
//! 9. An event that would not fit its topic; only the wire can measure that.
//!
//! What accounts and payments refuse is answered later, when everything is undone.
//!
//! A refund first reserves its amount at the payment, so that all refunds of it together can never exceed what was
//! captured. It ends once the payment has heard how.

mod command;
mod decide;
mod ending;
mod event;
mod legs;
mod message;
mod react;
mod receive;
mod reservation;
mod state;

#[cfg(test)]
mod rules;

pub use command::{Authorization, Capture, Fee, Movement, Operation, Payment, Refund, TransactionCommand, Void};
pub use event::{
    AuthorizedHold, Compensated, CompensationAction, Failed, LegPosted, PaymentCompleted, RefundCompleted, Requested,
    Reserved, SimpleCompleted, TransactionEvent, TransferCompleted, Voided,
};
pub use message::TransactionMessage;
pub use reservation::Reservations;
pub use state::{Accepted, Begun, Parties, Progress, Transaction};

use super::account::words;
use std::fmt;

words!(
    /// What kind of transaction it is.
    Kind {
        /// Money comes from outside to a customer.
        Topup = "TOPUP",
        /// Money goes from a customer to the outside.
        Withdrawal = "WITHDRAWAL",
        /// Between two customers.
        Transfer = "TRANSFER",
        /// From a customer to a merchant, at once or authorized first.
        Payment = "PAYMENT",
        /// A merchant gives back what a payment brought.
        Refund = "REFUND",
    }
);

words!(
    /// How far a transaction has come.
    Status {
        /// Its legs are under way.
        Requested = "REQUESTED",
        /// The money is held.
        Authorized = "AUTHORIZED",
        /// The legs of its capture are under way.
        Capturing = "CAPTURING",
        /// Its hold is being released.
        Voiding = "VOIDING",
        /// What had moved is moving back. No event says so: a history shows what was asked and what has ended.
        Compensating = "COMPENSATING",
        /// All its money has moved.
        Completed = "COMPLETED",
        /// Released before anything moved, because upstream asked.
        Voided = "VOIDED",
        /// Released before anything moved, because time was over.
        Expired = "EXPIRED",
        /// Refused before anything moved.
        Failed = "FAILED",
        /// Refused after something had moved, which has moved back.
        Compensated = "COMPENSATED",
    }
);

impl Status {
    /// Whether a message of it is under way. What is authorized waits for upstream.
    pub fn is_open(self) -> bool {
        match self {
            Status::Requested | Status::Capturing | Status::Voiding | Status::Compensating => true,
            Status::Authorized
            | Status::Completed
            | Status::Voided
            | Status::Expired
            | Status::Failed
            | Status::Compensated => false,
        }
    }

    /// Whether nothing more happens to its own money. Refunds of it may come.
    pub fn has_ended(self) -> bool {
        match self {
            Status::Requested | Status::Authorized | Status::Capturing | Status::Voiding | Status::Compensating => {
                false
            }
            Status::Completed | Status::Voided | Status::Expired | Status::Failed | Status::Compensated => true,
        }
    }
}
