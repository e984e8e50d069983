//! What an audit has found, for programs and for people.

use serde::Serialize;
use serde_json::json;

use crate::cli::output;

/// What was found.
#[derive(Default)]
pub struct Verdict {
    pub checked: u64,
    /// Of shelves without a position.
    pub untrusted: u64,
    differences: Vec<Difference>,
}

/// Something that is not as the log says.
#[derive(Serialize)]
pub struct Difference {
    pub kind: &'static str,
    pub aggregate: String,
    pub partition: u32,
    /// The aggregate; none when it is about the position.
    pub id: Option<String>,
    pub expected: String,
    pub found: String,
}

impl Verdict {
    pub fn is_ok(&self) -> bool {
        self.differences.is_empty()
    }

    pub fn differ(&mut self, difference: Difference) {
        self.differences.push(difference);
    }

    /// For programs.
    pub fn report(&self) -> serde_json::Value {
        let Verdict { checked, untrusted, differences } = self;
        json!({ "ok": self.is_ok(), "checked": checked, "untrusted": untrusted, "differences": differences })
    }

    /// For people.
    pub fn text(&self) -> String {
        let Verdict { checked, untrusted, differences } = self;
        let untrusted = match untrusted {
            0 => String::new(),
            count => format!("\n{count} without a position were not compared; the engine throws them away"),
        };
        if self.is_ok() {
            return format!("{checked} snapshots are what the log says{untrusted}");
        }
        let rows = differences.iter().map(|difference| {
            let Difference { kind, aggregate, partition, id, expected, found } = difference;
            let whose = id.clone().unwrap_or_else(|| "the position".to_owned());
            vec![(*kind).to_owned(), format!("{aggregate}-{partition}"), whose, expected.clone(), found.clone()]
        });
        let table = output::table(&["kind", "partition", "whose", "expected", "found"], rows);
        format!("{checked} snapshots, {} differences{untrusted}\n\n{table}", differences.len())
    }
}
