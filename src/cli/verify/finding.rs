//! What a verification finds, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::money::Total;
use crate::cli::output;
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Status;
use crate::projection::audit::{Row, Table};
use crate::wire::json::shown;

/// Something that is not as the log says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Debug)]
pub struct Difference {
    /// What it is about.
    pub kind: &'static str,
    /// Which of them; of a thing within another, both with a slash between.
    pub id: String,
    /// The column, or what else of it is not right.
    pub field: &'static str,
    /// What should be there; none for null.
    pub expected: Option<String>,
    /// What is there; none for null.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { kind, id, field, expected, found } = self;
        write!(f, "{field} of {kind} {id} is {}, expected {}", told(found), told(expected))
    }
}

fn told(value: &Option<String>) -> String {
    value.as_deref().map_or_else(|| "null".to_owned(), shown)
}

/// In the place of a column: the row as a whole.
const ROW: &str = "row";

impl Difference {
    /// Of the column at that place of a row.
    pub fn of_column(row: &Row, place: usize, expected: Option<String>, found: Option<String>) -> Self {
        let field = row.table.columns().get(place).map_or(ROW, |column| column.name);
        Difference { kind: kind(row.table), id: id(row), field, expected, found }
    }

    /// A row that should be there and is not.
    pub fn missing(row: &Row) -> Self {
        let (expected, found) = (Some("a row".to_owned()), Some("no row".to_owned()));
        Difference { kind: kind(row.table), id: id(row), field: ROW, expected, found }
    }

    /// A row that should not be there and is.
    pub fn surplus(row: &Row) -> Self {
        let (expected, found) = (Some("no row".to_owned()), Some("a row".to_owned()));
        Difference { kind: kind(row.table), id: id(row), field: ROW, expected, found }
    }

    /// A transaction that something should have become of.
    pub fn under_way(id: &AggregateId, status: Status) -> Self {
        let (expected, found) = (Some("an end".to_owned()), Some(status.to_string()));
        Difference { kind: kind(Table::Transactions), id: id.to_string(), field: "status", expected, found }
    }

    /// An event that cannot have happened, or cannot be read.
    pub fn of_history(aggregate: &'static str, id: &str, found: String) -> Self {
        let expected = Some("an event that follows from those before it".to_owned());
        Difference { kind: aggregate, id: id.to_owned(), field: "history", expected, found: Some(found) }
    }
}

fn kind(table: Table) -> &'static str {
    match table {
        Table::Currencies => "currency",
        Table::Accounts => "account",
        Table::Entries => "entry",
        Table::Holds => "hold",
        Table::Transactions => "transaction",
        Table::Participants => "participant",
        Table::Refunds => "refund",
    }
}

/// No id has a slash in it.
fn id(row: &Row) -> String {
    let parts: Vec<&str> = row.key().iter().map(|part| part.as_deref().unwrap_or_default()).collect();
    parts.join("/")
}

/// All that was found.
pub struct Verdict {
    /// How many rows the log says there are, of each table that has any.
    pub checked: BTreeMap<Table, u64>,
    /// In order.
    pub differences: Vec<Difference>,
    /// The money of each currency.
    pub totals: Vec<Total>,
}

impl Verdict {
    /// Whether everything is as the log says.
    pub fn is_ok(&self) -> bool {
        self.differences.is_empty()
    }

    fn rows(&self) -> u64 {
        self.checked.values().sum()
    }

    /// For programs.
    pub fn report(&self) -> serde_json::Value {
        let Verdict { differences, totals, .. } = self;
        let currencies: serde_json::Map<_, _> =
            totals.iter().map(|total| (total.currency.clone(), json!(total))).collect();
        json!({ "ok": self.is_ok(), "checked": self.rows(), "differences": differences, "currencies": currencies })
    }

    /// For people.
    pub fn text(&self) -> String {
        let Verdict { differences, totals, .. } = self;
        let rows = self.rows();
        let mut parts = Vec::new();
        if self.is_ok() {
            parts.push(format!("{rows} rows are what the log says, and no money is lost"));
        } else {
            parts.push(format!("{rows} rows, {} differences", differences.len()));
            let rows = differences.iter().map(|difference| {
                let Difference { kind, id, field, expected, found } = difference;
                vec![(*kind).to_owned(), id.clone(), (*field).to_owned(), told(expected), told(found)]
            });
            parts.push(output::table(&["kind", "id", "field", "expected", "found"], rows).to_string());
        }
        if !totals.is_empty() {
            let rows = totals.iter().map(|total| {
                let Total { currency, balances, direct_credits, direct_debits, in_flight } = total;
                [currency, balances, direct_credits, direct_debits, in_flight].map(String::clone).to_vec()
            });
            let header = ["currency", "balances", "direct credits", "direct debits", "in flight"];
            parts.push(output::table(&header, rows).to_string());
        }
        parts.join("\n\n")
    }
}
