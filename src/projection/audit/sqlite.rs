//! The tables in SQLite, as text.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, query, query_as, query_scalar};

use super::tables::{Column, Content, Row, Table};
use super::{Error, Standing, read};

pub(super) async fn connect(url: &str) -> Result<SqliteConnection, Error> {
    let options: SqliteConnectOptions = url.parse().map_err(|error: sqlx::Error| Error::Address(error.to_string()))?;
    Ok(options.create_if_missing(false).pragma("query_only", "ON").connect().await?)
}

/// What is read from the first look on is as it was then.
pub(super) async fn hold(connection: &mut SqliteConnection, held: bool) -> Result<Standing, Error> {
    if held {
        query("ROLLBACK").execute(&mut *connection).await?;
    }
    query("BEGIN").execute(&mut *connection).await?;
    let there: i64 = query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'projection_positions'")
        .fetch_one(&mut *connection)
        .await?;
    if there == 0 {
        return Err(Error::NoTables);
    }
    let origin = query_as("SELECT cluster_id, prefix, partitions FROM projection_identity");
    let positions = query_as("SELECT aggregate, partition, position FROM projection_positions");
    Ok(Standing::new(origin.fetch_optional(&mut *connection).await?, positions.fetch_all(connection).await?))
}

pub(super) async fn rows(
    connection: &mut SqliteConnection,
    table: Table,
    mut take: impl FnMut(Row),
) -> Result<(), Error> {
    let statement = super::select(table, as_text);
    let mut rows = query(AssertSqlSafe(statement)).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        take(read(table, &row)?);
    }
    Ok(())
}

fn as_text(Column { name, content }: &Column) -> String {
    match content {
        Content::Text | Content::Amount | Content::Document => format!("\"{name}\""),
        Content::Whole | Content::Time => format!("CAST(\"{name}\" AS TEXT)"),
        Content::Truth => format!("CASE \"{name}\" WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"),
    }
}
