//! What the engine measures, handed out as handles that cost little more than an atomic addition.
//!
//! Ids are never labels. The series of a partition live as long as its [`PartitionMetrics`].

mod exposition;
mod families;
mod labels;
mod projection;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

pub use families::Seconds;
pub use labels::{
    DeadLetterReason, DiscardReason, Label, Outcome, PartitionState, Queue, RestartReason, TransactionOutcome,
    TransactionType,
};
pub use projection::{ProjectionMetrics, ProjectionScope};

/// How often [`Metrics::upkeep`] is due: a second of full load is a few megabytes of samples.
pub const UPKEEP: Duration = Duration::from_secs(1);

/// The type of aggregate that is open or has ended.
const TRANSACTION: &str = "transaction";

/// All metrics of one engine; several can live in one process.
pub struct Metrics {
    recorder: PrometheusRecorder,
    /// By type of aggregate and number. A partition keeps its series in a recorder of its own, because a recorder
    /// forgets all of them or none.
    partitions: Mutex<BTreeMap<(&'static str, u32), Weak<PrometheusRecorder>>>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        let recorder = families::recorder();
        families::BUILD_INFO.with(&recorder, [env!("CARGO_PKG_VERSION")]).set(1.0);
        Arc::new(Metrics { recorder, partitions: Mutex::default() })
    }

    /// Everything in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        let mut expositions = vec![self.recorder.handle().render()];
        let mut partitions = self.partitions();
        partitions.retain(|_, recorder| {
            let alive = recorder.upgrade();
            expositions.extend(alive.as_ref().map(|recorder| recorder.handle().render()));
            alive.is_some()
        });
        exposition::merge(&expositions)
    }

    /// Sorts the samples of distributions into their buckets. Until then, or until the next [`Metrics::render`],
    /// each sample takes memory: whoever records calls this every [`UPKEEP`], scraped or not.
    pub fn upkeep(&self) {
        self.recorder.handle().run_upkeep();
    }

    /// What is counted for the engine as a whole.
    pub fn engine(&self) -> EngineMetrics {
        let recorder = &self.recorder;
        EngineMetrics {
            commit_duration: families::COMMIT_DURATION.with(recorder, []),
            commit_batch_records: families::COMMIT_BATCH_RECORDS.with(recorder, []),
            dead_letters: PerLabel::new(|reason| families::DEAD_LETTERS.with(recorder, [reason])),
            producer_fenced: families::PRODUCER_FENCED.with(recorder, []),
            snapshot_writes: families::SNAPSHOT_WRITES.with(recorder, []),
            snapshots_discarded: PerLabel::new(|reason| families::SNAPSHOTS_DISCARDED.with(recorder, [reason])),
            snapshot_failures: families::SNAPSHOT_FAILURES.with(recorder, []),
            backpressure: PerLabel::new(|queue| families::BACKPRESSURE.with(recorder, [queue])),
            transactions: PerLabel::new(|kind| {
                PerLabel::new(|outcome| families::TRANSACTIONS.with(recorder, [kind, outcome]))
            }),
            forced_postings: families::FORCED_POSTINGS.with(recorder, []),
        }
    }

    /// What is counted for one type of aggregate (`account`).
    pub fn aggregate(&self, aggregate: &'static str) -> AggregateMetrics {
        let recorder = &self.recorder;
        AggregateMetrics {
            commands: PerLabel::new(|outcome| families::COMMANDS.with(recorder, [aggregate, outcome])),
            command_latency: families::COMMAND_LATENCY.with(recorder, [aggregate]),
            actor_restarts: PerLabel::new(|reason| families::ACTOR_RESTARTS.with(recorder, [aggregate, reason])),
            recovery_duration: families::RECOVERY_DURATION.with(recorder, [aggregate]),
            recovery_replayed_events: families::RECOVERY_REPLAYED_EVENTS.with(recorder, [aggregate]),
            misrouted_commands: families::MISROUTED_COMMANDS.with(recorder, [aggregate]),
            passivations: families::PASSIVATIONS.with(recorder, [aggregate]),
        }
    }

    /// What is measured of one partition while it is owned. Only the newest of the same partition is exposed.
    pub fn partition(&self, scope: &Scope, partition: u32) -> PartitionMetrics {
        let (aggregate, number) = (scope.aggregate, partition.to_string());
        let recorder = Arc::new(families::recorder());
        self.partitions().insert((aggregate, partition), Arc::downgrade(&recorder));
        let lag = |topic: &str| Lag {
            records: families::LAG_RECORDS.with(&recorder, [&scope.group, topic, &number]),
            seconds: families::LAG_SECONDS.with(&recorder, [&scope.group, topic, &number]),
        };
        PartitionMetrics {
            engine: self.engine(),
            aggregate: self.aggregate(aggregate),
            actors: families::ACTORS.with(&recorder, [aggregate, &number]),
            snapshot_age: families::SNAPSHOT_AGE.with(&recorder, [aggregate, &number]),
            transactions_open: (aggregate == TRANSACTION)
                .then(|| families::TRANSACTIONS_OPEN.with(&recorder, [&number])),
            commands_lag: lag(&scope.commands),
            inbox_lag: lag(&scope.inbox),
            state: PerLabel::new(|state| families::PARTITION_STATE.with(&recorder, [aggregate, &number, state])),
            _series: recorder,
        }
    }

    fn partitions(&self) -> MutexGuard<'_, BTreeMap<(&'static str, u32), Weak<PrometheusRecorder>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One handle for each value of a label.
