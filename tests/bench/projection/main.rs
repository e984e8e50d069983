//! What the read side costs: rows a second beside plain `COPY` of the same rows on the same server, how fast it catches
//! up with a log, and how long an event takes until it can be asked for.
//!
//! `cargo bench --bench projection -- 1000000`: how many events are written, and how many are caught up with. The
//! PostgreSQL is that of the tests: `BILLING_TEST_POSTGRES`, or one of its own on this machine.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]

#[allow(dead_code, reason = "other benchmarks spread their load otherwise")]
#[path = "../commands.rs"]
mod commands;
mod copying;
mod events;
mod following;
mod machine;
mod report;
#[path = "../../support/mod.rs"]
mod support;
mod writing;

use copying::Copying;
use report::Figures;
use support::postgres::Postgres;

/// Events of one step, as `read_store.batch_events` has them.
const BATCH: usize = 2_000;

fn main() {
    let Some(events) = std::env::args().skip(1).find_map(|argument| argument.parse().ok()) else {
        // Also what `cargo bench` without a name comes to: a million events take minutes and gigabytes.
        return println!("projection: give it a number of events, such as -- 1000000");
    };
    let directory = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let postgres = |name: &str| Postgres::shared().database(name);
    // The server is started before there is a runtime.
    let (written, followed) = (postgres("bench_written"), postgres("bench_followed"));
    actix::System::new().block_on(async {
        let mut copying = Copying::of(&written);
        let in_postgres = Figures {
            written: writing::write(&written, events, async |batch| copying.copy(batch).await).await,
            copied: Some(copying.finish().await),
            followed: following::follow(&followed, events).await,
        };
        assert_eq!(
            in_postgres.copied.as_ref().map(|copied| copied.rows),
            Some(in_postgres.written.rows),
            "the same rows"
        );
        let in_sqlite = Figures {
            written: writing::write(&sqlite("written.db"), events, async |_| ()).await,
            copied: None,
            followed: following::follow(&sqlite("followed.db"), events).await,
        };
        println!("{}", machine::told(&written).await);
        println!("{}", report::table(&in_postgres, &in_sqlite));
    });
}
