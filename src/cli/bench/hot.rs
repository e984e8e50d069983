//! What it costs that every payment goes to a single merchant: beside the credits that one account bears, and beside
//! the same payments to many merchants, whichever is the bound on this machine.

use serde_json::{Value, json};

use super::report::{median, of, rounded, shown};
use super::tally::Tally;
use super::throughput::Drained;
use super::workload::Load;
use crate::cli::output::table;
use crate::cli::{Failure, Output};

/// A way of loading the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Payments, all to one merchant.
    OneMerchant,
    /// The same payments, to many.
    ManyMerchants,
    /// Credits, all to one account.
    Credits,
}

impl Way {
    /// In the order in which they take turns.
    pub const ALL: [Way; 3] = [Way::OneMerchant, Way::ManyMerchants, Way::Credits];

    /// What is asked of the engine.
    pub fn load(self) -> Load {
        match self {
            Way::OneMerchant => Load::PaymentsToOne,
            Way::ManyMerchants => Load::Payments,
            Way::Credits => Load::Credits,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Way::OneMerchant => "payments to one merchant",
            Way::ManyMerchants => "payments to many merchants",
            Way::Credits => "credits to one account",
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub struct HotFigures {
    /// In the order in which it was measured.
    pub drained: Vec<(Way, Drained)>,
}

/// Prints them.
///
/// # Errors
/// Stdout is closed.
pub fn print(figures: &HotFigures, output: Output) -> Result<(), Failure> {
    output.object(&figures.to_json(), || figures.to_text())
}

impl HotFigures {
    /// True when every command was answered exactly once, and every payment completed.
    pub fn ok(&self) -> bool {
        self.drained.iter().all(|(_, drained)| drained.tally.is_exact() && drained.tally.in_vain() == 0)
    }

    fn per_second(&self, way: Way) -> Option<f64> {
        median(of(&self.drained, way).map(|drained| drained.per_second))
    }

    fn cpu(&self, way: Way) -> Option<f64> {
        median(of(&self.drained, way).filter_map(|drained| drained.cpu_seconds_per_million))
    }

    /// Payments to one merchant, as a share of what `way` reaches, in percent.
    fn share(&self, way: Way) -> Option<f64> {
        let (hot, bound) = (self.per_second(Way::OneMerchant)?, self.per_second(way)?);
        Some(hot / bound * 100.0)
    }

    fn detail(&self) -> String {
        let sum = |count: fn(&Tally) -> u64| self.drained.iter().map(|(_, drained)| count(&drained.tally)).sum::<u64>();
        format!("{} commands, {} failed or were compensated", sum(Tally::commands), sum(Tally::in_vain))
    }

    fn to_json(&self) -> Value {
        let count =
            |count: fn(&Tally) -> u64| self.drained.iter().map(|(_, drained)| count(&drained.tally)).sum::<u64>();
        let [one, many, credits] = Way::ALL.map(|way| {
            json!({
                "perSecond": rounded(self.per_second(way), 0),
                "cpuSecondsPerMillion": rounded(self.cpu(way), 2),
                "rounds": of(&self.drained, way).map(|drained| drained.per_second.round()).collect::<Vec<_>>(),
            })
        });
        json!({
            "ok": self.ok(),
            "commands": Tally::to_json(count),
            "perSecond": one["perSecond"],
            "latencyMs": null,
            "kills": 0,
            "restarts": 0,
            "hot": {
                "oneMerchant": one, "manyMerchants": many, "credits": credits,
                "percentOfCredits": rounded(self.share(Way::Credits), 1),
                "percentOfManyMerchants": rounded(self.share(Way::ManyMerchants), 1),
            },
            "checks": [{ "name": CHECK, "ok": self.ok(), "detail": self.detail() }],
        })
    }

    fn to_text(&self) -> String {
        let rows = Way::ALL.map(|way| {
            vec![
                way.name().to_owned(),
                shown(rounded(self.per_second(way), 0)),
                shown(rounded(self.cpu(way), 2)),
                shown(rounded(self.share(way), 1)),
            ]
        });
        let verdict = if self.ok() { "ok" } else { "FAILED" };
        format!(
            "{}\n\n{}",
            table(&["engine", "commands/s", "cpu s a million", "one merchant, % of it"], rows.into_iter()),
            table(&[], [vec![verdict.to_owned(), CHECK.to_owned(), self.detail()]].into_iter())
        )
    }
}

const CHECK: &str = "the engine answers every command exactly once, and every payment completes";
