//! What upstream can ask of an account.

use std::sync::Arc;

use super::{AccountStatus, AccountType};
use crate::domain::money::RequestedAmount;

/// A text of upstream that a command and its event share.
pub type Text = Arc<str>;

/// Free data of upstream: a compact JSON object, carried and never read.
pub type Metadata = Text;

/// One account command, well formed and not yet judged.
#[derive(Clone, PartialEq, Debug)]
pub enum AccountCommand {
    /// Open it.
    Create(CreateAccount),
    /// Money comes from the outside.
    Credit(Posting),
    /// Money goes to the outside.
    Debit(Posting),
    /// Suspend, reactivate or close it.
    ChangeStatus {
        /// The status asked for.
        status: AccountStatus,
        /// Why, for people.
        reason: Text,
    },
    /// Move the bounds of its balance.
    ChangeLimits {
        /// The lower bound.
        min_balance: Change<RequestedAmount>,
        /// The upper bound.
        max_balance: Change<RequestedAmount>,
    },
}

/// Data of `CreateAccount`.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateAccount {
    /// Upstream's name of the owner.
    pub owner_id: Box<str>,
    /// Upstream's kind of owner.
    pub owner_type: Box<str>,
    /// Whose account it is.
    pub account_type: AccountType,
    /// Code of its currency.
    pub currency: Box<str>,
    /// Lower bound of the balance.
    pub min_balance: Option<RequestedAmount>,
    /// Upper bound of the balance.
    pub max_balance: Option<RequestedAmount>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// Data of `Credit` and `Debit`.
#[derive(Clone, PartialEq, Debug)]
pub struct Posting {
    /// How much.
    pub amount: RequestedAmount,
    /// Code of the currency.
    pub currency: Box<str>,
    /// Why, for people.
    pub reason: Text,
    /// Upstream's own reference.
    pub reference: Option<Text>,
    /// Free data.
    pub metadata: Option<Metadata>,
}

/// What to do with something that may be unset.
#[derive(Clone, PartialEq, Debug)]
pub enum Change<T> {
    /// Leave it.
    Keep,
    /// Unset it.
    Clear,
    /// Set it.
    Set(T),
}
