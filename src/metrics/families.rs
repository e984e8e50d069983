//! Every metric there is, a line each: its name, what it tells, and the labels it is told by.
//!
//! A name ends with its unit, and the unit decides on the buckets of a distribution.

use std::marker::PhantomData;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

#[rustfmt::skip] // one metric, one line
mod table {
    use super::{family, Counter, Family, Gauge, Histogram, Seconds};

    pub const COMMANDS: Family<Counter, 2> = family("billing_commands_total", "Upstream commands, counted once, where decided.", ["aggregate", "outcome"]);
    pub const COMMAND_LATENCY: Family<Histogram, 1> = family("billing_command_latency_seconds", "From a command's timestamp to its commit.", ["aggregate"]);
    pub const COMMIT_DURATION: Family<Histogram, 0> = family("billing_commit_duration_seconds", "Time to make one batch visible.", []);
    pub const COMMIT_BATCH_RECORDS: Family<Histogram, 0> = family("billing_commit_batch_records", "Records consumed by one commit.", []);
    pub const LAG_RECORDS: Family<Gauge, 3> = family("billing_consumer_lag_records", "Offsets between what is committed and the end.", ["group", "topic", "partition"]);
    pub const LAG_SECONDS: Family<Gauge, 3> = family("billing_consumer_lag_seconds", "Age of the oldest record not yet committed.", ["group", "topic", "partition"]);
    pub const ACTORS: Family<Gauge, 2> = family("billing_actors", "Actors in memory.", ["aggregate", "partition"]);
    pub const ACTOR_RESTARTS: Family<Counter, 2> = family("billing_actor_restarts_total", "Actors that were built afresh.", ["aggregate", "reason"]);
    pub const PARTITION_STATE: Family<Gauge, 3> = family("billing_partition_state", "1 for the state a partition is in, 0 for the others.", ["aggregate", "partition", "state"]);
    pub const RECOVERY_DURATION: Family<Histogram, 1> = family("billing_recovery_duration_seconds", "From a partition's assignment to its first command.", ["aggregate"]);
    pub const RECOVERY_REPLAYED_EVENTS: Family<Counter, 1> = family("billing_recovery_replayed_events_total", "Events read again to rebuild state.", ["aggregate"]);
    pub const DEAD_LETTERS: Family<Counter, 1> = family("billing_dead_letters_total", "Records written to the dead letters.", ["reason"]);
    pub const MISROUTED_COMMANDS: Family<Counter, 1> = family("billing_misrouted_commands_total", "Commands sent home from the wrong partition.", ["aggregate"]);
    pub const PRODUCER_FENCED: Family<Counter, 0> = family("billing_producer_fenced_total", "Producers that found a newer owner.", []);
    pub const PASSIVATIONS: Family<Counter, 1> = family("billing_passivations_total", "Aggregates that left memory.", ["aggregate"]);
    pub const SNAPSHOT_AGE: Family<Gauge, 2> = family("billing_snapshot_age_seconds", "Since everything was covered by snapshots, 0 while it is.", ["aggregate", "partition"]);
    pub const SNAPSHOT_WRITES: Family<Counter, 0> = family("billing_snapshot_writes_total", "Snapshots that were written.", []);
    pub const SNAPSHOT_FAILURES: Family<Counter, 0> = family("billing_snapshot_failures_total", "Times a store of snapshots failed.", []);
    pub const SNAPSHOTS_DISCARDED: Family<Counter, 1> = family("billing_snapshots_discarded_total", "Times snapshots were not used.", ["reason"]);
    pub const BACKPRESSURE: Family<Seconds, 1> = family("billing_backpressure_seconds_total", "Time spent waiting on a full queue.", ["queue"]);
    pub const TRANSACTIONS: Family<Counter, 2> = family("billing_transactions_total", "Transactions that have ended.", ["type", "outcome"]);
    pub const TRANSACTIONS_OPEN: Family<Gauge, 1> = family("billing_transactions_open", "Transactions of which a message is under way.", ["partition"]);
    pub const FORCED_POSTINGS: Family<Counter, 0> = family("billing_forced_postings_total", "Postings that no rule could refuse.", []);
    pub const PROJECTION_BATCH_ROWS: Family<Histogram, 0> = family("billing_projection_batch_rows", "Rows that one step of the read side writes.", []);
    pub const PROJECTION_WRITE_DURATION: Family<Histogram, 0> = family("billing_projection_write_duration_seconds", "Time to write one step of the read side.", []);
    pub const PROJECTION_LAG: Family<Gauge, 1> = family("billing_projection_lag_seconds", "Age of the oldest event taken in and not yet written.", ["partition"]);
    pub const BUILD_INFO: Family<Gauge, 1> = family("billing_build_info", "1, with the version that runs.", ["version"]);
}

pub use table::*;

/// Finest where commits are, so that their median and 99th percentile can be told apart.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 30.0, 60.0,
];
const RECORDS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Somewhere to keep series; what it keeps ends with it. It is never installed for the whole process, so several
/// live side by side.
pub fn recorder() -> PrometheusRecorder {
    let buckets = [("_seconds", SECONDS), ("_records", RECORDS), ("_rows", RECORDS)];
    let builder = buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (unit, bounds)| {
        builder.set_buckets_for_metric(Matcher::Suffix(unit.to_owned()), bounds)
    });
    builder.expect("there are bounds").build_recorder()
}

/// One metric, written with handles of type `I` and told by `N` labels.
pub struct Family<I, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    instrument: PhantomData<I>,
}

const fn family<I, const N: usize>(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Family<I, N> {
    Family { name, help, labels, instrument: PhantomData }
}

impl<I: Instrument, const N: usize> Family<I, N> {
    /// A handle on the series with these values of the labels.
    pub fn with(&self, recorder: &PrometheusRecorder, values: [&str; N]) -> I {
        let labels = self.labels.into_iter().zip(values).map(|(label, value)| Label::new(label, value.to_owned()));
        I::register(recorder, &Key::from_parts(self.name, labels.collect::<Vec<_>>()), self.help)
    }
}

/// A handle that a series is written with.
pub trait Instrument {
    /// The handle on the series of that key.
    fn register(recorder: &PrometheusRecorder, key: &Key, help: &'static str) -> Self;
}

impl Instrument for Counter {
    fn register(recorder: &PrometheusRecorder, key: &Key, help: &'static str) -> Self {
        recorder.describe_counter(key.name_shared(), None, help.into());
        recorder.register_counter(key, &METADATA)
    }
}

impl Instrument for Gauge {
    fn register(recorder: &PrometheusRecorder, key: &Key, help: &'static str) -> Self {
        recorder.describe_gauge(key.name_shared(), None, help.into());
        recorder.register_gauge(key, &METADATA)
    }
}

impl Instrument for Histogram {
    fn register(recorder: &PrometheusRecorder, key: &Key, help: &'static str) -> Self {
        recorder.describe_histogram(key.name_shared(), None, help.into());
        recorder.register_histogram(key, &METADATA)
    }
}

/// A counter of time. The facade's counters are whole numbers, so a gauge holds it, which only ever grows; the
/// exposition calls it the counter that it is (see `exposition.rs`).
#[derive(Clone)]
pub struct Seconds(Gauge);

impl Seconds {
    /// Adds `time` that has passed.
    pub fn add(&self, time: Duration) {
        self.0.increment(time);
    }
}

impl Instrument for Seconds {
    fn register(recorder: &PrometheusRecorder, key: &Key, help: &'static str) -> Self {
        Seconds(Gauge::register(recorder, key, help))
    }
}
