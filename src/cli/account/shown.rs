//! An account in the words of the wire.

use serde::Serialize;
use serde_json::json;

use crate::cli::output::{table, time};
use crate::domain::Aggregate;
use crate::domain::account::{Account, Hold};
use crate::domain::ids::{AggregateId, Timestamp};

/// `account show`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    account_id: String,
    version: u64,
    owner_id: String,
    owner_type: String,
    account_type: &'static str,
    currency: String,
    status: &'static str,
    balance: String,
    available: String,
    min_balance: Option<String>,
    max_balance: Option<String>,
    holds: Vec<ShownHold>,
}

/// Money that is set aside.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownHold {
    hold_id: String,
    amount: String,
    currency: String,
    expires_at: String,
    transaction_id: String,
}

impl Shown {
    /// The account as it counts at `now`, when it is opened. A hold whose time is past counts no longer, recorded or not,
    /// so it is not shown either: what is available is the balance without the holds that are.
    pub fn new(id: &AggregateId, account: &Account, now: Timestamp) -> Option<Self> {
        let now = now.max(account.last_at());
        let opened = account.opened()?;
        let currency = opened.currency.code();
        let standing = opened.holds.iter().filter(|hold| hold.expires_at > now);
        Some(Shown {
            account_id: id.to_string(),
            version: account.version().0,
            owner_id: opened.owner_id.to_string(),
            owner_type: opened.owner_type.to_string(),
            account_type: opened.account_type.as_str(),
            currency: currency.to_owned(),
            status: opened.status.as_str(),
            balance: opened.balance.to_string(),
            available: opened.available(now)?.to_string(),
            min_balance: opened.min_balance.map(|amount| amount.to_string()),
            max_balance: opened.max_balance.map(|amount| amount.to_string()),
            holds: standing.map(|hold| ShownHold::new(hold, currency)).collect(),
        })
    }

    /// For people.
    pub fn table(&self) -> String {
        let unset = |limit: &Option<String>| limit.clone().unwrap_or_else(|| "none".to_owned());
        let money = |amount: &str| format!("{amount} {}", self.currency);
        let rows = [
            ("account", self.account_id.clone()),
            ("version", self.version.to_string()),
            ("owner", format!("{} ({})", self.owner_id, self.owner_type)),
            ("type", self.account_type.to_owned()),
            ("status", self.status.to_owned()),
            ("balance", money(&self.balance)),
            ("available", money(&self.available)),
            ("minimum", unset(&self.min_balance)),
            ("maximum", unset(&self.max_balance)),
        ];
        let holds = self.holds.iter().map(|hold| {
            let ShownHold { amount, expires_at, transaction_id, .. } = hold;
            ("hold", format!("{} for {transaction_id} until {expires_at}", money(amount)))
        });
        let rows = rows.into_iter().chain(holds);
        table(&[], rows.map(|(name, value)| vec![name.to_owned(), value])).to_string()
    }

    /// `account balance`, of an account whose last event was at that time.
    pub fn balance(&self, last_at: Timestamp) -> impl Serialize {
        let Shown { account_id, version, balance, available, currency, .. } = self;
        json!({
            "accountId": account_id, "version": version, "timestamp": time(last_at),
            "balance": balance, "available": available, "currency": currency,
        })
    }

    /// The same for people.
    pub fn balance_line(&self) -> String {
        format!("{} {}", self.balance, self.currency)
    }
}

impl ShownHold {
    fn new(hold: &Hold, currency: &str) -> Self {
        ShownHold {
            hold_id: hold.id.to_string(),
            amount: hold.amount.to_string(),
            currency: currency.to_owned(),
            expires_at: time(hold.expires_at),
            transaction_id: hold.id.to_string(),
        }
    }
}
