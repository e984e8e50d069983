//! What the figures are to be read with.

use std::fs;
use std::thread::available_parallelism;

use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar};

const SETTINGS: [&str; 5] = ["server_version", "shared_buffers", "max_wal_size", "fsync", "synchronous_commit"];

/// The machine, who else is at work on it, the build and the server at `url`.
pub async fn told(url: &str) -> String {
    let mut server = PgConnection::connect(url).await.unwrap();
    let mut settings = Vec::new();
    for name in SETTINGS {
        let value: String = query_scalar(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut server).await.unwrap();
        settings.push(format!("{name} {value}"));
    }
    let processors = available_parallelism().unwrap();
    let build = if cfg!(debug_assertions) { "a debug build, which says little" } else { "a release build" };
    format!(
        "{processors} processors ({}), shared by everything here, load {} at the end; {build}\nPostgreSQL: {}",
        model(),
        load(),
        settings.join(", ")
    )
}

fn model() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("of no name", |(_, name)| name).to_owned()
}

/// Of the last minute, the benchmark's own share included.
fn load() -> String {
    let told = fs::read_to_string("/proc/loadavg").expect("Linux tells it");
    told.split_whitespace().next().unwrap_or_default().to_owned()
}
