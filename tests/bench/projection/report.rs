//! The figures, as one table.

use std::time::Duration;

use comfy_table::{Table, presets};

use crate::BATCH;
use crate::copying::Copied;
use crate::following::{Followed, RATE};
use crate::writing::Written;

/// What one store came to.
pub struct Figures {
    pub written: Written,
    /// Only PostgreSQL has `COPY`.
    pub copied: Option<Copied>,
    pub followed: Followed,
}

/// One column a store.
pub fn table(postgres: &Figures, sqlite: &Figures) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(["", "PostgreSQL", "SQLite"]);
    let mut row = |name: String, of: &dyn Fn(&Figures) -> String| {
        table.add_row([name, of(postgres), of(sqlite)]);
    };
    row(format!("rows/s written, 1 partition, steps of {} events", grouped(BATCH as f64)), &|figures| {
        grouped(figures.written_rate())
    });
    row("of that time, reading and folding events".into(), &|figures| figures.gathering_share());
    row("rows/s of plain COPY in the same steps".into(), &|figures| {
        figures.copied(|copied| grouped(rate(copied.rows as f64, copied.by_step)))
    });
    row("rows/s of plain COPY at once".into(), &|figures| {
        figures.copied(|copied| grouped(rate(copied.rows as f64, copied.at_once)))
    });
    row("COPY in the same steps, times as fast (goal: at most 3)".into(), &|figures| {
        figures.copied(|copied| figures.ratio(copied, copied.by_step))
    });
    row("COPY at once, times as fast (goal: at most 3)".into(), &|figures| {
        figures.copied(|copied| figures.ratio(copied, copied.at_once))
    });
    row(format!("s to catch up with {} events, 3 partitions", grouped(postgres.followed.events as f64)), &|figures| {
        format!("{:.1}", figures.followed.caught_up.as_secs_f64())
    });
    row("events/s meanwhile".into(), &|figures| {
        grouped(rate(figures.followed.events as f64, figures.followed.caught_up))
    });
    row(format!("events/s that came, {} wanted", grouped(RATE as f64)), &|figures| grouped(figures.followed.rate));
    row("ms until an event can be asked for, p50".into(), &|figures| figures.lag(50));
    row("the same, p99 (goal: below 1,000)".into(), &|figures| figures.lag(99));
    table
}

impl Figures {
    fn written_rate(&self) -> f64 {
        rate(self.written.rows as f64, self.written.took)
    }

    fn gathering_share(&self) -> String {
        let Written { gathering, took, .. } = self.written;
        format!("{:.0} %", 100.0 * gathering.as_secs_f64() / took.as_secs_f64())
    }

    fn copied(&self, told: impl Fn(&Copied) -> String) -> String {
        self.copied.as_ref().map(told).unwrap_or_default()
    }

    fn ratio(&self, copied: &Copied, took: Duration) -> String {
        format!("{:.2}", rate(copied.rows as f64, took) / self.written_rate())
    }

    /// The lag that so many of a hundred do not exceed, in milliseconds.
    fn lag(&self, percent: usize) -> String {
        let lags = &self.followed.lags;
        let rank = (lags.len() * percent).div_ceil(100).max(1);
        grouped(lags[rank - 1].as_secs_f64() * 1e3)
    }
}

fn rate(count: f64, took: Duration) -> f64 {
    count / took.as_secs_f64()
}

/// Whole, with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
