//! Transactions, one by its id or many by what is known of them.

use super::answers::TransactionRow;
use super::page::{Page, TransactionKey};
use super::statement::{rows, statement};
use super::{Error, Look};
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Status;

/// The columns of a [`TransactionRow`], behind any `FROM transactions t …`.
macro_rules! transactions {
    ($($rest:tt)*) => {
        statement!(
            "SELECT t.transaction_id, t.version, t.type AS kind, t.status, CAST(t.amount AS TEXT) AS amount, t.currency,
                t.parent_id AS original_payment_id, CAST(t.captured_amount AS TEXT) AS captured_amount,
                CAST(t.refunded_amount AS TEXT) AS refunded_amount, " at "t.hold_expires_at" " AS expires_at,
                t.error_code, t.reason, t.request, CAST(t.legs AS TEXT) AS legs,
                CAST(t.partition AS BIGINT) AS partition, " at "t.requested_at" " AS requested_at,
                " at "t.updated_at" " AS updated_at, " at "t.ended_at" " AS ended_at
             FROM transactions t " $($rest)*
        )
    };
}

impl Look {
    /// One transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn transaction(&mut self, id: &AggregateId) -> Result<Option<TransactionRow>, Error> {
        let one = transactions!("WHERE t.transaction_id = $1");
        let mut found: Vec<TransactionRow> = rows!(self, TransactionRow, one, id.as_str())?;
        Ok(found.pop())
    }

    /// The version of a transaction and the partition its events lie in; `None` when it is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn transaction_version(&mut self, id: &AggregateId) -> Result<Option<(i64, i64)>, Error> {
        let standing =
            statement!("SELECT version, CAST(partition AS BIGINT) FROM transactions WHERE transaction_id = $1");
        let found: Vec<(i64, i64)> = rows!(self, (i64, i64), standing, id.as_str())?;
        Ok(found.into_iter().next())
    }

    /// The transactions that name an account, or have posted to it, and stand so; newest first, with the key behind
    /// which the next page begins. `None` asks for all.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn transactions(
        &mut self,
        account: Option<&AggregateId>,
        status: Option<Status>,
        page: &Page<TransactionKey>,
    ) -> Result<(Vec<TransactionRow>, Option<TransactionKey>), Error> {
        let (at, id) = page.after.as_ref().map_or(TransactionKey::FIRST, |key| (key.at, key.id.as_str()));
        let (account, status) = (account.map(AggregateId::as_str), status.map(Status::as_str));
        let limit = page.fetched();
        let found: Result<Vec<TransactionRow>, Error> = match (account, status) {
            (None, None) => {
                let all = transactions!(
                    "WHERE (t.requested_at, t.transaction_id) < (" moment "$1" ", $2)
                     ORDER BY t.requested_at DESC, t.transaction_id DESC LIMIT $3"
                );
                rows!(self, TransactionRow, all, at, id, limit)
            }
            (None, Some(status)) => {
                let standing_so = transactions!(
                    "WHERE t.status = $4 AND (t.requested_at, t.transaction_id) < (" moment "$1" ", $2)
                     ORDER BY t.requested_at DESC, t.transaction_id DESC LIMIT $3"
                );
                rows!(self, TransactionRow, standing_so, at, id, limit, status)
            }
            (Some(account), None) => {
                let of_account = transactions!(
                    "JOIN transaction_accounts a ON a.transaction_id = t.transaction_id
                     WHERE a.account_id = $4 AND (a.requested_at, a.transaction_id) < (" moment "$1" ", $2)
                     ORDER BY a.requested_at DESC, a.transaction_id DESC LIMIT $3"
                );
                rows!(self, TransactionRow, of_account, at, id, limit, account)
            }
            (Some(account), Some(status)) => {
                let of_account_standing_so = transactions!(
                    "JOIN transaction_accounts a ON a.transaction_id = t.transaction_id
                     WHERE a.account_id = $4 AND t.status = $5
                        AND (a.requested_at, a.transaction_id) < (" moment "$1" ", $2)
                     ORDER BY a.requested_at DESC, a.transaction_id DESC LIMIT $3"
                );
                rows!(self, TransactionRow, of_account_standing_so, at, id, limit, account, status)
            }
        };
        let mut found = found?;
        let next = page.cut(&mut found, |last| TransactionKey::from(last));
        Ok((found, next))
    }
}
