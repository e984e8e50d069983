//! A part of a list, from one key on: rows that are added or changed meanwhile move nothing.

use super::answers::{Moment, TransactionRow};

/// Where a part of a list begins, and how long it may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<K> {
    /// The key of the last row before it; `None` at the beginning.
    pub after: Option<K>,
    /// Rows at most.
    pub limit: u32,
}

impl<K> Page<K> {
    /// How many rows to ask for: one more tells whether there is a next page.
    pub(super) fn fetched(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts what was fetched to the page; answers the key of its last row when more follow.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, key: impl FnOnce(&T) -> K) -> Option<K> {
        let limit = self.limit as usize;
        if rows.len() <= limit {
            return None;
        }
        rows.truncate(limit);
        rows.last().map(key)
    }
}

/// The place of a transaction in lists: newest first, those of one moment by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionKey {
    /// When it was requested.
    pub at: Moment,
    /// Its id.
    pub id: String,
}

impl TransactionKey {
    /// Before every transaction.
    pub(super) const FIRST: (Moment, &str) = (Moment::LAST, "");
}

impl From<&TransactionRow> for TransactionKey {
    fn from(row: &TransactionRow) -> Self {
        TransactionKey { at: row.requested_at, id: row.transaction_id.clone() }
    }
}
