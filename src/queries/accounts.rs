//! Accounts, their postings, and what they held when.

use std::collections::HashMap;

use super::answers::{Account, Balance, Entry, Hold, Moment};
use super::page::Page;
use super::statement::{rows, statement};
use super::{Error, Look};
use crate::domain::ids::AggregateId;
use crate::domain::money::Amount;

/// The columns of an [`Account`], behind any `WHERE`.
macro_rules! accounts {
    ($($condition:tt)*) => {
        statement!(
            "SELECT account_id, version, owner_id, owner_type, account_type, currency, status,
                CAST(balance AS TEXT) AS balance, CAST(min_balance AS TEXT) AS min_balance,
                CAST(max_balance AS TEXT) AS max_balance, metadata, CAST(partition AS BIGINT) AS partition,
                " at "created_at" " AS created_at, " at "updated_at" " AS updated_at
             FROM accounts " $($condition)*
        )
    };
}

/// The columns of a [`Hold`] of the accounts that a condition names.
macro_rules! holds {
    ($condition:literal) => {
        statement!(
            "SELECT account_id, hold_id, CAST(amount AS TEXT) AS amount, currency, " at "expires_at" " AS expires_at,
                transaction_id
             FROM holds WHERE status = 'PLACED' AND account_id IN (" $condition ") ORDER BY account_id, hold_id"
        )
    };
}

impl Look {
    /// One account, as it stands at `now`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn account(&mut self, id: &AggregateId, now: Moment) -> Result<Option<Account>, Error> {
        let id = id.as_str();
        let mut found: Vec<Account> = rows!(self, Account, accounts!("WHERE account_id = $1"), id)?;
        let holds: Vec<Hold> = rows!(self, Hold, holds!("$1"), id)?;
        settle(&mut found, holds, now)?;
        Ok(found.pop())
    }

    /// The accounts of an owner by id, and the key behind which the next page begins. Owners of different types may
    /// have one id.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn accounts_of(
        &mut self,
        owner_id: &str,
        owner_type: Option<&str>,
        page: &Page<String>,
        now: Moment,
    ) -> Result<(Vec<Account>, Option<String>), Error> {
        let (after, limit) = (page.after.as_deref().unwrap_or(""), page.fetched());
        let (mut found, holds): (Vec<Account>, Vec<Hold>) = if let Some(owner_type) = owner_type {
            let of_type =
                accounts!("WHERE owner_id = $1 AND owner_type = $2 AND account_id > $3 ORDER BY account_id LIMIT $4");
            let holds = holds!(
                "SELECT account_id FROM accounts
                 WHERE owner_id = $1 AND owner_type = $2 AND account_id > $3 ORDER BY account_id LIMIT $4"
            );
            let found = rows!(self, Account, of_type, owner_id, owner_type, after, limit)?;
            (found, rows!(self, Hold, holds, owner_id, owner_type, after, limit)?)
        } else {
            let of_any = accounts!("WHERE owner_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3");
            let holds = holds!(
                "SELECT account_id FROM accounts
                 WHERE owner_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3"
            );
            let found = rows!(self, Account, of_any, owner_id, after, limit)?;
            (found, rows!(self, Hold, holds, owner_id, after, limit)?)
        };
        settle(&mut found, holds, now)?;
        let next = page.cut(&mut found, |last| last.account_id.clone());
        Ok((found, next))
    }

    /// The version of an account and the partition its events lie in; `None` when it is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn account_version(&mut self, id: &AggregateId) -> Result<Option<(i64, i64)>, Error> {
        let standing = statement!("SELECT version, CAST(partition AS BIGINT) FROM accounts WHERE account_id = $1");
        let found: Vec<(i64, i64)> = rows!(self, (i64, i64), standing, id.as_str())?;
        Ok(found.into_iter().next())
    }

    /// The postings of an account, newest first, and the version behind which the next page begins.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn entries(&mut self, id: &AggregateId, page: &Page<i64>) -> Result<(Vec<Entry>, Option<i64>), Error> {
        let entries = statement!(
            "SELECT version, change_type, CAST(amount AS TEXT) AS change_amount,
                CAST(balance_before AS TEXT) AS previous_balance, CAST(balance_after AS TEXT) AS new_balance, currency,
                reason, reference, transaction_id, CAST(leg AS BIGINT) AS leg, forced, metadata,
                " at "at" " AS timestamp, correlation_id, causation_id
             FROM entries WHERE account_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3"
        );
        let before = page.after.unwrap_or(i64::MAX);
        let mut found: Vec<Entry> = rows!(self, Entry, entries, id.as_str(), before, page.fetched())?;
        let next = page.cut(&mut found, |last| last.version);
        Ok((found, next))
    }

    /// What an account held after everything that happened not later than `at`; `None` before it was opened.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn balance(&mut self, id: &AggregateId, at: Moment) -> Result<Option<Balance>, Error> {
        // Before its first posting it held what that one found, or has had none and still holds what it was opened with.
        let balance = statement!(
            "SELECT a.account_id, COALESCE(e.version, 1) AS version,
                CAST(COALESCE(e.balance_after, (
                    SELECT first.balance_before FROM entries first WHERE first.account_id = $1
                    ORDER BY first.version LIMIT 1), a.balance) AS TEXT) AS balance, a.currency,
                " at "COALESCE(e.at, a.created_at)" " AS since, CAST(a.partition AS BIGINT) AS partition
             FROM accounts a LEFT JOIN entries e ON e.account_id = a.account_id AND e.version = (
                SELECT last.version FROM entries last WHERE last.account_id = $1 AND last.at <= " moment "$2" "
                ORDER BY last.at DESC, last.version DESC LIMIT 1)
             WHERE a.account_id = $1 AND a.created_at <= " moment "$2"
        );
        let mut found: Vec<Balance> = rows!(self, Balance, balance, id.as_str(), at)?;
        Ok(found.pop())
    }
}

/// Gives every account its holds, and says what is left beside those that have not expired at `now`.
fn settle(accounts: &mut [Account], holds: Vec<Hold>, now: Moment) -> Result<(), Error> {
    let mut by_account: HashMap<String, Vec<Hold>> = HashMap::new();
    for hold in holds {
        by_account.entry(hold.account_id.clone()).or_default().push(hold);
    }
    for account in accounts {
        account.holds = by_account.remove(&account.account_id).unwrap_or_default();
        let damaged = || sqlx::Error::Decode(format!("the amounts of {} are none", account.account_id).into());
        account.available = available(account, now).ok_or_else(damaged)?.to_string();
    }
    Ok(())
}

fn available(account: &Account, now: Moment) -> Option<Amount> {
    let amount = |text: &str| Amount::parse(text).ok();
    let mut standing = account.holds.iter().filter(|hold| hold.expires_at > now);
    standing.try_fold(amount(&account.balance)?, |left, hold| left.checked_sub(amount(&hold.amount)?))
}
