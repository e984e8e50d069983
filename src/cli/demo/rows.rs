//! The read store of a demo: rows in one file, written while the load runs and compared with the log in the end.

use std::path::Path;
use std::sync::Arc;

use crate::cli::checks::Check;
use crate::cli::reach::Within;
use crate::cli::verify::{Verdict, Verification};
use crate::cli::{Failure, read_side};
use crate::config::Config;
use crate::http::Health;
use crate::log::{Client, Subscription};
use crate::metrics::Metrics;
use crate::projection::audit::Table;
use crate::projection::{self, Origin, Projections};

/// What the file is called, beside the log.
const FILE: &str = "rows.sqlite";

/// Projections at work into a file of the demo's own, whatever `read_store.url` says.
pub struct Rows {
    url: String,
    origin: Origin,
    projections: Projections,
}

impl Rows {
    /// Starts writing the rows of the events that `subscription` reads into the file in `directory`.
    ///
    /// # Errors
    /// A file that cannot be used, or holds the rows of another log.
    pub async fn start(
        config: &Config,
        directory: &Path,
        subscription: Arc<dyn Subscription>,
        metrics: &Arc<Metrics>,
        health: &Health,
    ) -> Result<Rows, Failure> {
        let (prefix, partitions) = (config.topics.prefix.clone(), config.topics.partitions.get());
        let origin = Origin { cluster_id: subscription.identity().await?, prefix, partitions };
        let url = url(&directory.join(FILE));
        let store = projection::open(&url, partitions)?;
        // Projections would wait for a person; a demo tells at once what is wrong with the file.
        store.prepare(&origin).await?;
        let projections = read_side::project(config, subscription, store, metrics, health);
        Ok(Rows { url, origin, projections })
    }

    /// Waits until all that is on the log now is written, and compares it as `verify` does.
    ///
    /// # Errors
    /// A log or a file that does not answer, rows that do not come any further.
    pub async fn check(self, client: &dyn Client, within: &Within) -> Result<Check, Failure> {
        let verification = Verification { within, drained: false, origin: self.origin, client };
        let verdict = verification.of(&self.url).await;
        self.projections.stop().await;
        Ok(compared(&verdict?))
    }
}

/// The address of the file; what means something in an address stands there encoded.
fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display().to_string().replace('%', "%25").replace('?', "%3F"))
}

fn compared(Verdict { checked, differences, .. }: &Verdict) -> Check {
    let rows = |table| checked.get(&table).copied().unwrap_or_default();
    let (accounts, entries) = (rows(Table::Accounts), rows(Table::Entries));
    let first = differences.first().map(|difference| format!(", the first: {difference}")).unwrap_or_default();
    Check {
        name: "the read store holds what the log says",
        ok: differences.is_empty(),
        detail: format!("{accounts} accounts, {entries} entries compared, {} differ{first}", differences.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_may_lie_in_any_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("100% sure?mode=ro#1");
        std::fs::create_dir(&directory).unwrap();
        let store = projection::open(&url(&directory.join(FILE)), 1).unwrap();
        let origin = Origin { cluster_id: "log".to_owned(), prefix: "demo".to_owned(), partitions: 1 };
        store.prepare(&origin).await.unwrap();
        assert!(directory.join(FILE).is_file());
    }
}
