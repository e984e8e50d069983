//! One batch, table by table, always in the same order.

use sqlx::postgres::PgQueryResult;
use sqlx::{PgConnection, query};

use super::statements as sql;
use super::values::{Instant, Numeric};
use crate::domain::ids::{AggregateId, Version};
use crate::projection::read_store::{AGGREGATES, Batch, Error};
use crate::projection::rows::{AccountChange, Changes, HoldChange, TransactionChange};

/// Writes it inside the transaction that is open.
pub(super) async fn write(connection: &mut PgConnection, batch: &Batch) -> Result<(), Error> {
    advance(connection, batch).await?;
    let partition = batch.partition.cast_signed();
    for (statements, _) in sql::CLEAR.iter().zip(batch.clear).filter(|(_, clear)| *clear) {
        for statement in *statements {
            query(*statement).bind(partition).execute(&mut *connection).await?;
        }
    }
    let Batch { changes, recount, .. } = batch;
    currencies(connection, changes).await?;
    holds(connection, partition, changes).await?;
    accounts(connection, partition, changes, *recount).await?;
    entries(connection, partition, changes).await?;
    refunds(connection, partition, changes).await?;
    transactions(connection, partition, changes, *recount).await?;
    participants(connection, partition, changes).await
}

async fn advance(connection: &mut PgConnection, batch: &Batch) -> Result<(), Error> {
    let moved = query(sql::ADVANCE)
        .bind(batch.partition.cast_signed())
        .bind(AGGREGATES.as_slice())
        .bind(batch.epochs.as_slice())
        .bind(batch.expected.as_slice())
        .bind(batch.next.as_slice())
        .bind(batch.as_of.map(|at| at.map(Instant)).as_slice())
        .bind(batch.clear.as_slice())
        .execute(connection)
        .await?;
    let both = moved.rows_affected() == AGGREGATES.len() as u64;
    if both { Ok(()) } else { Err(Error::Fenced { partition: batch.partition }) }
}

async fn currencies(connection: &mut PgConnection, changes: &Changes) -> Result<(), Error> {
    let rows: Vec<_> = changes.currencies.iter().collect();
    if !rows.is_empty() {
        query(sql::CURRENCIES)
            .bind(column(&rows, |(code, _)| &***code))
            .bind(column(&rows, |(_, decimals)| i16::from(**decimals)))
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn holds(connection: &mut PgConnection, partition: i32, changes: &Changes) -> Result<(), Error> {
    type Row<'a> = (&'a (AggregateId, AggregateId), &'a HoldChange);
    let (placed, ended): (Vec<Row<'_>>, Vec<Row<'_>>) = changes.holds.iter().partition(|(_, h)| h.placed.is_some());
    let captured = |(_, hold): &Row<'_>| hold.end.as_ref().and_then(|end| end.captured_amount).map(Numeric);
    let reason = |(_, hold): &Row<'_>| Some(hold.end.as_ref()?.release_reason?.as_str());
    let ended_at = |(_, hold): &Row<'_>| hold.end.as_ref().map(|end| Instant(end.at));
    if !placed.is_empty() {
        query(sql::PLACE_HOLDS)
            .bind(partition)
            .bind(column(&placed, |(key, _)| key.0.as_str()))
            .bind(column(&placed, |(key, _)| key.1.as_str()))
            .bind(column(&placed, |(_, hold)| hold.placed.as_ref().map(|placed| Numeric(placed.amount))))
            .bind(column(&placed, |(_, hold)| hold.placed.as_ref().map(|placed| placed.currency.code())))
            .bind(column(&placed, |(_, hold)| hold.placed.as_ref().map(|placed| Instant(placed.expires_at))))
            .bind(column(&placed, |(_, hold)| hold.status().as_str()))
            .bind(column(&placed, captured))
            .bind(column(&placed, reason))
            .bind(column(&placed, |(_, hold)| hold.placed.as_ref().map(|placed| Instant(placed.at))))
            .bind(column(&placed, ended_at))
            .execute(&mut *connection)
            .await?;
    }
    if ended.is_empty() {
        return Ok(());
    }
    let changed = query(sql::END_HOLDS)
        .bind(partition)
        .bind(column(&ended, |(key, _)| key.0.as_str()))
        .bind(column(&ended, |(key, _)| key.1.as_str()))
        .bind(column(&ended, |(_, hold)| hold.status().as_str()))
        .bind(column(&ended, captured))
        .bind(column(&ended, reason))
        .bind(column(&ended, ended_at))
        .execute(connection)
        .await?;
    all_there("holds", &changed, ended.len())
}

async fn accounts(
    connection: &mut PgConnection,
    partition: i32,
    changes: &Changes,
    recount: bool,
) -> Result<(), Error> {
    type Row<'a> = (&'a AggregateId, &'a AccountChange);
    let (opened, changed): (Vec<Row<'_>>, Vec<Row<'_>>) =
        changes.accounts.iter().partition(|(_, change)| change.opened.is_some());
    let status = |(_, change): &Row<'_>| change.status.map(|status| status.as_str());
    let balance = |(_, change): &Row<'_>| change.balance.map(Numeric);
    let least = |(_, change): &Row<'_>| change.limits.and_then(|limits| limits.min_balance).map(Numeric);
    let most = |(_, change): &Row<'_>| change.limits.and_then(|limits| limits.max_balance).map(Numeric);
    if !opened.is_empty() {
        query(sql::OPEN_ACCOUNTS)
            .bind(partition)
            .bind(column(&opened, |(id, _)| id.as_str()))
            .bind(column(&opened, |(_, change)| number(change.version)))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().map(|opened| &*opened.owner_id)))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().map(|opened| &*opened.owner_type)))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().map(|opened| opened.account_type.as_str())))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().map(|opened| opened.currency.code())))
            .bind(column(&opened, status))
            .bind(column(&opened, balance))
            .bind(column(&opened, least))
            .bind(column(&opened, most))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().and_then(|opened| opened.metadata.as_deref())))
            .bind(column(&opened, |(_, change)| change.opened.as_ref().map(|opened| Instant(opened.at))))
            .bind(column(&opened, |(_, change)| Instant(change.updated_at)))
            .execute(&mut *connection)
            .await?;
    }
    if changed.is_empty() {
        return Ok(());
    }
    let found = query(sql::CHANGE_ACCOUNTS)
        .bind(partition)
        .bind(column(&changed, |(id, _)| id.as_str()))
        .bind(column(&changed, |(_, change)| number(change.version)))
        .bind(column(&changed, |(_, change)| Instant(change.updated_at)))
        .bind(column(&changed, balance))
        .bind(column(&changed, status))
        .bind(column(&changed, |(_, change)| change.limits.is_some()))
        .bind(column(&changed, least))
        .bind(column(&changed, most))
        .bind(column(&changed, |(_, change)| recount || change.holds_changed))
        .execute(connection)
        .await?;
    all_there("accounts", &found, changed.len())
}

