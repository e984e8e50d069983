//! Every metric there is: declared in one place, handed out as handles that cost an atomic addition.
//!
//! Ids are never labels. The series of a partition live as long as its [`PartitionMetrics`].

mod labels;
mod registry;

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram};

pub use labels::{DeadLetterReason, Label, Outcome, PartitionState, Queue, RestartReason};
pub use registry::{Family, Instrument, Scoped, Seconds};

use registry::Registry;

/// Finest where commits are, so that their median and 99th percentile can be told apart.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 30.0, 60.0,
];
const RECORDS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

/// All metrics of one engine; several can live in one process.
pub struct Metrics {
    registry: Registry,
    commands: Arc<Family<Counter, 2>>,
    command_latency: Arc<Family<Histogram, 1>>,
    commit_duration: Arc<Family<Histogram, 0>>,
    commit_batch_records: Arc<Family<Histogram, 0>>,
    lag_records: Arc<Family<Gauge, 3>>,
    lag_seconds: Arc<Family<Gauge, 3>>,
    actors: Arc<Family<Gauge, 2>>,
    actor_restarts: Arc<Family<Counter, 2>>,
    partition_state: Arc<Family<Gauge, 3>>,
    recovery_duration: Arc<Family<Histogram, 1>>,
    recovery_replayed_events: Arc<Family<Counter, 1>>,
    dead_letters: Arc<Family<Counter, 1>>,
    misrouted_commands: Arc<Family<Counter, 1>>,
    producer_fenced: Arc<Family<Counter, 0>>,
    backpressure: Arc<Family<Seconds, 1>>,
    build_info: Arc<Family<Gauge, 1>>,
}

impl Metrics {
    /// Declares them all.
    #[rustfmt::skip] // one metric, one line
    pub fn new() -> Arc<Self> {
        let mut r = Registry::default();
        let metrics = Metrics {
            commands: r.declare("billing_commands_total", "Upstream commands, counted once, where decided.", ["aggregate", "outcome"]),
            command_latency: r.histogram("billing_command_latency_seconds", "From a command's timestamp to its commit.", ["aggregate"], SECONDS),
            commit_duration: r.histogram("billing_commit_duration_seconds", "Time to make one batch visible.", [], SECONDS),
            commit_batch_records: r.histogram("billing_commit_batch_records", "Records consumed by one commit.", [], RECORDS),
            lag_records: r.declare("billing_consumer_lag_records", "Offsets between what is committed and the end.", ["group", "topic", "partition"]),
            lag_seconds: r.declare("billing_consumer_lag_seconds", "Age of the oldest record not yet committed.", ["group", "topic", "partition"]),
            actors: r.declare("billing_actors", "Actors in memory.", ["aggregate", "partition"]),
            actor_restarts: r.declare("billing_actor_restarts_total", "Actors that were built afresh.", ["aggregate", "reason"]),
            partition_state: r.declare("billing_partition_state", "1 for the state a partition is in, 0 for the others.", ["aggregate", "partition", "state"]),
            recovery_duration: r.histogram("billing_recovery_duration_seconds", "From a partition's assignment to its first command.", ["aggregate"], SECONDS),
            recovery_replayed_events: r.declare("billing_recovery_replayed_events_total", "Events read again to rebuild state.", ["aggregate"]),
            dead_letters: r.declare("billing_dead_letters_total", "Records written to the dead letters.", ["reason"]),
            misrouted_commands: r.declare("billing_misrouted_commands_total", "Commands sent home from the wrong partition.", ["aggregate"]),
            producer_fenced: r.declare("billing_producer_fenced_total", "Producers that found a newer owner.", []),
            backpressure: r.declare("billing_backpressure_seconds_total", "Time spent waiting on a full queue.", ["queue"]),
            build_info: r.declare("billing_build_info", "1, with the version that runs.", ["version"]),
            registry: r,
        };
        metrics.build_info.with([env!("CARGO_PKG_VERSION")]).set(1.0);
        Arc::new(metrics)
    }

    /// Everything in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        self.registry.render()
    }

    /// What is counted for the engine as a whole.
    pub fn engine(&self) -> EngineMetrics {
        EngineMetrics {
            commit_duration: self.commit_duration.with([]),
            commit_batch_records: self.commit_batch_records.with([]),
            dead_letters: PerLabel::new(|reason| self.dead_letters.with([reason])),
            producer_fenced: self.producer_fenced.with([]),
            backpressure: PerLabel::new(|queue| self.backpressure.with([queue])),
        }
    }

    /// What is counted for one type of aggregate (`account`).
    pub fn aggregate(&self, aggregate: &'static str) -> AggregateMetrics {
        AggregateMetrics {
            commands: PerLabel::new(|outcome| self.commands.with([aggregate, outcome])),
            command_latency: self.command_latency.with([aggregate]),
            actor_restarts: PerLabel::new(|reason| self.actor_restarts.with([aggregate, reason])),
            recovery_duration: self.recovery_duration.with([aggregate]),
            recovery_replayed_events: self.recovery_replayed_events.with([aggregate]),
            misrouted_commands: self.misrouted_commands.with([aggregate]),
        }
    }

    /// What is measured of one partition while it is owned.
    pub fn partition(&self, scope: &Scope, partition: u32) -> PartitionMetrics {
        let (aggregate, number) = (scope.aggregate, partition.to_string());
        let lag = |topic: &str| Lag {
            records: self.lag_records.scoped([&scope.group, topic, &number]),
            seconds: self.lag_seconds.scoped([&scope.group, topic, &number]),
        };
        PartitionMetrics {
            engine: self.engine(),
            aggregate: self.aggregate(aggregate),
            actors: self.actors.scoped([aggregate, &number]),
            commands_lag: lag(&scope.commands),
            inbox_lag: lag(&scope.inbox),
            state: PerLabel::new(|state| self.partition_state.scoped([aggregate, &number, state])),
        }
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
    /// Time spent waiting on a full queue.
    pub backpressure: PerLabel<Queue, Seconds>,
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
    pub actors: Scoped<Gauge, 2>,
    /// Of the commands topic.
    pub commands_lag: Lag,
    /// Of the inbox topic.
    pub inbox_lag: Lag,
    state: PerLabel<PartitionState, Scoped<Gauge, 3>>,
}

/// How far an input is behind.
pub struct Lag {
    /// Offsets between what is committed and the end.
    pub records: Scoped<Gauge, 3>,
    /// Age of the oldest record that is not yet committed.
    pub seconds: Scoped<Gauge, 3>,
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
    use std::time::Duration;

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
}