#[derive(Clone)]
pub struct PerLabel<L, H> {
    handles: Vec<H>,
    label: std::marker::PhantomData<L>,
}

impl<L: Label, H> PerLabel<L, H> {
    fn new(handle: impl Fn(&'static str) -> H) -> Self {
        PerLabel { handles: L::ALL.iter().map(|label| handle(label.text())).collect(), label: std::marker::PhantomData }
    }

    /// The handle of that value.
    pub fn of(&self, label: L) -> &H {
        &self.handles[label.index()]
    }
}

/// What is counted for the engine as a whole.
#[derive(Clone)]
pub struct EngineMetrics {
    /// Time to make one batch visible.
    pub commit_duration: Histogram,
    /// Records consumed by one commit.
    pub commit_batch_records: Histogram,
    /// Records written to the dead letters.
    pub dead_letters: PerLabel<DeadLetterReason, Counter>,
    /// Producers that found a newer owner.
    pub producer_fenced: Counter,
    /// Snapshots that were written.
    pub snapshot_writes: Counter,
    /// Times a store of snapshots did not do what it was asked for.
    pub snapshot_failures: Counter,
    /// Snapshots of a partition, or of all, that were not used.
    pub snapshots_discarded: PerLabel<DiscardReason, Counter>,
    /// Time spent waiting on a full queue.
    pub backpressure: PerLabel<Queue, Seconds>,
    /// Transactions that have ended, counted once, when that took effect.
    pub transactions: PerLabel<TransactionType, PerLabel<TransactionOutcome, Counter>>,
    /// Postings that no rule could refuse.
    pub forced_postings: Counter,
}

/// What is counted for one type of aggregate.
#[derive(Clone)]
pub struct AggregateMetrics {
    /// Upstream commands, counted once, where decided.
    pub commands: PerLabel<Outcome, Counter>,
    /// From a command's timestamp to its commit; negative ones are recorded as zero.
    pub command_latency: Histogram,
    /// Actors that were built afresh.
    pub actor_restarts: PerLabel<RestartReason, Counter>,
    /// From a partition's assignment to its first command.
    pub recovery_duration: Histogram,
    /// Events read again to rebuild state.
    pub recovery_replayed_events: Counter,
    /// Commands sent home from the wrong partition.
    pub misrouted_commands: Counter,
    /// Aggregates that left memory.
    pub passivations: Counter,
}

/// Names that the series of a partition carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Type of aggregate (`account`).
    pub aggregate: &'static str,
    /// Full name of the consumer group.
    pub group: String,
    /// Full name of the commands topic.
    pub commands: String,
    /// Full name of the inbox topic.
    pub inbox: String,
}

/// What is measured of one owned partition. When this is dropped, its series are gone.
pub struct PartitionMetrics {
    /// Shared by all partitions.
    pub engine: EngineMetrics,
    /// Shared by all partitions of the aggregate type.
    pub aggregate: AggregateMetrics,
    /// Actors in memory.
    pub actors: Gauge,
    /// Since everything was covered by snapshots; 0 while everything is.
    pub snapshot_age: Gauge,
    /// Transactions of which a message is under way; only where there are transactions.
    pub transactions_open: Option<Gauge>,
    /// Of the commands topic.
    pub commands_lag: Lag,
    /// Of the inbox topic.
    pub inbox_lag: Lag,
    state: PerLabel<PartitionState, Gauge>,
    /// Holds the series exposed.
    _series: Arc<PrometheusRecorder>,
}

/// How far an input is behind.
pub struct Lag {
    /// Offsets between what is committed and the end.
    pub records: Gauge,
    /// Age of the oldest record that is not yet committed.
    pub seconds: Gauge,
}

