//! What comes out of a fold: rows, money, and histories that are not right.

use std::collections::{BTreeMap, BTreeSet};

use super::cut::{ACCOUNT, TRANSACTION};
use super::finding::Difference;
use super::money::Money;
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Status;
use crate::projection::audit::{Row, Table};

/// Filled as events are folded.
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
    broken: Broken,
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
            broken: Broken::default(),
        }
    }

    /// One more row.
    pub fn write(&mut self, table: Table, values: Vec<Option<String>>) {
        (self.rows)(Row { table, values });
    }

    /// The history of this aggregate goes on in a way that cannot be. Said once.
    pub fn break_off(&mut self, aggregate: &'static str, id: &str, reason: String) {
        if self.broken.0.insert((aggregate, id.to_owned())) {
            self.differences.push(Difference::of_history(aggregate, id, reason));
        }
    }

    /// Whose rows mean nothing.
    pub fn broken(&self) -> Broken {
        self.broken.clone()
    }
}

/// Aggregates whose history is not right, which was said: their rows mean nothing.
#[derive(Clone, Default)]
pub struct Broken(BTreeSet<(&'static str, String)>);

impl Broken {
    /// True for the rows of these.
    pub fn includes(&self, row: &Row) -> bool {
        let aggregate = match row.table {
            Table::Currencies => return false,
            Table::Accounts | Table::Entries | Table::Holds => ACCOUNT,
            Table::Transactions | Table::Participants | Table::Refunds => TRANSACTION,
        };
        let id = row.key().first().and_then(Option::as_ref);
        !self.0.is_empty() && id.is_some_and(|id| self.0.contains(&(aggregate, id.clone())))
    }
}
