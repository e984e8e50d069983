//! What the store answers, in the words of the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use sqlx::{Database, Decode, FromRow, Type};

use crate::domain::ids::Timestamp;
use crate::wire::json;

/// Milliseconds since the Unix epoch; written as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Type)]
#[sqlx(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// Later than any event: the first of the year 10000.
    pub const LAST: Moment = Moment(253_402_300_800_000);
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::with_capacity(24);
        json::push_timestamp(&mut text, Timestamp(self.0));
        serializer.serialize_str(str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

/// JSON as it stood in an event, to the letter.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Document(Box<RawValue>);

impl<'r, DB: Database> Decode<'r, DB> for Document
where
    String: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Document(RawValue::from_string(String::decode(value)?)?))
    }
}

impl<DB: Database> Type<DB> for Document
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        String::type_info()
    }

    fn compatible(found: &DB::TypeInfo) -> bool {
        String::compatible(found)
    }
}

/// How far one partition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromRow)]
pub struct Position {
    /// Its number.
    pub partition: i64,
    /// The next offset of its event topic.
    pub position: i64,
    /// When the last event happened that is in the store.
    pub as_of: Option<Moment>,
}

/// An account as it stands.
#[derive(Clone, Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Id.
    pub account_id: String,
    /// Number of its last event.
    pub version: i64,
    /// Whose it is.
    pub owner_id: String,
    /// What that is.
    pub owner_type: String,
    /// USER, EXTERNAL, SYSTEM.
    pub account_type: String,
    /// Code.
    pub currency: String,
    /// ACTIVE, SUSPENDED, CLOSED.
    pub status: String,
    /// With the decimals of the currency.
    pub balance: String,
    /// The balance less what is set aside by holds that have not expired.
    #[sqlx(skip)]
    pub available: String,
    /// Null when there is none.
    pub min_balance: Option<String>,
    /// Null when there is none.
    pub max_balance: Option<String>,
    /// What is set aside, by id.
    #[sqlx(skip)]
    pub holds: Vec<Hold>,
    /// As it was opened with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Document>,
    /// When it was opened.
    pub created_at: Moment,
    /// When its last event happened.
    pub updated_at: Moment,
    /// Where its events lie.
    #[serde(skip)]
    pub partition: i64,
}

/// Money set aside.
#[derive(Clone, Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// On which account.
    #[serde(skip)]
    pub account_id: String,
    /// The id of the transaction that placed it.
    pub hold_id: String,
    /// How much.
    pub amount: String,
    /// In which currency.
    pub currency: String,
    /// Until when.
    pub expires_at: Moment,
    /// For which transaction.
    pub transaction_id: String,
}

/// A posting.
#[derive(Clone, Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The account's version it made.
    pub version: i64,
    /// CREDIT or DEBIT.
    pub change_type: String,
    /// Always positive.
    pub change_amount: String,
    /// Before it.
    pub previous_balance: String,
    /// After it.
    pub new_balance: String,
    /// Code.
    pub currency: String,
    /// The caller's own, or the kind of the leg.
    pub reason: String,
    /// The caller's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of which transaction it is a leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Which leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<i64>,
    /// True for a posting that no rule could refuse; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// The caller's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Document>,
    /// When.
    pub timestamp: Moment,
    /// Of the command.
    pub correlation_id: String,
    /// The command.
    pub causation_id: String,
}

/// What an account held at some time.
#[derive(Clone, Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// Id.
    pub account_id: String,
    /// The last version not later that changed the balance, or made the account.
    pub version: i64,
    /// With the decimals of the currency.
    pub balance: String,
    /// Code.
    pub currency: String,
    /// Since when it was so.
    pub since: Moment,
    /// Where its events lie.
    #[serde(skip)]
    pub partition: i64,
}

/// A transaction as its events tell it.
#[derive(Clone, Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct TransactionRow {
    /// Id.
    pub transaction_id: String,
    /// Number of its last event.
    pub version: i64,
    /// TOPUP, WITHDRAWAL, TRANSFER, PAYMENT, REFUND.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is.
    pub status: String,
    /// What was asked for; absent for a refund of all that is left, until it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Code.
    pub currency: String,
    /// Of a refund: the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_payment_id: Option<String>,
    /// Of a payment that is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_amount: Option<String>,
    /// Of a payment with refunds that are settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded_amount: Option<String>,
    /// Of a payment that was authorized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// Of one that failed or was compensated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why it failed, was compensated or voided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The data of the event that began it, as it was sent.
    pub request: Document,
    /// What was posted, in order.
    #[sqlx(try_from = "String")]
    pub legs: Legs,
    /// When it was asked for.
    pub requested_at: Moment,
    /// When its last event happened.
    pub updated_at: Moment,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// Where its events lie.
    #[serde(skip)]
    pub partition: i64,
}

/// The legs of a transaction that were posted, by number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Legs(Vec<Leg>);

impl TryFrom<String> for Legs {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let by_number: BTreeMap<u32, Leg> = serde_json::from_str(&text)?;
        Ok(Legs(by_number.into_iter().map(|(number, leg)| Leg { leg: number, ..leg }).collect()))
    }
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// Its number, from 1.
    #[serde(skip_deserializing)]
    pub leg: u32,
    /// The account it was posted to.
    pub account_id: String,
    /// CREDIT or DEBIT.
    pub change_type: String,
    /// How much.
    pub amount: String,
    /// What the account had before it.
    #[serde(rename(serialize = "previousBalance", deserialize = "balanceBefore"))]
    pub balance_before: String,
    /// What it had after it.
    #[serde(rename(serialize = "newBalance", deserialize = "balanceAfter"))]
    pub balance_after: String,
    /// When.
    pub posted_at: String,
}
