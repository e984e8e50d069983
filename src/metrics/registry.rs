//! Where the numbers live, and how they are written down for Prometheus.
//!
//! Handles are those of the `metrics` facade; what stands behind them is kept here, because three things are
//! needed together: a series that ends with its owner, counters of seconds, and histograms whose memory does not
//! grow between two scrapes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, HistogramFn};

/// A kind of metric: the handle that is written to and the cell that holds its number.
pub trait Instrument: Sized {
    /// `# TYPE` of the exposition.
    const TYPE: &'static str;
    /// The number, shared by the handles and the exposition.
    type Cell: Send + Sync + 'static;

    /// A cell at zero; only a distribution has `bounds`.
    fn cell(bounds: &'static [f64]) -> Self::Cell;

    /// A handle on it.
    fn handle(cell: Arc<Self::Cell>) -> Self;

    /// Its lines in the exposition.
    fn expose(cell: &Self::Cell, line: &mut Line<'_>);
}

impl Instrument for Counter {
    const TYPE: &'static str = "counter";
    type Cell = AtomicU64;

    fn cell(_: &'static [f64]) -> AtomicU64 {
        AtomicU64::new(0)
    }

    fn handle(cell: Arc<AtomicU64>) -> Self {
        Counter::from_arc(cell)
    }

    fn expose(cell: &AtomicU64, line: &mut Line<'_>) {
        line.write("", None, cell.load(Ordering::Relaxed) as f64);
    }
}

/// A counter of time.
#[derive(Clone)]
pub struct Seconds(Counter);

impl Seconds {
    /// Adds `time` that has passed.
    pub fn add(&self, time: Duration) {
        self.0.increment(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl Instrument for Seconds {
    const TYPE: &'static str = "counter";
    /// Nanoseconds, so that small times add up exactly.
    type Cell = AtomicU64;

    fn cell(_: &'static [f64]) -> AtomicU64 {
        AtomicU64::new(0)
    }

    fn handle(cell: Arc<AtomicU64>) -> Self {
        Seconds(Counter::from_arc(cell))
    }

    fn expose(cell: &AtomicU64, line: &mut Line<'_>) {
        line.write("", None, Duration::from_nanos(cell.load(Ordering::Relaxed)).as_secs_f64());
    }
}

impl Instrument for Gauge {
    const TYPE: &'static str = "gauge";
    /// The bits of a float.
    type Cell = AtomicU64;

    fn cell(_: &'static [f64]) -> AtomicU64 {
        AtomicU64::new(0_f64.to_bits())
    }

    fn handle(cell: Arc<AtomicU64>) -> Self {
        Gauge::from_arc(cell)
    }

    fn expose(cell: &AtomicU64, line: &mut Line<'_>) {
        line.write("", None, f64::from_bits(cell.load(Ordering::Relaxed)));
    }
}

/// How often values fell at or below each bound.
pub struct Distribution {
    bounds: &'static [f64],
    /// One more than there are bounds: the last holds what is above them all.
    counts: Vec<AtomicU64>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl HistogramFn for Distribution {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(count as u64, Ordering::Relaxed);
        metrics::GaugeFn::increment(&self.sum, value * count as f64);
    }
}

impl Instrument for Histogram {
    const TYPE: &'static str = "histogram";
    type Cell = Distribution;

    fn cell(bounds: &'static [f64]) -> Distribution {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Distribution { bounds, counts, sum: AtomicU64::new(0_f64.to_bits()) }
    }

    fn handle(cell: Arc<Distribution>) -> Self {
        Histogram::from_arc(cell)
    }

    fn expose(cell: &Distribution, line: &mut Line<'_>) {
        let mut so_far = 0;
        let bounds = cell.bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(&cell.counts) {
            so_far += count.load(Ordering::Relaxed);
            line.write("_bucket", Some(bound), so_far as f64);
        }
        line.write("_sum", None, f64::from_bits(cell.sum.load(Ordering::Relaxed)));
        line.write("_count", None, so_far as f64);
    }
}

/// Writes the lines of one series.
pub struct Line<'a> {
    out: &'a mut String,
    name: &'static str,
    labels: String,
}

impl Line<'_> {
    fn write(&mut self, suffix: &str, bound: Option<f64>, value: f64) {
        let Line { out, name, labels } = self;
        let bound = bound.map(|bound| if bound.is_infinite() { "+Inf".into() } else { bound.to_string() });
        let le = bound.map(|bound| format!("le=\"{bound}\"")).unwrap_or_default();
        let comma = if labels.is_empty() || le.is_empty() { "" } else { "," };
        let labels =
            if labels.is_empty() && le.is_empty() { String::new() } else { format!("{{{labels}{comma}{le}}}") };
        writeln!(out, "{name}{suffix}{labels} {value}").expect("a string takes everything");
    }
}

/// All series of one metric, by the values of its labels.
pub struct Family<I: Instrument, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    bounds: &'static [f64],
    series: Mutex<BTreeMap<[String; N], Arc<I::Cell>>>,
}

impl<I: Instrument, const N: usize> Family<I, N> {
    /// A handle on the series with these values, which stays for good.
    pub fn with(&self, values: [&str; N]) -> I {
        let values = values.map(str::to_owned);
        I::handle(Arc::clone(self.lock().entry(values).or_insert_with(|| Arc::new(I::cell(self.bounds)))))
    }

    /// A fresh series with these values, which ends with its handle.
    pub fn scoped(self: &Arc<Self>, values: [&str; N]) -> Scoped<I, N> {
        let values = values.map(str::to_owned);
        let cell = Arc::new(I::cell(self.bounds));
        self.lock().insert(values.clone(), Arc::clone(&cell));
        Scoped { handle: I::handle(Arc::clone(&cell)), cell, values, family: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; N], Arc<I::Cell>>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle that owns its series: gone together, unless a later handle has taken the series over.
pub struct Scoped<I: Instrument, const N: usize> {
    handle: I,
    cell: Arc<I::Cell>,
    values: [String; N],
    family: Arc<Family<I, N>>,
}

impl<I: Instrument, const N: usize> Deref for Scoped<I, N> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.handle
    }
}

impl<I: Instrument, const N: usize> Drop for Scoped<I, N> {
    fn drop(&mut self) {
        let mut series = self.family.lock();
        if series.get(&self.values).is_some_and(|current| Arc::ptr_eq(current, &self.cell)) {
            series.remove(&self.values);
        }
    }
}

trait Expose: Send + Sync {
    fn expose(&self, out: &mut String);
}

impl<I: Instrument, const N: usize> Expose for Family<I, N> {
    fn expose(&self, out: &mut String) {
        let series = self.lock();
        if series.is_empty() {
            return;
        }
        let Family { name, help, .. } = self;
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", I::TYPE).expect("a string takes everything");
        for (values, cell) in series.iter() {
            let pairs = self.labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let labels = pairs.collect::<Vec<_>>().join(",");
            I::expose(cell, &mut Line { out, name, labels });
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Every family, in the order in which they were declared.
#[derive(Default)]
pub(super) struct Registry {
    families: Vec<Arc<dyn Expose>>,
}

impl Registry {
    /// Declares a metric without buckets.
    pub(super) fn declare<I: Instrument + 'static, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Arc<Family<I, N>> {
        self.family(Family { name, help, labels, bounds: &[], series: Mutex::default() })
    }

    /// Declares a distribution over these buckets.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Arc<Family<Histogram, N>> {
        self.family(Family { name, help, labels, bounds, series: Mutex::default() })
    }

    fn family<I: Instrument + 'static, const N: usize>(&mut self, family: Family<I, N>) -> Arc<Family<I, N>> {
        let family = Arc::new(family);
        self.families.push(Arc::clone(&family) as Arc<dyn Expose>);
        family
    }

    /// Everything in the text format 0.0.4.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.families.iter().for_each(|family| family.expose(&mut out));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_a_value_in_every_bucket_from_its_bound_up() {
        let mut registry = Registry::default();
        let sizes = registry.histogram("sizes", "Sizes.", ["kind"], &[1.0, 2.5]);
        let handle = sizes.with(["a\"b"]);
        handle.record(1.0);
        handle.record_many(2.0, 2);
        handle.record(9.0);
        let expected = "# HELP sizes Sizes.\n# TYPE sizes histogram\n\
            sizes_bucket{kind=\"a\\\"b\",le=\"1\"} 1\nsizes_bucket{kind=\"a\\\"b\",le=\"2.5\"} 3\n\
            sizes_bucket{kind=\"a\\\"b\",le=\"+Inf\"} 4\nsizes_sum{kind=\"a\\\"b\"} 14\nsizes_count{kind=\"a\\\"b\"} 4\n";
        assert_eq!(registry.render(), expected);
    }

    #[test]
    fn a_scoped_series_ends_with_its_handle_but_never_takes_its_successor_along() {
        let mut registry = Registry::default();
        let gauge: Arc<Family<Gauge, 1>> = registry.declare("things", "Things.", ["place"]);
        let first = gauge.scoped(["here"]);
        first.set(1.0);
        let second = gauge.scoped(["here"]);
        second.set(2.0);
        drop(first);
        assert!(registry.render().contains("things{place=\"here\"} 2\n"));
        drop(second);
        assert_eq!(registry.render(), "", "a family without series has no header either");
    }

    #[test]
    fn seconds_add_up_in_nanoseconds() {
        let mut registry = Registry::default();
        let waited: Arc<Family<Seconds, 0>> = registry.declare("waited_seconds_total", "Waited.", []);
        let handle = waited.with([]);
        (0..1000).for_each(|_| handle.add(Duration::from_nanos(1_500_000)));
        assert!(registry.render().ends_with("\nwaited_seconds_total 1.5\n"));
    }
}
