//! `transaction list`: which transactions there are, and which of them wait for too long.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::digest::{Digest, Digests, Filter};
use crate::cli::events::{self, Reader};
use crate::cli::output::{Failure, Output, Row, time};
use crate::cli::reach::Reach;
use crate::config;
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::transaction::{Kind, Status, Transaction};
use crate::engine::TRANSACTIONS;
use crate::log::Record;

/// `transaction list`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only those that this account has a part in
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only those that have come so far
    #[arg(long, value_parser = statuses(), ignore_case = true)]
    status: Option<String>,
    /// Only those of this kind
    #[arg(long = "type", value_parser = kinds(), ignore_case = true)]
    kind: Option<String>,
    /// Only those that have not ended and that nothing happened to for so long, such as 5m; an
    /// authorization may wait until its time is over
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    stuck: Option<Duration>,
    #[command(flatten)]
    reach: Reach,
}

fn statuses() -> PossibleValuesParser {
    Status::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().into()
}

fn kinds() -> PossibleValuesParser {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().into()
}

impl Args {
    /// Which log.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    fn filter(&self) -> Result<Filter, Failure> {
        Ok(Filter {
            account: self.account.as_deref().map(super::parse_id).transpose()?,
            status: self.status.as_deref().and_then(|word| Status::parse(&word.to_ascii_uppercase())),
            kind: self.kind.as_deref().and_then(|word| Kind::parse(&word.to_ascii_uppercase())),
            stuck: self.stuck,
        })
    }
}

/// Prints what is asked for.
///
/// # Errors
/// A log that does not answer. Transactions whose events cannot be read are left out, and said at the end.
pub async fn list(args: &Args, reader: Reader<'_>, output: Output) -> Result<(), Failure> {
    let mut digests = Digests::new(args.filter()?);
    let mut faults = Faults::default();
    let progress = progress(&reader).await?;
    for partition in 0..reader.partitions {
        let take = |record: Record<'_>| {
            progress.inc(1);
            faults.note(events::decode::<Transaction>(record).and_then(|event| digests.take(event)));
            Ok(())
        };
        reader.records(TRANSACTIONS.events, partition, take).await?;
    }
    progress.finish_and_clear();
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let rows: Vec<_> = digests.found(now).iter().map(Listed::new).collect();
    output.list(
        &rows,
        &["transaction", "type", "status", "version", "currency", "requested", "updated", ""],
        Listed::row,
    )?;
    faults.told()
}

async fn progress(reader: &Reader<'_>) -> Result<ProgressBar, Failure> {
    let mut events = 0;
    for partition in 0..reader.partitions {
        events += reader.length(TRANSACTIONS.events, partition).await?;
    }
    let style = ProgressStyle::with_template("{human_pos} of {human_len} events read, {eta} left")
        .unwrap_or(ProgressStyle::default_bar());
    Ok(ProgressBar::new(events).with_style(style))
}

/// Events that say nothing.
#[derive(Default)]
struct Faults {
    first: Option<Failure>,
    count: u64,
}

impl Faults {
    fn note(&mut self, read: Result<(), Failure>) {
        if let Err(failure) = read {
            self.count += 1;
            self.first.get_or_insert(failure);
        }
    }

    fn told(self) -> Result<(), Failure> {
        match self.first {
            Some(first) => Err(first.among(self.count)),
            None => Ok(()),
        }
    }
}

/// A transaction in the words of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    transaction_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    version: u64,
    currency: String,
    requested_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
}

impl Listed {
    fn new((id, digest): &(AggregateId, Digest)) -> Self {
        Listed {
            transaction_id: id.to_string(),
            kind: digest.kind.as_str(),
            status: digest.status.as_str(),
            version: digest.version.0,
            currency: digest.currency.to_string(),
            requested_at: time(digest.requested_at),
            updated_at: time(digest.updated_at),
            expires_at: digest.expires_at.map(time),
            error_code: digest.error_code.as_ref().map(ToString::to_string),
        }
    }

    fn row(&self) -> Row {
        let until = self.expires_at.as_ref().map(|expires_at| format!("until {expires_at}"));
        let why = until.or_else(|| self.error_code.clone()).unwrap_or_default();
        let Listed { transaction_id, kind, status, version, currency, requested_at, updated_at, .. } = self;
        let version = version.to_string();
        [transaction_id, *kind, *status, &version, currency, requested_at, updated_at, &why].map(str::to_owned).into()
    }
}
