//! Rows in PostgreSQL.

mod rebuild;
mod statements;
mod values;
mod writing;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor, query, query_as, query_scalar};

use self::values::Instant;
use super::read_store::{AGGREGATES, Answer, Batch, Claim, Error, Origin, Position, ReadStore, Standing};
use crate::log::Offset;

static MIGRATIONS: Migrator = sqlx::migrate!("src/projection/migrations/postgres");

/// A server that takes longer to give a connection is away.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A writer that has stopped in the middle of a step, but not ended, keeps the partition's next owner waiting no longer
/// than this; and nobody waits for a lock for ever.
const LIMITS: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "5s"), ("lock_timeout", "30s")];

/// A read store in PostgreSQL.
pub struct Postgres {
    options: PgConnectOptions,
    pool: PgPool,
}

impl Postgres {
    /// The store at that address, which is not looked at yet. At most `connections` are open at a time.
    ///
    /// # Errors
    /// [`Error::Address`] when it is none of a PostgreSQL.
    pub fn open(url: &str, connections: u32) -> Result<Postgres, Error> {
        let options = PgConnectOptions::from_str(url).map_err(|error| Error::Address(error.to_string()))?;
        let options = options.application_name("billing-engine").options(LIMITS);
        let pool = pool(connections).connect_lazy_with(options.clone());
        Ok(Postgres { options, pool })
    }
}

/// A connection that is dead is found out by using it: every write is prepared for that.
fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_LIMIT).test_before_acquire(false)
}

impl ReadStore for Postgres {
    fn prepare<'a>(&'a self, origin: &'a Origin) -> Answer<'a, ()> {
        async {
            MIGRATIONS.run(&self.pool).await?;
            query(
                "INSERT INTO projection_identity (cluster_id, prefix, partitions) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(&origin.cluster_id)
            .bind(&origin.prefix)
            .bind(origin.partitions.cast_signed())
            .execute(&self.pool)
            .await?;
            origin.admit(self.origin().await?)
        }
        .boxed()
    }

    fn claim(&self, partition: u32, starts: [Offset; 2]) -> Answer<'_, Claim> {
        async move {
            let rows: Vec<(String, i64, i64)> = query_as(statements::CLAIM)
                .bind(partition.cast_signed())
                .bind(AGGREGATES.as_slice())
                .bind(starts.as_slice())
                .fetch_all(&self.pool)
                .await?;
            Ok(Claim::of(rows, starts))
        }
        .boxed()
    }

    fn write<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()> {
        async {
            let mut transaction = self.pool.begin().await?;
            writing::write(&mut transaction, batch).await?;
            Ok(transaction.commit().await?)
        }
        .boxed()
    }

    fn standing(&self) -> Answer<'_, Option<Standing>> {
        async {
            let there: bool =
                query_scalar("SELECT to_regclass('projection_positions') IS NOT NULL").fetch_one(&self.pool).await?;
            if !there {
                return Ok(None);
            }
            let positions: Vec<(String, i32, i64, Option<Instant>)> =
                query_as("SELECT aggregate, partition, position, as_of FROM projection_positions ORDER BY 1, 2")
                    .fetch_all(&self.pool)
                    .await?;
            let position = |(aggregate, partition, position, as_of): (String, i32, i64, Option<Instant>)| {
                Position::of(&aggregate, partition.cast_unsigned(), position, as_of.map(|Instant(at)| at))
            };
            let positions = positions.into_iter().filter_map(position).collect();
            Ok(Some(Standing { origin: self.origin().await?, positions }))
        }
        .boxed()
    }

    fn beside(&self) -> Answer<'_, Arc<dyn ReadStore>> {
        async {
            let schema = self.make_beside().await?;
            let path = format!("SET search_path TO {schema}");
            let pool = pool(self.pool.options().get_max_connections()).after_connect(move |connection, _| {
                let path = path.clone();
                async move {
                    connection.execute(sqlx::AssertSqlSafe(path)).await?;
                    Ok(())
                }
                .boxed()
            });
            let (options, pool) = (self.options.clone(), pool.connect_lazy_with(self.options.clone()));
            Ok(Arc::new(Postgres { options, pool }) as Arc<dyn ReadStore>)
        }
        .boxed()
    }

    fn swap(&self) -> Answer<'_, ()> {
        self.swap_schemas().boxed()
    }
}

impl Postgres {
    async fn origin(&self) -> Result<Option<Origin>, Error> {
        let row: Option<(String, String, i32)> =
            query_as("SELECT cluster_id, prefix, partitions FROM projection_identity")
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(cluster_id, prefix, partitions)| Origin {
            cluster_id,
            prefix,
            partitions: partitions.cast_unsigned(),
        }))
    }
}
