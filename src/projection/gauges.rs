//! How far behind a partition is, told once a second for as long as it is ours, whatever becomes of its projector.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::log::{Input, Millis, Offset, Subscription};
use crate::metrics::ProjectionMetrics;

/// How often time is told.
const EVERY: Duration = Duration::from_secs(1);

/// Every so many times the log is asked for its ends, too.
const LOOK_AT_ENDS: u32 = 5;

/// No record waits.
const NOTHING: Millis = Millis::MIN;

/// What a projector leaves for others to read.
#[derive(Debug)]
pub(super) struct Progress {
    next: [AtomicI64; 2],
    oldest: AtomicI64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Progress { next: [AtomicI64::new(-1), AtomicI64::new(-1)], oldest: AtomicI64::new(NOTHING) }
    }

    /// Everything below is written.
    pub(super) fn stands_at(&self, next: [Offset; 2]) {
        for (place, offset) in self.next.iter().zip(next) {
            place.store(offset, Ordering::Relaxed);
        }
    }

    /// The record that waits longest came to the log at that time; `None` when none waits.
    pub(super) fn waits_since(&self, oldest: Option<Millis>) {
        self.oldest.store(oldest.unwrap_or(NOTHING), Ordering::Relaxed);
    }

    fn waits_for(&self, now: Millis) -> Duration {
        match self.oldest.load(Ordering::Relaxed) {
            NOTHING => Duration::ZERO,
            oldest => Duration::from_millis(u64::try_from(now.saturating_sub(oldest)).unwrap_or(0)),
        }
    }
}

/// Tells the metrics until it is dropped.
pub(super) async fn tell(
    subscription: Arc<dyn Subscription>,
    partition: u32,
    progress: Arc<Progress>,
    metrics: Arc<ProjectionMetrics>,
) {
    let mut rounds = 0u32;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis;
        let waits_for = progress.waits_for(now);
        metrics.lag.set(waits_for);
        for lag in &metrics.consumer_lag {
            lag.seconds.set(waits_for);
        }
        // A log that does not answer has said so elsewhere.
        if rounds.is_multiple_of(LOOK_AT_ENDS)
            && let Ok(inputs) = subscription.inputs(partition).await
        {
            tell_records(&inputs, &progress, &metrics);
        }
        rounds = rounds.wrapping_add(1);
        tokio::time::sleep(EVERY).await;
    }
}

fn tell_records(inputs: &[Input], progress: &Progress, metrics: &ProjectionMetrics) {
    for ((input, next), lag) in inputs.iter().zip(&progress.next).zip(&metrics.consumer_lag) {
        let next = next.load(Ordering::Relaxed).max(input.start);
        lag.records.set(input.end.saturating_sub(next).max(0) as f64);
    }
}
