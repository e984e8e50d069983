//! Rows as SQLite takes them: amounts as text, times as milliseconds, each row an object.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::ids::AggregateId;
use crate::domain::money::Amount;
use crate::projection::read_store::{AGGREGATES, Batch};
use crate::projection::rows::{AccountChange, Changes, HoldChange, TransactionChange};

/// Sums by id, as text; those that are not here stay as they are.
pub(super) type Sums = BTreeMap<String, String>;

/// Of `projection_positions`.
pub(super) fn positions(batch: &Batch) -> Value {
    let row = |(place, aggregate): (usize, &&str)| {
        json!({
            "aggregate": aggregate, "epoch": batch.epochs[place], "expected": batch.expected[place],
            "next": batch.next[place], "as_of": batch.as_of[place].map(|at| at.0), "cleared": batch.clear[place],
        })
    };
    AGGREGATES.iter().enumerate().map(row).collect()
}

/// Of `currencies`.
pub(super) fn currencies(changes: &Changes) -> Value {
    changes.currencies.iter().map(|(code, decimals)| json!({ "code": code, "decimals": decimals })).collect()
}

/// Of `holds`: those that begin, and those that were placed before.
pub(super) fn holds(changes: &Changes) -> [Value; 2] {
    let row = |((account, id), hold): (&(AggregateId, AggregateId), &HoldChange)| {
        let (placed, end) = (hold.placed.as_ref(), hold.end.as_ref());
        json!({
            "account_id": account.as_str(),
            "hold_id": id.as_str(),
            "amount": placed.map(|placed| text(placed.amount)),
            "currency": placed.map(|placed| placed.currency.code()),
            "expires_at": placed.map(|placed| placed.expires_at.0),
            "status": hold.status().as_str(),
            "captured_amount": end.and_then(|end| end.captured_amount).map(text),
            "release_reason": end.and_then(|end| end.release_reason).map(|reason| reason.as_str()),
            "placed_at": placed.map(|placed| placed.at.0),
            "ended_at": end.map(|end| end.at.0),
        })
    };
    let begins = |begin: bool| changes.holds.iter().filter(move |(_, hold)| hold.placed.is_some() == begin);
    [begins(true).map(row).collect(), begins(false).map(row).collect()]
}

/// Of `accounts`: those that begin, and those that were opened before.
pub(super) fn accounts(changes: &Changes, held: &Sums) -> [Value; 2] {
    let row = |(id, change): (&AggregateId, &AccountChange)| {
        let (opened, limits) = (change.opened.as_ref(), change.limits);
        json!({
            "account_id": id.as_str(),
            "version": change.version.0,
            "owner_id": opened.map(|opened| &opened.owner_id),
            "owner_type": opened.map(|opened| &opened.owner_type),
            "account_type": opened.map(|opened| opened.account_type.as_str()),
            "currency": opened.map(|opened| opened.currency.code()),
            "status": change.status.map(|status| status.as_str()),
            "balance": change.balance.map(text),
            "held": held.get(id.as_str()),
            "limited": limits.is_some(),
            "min_balance": limits.and_then(|limits| limits.min_balance).map(text),
            "max_balance": limits.and_then(|limits| limits.max_balance).map(text),
            "metadata": opened.and_then(|opened| opened.metadata.as_deref()),
            "created_at": opened.map(|opened| opened.at.0),
            "updated_at": change.updated_at.0,
        })
    };
    let opens = |open: bool| changes.accounts.iter().filter(move |(_, change)| change.opened.is_some() == open);
    [opens(true).map(row).collect(), opens(false).map(row).collect()]
}

/// Of `entries`.
pub(super) fn entries(changes: &Changes) -> Value {
    let rows = changes.entries.iter().map(|((account, version), entry)| {
        json!({
            "account_id": account.as_str(),
            "version": version.0,
            "change_type": entry.change_type.as_str(),
            "amount": text(entry.amount),
            "balance_before": text(entry.balance_before),
            "balance_after": text(entry.balance_after),
            "currency": entry.currency.code(),
            "reason": entry.reason,
            "reference": entry.reference,
            "transaction_id": entry.transaction_id.as_ref().map(AggregateId::as_str),
            "leg": entry.leg,
            "forced": entry.forced,
            "metadata": entry.metadata.as_deref(),
            "at": entry.at.0,
            "correlation_id": entry.correlation_id.as_str(),
            "causation_id": entry.causation_id.as_str(),
        })
    });
    rows.collect()
}

/// Of `refunds`.
pub(super) fn refunds(changes: &Changes) -> Value {
    let rows = changes.refunds.iter().map(|((payment, refund), row)| {
        json!({
            "transaction_id": payment.as_str(), "refund_id": refund.as_str(), "amount": text(row.amount),
            "status": row.status.as_str(),
        })
    });
    rows.collect()
}

/// Of `transactions`: those that begin, and those that began before.
pub(super) fn transactions(changes: &Changes, refunded: &Sums) -> [Value; 2] {
    let row = |(id, change): (&AggregateId, &TransactionChange)| {
        let (begun, turn) = (change.begun.as_ref(), change.turn.as_ref());
        json!({
            "transaction_id": id.as_str(),
            "version": change.version.0,
            "type": begun.map(|begun| begun.kind.as_str()),
            "status": turn.map(|turn| turn.status.as_str()),
            "amount": change.amount().map(text),
            "authorized": change.authorized.map(|authorized| text(authorized.amount)),
            "first_leg": change.first_leg().map(text),
            "currency": begun.map(|begun| &begun.currency),
            "request": begun.map(|begun| &begun.request),
            "parent_id": begun.and_then(|begun| begun.parent.as_ref()).map(AggregateId::as_str),
            "legs": change.legs_json(),
            "captured_amount": change.captured_amount.map(text),
            "refunded_amount": refunded.get(id.as_str()),
            "hold_expires_at": change.authorized.map(|authorized| authorized.expires_at.0),
            "error_code": turn.and_then(|turn| turn.error_code.as_deref()),
            "reason": turn.and_then(|turn| turn.reason.as_deref()),
            "requested_at": begun.map(|begun| begun.at.0),
            "updated_at": change.updated_at.0,
            "ended_at": turn.and_then(|turn| turn.ended_at).map(|at| at.0),
        })
    };
    let begins = |begin: bool| changes.transactions.iter().filter(move |(_, change)| change.begun.is_some() == begin);
    [begins(true).map(row).collect(), begins(false).map(row).collect()]
}

/// Of `transaction_accounts`.
pub(super) fn participants(changes: &Changes) -> Value {
    let row = |(transaction, account): &(AggregateId, AggregateId)| json!({ "transaction_id": transaction.as_str(), "account_id": account.as_str() });
    changes.participants.iter().map(row).collect()
}

fn text(amount: Amount) -> String {
    amount.to_string()
}
