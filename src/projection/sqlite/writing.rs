//! One batch, table by table, always in the same order.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{SqliteConnection, query, query_as};

use super::rows::{self, Sums};
use super::statements as sql;
use crate::domain::ids::AggregateId;
use crate::domain::money::Amount;
use crate::projection::read_store::{AGGREGATES, Batch, Error};
use crate::projection::rows::Changes;

/// Writes it inside the transaction that is open.
pub(super) async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), Error> {
    let moved = execute(connection, sql::ADVANCE, batch.partition, &rows::positions(batch)).await?;
    if moved != AGGREGATES.len() as u64 {
        return Err(Error::Fenced { partition: batch.partition });
    }
    for (statements, _) in sql::CLEAR.iter().zip(batch.clear).filter(|(_, clear)| *clear) {
        for statement in *statements {
            query(*statement).bind(batch.partition).execute(&mut *connection).await?;
        }
    }
    let Batch { partition, changes, recount, .. } = batch;
    currencies(connection, changes).await?;
    let [placed, ended] = rows::holds(changes);
    execute(connection, sql::PLACE_HOLDS, *partition, &placed).await?;
    change(connection, "holds", sql::END_HOLDS, *partition, &ended).await?;
    let held = held(connection, changes, *recount).await?;
    let [opened, changed] = rows::accounts(changes, &held);
    execute(connection, sql::OPEN_ACCOUNTS, *partition, &opened).await?;
    change(connection, "accounts", sql::CHANGE_ACCOUNTS, *partition, &changed).await?;
    execute(connection, sql::ENTRIES, *partition, &rows::entries(changes)).await?;
    execute(connection, sql::REFUNDS, *partition, &rows::refunds(changes)).await?;
    let refunded = refunded(connection, changes, *recount).await?;
    let [begun, changed] = rows::transactions(changes, &refunded);
    execute(connection, sql::BEGIN_TRANSACTIONS, *partition, &begun).await?;
    change(connection, "transactions", sql::CHANGE_TRANSACTIONS, *partition, &changed).await?;
    execute(connection, sql::PARTICIPANTS, *partition, &rows::participants(changes)).await?;
    Ok(())
}

async fn currencies(connection: &mut SqliteConnection, changes: &Changes) -> Result<(), Error> {
    if !changes.currencies.is_empty() {
        query(sql::CURRENCIES).bind(rows::currencies(changes).to_string()).execute(connection).await?;
    }
    Ok(())
}

/// Runs a statement over these rows, unless there are none; answers how many it touched.
async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
    partition: u32,
    rows: &Value,
) -> Result<u64, Error> {
    if rows.as_array().is_none_or(Vec::is_empty) {
        return Ok(0);
    }
    Ok(query(statement).bind(partition).bind(rows.to_string()).execute(connection).await?.rows_affected())
}

/// The same for rows that have to be there.
async fn change(
    connection: &mut SqliteConnection,
    table: &'static str,
    statement: &'static str,
    partition: u32,
    rows: &Value,
) -> Result<(), Error> {
    let wanted = rows.as_array().map_or(0, Vec::len) as u64;
    match wanted.saturating_sub(execute(connection, statement, partition, rows).await?) {
        0 => Ok(()),
        missing => Err(Error::Missing { table, missing }),
    }
}

/// What the holds of the accounts that were opened, or whose holds changed, sum up to.
async fn held(connection: &mut SqliteConnection, changes: &Changes, recount: bool) -> Result<Sums, Error> {
    let counted =
        changes.accounts.iter().filter(|(_, change)| recount || change.holds_changed || change.opened.is_some());
    let mut sums: BTreeMap<String, Amount> = BTreeMap::new();
    let mut ids = Vec::new();
    for (id, change) in counted {
        ids.push(id.as_str());
        sums.extend(change.balance.and_then(nothing_of).map(|nothing| (id.to_string(), nothing)));
    }
    let ids = Value::from(ids).to_string();
    let balances: Vec<(String, String)> = query_as(sql::BALANCES).bind(&ids).fetch_all(&mut *connection).await?;
    for (id, balance) in balances {
        if let Some(nothing) = Amount::parse(&balance).ok().and_then(nothing_of) {
            sums.entry(id).or_insert(nothing);
        }
    }
    let placed: Vec<(String, String)> = query_as(sql::PLACED).bind(&ids).fetch_all(connection).await?;
    add(&mut sums, placed)
}

/// What the settled refunds of the payments whose refunds changed sum up to; payments without a refund have no sum.
async fn refunded(connection: &mut SqliteConnection, changes: &Changes, recount: bool) -> Result<Sums, Error> {
    let counted = changes.transactions.iter().filter(|(_, change)| recount || change.refunds_changed);
    let ids: Vec<&str> = counted.map(|(id, _)| AggregateId::as_str(id)).collect();
    if ids.is_empty() {
        return Ok(Sums::new());
    }
    let found: Vec<(String, Option<String>, String)> =
        query_as(sql::REFUNDED).bind(Value::from(ids).to_string()).fetch_all(connection).await?;
    let mut sums: BTreeMap<String, Amount> = BTreeMap::new();
    for (id, _, reserved) in &found {
        if let Some(nothing) = Amount::parse(reserved).ok().and_then(nothing_of) {
            sums.entry(id.clone()).or_insert(nothing);
        }
    }
    let settled = found.into_iter().filter_map(|(id, settled, _)| Some((id, settled?)));
    add(&mut sums, settled.collect())
}

fn nothing_of(amount: Amount) -> Option<Amount> {
    Amount::of_digits(0, amount.decimals())
}

fn add(sums: &mut BTreeMap<String, Amount>, amounts: Vec<(String, String)>) -> Result<Sums, Error> {
    for (id, amount) in amounts {
        let added = Amount::parse(&amount).ok();
        let Some(sum) = sums.get_mut(&id) else { continue };
        let total = added.and_then(|added| sum.checked_add(added));
        *sum = total
            .ok_or_else(|| Error::Refused(sqlx::Error::Decode(format!("the amounts of {id} do not add up").into())))?;
    }
    Ok(sums.iter().map(|(id, sum)| (id.clone(), sum.to_string())).collect())
}
