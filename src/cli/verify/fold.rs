//! The log up to a cut, folded by the domain itself into the rows that should be there. Nothing here is shared with
//! those who write the rows.
//!
//! One partition after the other, so that the aggregates of one are in memory at a time; of those that nothing can
//! happen to any more, only the id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indicatif::ProgressBar;

use super::accounts::AccountLife;
use super::cut::{ACCOUNT, Cut, TRANSACTION};
use super::finding::Difference;
use super::money::Money;
use super::transactions::TransactionLife;
use crate::cli::Failure;
use crate::cli::reach::{Within, in_time};
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Status;
use crate::domain::{Recorded, Rules, Unfit};
use crate::log::{Client, Offset, Record};
use crate::projection::audit::{Row, Table};
use crate::wire::event::Error;
use crate::wire::json::{self, Unknown};
use crate::wire::{Wire, event};

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

    /// Counts what it stands for, when its history goes on in a way that cannot be.
    fn abandon(self, books: &mut Books<'_>);
}

type Event<L> = <<L as Life>::Aggregate as crate::domain::Aggregate>::Event;

/// Where an event was found.
pub struct Place<'a> {
    /// Whose it is.
    pub id: &'a AggregateId,
    /// Where it lies.
    pub partition: u32,
    /// Its data, as they were written.
    pub data: &'a str,
    /// Whether all that it follows from lies before the cut too.
    pub is_before_cut: bool,
}

/// What comes out of a fold.
pub struct Books<'a> {
    rows: &'a mut dyn FnMut(Row),
    /// The money that moved.
    pub money: Money,
    /// Decimals by code.
    pub currencies: BTreeMap<Box<str>, u8>,
    /// Transactions that have not ended, and wait for no upstream.
    pub under_way: BTreeMap<AggregateId, Status>,
    /// Histories that are not right.
    pub differences: Vec<Difference>,
    /// Whose they are, by the type of the aggregate. Their rows mean nothing.
    broken: BTreeSet<(&'static str, AggregateId)>,
}

impl<'a> Books<'a> {
    /// Empty; every row goes to `rows`, once it is what it will be.
    pub fn new(rows: &'a mut dyn FnMut(Row)) -> Self {
        Books {
            rows,
            money: Money::default(),
            currencies: BTreeMap::new(),
            under_way: BTreeMap::new(),
            differences: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// One more row.
    pub fn write(&mut self, table: Table, values: Vec<Option<String>>) {
        (self.rows)(Row { table, values });
    }

    fn break_off(&mut self, aggregate: &'static str, id: &AggregateId, reason: String) {
        self.differences.push(Difference::of_history(aggregate, id.as_str(), reason));
        self.broken.insert((aggregate, id.clone()));
    }
}

/// The rows of these aggregates mean nothing: their history is not right, and that was said.
#[derive(Default)]
pub struct Broken(BTreeSet<(&'static str, AggregateId)>);

impl Broken {
    /// True for the rows of these.
    pub fn includes(&self, row: &Row) -> bool {
        let aggregate = match row.table {
            Table::Currencies => return false,
            Table::Accounts | Table::Entries | Table::Holds => ACCOUNT,
            Table::Transactions | Table::Participants | Table::Refunds => TRANSACTION,
        };
        let id = row.key().first().and_then(Option::as_deref).and_then(|id| AggregateId::parse(id).ok());
        !self.0.is_empty() && id.is_some_and(|id| self.0.contains(&(aggregate, id)))
    }
}

impl From<&Books<'_>> for Broken {
    fn from(books: &Books<'_>) -> Self {
        Broken(books.broken.clone())
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
        let lies = format_args!("offset {} of partition {}", record.offset, self.partition).to_string();
        let stored = match event::decode::<L::Aggregate>(record.value, record.headers.iter()) {
            Ok(stored) => stored,
            Err(error @ Error::Newer(_)) => {
                return Err(Failure::failed("NEWER_FORMAT", format!("event of the {aggregate} at {lies}: {error}")));
            }
            Err(error @ Error::Damaged(_)) => {
                let key = String::from_utf8_lossy(record.key.unwrap_or_default());
                match AggregateId::parse(&key) {
                    Ok(id) => self.break_off(&id, format!("{lies}: {error}"), books),
                    Err(_) => {
                        books.differences.push(Difference::of_history(aggregate, &key, format!("{lies}: {error}")))
                    }
                }
                return Ok(());
            }
        };
        let id = &stored.aggregate_id;
        let life = match self.lives.get_mut(id) {
            Some(Some(life)) => life,
            Some(None) => {
                if !books.broken.contains(&(aggregate, id.clone())) {
                    books.break_off(aggregate, id, format!("{lies}: an event behind its end"));
                }
                return Ok(());
            }
            None => {
                let life = Some(Box::new(L::before(&self.rules)));
                let Some(life) = self.lives.entry(id.clone()).or_insert(life) else { return Ok(()) };
                life
            }
        };
        let data = data_of(record.value.unwrap_or_default());
        let place = Place { id, partition: self.partition, data, is_before_cut: record.offset < self.cut };
        match life.take(&place, &stored.recorded, books) {
            Err(unfit) => self.break_off(id, format!("{lies}: {unfit}"), books),
            Ok(()) if life.is_over() => {
                if let Some(life) = self.lives.get_mut(id).and_then(Option::take) {
                    life.close(id, self.partition, books);
                }
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Nothing more is taken of it.
    fn break_off(&mut self, id: &AggregateId, reason: String, books: &mut Books<'_>) {
        if let Some(life) = self.lives.insert(id.clone(), None).flatten() {
            life.abandon(books);
        }
        if !books.broken.contains(&(L::Aggregate::AGGREGATE, id.clone())) {
            books.break_off(L::Aggregate::AGGREGATE, id, reason);
        }
    }

    fn close(self, books: &mut Books<'_>) {
        for (id, life) in self.lives {
            if let Some(life) = life {
                life.close(&id, self.partition, books);
            }
        }
    }
}

/// The data of an event that could be read.
fn data_of(value: &[u8]) -> &str {
    let text = str::from_utf8(value).unwrap_or_default();
    let fields = json::fields("the event", text, ["data"], Unknown::Ignored);
    fields.ok().and_then(|[data]| data.sent()).unwrap_or_default()
}
