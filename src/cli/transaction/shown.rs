//! A transaction in the words of the wire.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::output::{Row, table};

/// `transaction show`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Its id.
    pub transaction_id: String,
    /// What kind of transaction it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How far it has come.
    pub status: &'static str,
    /// How many events of its own it has.
    pub version: u64,
    /// Its story, as it was written.
    pub events: Vec<Box<RawValue>>,
    /// The legs that accounts have posted.
    pub legs: Vec<Leg>,
}

/// A leg, as its account has posted it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// Its number, from 1.
    pub leg: u8,
    /// Whose money moved.
    pub account_id: String,
    /// Which way.
    pub change_type: &'static str,
    /// How much.
    pub amount: String,
    /// What the account had then.
    pub new_balance: String,
    /// Whether it moved back.
    pub reversed: bool,
}

impl Shown {
    /// For people: what it is, its legs, and the rows of its story.
    pub fn text(&self, story: Vec<Row>) -> String {
        let Shown { transaction_id, kind, status, version, legs, .. } = self;
        let facts = [
            ("transaction", transaction_id.clone()),
            ("type", (*kind).to_owned()),
            ("status", (*status).to_owned()),
            ("version", version.to_string()),
        ];
        let facts = table(&[], facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
        let story = table(&["time", "aggregate", "version", "event", "what"], story.into_iter());
        let legs = match legs.as_slice() {
            [] => String::new(),
            legs => format!(
                "{}\n\n",
                table(&["leg", "account", "change", "amount", "balance", ""], legs.iter().map(Leg::row))
            ),
        };
        format!("{facts}\n\n{legs}{story}")
    }
}

impl Leg {
    fn row(&self) -> Row {
        let Leg { leg, account_id, change_type, amount, new_balance, reversed } = self;
        let undone = if *reversed { "undone" } else { "" };
        [leg.to_string().as_str(), account_id, change_type, amount, new_balance, undone].map(str::to_owned).into()
    }
}
