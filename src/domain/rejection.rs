//! Why a command is refused. A refusal is an answer, not an error.

use super::account::{AccountStatus, AccountType};
use super::ids::{AggregateId, Version};
use super::money::{Amount, AmountFault};
use super::transaction::Status;

/// A refusal, in the order of the rules. Displays as the message for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message on each line says what the fields are")]
pub enum Rejection {
    #[error("this command id was used before with other content, at version {version}")]
    IdempotencyConflict { version: Version },
    #[error("expected version {expected}, the aggregate stands at {standing}")]
    VersionConflict { expected: Version, standing: Version },
    #[error("account does not exist")]
    AccountNotFound,
    #[error("account exists already")]
    AccountAlreadyExists,
    #[error("transaction does not exist")]
    TransactionNotFound,
    #[error("transaction is {status}")]
    InvalidOperation { status: Status },
    #[error("currency is not configured")]
    InvalidCurrency,
    #[error("account is in {account}")]
    CurrencyMismatch { account: Box<str> },
    #[error("payment is in {payment}")]
    OtherThanPayment { payment: Box<str> },
    #[error("{0}")]
    InvalidAmount(#[from] AmountFault),
    #[error("amount {amount} must be greater than the fee {fee}")]
    FeeNotBelowAmount { fee: Amount, amount: Amount },
    #[error("{account_type} accounts cannot have this part in a transaction")]
    InvalidAccountType { account_type: AccountType },
    #[error("account {account_id} has two parts in this transaction")]
    SameAccountTransfer { account_id: AggregateId },
    #[error("status cannot change from {from} to {to}")]
    InvalidStatusTransition { from: AccountStatus, to: AccountStatus },
    #[error("balance is {balance}")]
    BalanceNotZero { balance: Amount },
    #[error("{held} is held")]
    HoldsOpen { held: Amount },
    #[error("minimum balance {min} is greater than maximum balance {max}")]
    LimitsCrossed { min: Amount, max: Amount },
    #[error("an {account_type} account has no limits")]
    LimitsNotAllowed { account_type: AccountType },
    #[error("hold has expired or is gone")]
    HoldExpired,
    #[error("captured amount {requested} is greater than the authorized {authorized}")]
    CaptureExceedsAuthorization { authorized: Amount, requested: Amount },
    #[error("account is {status}")]
    AccountInactive { status: AccountStatus },
    #[error("available {available}, requested {requested}")]
    InsufficientBalance { available: Amount, requested: Amount },
    #[error("balance would be {balance}, at most {max} is allowed")]
    MaxBalanceExceeded { balance: Amount, max: Amount },
    #[error("balance would have more than 18 integer digits")]
    AmountOverflow,
    #[error("holds would have more than 18 integer digits")]
    HoldsOverflow,
    #[error("account cannot decide at present")]
    AccountUnavailable,
    #[error("no payment that has completed")]
    PaymentNotCompleted,
    #[error("{left} is left to refund")]
    RefundExceedsPayment { left: Amount },
    #[error("Event too large: {bytes} bytes")]
    EventTooLarge { bytes: usize },
}

impl Rejection {
    /// The code that programs read.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::IdempotencyConflict { .. } => "IDEMPOTENCY_CONFLICT",
            Rejection::VersionConflict { .. } => "VERSION_CONFLICT",
            Rejection::AccountNotFound => "ACCOUNT_NOT_FOUND",
            Rejection::AccountAlreadyExists => "ACCOUNT_ALREADY_EXISTS",
            Rejection::TransactionNotFound => "TRANSACTION_NOT_FOUND",
            Rejection::InvalidOperation { .. } => "INVALID_OPERATION",
            Rejection::InvalidCurrency => "INVALID_CURRENCY",
            Rejection::CurrencyMismatch { .. } | Rejection::OtherThanPayment { .. } => "CURRENCY_MISMATCH",
            Rejection::InvalidAmount(_) | Rejection::FeeNotBelowAmount { .. } => "INVALID_AMOUNT",
            Rejection::InvalidAccountType { .. } => "INVALID_ACCOUNT_TYPE",
            Rejection::SameAccountTransfer { .. } => "SAME_ACCOUNT_TRANSFER",
            Rejection::InvalidStatusTransition { .. } => "INVALID_STATUS_TRANSITION",
            Rejection::BalanceNotZero { .. } => "BALANCE_NOT_ZERO",
            Rejection::HoldsOpen { .. } => "HOLDS_OPEN",
            Rejection::LimitsCrossed { .. } | Rejection::LimitsNotAllowed { .. } => "INVALID_LIMITS",
            Rejection::HoldExpired => "HOLD_EXPIRED",
            Rejection::CaptureExceedsAuthorization { .. } => "CAPTURE_EXCEEDS_AUTHORIZATION",
            Rejection::AccountInactive { .. } => "ACCOUNT_INACTIVE",
            Rejection::InsufficientBalance { .. } => "INSUFFICIENT_BALANCE",
            Rejection::MaxBalanceExceeded { .. } => "MAX_BALANCE_EXCEEDED",
            Rejection::AmountOverflow | Rejection::HoldsOverflow => "AMOUNT_OVERFLOW",
            Rejection::AccountUnavailable => "ACCOUNT_UNAVAILABLE",
            Rejection::PaymentNotCompleted => "PAYMENT_NOT_COMPLETED",
            Rejection::RefundExceedsPayment { .. } => "REFUND_EXCEEDS_PAYMENT",
            Rejection::EventTooLarge { .. } => "EVENT_TOO_LARGE",
        }
    }
}
