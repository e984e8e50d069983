//! The tables as an auditor reads them: every column of every table as text, in one form for both stores.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::ids::Timestamp;
use crate::wire::json::push_timestamp;

/// A table whose rows follow from events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// `currencies`
    Currencies,
    /// `accounts`
    Accounts,
    /// `entries`
    Entries,
    /// `holds`
    Holds,
    /// `transactions`
    Transactions,
    /// `transaction_accounts`
    Participants,
    /// `refunds`
    Refunds,
}

/// One column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub content: Content,
}

/// What a column holds, and so how it becomes text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Text, to the letter.
    Text,
    /// A whole number.
    Whole,
    /// An amount, with the decimals it is kept with.
    Amount,
    /// A time: RFC 3339 in UTC with milliseconds.
    Time,
    /// `true` or `false`.
    Truth,
    /// A JSON document: compact, its keys in order.
    Document,
}

/// One row, each column as text, in the order of [`Table::columns`]; `None` for null.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Where it stands.
    pub table: Table,
    /// What stands there.
    pub values: Vec<Option<String>>,
}

const fn text(name: &'static str) -> Column {
    Column { name, content: Content::Text }
}

const fn whole(name: &'static str) -> Column {
    Column { name, content: Content::Whole }
}

const fn amount(name: &'static str) -> Column {
    Column { name, content: Content::Amount }
}

const fn time(name: &'static str) -> Column {
    Column { name, content: Content::Time }
}

const fn truth(name: &'static str) -> Column {
    Column { name, content: Content::Truth }
}

const fn document(name: &'static str) -> Column {
    Column { name, content: Content::Document }
}

const CURRENCIES: &[Column] = &[text("code"), whole("decimals")];

const ACCOUNTS: &[Column] = &[
    text("account_id"),
    whole("version"),
    text("owner_id"),
    text("owner_type"),
    text("account_type"),
    text("currency"),
    text("status"),
    amount("balance"),
    amount("held"),
    amount("min_balance"),
    amount("max_balance"),
    text("metadata"),
    whole("partition"),
    time("created_at"),
    time("updated_at"),
];

const ENTRIES: &[Column] = &[
    text("account_id"),
    whole("version"),
    whole("partition"),
    text("change_type"),
    amount("amount"),
    amount("balance_before"),
    amount("balance_after"),
    text("currency"),
    text("reason"),
    text("reference"),
    text("transaction_id"),
    whole("leg"),
    truth("forced"),
    text("metadata"),
    time("at"),
    text("correlation_id"),
    text("causation_id"),
];

const HOLDS: &[Column] = &[
    text("account_id"),
    text("hold_id"),
    whole("partition"),
    amount("amount"),
    text("currency"),
    time("expires_at"),
    text("transaction_id"),
    text("status"),
    amount("captured_amount"),
    text("release_reason"),
    time("placed_at"),
    time("ended_at"),
];

const TRANSACTIONS: &[Column] = &[
    text("transaction_id"),
    whole("version"),
    text("type"),
    text("status"),
    amount("amount"),
    text("currency"),
    text("request"),
    text("parent_id"),
    document("legs"),
    amount("captured_amount"),
    amount("refunded_amount"),
    time("hold_expires_at"),
    text("error_code"),
    text("reason"),
    whole("partition"),
    time("requested_at"),
    time("updated_at"),
    time("ended_at"),
];

const PARTICIPANTS: &[Column] = &[text("transaction_id"), text("account_id"), whole("partition"), time("requested_at")];

const REFUNDS: &[Column] =
    &[text("transaction_id"), text("refund_id"), whole("partition"), amount("amount"), text("status")];

impl Table {
    /// All of them.
    pub const ALL: [Table; 7] = [
        Table::Currencies,
        Table::Accounts,
        Table::Entries,
        Table::Holds,
        Table::Transactions,
        Table::Participants,
        Table::Refunds,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Table::Currencies => "currencies",
            Table::Accounts => "accounts",
            Table::Entries => "entries",
            Table::Holds => "holds",
            Table::Transactions => "transactions",
            Table::Participants => "transaction_accounts",
            Table::Refunds => "refunds",
        }
    }

    /// Every column of it; those of the key come first.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Currencies => CURRENCIES,
            Table::Accounts => ACCOUNTS,
            Table::Entries => ENTRIES,
            Table::Holds => HOLDS,
            Table::Transactions => TRANSACTIONS,
            Table::Participants => PARTICIPANTS,
            Table::Refunds => REFUNDS,
        }
    }

    /// How many columns tell a row from every other.
    pub fn key_columns(self) -> usize {
        match self {
            Table::Currencies | Table::Accounts | Table::Transactions => 1,
            Table::Entries | Table::Holds | Table::Participants | Table::Refunds => 2,
        }
    }
}

impl Row {
    /// What tells it from every other row of its table.
    pub fn key(&self) -> &[Option<String>] {
        &self.values[..self.table.key_columns().min(self.values.len())]
    }
}

impl Content {
    /// What the store gave, in the one form for both. What is not what it should be stays as it is, to be seen.
    pub(super) fn read(self, sent: String) -> String {
        match self {
            Content::Time => sent.parse().ok().and_then(time_text).unwrap_or(sent),
            Content::Document => serde_json::from_str(&sent).map_or(sent, |document| in_order(&document)),
            Content::Text | Content::Whole | Content::Amount | Content::Truth => sent,
        }
    }
}

/// A time of four-digit years as it stands in events.
fn time_text(millis: i64) -> Option<String> {
    const WRITABLE: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;
    let mut text = Vec::new();
    WRITABLE.contains(&millis).then(|| push_timestamp(&mut text, Timestamp(millis)))?;
    String::from_utf8(text).ok()
}

/// The document with the keys of its objects in their order.
fn in_order(document: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let members: BTreeMap<_, _> = members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                Value::Object(members.into_iter().collect())
            }
            other => other.clone(),
        }
    }
    sorted(document).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stores_give_times_and_documents_the_same_text() {
        assert_eq!(Content::Time.read("1765281600000".to_owned()), "2025-12-09T12:00:00.000Z");
        assert_eq!(Content::Time.read("1765281600000.001".to_owned()), "1765281600000.001", "finer than events are");
        assert_eq!(Content::Time.read(i64::MAX.to_string()), i64::MAX.to_string());
        let one = Content::Document.read(r#"{"2": {"b": "1", "a": 2}, "1": {}}"#.to_owned());
        assert_eq!(one, r#"{"1":{},"2":{"a":2,"b":"1"}}"#);
        assert_eq!(Content::Document.read("{".to_owned()), "{");
    }
}