async fn entries(connection: &mut PgConnection, partition: i32, changes: &Changes) -> Result<(), Error> {
    let rows: Vec<_> = changes.entries.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    query(sql::ENTRIES)
        .bind(partition)
        .bind(column(&rows, |(key, _)| key.0.as_str()))
        .bind(column(&rows, |(key, _)| number(key.1)))
        .bind(column(&rows, |(_, entry)| entry.change_type.as_str()))
        .bind(column(&rows, |(_, entry)| Numeric(entry.amount)))
        .bind(column(&rows, |(_, entry)| Numeric(entry.balance_before)))
        .bind(column(&rows, |(_, entry)| Numeric(entry.balance_after)))
        .bind(column(&rows, |(_, entry)| entry.currency.code()))
        .bind(column(&rows, |(_, entry)| &*entry.reason))
        .bind(column(&rows, |(_, entry)| entry.reference.as_deref()))
        .bind(column(&rows, |(_, entry)| entry.transaction_id.as_ref().map(AggregateId::as_str)))
        .bind(column(&rows, |(_, entry)| entry.leg.map(i16::from)))
        .bind(column(&rows, |(_, entry)| entry.forced))
        .bind(column(&rows, |(_, entry)| entry.metadata.as_deref()))
        .bind(column(&rows, |(_, entry)| Instant(entry.at)))
        .bind(column(&rows, |(_, entry)| entry.correlation_id.as_str()))
        .bind(column(&rows, |(_, entry)| entry.causation_id.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

async fn refunds(connection: &mut PgConnection, partition: i32, changes: &Changes) -> Result<(), Error> {
    let rows: Vec<_> = changes.refunds.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    query(sql::REFUNDS)
        .bind(partition)
        .bind(column(&rows, |(key, _)| key.0.as_str()))
        .bind(column(&rows, |(key, _)| key.1.as_str()))
        .bind(column(&rows, |(_, refund)| Numeric(refund.amount)))
        .bind(column(&rows, |(_, refund)| refund.status.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

/// A row of `transactions` that changes.
type Turned<'a> = (&'a AggregateId, &'a TransactionChange);

async fn transactions(
    connection: &mut PgConnection,
    partition: i32,
    changes: &Changes,
    recount: bool,
) -> Result<(), Error> {
    let (begun, changed): (Vec<Turned<'_>>, Vec<Turned<'_>>) =
        changes.transactions.iter().partition(|(_, change)| change.begun.is_some());
    if !begun.is_empty() {
        begin_transactions(connection, partition, &begun).await?;
    }
    if changed.is_empty() {
        return Ok(());
    }
    let found = query(sql::CHANGE_TRANSACTIONS)
        .bind(partition)
        .bind(column(&changed, |(id, _)| id.as_str()))
        .bind(column(&changed, |(_, change)| number(change.version)))
        .bind(column(&changed, |(_, change)| Instant(change.updated_at)))
        .bind(column(&changed, status))
        .bind(column(&changed, error_code))
        .bind(column(&changed, reason))
        .bind(column(&changed, ended_at))
        .bind(column(&changed, |(_, change)| change.authorized.map(|authorized| Numeric(authorized.amount))))
        .bind(column(&changed, expires_at))
        .bind(column(&changed, |(_, change)| change.first_leg().map(Numeric)))
        .bind(column(&changed, |(_, change)| change.legs_json()))
        .bind(column(&changed, |(_, change)| change.captured_amount.map(Numeric)))
        .bind(column(&changed, |(_, change)| recount || change.refunds_changed))
        .execute(connection)
        .await?;
    all_there("transactions", &found, changed.len())
}

async fn begin_transactions(connection: &mut PgConnection, partition: i32, begun: &[Turned<'_>]) -> Result<(), Error> {
    query(sql::BEGIN_TRANSACTIONS)
        .bind(partition)
        .bind(column(begun, |(id, _)| id.as_str()))
        .bind(column(begun, |(_, change)| number(change.version)))
        .bind(column(begun, |(_, change)| change.begun.as_ref().map(|begun| begun.kind.as_str())))
        .bind(column(begun, status))
        .bind(column(begun, |(_, change)| change.amount().map(Numeric)))
        .bind(column(begun, |(_, change)| change.begun.as_ref().map(|begun| &*begun.currency)))
        .bind(column(begun, |(_, change)| change.begun.as_ref().map(|begun| &*begun.request)))
        .bind(column(begun, |(_, change)| change.begun.as_ref()?.parent.as_ref().map(AggregateId::as_str)))
        .bind(column(begun, |(_, change)| change.legs_json()))
        .bind(column(begun, |(_, change)| change.captured_amount.map(Numeric)))
        .bind(column(begun, expires_at))
        .bind(column(begun, error_code))
        .bind(column(begun, reason))
        .bind(column(begun, |(_, change)| change.begun.as_ref().map(|begun| Instant(begun.at))))
        .bind(column(begun, |(_, change)| Instant(change.updated_at)))
        .bind(column(begun, ended_at))
        .execute(connection)
        .await?;
    Ok(())
}

fn status(row: &Turned<'_>) -> Option<&'static str> {
    row.1.turn.as_ref().map(|turn| turn.status.as_str())
}

fn error_code<'a>(row: &Turned<'a>) -> Option<&'a str> {
    row.1.turn.as_ref()?.error_code.as_deref()
}

fn reason<'a>(row: &Turned<'a>) -> Option<&'a str> {
    row.1.turn.as_ref()?.reason.as_deref()
}

fn ended_at(row: &Turned<'_>) -> Option<Instant> {
    row.1.turn.as_ref()?.ended_at.map(Instant)
}

fn expires_at(row: &Turned<'_>) -> Option<Instant> {
    row.1.authorized.map(|authorized| Instant(authorized.expires_at))
}

async fn participants(connection: &mut PgConnection, partition: i32, changes: &Changes) -> Result<(), Error> {
    let rows: Vec<_> = changes.participants.iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    query(sql::PARTICIPANTS)
        .bind(partition)
        .bind(column(&rows, |(transaction, _)| transaction.as_str()))
        .bind(column(&rows, |(_, account)| account.as_str()))
        .execute(connection)
        .await?;
    Ok(())
}

/// One value of every row.
fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A version counts events, of which there are fewer than 2^63.
fn number(version: Version) -> i64 {
    version.0.cast_signed()
}

fn all_there(table: &'static str, found: &PgQueryResult, wanted: usize) -> Result<(), Error> {
    match (wanted as u64).saturating_sub(found.rows_affected()) {
        0 => Ok(()),
        missing => Err(Error::Missing { table, missing }),
    }
}
