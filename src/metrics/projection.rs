//! What is measured of the read side.

use std::sync::Arc;

use metrics::{Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{Label, Lag, Metrics, PartitionState, PerLabel, families};

/// Names that the series of a partition of the read side carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectionScope {
    /// Full name of the consumer group.
    pub group: String,
    /// Full names of the event topics.
    pub topics: [String; 2],
}

/// What is measured of one owned partition of the read side. When this is dropped, its series are gone.
pub struct ProjectionMetrics {
    /// Rows of one step.
    pub batch_rows: Histogram,
    /// Time to write one step.
    pub write_duration: Histogram,
    /// Age of the oldest event taken in and not yet written.
    pub lag: Gauge,
    /// Of each event topic.
    pub consumer_lag: [Lag; 2],
    state: PerLabel<PartitionState, Gauge>,
    /// Holds the series exposed.
    _series: Arc<PrometheusRecorder>,
}

impl Metrics {
    /// What is measured of one partition of the read side while it is owned. Only the newest of the same is exposed.
    pub fn projection(&self, scope: &ProjectionScope, partition: u32) -> ProjectionMetrics {
        const AGGREGATE: &str = "projection";
        let number = partition.to_string();
        let recorder = Arc::new(families::recorder());
        self.partitions().insert((AGGREGATE, partition), Arc::downgrade(&recorder));
        ProjectionMetrics {
            batch_rows: families::PROJECTION_BATCH_ROWS.with(&self.recorder, []),
            write_duration: families::PROJECTION_WRITE_DURATION.with(&self.recorder, []),
            lag: families::PROJECTION_LAG.with(&recorder, [&number]),
            consumer_lag: scope.topics.each_ref().map(|topic| Lag {
                records: families::LAG_RECORDS.with(&recorder, [&scope.group, topic, &number]),
                seconds: families::LAG_SECONDS.with(&recorder, [&scope.group, topic, &number]),
            }),
            state: PerLabel::new(|state| families::PARTITION_STATE.with(&recorder, [AGGREGATE, &number, state])),
            _series: recorder,
        }
    }
}

impl ProjectionMetrics {
    /// Says where the partition stands now.
    pub fn enter(&self, state: PartitionState) {
        for each in PartitionState::ALL {
            self.state.of(*each).set(if *each == state { 1.0 } else { 0.0 });
        }
    }
}
