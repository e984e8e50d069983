//! A second set of tables in a schema of its own, and how it takes the place of the first.

use sqlx::{AssertSqlSafe, query};

use super::Postgres;
use crate::projection::read_store::{Error, TABLES};

/// Those who ask hold a table for moments. Whoever holds one and waits for another must not be taken for a deadlock:
/// the swap gives up first, and is tried again.
const PATIENCE: &str = "SET LOCAL lock_timeout = '300ms'";

impl Postgres {
    /// An empty schema beside the one that is asked; answers its name, quoted.
    pub(super) async fn make_beside(&self) -> Result<String, Error> {
        let (_, beside) = self.schemas().await?;
        for statement in [format!("DROP SCHEMA IF EXISTS {beside} CASCADE"), format!("CREATE SCHEMA {beside}")] {
            query(AssertSqlSafe(statement)).execute(&self.pool).await?;
        }
        Ok(beside)
    }

    /// One transaction: nobody ever sees a table of the one and a table of the other.
    pub(super) async fn swap_schemas(&self) -> Result<(), Error> {
        let (asked, beside) = self.schemas().await?;
        let mut transaction = self.pool.begin().await?;
        query(PATIENCE).execute(&mut *transaction).await?;
        // First what every writer moves first, so that none is in the middle of a step.
        query("LOCK TABLE projection_positions IN EXCLUSIVE MODE").execute(&mut *transaction).await?;
        let fence = format!(
            "UPDATE {beside}.projection_positions b SET epoch = a.epoch + 1 FROM {asked}.projection_positions a \
             WHERE a.aggregate = b.aggregate AND a.partition = b.partition"
        );
        query(AssertSqlSafe(fence)).execute(&mut *transaction).await?;
        for table in TABLES {
            for statement in
                [format!("DROP TABLE {asked}.{table}"), format!("ALTER TABLE {beside}.{table} SET SCHEMA {asked}")]
            {
                query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
            }
        }
        query(AssertSqlSafe(format!("DROP SCHEMA {beside} CASCADE"))).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The schema that is asked and the one beside it, quoted.
    async fn schemas(&self) -> Result<(String, String), Error> {
        let names = "SELECT quote_ident(current_schema()), quote_ident(current_schema() || '_rebuild')";
        Ok(sqlx::query_as(names).fetch_one(&self.pool).await?)
    }
}
