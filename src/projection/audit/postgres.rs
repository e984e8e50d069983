//! The tables in PostgreSQL, as text.

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, query, query_as, query_scalar};

use super::tables::{Column, Content, Row, Table};
use super::{Error, Standing, read};

pub(super) async fn connect(url: &str) -> Result<PgConnection, Error> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| Error::Address(error.to_string()))?;
    Ok(options.application_name("billing-engine verify").connect().await?)
}

/// A rebuild swaps tables: once all of them are locked, before the first is looked at, none of them goes away.
pub(super) async fn hold(connection: &mut PgConnection, held: bool) -> Result<Standing, Error> {
    if held {
        query("ROLLBACK").execute(&mut *connection).await?;
    }
    let there: bool =
        query_scalar("SELECT to_regclass('projection_positions') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !there {
        return Err(Error::NoTables);
    }
    query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *connection).await?;
    let tables: Vec<&str> = Table::ALL.into_iter().map(Table::name).collect();
    let lock =
        format!("LOCK TABLE projection_identity, projection_positions, {} IN ACCESS SHARE MODE", tables.join(", "));
    query(AssertSqlSafe(lock)).execute(&mut *connection).await?;
    let origin = query_as("SELECT cluster_id, prefix, partitions::bigint FROM projection_identity");
    let positions = query_as("SELECT aggregate, partition::bigint, position FROM projection_positions");
    Ok(Standing::new(origin.fetch_optional(&mut *connection).await?, positions.fetch_all(connection).await?))
}

pub(super) async fn rows(connection: &mut PgConnection, table: Table, mut take: impl FnMut(Row)) -> Result<(), Error> {
    let statement = super::select(table, as_text);
    let mut rows = query(AssertSqlSafe(statement)).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        take(read(table, &row)?);
    }
    Ok(())
}

/// Times are kept finer than events are: what is finer is to be seen.
fn as_text(Column { name, content }: &Column) -> String {
    match content {
        Content::Text => format!("\"{name}\""),
        Content::Whole | Content::Amount | Content::Truth | Content::Document => format!("\"{name}\"::text"),
        Content::Time => format!("trim_scale(extract(epoch FROM \"{name}\") * 1000)::text"),
    }
}
