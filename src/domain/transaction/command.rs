//! What upstream can ask of a transaction.

use super::{Kind, words};
use crate::domain::account::{Metadata, Text};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::money::{AsSent, SentAmount};
use std::fmt;

/// One transaction command, well formed and not yet judged.
#[derive(Clone, PartialEq, Debug)]
pub enum TransactionCommand {
    /// From the outside to a customer.
    Topup(Movement),
    /// From a customer to the outside.
    Withdrawal(Movement),
    /// Between two customers.
    Transfer(Movement),
    /// From a customer to a merchant.
    Payment(Payment),
    /// From the merchant of a payment back to its customer.
    Refund(Refund),
    /// Set the money of a payment aside.
    Authorize(Authorization),
    /// Take the money that was set aside.
    Capture(Capture),
    /// Release it.
    Void(Void),
}

/// Money from one account to another.
#[derive(Clone, PartialEq, Debug)]
pub struct Movement {
    /// Where it comes from.
    pub debited: AggregateId,
    /// Where it goes.
    pub credited: AggregateId,
    /// How much.
    pub amount: SentAmount,
    /// Code of the currency.
    pub currency: Box<str>,
    /// Upstream's own reference; only transfers have one.
    pub reference: Option<Text>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// Data of `RequestPayment`.
#[derive(Clone, PartialEq, Debug)]
pub struct Payment {
    /// Who pays.
    pub customer: AggregateId,
    /// Who is paid.
    pub merchant: AggregateId,
    /// How much, fee included.
    pub amount: SentAmount,
    /// Code of the currency.
    pub currency: Box<str>,
    /// What the house keeps of it.
    pub fee: Option<Fee>,
    /// Free data about the payment.
    pub payment_metadata: Option<Metadata>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// What the house keeps of a payment, and where.
#[derive(Clone, PartialEq, Debug)]
pub struct Fee {
    /// The house's account.
    pub account: AggregateId,
    /// How much.
    pub amount: SentAmount,
}

/// Data of `RequestRefund`.
#[derive(Clone, PartialEq, Debug)]
pub struct Refund {
    /// The payment's transaction.
    pub original_payment: AggregateId,
    /// How much; all that is left when absent.
    pub amount: Option<SentAmount>,
    /// Code of the currency.
    pub currency: Box<str>,
    /// Why, for people.
    pub reason: Option<Text>,
    /// Free data about the refund.
    pub refund_metadata: Option<Metadata>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// Data of `AuthorizePayment`.
#[derive(Clone, PartialEq, Debug)]
pub struct Authorization {
    /// What is to be paid on capture.
    pub payment: Payment,
    /// When the hold ends; after the configured time when absent.
    pub expires_at: Option<AsSent<Timestamp>>,
}

/// Data of `CapturePayment`.
#[derive(Clone, PartialEq, Debug)]
pub struct Capture {
    /// How much, fee included; all that is held when absent.
    pub amount: Option<SentAmount>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// Data of `VoidPayment`.
#[derive(Clone, PartialEq, Debug)]
pub struct Void {
    /// Why, for people.
    pub reason: Option<Text>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

words!(
    /// What a command asks for, by the name it has on the wire.
    Operation {
        /// A topup.
        Topup = "RequestTopup",
        /// A withdrawal.
        Withdrawal = "RequestWithdrawal",
        /// A transfer.
        Transfer = "RequestTransfer",
        /// A payment at once.
        Payment = "RequestPayment",
        /// A refund.
        Refund = "RequestRefund",
        /// The hold of a payment.
        Authorize = "AuthorizePayment",
        /// The legs of an authorized payment.
        Capture = "CapturePayment",
        /// The release of a hold.
        Void = "VoidPayment",
    }
);

impl TransactionCommand {
    /// What it asks for.
    pub fn operation(&self) -> Operation {
        match self {
            TransactionCommand::Topup(_) => Operation::Topup,
            TransactionCommand::Withdrawal(_) => Operation::Withdrawal,
            TransactionCommand::Transfer(_) => Operation::Transfer,
            TransactionCommand::Payment(_) => Operation::Payment,
            TransactionCommand::Refund(_) => Operation::Refund,
            TransactionCommand::Authorize(_) => Operation::Authorize,
            TransactionCommand::Capture(_) => Operation::Capture,
            TransactionCommand::Void(_) => Operation::Void,
        }
    }
}

impl Operation {
    /// The kind of transaction that it is asked of.
    pub fn kind(self) -> Kind {
        match self {
            Operation::Topup => Kind::Topup,
            Operation::Withdrawal => Kind::Withdrawal,
            Operation::Transfer => Kind::Transfer,
            Operation::Refund => Kind::Refund,
            Operation::Payment | Operation::Authorize | Operation::Capture | Operation::Void => Kind::Payment,
        }
    }
}
