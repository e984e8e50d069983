//! How far the log and the read store are compared: the store first has to come as far as the log was at the
//! beginning, then it is taken as it stands at one moment, and the log is folded to exactly there.

use std::ops::Range;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::cli::Failure;
use crate::cli::reach::{Within, in_time};
use crate::domain::account::Account;
use crate::domain::transaction::Transaction;
use crate::log::{Client, Offset, Topic};
use crate::projection::TOPICS;
use crate::projection::audit::{Audit, Standing};
use crate::wire::Wire;

/// As positions name it.
pub const ACCOUNT: &str = Account::AGGREGATE;
/// As positions name it.
pub const TRANSACTION: &str = Transaction::AGGREGATE;

/// Between two looks at a store that is behind.
const PAUSE: Duration = Duration::from_millis(100);

/// A part of one partition of events.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Where they lie.
    pub topic: Topic,
    /// What of it is folded.
    pub range: Range<Offset>,
    /// Where it ended at the beginning.
    pub cut: Offset,
}

/// How far each partition is compared.
#[derive(Clone, Debug)]
pub struct Cut {
    accounts: Vec<Stretch>,
    transactions: Vec<Stretch>,
}

impl Cut {
    /// Where the log ends now. Transactions are asked first, and of accounts all that is written counts, committed or
    /// not: what a transaction had posted when it ended is then before the cut too. Its postings were committed before
    /// it heard of them, but not in every partition at the same moment: where one of them lies, the end of what is
    /// committed may still be before it.
    ///
    /// # Errors
    /// A log that does not answer, or has lost its beginning.
    pub async fn take(client: &dyn Client, within: &Within, partitions: u32) -> Result<Cut, Failure> {
        let [account_events, transaction_events] = TOPICS;
        let transactions = stretches(client, within, transaction_events, partitions).await?;
        let mut accounts = stretches(client, within, account_events, partitions).await?;
        for (partition, stretch) in (0..).zip(&mut accounts) {
            stretch.cut = in_time(within, client.written_end(account_events, partition)).await?;
        }
        Ok(Cut { accounts, transactions })
    }

    /// How many there are of each topic.
    pub fn partitions(&self) -> u32 {
        self.accounts.len() as u32
    }

    /// What is to be folded of a partition.
    pub fn stretch(&self, aggregate: &str, partition: u32) -> &Stretch {
        let stretches = if aggregate == TRANSACTION { &self.transactions } else { &self.accounts };
        &stretches[partition as usize]
    }

    /// How many offsets are to be folded.
    pub fn len(&self) -> u64 {
        let stretches = self.accounts.iter().chain(&self.transactions);
        stretches.map(|stretch| (stretch.range.end - stretch.range.start).unsigned_abs()).sum()
    }

    /// Waits until the store has come as far, and holds it still; from then on the log is compared up to there.
    ///
    /// # Errors
    /// A store that stays behind, or is another log's.
    pub async fn reach(
        &mut self,
        audit: &mut Audit,
        client: &dyn Client,
        within: &Within,
        progress: &ProgressBar,
    ) -> Result<Standing, Failure> {
        let (mut last, mut deadline) = (None, Instant::now() + within.timeout());
        loop {
            let standing = in_time(within, audit.hold()).await?;
            let Some(behind) = self.behind(&standing, client, within).await? else {
                self.end_at(&standing, client, within).await?;
                return Ok(standing);
            };
            // A store that still comes further is not given up, however long it takes.
            if last.as_ref() != Some(&standing) {
                deadline = Instant::now() + within.timeout();
                last = Some(standing);
            }
            if Instant::now() >= deadline {
                return Err(Failure::failed("READ_STORE_BEHIND", format!("the read store is behind: {behind}")));
            }
            progress.set_message(format!("waiting for the read store: {behind}"));
            progress.tick();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The first partition in which there are, or may yet be, events that are not projected.
    async fn behind(
        &self,
        standing: &Standing,
        client: &dyn Client,
        within: &Within,
    ) -> Result<Option<String>, Failure> {
        for (aggregate, partition, stretch) in self.stretches() {
            let position = standing.position(aggregate, partition).unwrap_or(stretch.range.start);
            if position >= stretch.cut {
                continue;
            }
            let (Topic(topic), cut) = (stretch.topic, stretch.cut);
            let committed = in_time(within, client.bounds(stretch.topic, partition)).await?.end;
            if committed < cut {
                return Ok(Some(format!(
                    "of partition {partition} of {topic} only what lies before {committed} of {cut} is committed"
                )));
            }
            if self.has_events(client, within, partition, stretch, position).await? {
                return Ok(Some(format!("partition {partition} of {topic} is written up to {position} of {cut}")));
            }
        }
        Ok(None)
    }

    /// The last offsets of a partition may be of no record: a transaction of the log ends with one.
    async fn has_events(
        &self,
        client: &dyn Client,
        within: &Within,
        partition: u32,
        stretch: &Stretch,
        position: Offset,
    ) -> Result<bool, Failure> {
        let from = position.max(stretch.range.start);
        let mut chunks = client.read(stretch.topic, partition, from..stretch.cut);
        while let Some(chunk) = in_time(within, async { Ok::<_, Failure>(chunks.recv().await) }).await? {
            if !chunk?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is compared ends where the store stands.
    async fn end_at(&mut self, standing: &Standing, client: &dyn Client, within: &Within) -> Result<(), Failure> {
        for (aggregate, stretches) in [(ACCOUNT, &mut self.accounts), (TRANSACTION, &mut self.transactions)] {
            for (partition, stretch) in (0..).zip(stretches) {
                let position = standing.position(aggregate, partition).unwrap_or(stretch.range.start);
                let end = in_time(within, client.bounds(stretch.topic, partition)).await?.end;
                if position > end {
                    let Topic(topic) = stretch.topic;
                    return Err(Failure::failed(
                        "READ_STORE_FOREIGN",
                        format!(
                            "the read store holds partition {partition} of {topic} up to {position}, which ends at {end}: \
                             it is another log's, or this one was lost; `billing-engine projection rebuild` writes it anew"
                        ),
                    ));
                }
                stretch.range.end = position;
            }
        }
        Ok(())
    }

    fn stretches(&self) -> impl Iterator<Item = (&'static str, u32, &Stretch)> {
        let transactions = (0..).zip(&self.transactions).map(|(partition, stretch)| (TRANSACTION, partition, stretch));
        transactions.chain((0..).zip(&self.accounts).map(|(partition, stretch)| (ACCOUNT, partition, stretch)))
    }
}

async fn stretches(
    client: &dyn Client,
    within: &Within,
    topic: Topic,
    partitions: u32,
) -> Result<Vec<Stretch>, Failure> {
    let mut stretches = Vec::new();
    for partition in 0..partitions {
        let range = in_time(within, client.bounds(topic, partition)).await?;
        if range.start > 0 {
            let Topic(topic) = topic;
            let start = range.start;
            return Err(Failure::failed(
                "LOG_INCOMPLETE",
                format!("partition {partition} of {topic} begins at offset {start}: what came before cannot be folded"),
            ));
        }
        stretches.push(Stretch { topic, cut: range.end, range });
    }
    Ok(stretches)
}