impl PartitionMetrics {
    /// Says where the partition stands now.
    pub fn enter(&self, state: PartitionState) {
        for each in PartitionState::ALL {
            self.state.of(*each).set(if *each == state { 1.0 } else { 0.0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            aggregate: "account",
            group: "billing-engine-accounts".into(),
            commands: "billing-engine.account.commands".into(),
            inbox: "billing-engine.account.inbox".into(),
        }
    }

    #[test]
    fn the_series_of_a_partition_vanish_with_it_and_its_counts_stay() {
        let metrics = Metrics::new();
        let (first, second) = (metrics.partition(&scope(), 0), metrics.partition(&scope(), 1));
        first.enter(PartitionState::Running);
        first.commands_lag.records.set(7.0);
        first.aggregate.commands.of(Outcome::Accepted).increment(3);
        let text = metrics.render();
        let lag = "billing_consumer_lag_records{group=\"billing-engine-accounts\",topic=\"billing-engine.account.commands\",partition=\"0\"} 7";
        for line in [
            lag,
            "billing_partition_state{aggregate=\"account\",partition=\"0\",state=\"running\"} 1",
            "billing_partition_state{aggregate=\"account\",partition=\"0\",state=\"halted\"} 0",
            "billing_commands_total{aggregate=\"account\",outcome=\"accepted\"} 3",
            "billing_commands_total{aggregate=\"account\",outcome=\"rejected\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
        }
        drop(first);
        let text = metrics.render();
        assert!(!text.contains("partition=\"0\"") && text.contains("partition=\"1\""), "{text}");
        assert!(text.contains("outcome=\"accepted\"} 3"), "what was counted stays counted");
        drop(second);
        assert!(!metrics.render().contains("billing_actors"));
    }

    #[test]
    fn a_partition_is_in_one_state_at_a_time() {
        let metrics = Metrics::new();
        let partition = metrics.partition(&scope(), 0);
        for state in PartitionState::ALL {
            partition.enter(*state);
            let text = metrics.render();
            let ones = text.lines().filter(|line| line.starts_with("billing_partition_state") && line.ends_with(" 1"));
            assert_eq!(ones.count(), 1);
        }
    }

    #[test]
    fn two_engines_in_one_process_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.engine().producer_fenced.increment(1);
        one.engine().backpressure.of(Queue::Commit).add(Duration::from_millis(250));
        assert!(one.render().contains("billing_producer_fenced_total 1"));
        assert!(one.render().contains("billing_backpressure_seconds_total{queue=\"commit\"} 0.25"));
        assert!(!other.render().contains("billing_producer_fenced_total 1"));
    }
    #[test]
    fn a_partition_that_lingers_does_not_take_its_successor_along() {
        let metrics = Metrics::new();
        let first = metrics.partition(&scope(), 0);
        first.actors.set(1.0);
        let second = metrics.partition(&scope(), 0);
        second.actors.set(2.0);
        let exposed = |count: u32| format!("billing_actors{{aggregate=\"account\",partition=\"0\"}} {count}\n");
        assert!(metrics.render().contains(&exposed(2)) && !metrics.render().contains(&exposed(1)));
        drop(first);
        assert!(metrics.render().contains(&exposed(2)));
    }

    #[test]
    fn a_distribution_counts_a_value_in_every_bucket_from_its_bound_up() {
        let metrics = Metrics::new();
        let engine = metrics.engine();
        engine.commit_duration.record(Duration::from_millis(2));
        metrics.upkeep();
        engine.commit_duration.record(Duration::from_secs(100));
        engine.commit_batch_records.record(5000.0);
        let text = metrics.render();
        for line in [
            "# TYPE billing_commit_duration_seconds histogram",
            "billing_commit_duration_seconds_bucket{le=\"0.001\"} 0",
            "billing_commit_duration_seconds_bucket{le=\"0.002\"} 1",
            "billing_commit_duration_seconds_bucket{le=\"60\"} 1",
            "billing_commit_duration_seconds_bucket{le=\"+Inf\"} 2",
            "billing_commit_duration_seconds_sum 100.002",
            "billing_commit_batch_records_bucket{le=\"2000\"} 0",
            "billing_commit_batch_records_bucket{le=\"5000\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn every_metric_stands_under_one_header_and_totals_are_counters() {
        let metrics = Metrics::new();
        let of = |aggregate| metrics.partition(&Scope { aggregate, ..scope() }, 0);
        let _partitions = [of("account"), of(TRANSACTION)];
        let text = metrics.render();
        let headers: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert_eq!(headers.len(), 24, "{headers:?}");
        assert!(headers.is_sorted_by(|one, next| one < next), "in order, none twice: {headers:?}");
        let mut metric = "";
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("# TYPE ") {
                let (name, kind) = header.split_once(' ').unwrap();
                assert_eq!(name.ends_with("_total"), kind == "counter", "{header}");
                metric = name;
            } else if !line.starts_with('#') {
                assert!(line.starts_with(metric), "{line} stands under {metric}");
            }
        }
    }
}
