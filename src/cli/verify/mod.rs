//! `verify`: the log folded by the domain itself, and the read store beside it.

mod accounts;
mod books;
mod checksums;
mod cut;
mod finding;
mod fold;
mod money;
mod transactions;
mod values;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use self::books::{Books, Broken};
use self::checksums::{Checksums, Closeup};
use self::cut::Cut;
use self::finding::Difference;
pub use self::finding::Verdict;
use self::fold::Fold;
use super::reach::{Within, in_time};
use super::{Failure, Output, reach};
use crate::config::Config;
use crate::log::Client;
use crate::projection::Origin;
use crate::projection::audit::{Audit, Error, Table};

/// `verify`
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Engines may run meanwhile: the read store first has to come as far as the log is now, and is given up
when it comes no further within --timeout; then its rows are taken as they stand at one moment, and the
log is folded to exactly there. Exit code 1 when there is a difference. Nothing is changed.")]
pub struct Args {
    /// Demand that no money is in flight, and no transaction under way but those that wait for upstream
    #[arg(long)]
    drained: bool,
    #[command(flatten)]
    reach: reach::Reach,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Address(_) => Failure::refused(format!("read_store.url: {error}")),
            Error::NoTables => Failure::failed("READ_STORE_EMPTY", error.to_string()),
            Error::Failed(_) => Failure::failed("READ_STORE_UNAVAILABLE", error.to_string()),
        }
    }
}

/// Verifies the read store and the money; exit code 1 when there is a difference.
///
/// # Errors
/// No read store, one that is behind or another log's, a log that does not answer.
pub fn verify(args: &Args, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let Some(url) = config.read_store.url.as_ref() else {
        return Err(Failure::refused("read_store.url is empty: there is nothing to verify"));
    };
    args.reach.must_exist()?;
    // One after the other: an embedded log is open once.
    let cluster_id =
        reach::block_on(&args.reach.within, async { Ok(args.reach.event_topics(config)?.identity().await?) })?;
    let topics = &config.topics;
    let origin = Origin { cluster_id, prefix: topics.prefix.clone(), partitions: topics.partitions.get() };
    let client = args.reach.client(config)?;
    let verification = Verification { within: &args.reach.within, drained: args.drained, origin, client: &*client };
    let verdict = reach::run(verification.of(url.expose()))?;
    output.object(&verdict.report(), || verdict.text())?;
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {human_pos} of {human_len}, {per_sec}");
    ProgressBar::no_length().with_style(style.unwrap_or(ProgressStyle::default_spinner()))
}

/// A log that a read store is compared with.
pub struct Verification<'a> {
    /// How long to wait for an answer, and for a store that does not come any further.
    pub within: &'a Within,
    /// Whether nothing may be in flight.
    pub drained: bool,
    /// Which log it is.
    pub origin: Origin,
    /// Where it is read.
    pub client: &'a dyn Client,
}

impl Verification<'_> {
    /// Compares the store at that address with it, once it has come as far as the log is now.
    ///
    /// # Errors
    /// A store that is behind or another log's, a log that does not answer.
    pub async fn of(self, url: &str) -> Result<Verdict, Failure> {
        let within = self.within;
        let progress = &progress();
        let mut audit = in_time(within, Audit::connect(url)).await?;
        let mut cut = Cut::take(self.client, within, self.origin.partitions).await?;
        let standing = cut.reach(&mut audit, self.client, within, progress).await?;
        self.origin.admit(standing.origin)?;

        let mut sums = Checksums::new();
        let mut expect = |row| sums.expect(&row);
        let mut books = Books::new(&mut expect);
        self.fold(&cut, &mut books, "events folded", progress).await?;
        let broken = books.broken();
        let (totals, mut differences) = books.money.settle(self.drained);
        differences.append(&mut books.differences);
        if self.drained {
            differences.extend(books.under_way.iter().map(|(id, status)| Difference::under_way(id, *status)));
        }
        for table in Table::ALL {
            audit.rows(table, |row| sums.find(&row)).await?;
        }
        for suspects in sums.suspects() {
            differences.extend(self.look_closely(&mut audit, &cut, Closeup::of(suspects), &broken, progress).await?);
        }
        progress.finish_and_clear();
        differences.sort();
        Ok(Verdict { checked: sums.expected().clone(), differences, totals })
    }

    async fn fold(
        &self,
        cut: &Cut,
        books: &mut Books<'_>,
        message: &'static str,
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        progress.set_message(message);
        progress.set_length(cut.len());
        progress.set_position(0);
        Fold { client: self.client, within: self.within, cut }.run(books, progress).await
    }

    /// Which rows differ of those that may.
    async fn look_closely(
        &self,
        audit: &mut Audit,
        cut: &Cut,
        mut closeup: Closeup,
        broken: &Broken,
        progress: &ProgressBar,
    ) -> Result<Vec<Difference>, Failure> {
        let mut expect = |row| {
            if !broken.includes(&row) {
                closeup.expect(row);
            }
        };
        self.fold(cut, &mut Books::new(&mut expect), "events folded again, to name what differs", progress).await?;
        for table in Table::ALL {
            let find = |row| {
                if !broken.includes(&row) {
                    closeup.find(row);
                }
            };
            audit.rows(table, find).await?;
        }
        Ok(closeup.finish())
    }
}
