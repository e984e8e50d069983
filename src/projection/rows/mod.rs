//! From events to changes of rows. Pure: it knows no store and no clock.
//!
//! What an event says is absolute: a balance, a status, a leg, never a difference. So a change may be written again,
//! over whatever stands there, and the row is right once the last of them is written. Sums (money held, money
//! refunded) are not carried here for this reason: a change only says that they are to be taken again from their rows.
//!
//! Changes are folded: however many events of one row there are, one change of it is left, and all stand in the order
//! of their keys, so that two writers would lock them in the same order.

mod account;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::{AggregateId, Version};

pub use account::{AccountChange, Entry, HoldChange, HoldEnd, HoldStatus, Limits, Opened, Placed};
pub use transaction::{Authorized, Begun, Leg, RefundRow, RefundStatus, TransactionChange, Turn};

/// What a batch of events does to the rows of one partition.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Changes {
    /// Decimals by code of the currency.
    pub currencies: BTreeMap<Box<str>, u8>,
    /// By account.
    pub accounts: BTreeMap<AggregateId, AccountChange>,
    /// By account and version.
    pub entries: BTreeMap<(AggregateId, Version), Entry>,
    /// By account and hold.
    pub holds: BTreeMap<(AggregateId, AggregateId), HoldChange>,
    /// By transaction.
    pub transactions: BTreeMap<AggregateId, TransactionChange>,
    /// Transactions and the accounts they name or have posted to.
    pub participants: BTreeSet<(AggregateId, AggregateId)>,
    /// By payment and refund.
    pub refunds: BTreeMap<(AggregateId, AggregateId), RefundRow>,
}

impl Changes {
    /// How many rows change.
    pub fn rows(&self) -> usize {
        self.currencies.len()
            + self.accounts.len()
            + self.entries.len()
            + self.holds.len()
            + self.transactions.len()
            + self.participants.len()
            + self.refunds.len()
    }
}
