//! Interim.
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub async fn database() -> String {
    let server = std::env::var("BILLING_TEST_POSTGRES").unwrap();
    let name = format!("http_{:08x}", rand::random::<u32>());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}
