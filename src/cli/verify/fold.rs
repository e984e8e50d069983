//! The log up to a cut, folded by the domain itself into the rows that should be there. Nothing here is shared with
//! those who write the rows.
//!
//! One partition after the other, so that the aggregates of one are in memory at a time; of those that nothing can
//! happen to any more, only the id.

use std::collections::HashMap;

use indicatif::ProgressBar;

use super::accounts::AccountLife;
use super::books::Books;
use super::cut::Cut;
use super::transactions::TransactionLife;
use crate::cli::Failure;
use crate::cli::reach::{Within, in_time};
use crate::domain::ids::AggregateId;
use crate::domain::{Aggregate, Recorded, Rules, Unfit};
use crate::log::{Client, Offset, Record};
use crate::projection::audit::Table;
use crate::wire::Wire;
use crate::wire::event::{self, Error, StoredEvent};
use crate::wire::json::{self, Unknown};

/// An aggregate from its first event on, and what of it stands in rows.
pub trait Life: Sized {
    /// What it is to the domain.
    type Aggregate: Wire;

    /// Before its first event.
    fn before(rules: &Rules) -> Self;

    /// The next event of it.
    ///
    /// # Errors
    /// One that does not follow from those before it, of which nothing is written.
    fn take(&mut self, at: &Place<'_>, event: &Recorded<Event<Self>>, books: &mut Books<'_>) -> Result<(), Unfit>;

    /// Whether nothing can happen to it any more.
    fn is_over(&self) -> bool;

    /// Writes what stands in the end.
    fn close(self, id: &AggregateId, partition: u32, books: &mut Books<'_>);

    /// Counts the money it stands for, all that is of worth when its history goes on in a way that cannot be.
    fn abandon(self, books: &mut Books<'_>);
}

type Event<L> = <<L as Life>::Aggregate as Aggregate>::Event;

/// Where an event was found.
pub struct Place<'a> {
    /// Whose it is.
    pub id: &'a AggregateId,
    /// Where it lies.
    pub partition: u32,
    /// Whether all that it follows from lies before the cut too.
    pub is_before_cut: bool,
    value: &'a [u8],
}

impl Place<'_> {
    /// The data of the event, as they were written.
    pub fn data(&self) -> &str {
        let text = str::from_utf8(self.value).unwrap_or_default();
        let fields = json::fields("the event", text, ["data"], Unknown::Ignored);
        // It could be read.
        fields.ok().and_then(|[data]| data.sent()).unwrap_or_default()
    }
}

/// The log that is folded.
pub struct Fold<'a> {
    /// Where it is.
    pub client: &'a dyn Client,
    /// How long to wait for it.
    pub within: &'a Within,
    /// How far to go.
    pub cut: &'a Cut,
}

impl Fold<'_> {
    /// Folds all of it. Accounts come first: when a transaction has ended, all it has posted was counted.
    ///
    /// # Errors
    /// A log that does not answer, or was written by a newer engine.
    pub async fn run(&self, books: &mut Books<'_>, progress: &ProgressBar) -> Result<(), Failure> {
        for partition in 0..self.cut.partitions() {
            self.partition::<AccountLife>(partition, books, progress).await?;
        }
        for partition in 0..self.cut.partitions() {
            self.partition::<TransactionLife>(partition, books, progress).await?;
        }
        let currencies = std::mem::take(&mut books.currencies);
        for (code, decimals) in currencies {
            books.write(Table::Currencies, vec![Some(code.into()), Some(decimals.to_string())]);
        }
        Ok(())
    }

    async fn partition<L: Life>(
        &self,
        partition: u32,
        books: &mut Books<'_>,
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        let stretch = self.cut.stretch(L::Aggregate::AGGREGATE, partition);
        let mut lives = Lives::<L>::new(partition, stretch.cut);
        let mut chunks = self.client.read(stretch.topic, partition, stretch.range.clone());
        while let Some(chunk) = in_time(self.within, async { Ok::<_, Failure>(chunks.recv().await) }).await? {
            let chunk = chunk?;
            for record in chunk.iter() {
                lives.take(record, books)?;
            }
            progress.inc(chunk.len() as u64);
        }
        lives.close(books);
        Ok(())
    }
}

/// The aggregates of one partition.
struct Lives<L> {
    partition: u32,
    cut: Offset,
    /// What decisions depend on does not matter in replay.
    rules: Rules,
    lives: HashMap<AggregateId, Option<Box<L>>, foldhash::fast::RandomState>,
}

impl<L: Life> Lives<L> {
    fn new(partition: u32, cut: Offset) -> Self {
        let rules =
            Rules { currencies: [].into_iter().collect(), idempotency_window: 0, default_hold: Rules::DEFAULT_HOLD };
        Lives { partition, cut, rules, lives: HashMap::default() }
    }

    fn take(&mut self, record: Record<'_>, books: &mut Books<'_>) -> Result<(), Failure> {
        let aggregate = L::Aggregate::AGGREGATE;
        let partition = self.partition;
        let lies = |reason: String| format!("offset {} of partition {partition}: {reason}", record.offset);
        match event::decode::<L::Aggregate>(record.value, record.headers.iter()) {
            Ok(stored) => {
                if let Err(reason) = self.apply(record, &stored, books) {
                    self.break_off(stored.aggregate_id.as_str(), lies(reason), books);
                }
            }
            Err(error @ Error::Newer(_)) => {
                let message = format!("event of the {aggregate} at {}", lies(error.to_string()));
                return Err(Failure::failed("NEWER_FORMAT", message));
            }
            Err(error @ Error::Damaged(_)) => {
                let key = String::from_utf8_lossy(record.key.unwrap_or_default());
                self.break_off(&key, lies(error.to_string()), books);
            }
        }
        Ok(())
    }

    /// Answers why it cannot be.
    fn apply(
        &mut self,
        record: Record<'_>,
        stored: &StoredEvent<'_, Event<L>>,
        books: &mut Books<'_>,
    ) -> Result<(), String> {
        let id = &stored.aggregate_id;
        let standing = self.lives.entry(id.clone()).or_insert_with(|| Some(Box::new(L::before(&self.rules))));
        let life = standing.as_mut().ok_or("an event behind the end")?;
        let value = record.value.unwrap_or_default();
        let place = Place { id, partition: self.partition, is_before_cut: record.offset < self.cut, value };
        life.take(&place, &stored.recorded, books).map_err(|unfit| unfit.to_string())?;
        if let Some(life) = standing.take_if(|life| life.is_over()) {
            life.close(id, self.partition, books);
        }
        Ok(())
    }

    /// Nothing more is taken of it.
    fn break_off(&mut self, id: &str, reason: String, books: &mut Books<'_>) {
        if let Ok(id) = AggregateId::parse(id)
            && let Some(life) = self.lives.insert(id, None).flatten()
        {
            life.abandon(books);
        }
        books.break_off(L::Aggregate::AGGREGATE, id, reason);
    }

    fn close(self, books: &mut Books<'_>) {
        for (id, life) in self.lives {
            if let Some(life) = life {
                life.close(&id, self.partition, books);
            }
        }
    }
}
