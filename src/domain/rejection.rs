//! Why a command is refused. A refusal is an answer, not an error.

use super::account::{AccountStatus, AccountType};
use super::ids::Version;
use super::money::{Amount, AmountFault};

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
    #[error("currency is not configured")]
    InvalidCurrency,
    #[error("account is in {account}")]
    CurrencyMismatch { account: Box<str> },
    #[error("{0}")]
    InvalidAmount(#[from] AmountFault),
    #[error("status cannot change from {from} to {to}")]
    InvalidStatusTransition { from: AccountStatus, to: AccountStatus },
    #[error("balance is {balance}")]
    BalanceNotZero { balance: Amount },
    #[error("minimum balance {min} is greater than maximum balance {max}")]
    LimitsCrossed { min: Amount, max: Amount },
    #[error("an {account_type} account has no limits")]
    LimitsNotAllowed { account_type: AccountType },
    #[error("account is {status}")]
    AccountInactive { status: AccountStatus },
    #[error("available {available}, requested {requested}")]
    InsufficientBalance { available: Amount, requested: Amount },
    #[error("balance would be {balance}, at most {max} is allowed")]
    MaxBalanceExceeded { balance: Amount, max: Amount },
    #[error("balance would have more than 18 integer digits")]
    AmountOverflow,
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
            Rejection::InvalidCurrency => "INVALID_CURRENCY",
            Rejection::CurrencyMismatch { .. } => "CURRENCY_MISMATCH",
            Rejection::InvalidAmount(_) => "INVALID_AMOUNT",
            Rejection::InvalidStatusTransition { .. } => "INVALID_STATUS_TRANSITION",
            Rejection::BalanceNotZero { .. } => "BALANCE_NOT_ZERO",
            Rejection::LimitsCrossed { .. } | Rejection::LimitsNotAllowed { .. } => "INVALID_LIMITS",
            Rejection::AccountInactive { .. } => "ACCOUNT_INACTIVE",
            Rejection::InsufficientBalance { .. } => "INSUFFICIENT_BALANCE",
            Rejection::MaxBalanceExceeded { .. } => "MAX_BALANCE_EXCEEDED",
            Rejection::AmountOverflow => "AMOUNT_OVERFLOW",
            Rejection::EventTooLarge { .. } => "EVENT_TOO_LARGE",
        }
    }
}
