//! What a partition tells the metrics.

use std::time::Duration;

use super::admission::Admission;
use super::desk::{Outcome, Verdict};
use super::milestones::Milestones;
use super::stock::Stock;
use crate::domain::ids::Timestamp;
use crate::domain::transaction::{Kind, Status};
use crate::log::{Lane, Millis, Offset, PerLane};
use crate::metrics::{
    DeadLetterReason, Outcome as Counted, PartitionMetrics, Queue, TransactionOutcome, TransactionType,
};
use crate::wire::Reason;

/// A batch took effect: every command is counted once, here, where it was decided.
pub fn committed(metrics: &PartitionMetrics, outcomes: &[Outcome], took: Duration, now: Timestamp) {
    metrics.engine.commit_duration.record(took);
    metrics.engine.commit_batch_records.record(outcomes.len() as f64);
    let mut counts = [0u64; 4];
    for outcome in outcomes {
        let counted = match outcome.verdict {
            Verdict::Accepted => Counted::Accepted,
            Verdict::Rejected => Counted::Rejected,
            Verdict::Duplicate => Counted::Duplicate,
            Verdict::DeadLettered(reason) => {
                metrics.engine.dead_letters.of(dead_letter_reason(reason)).increment(1);
                Counted::DeadLettered
            }
            Verdict::SentHome => {
                metrics.aggregate.misrouted_commands.increment(1);
                continue;
            }
            Verdict::Internal => continue,
        };
        counts[counted as usize] += 1;
    }
    let upstream = outcomes.iter().filter(|outcome| !matches!(outcome.verdict, Verdict::SentHome | Verdict::Internal));
    let sent_at: Vec<Millis> = upstream.map(|outcome| outcome.sent_at).collect();
    // Commands of one batch were mostly sent together.
    for together in sent_at.chunk_by(Millis::eq) {
        let latency = Duration::from_millis(u64::try_from(now.0.saturating_sub(together[0])).unwrap_or(0));
        metrics.aggregate.command_latency.record_many(latency, together.len());
    }
    for counted in [Counted::Accepted, Counted::Rejected, Counted::Duplicate, Counted::DeadLettered] {
        metrics.aggregate.commands.of(counted).increment(counts[counted as usize]);
    }
}

/// What a batch that took effect has brought to an end, and what it forced.
pub fn milestones(metrics: &PartitionMetrics, milestones: &Milestones) {
    for (kind, status, count) in milestones.ended() {
        if let Some(outcome) = outcome_of(status) {
            metrics.engine.transactions.of(type_of(kind)).of(outcome).increment(count.into());
        }
    }
    metrics.engine.forced_postings.increment(milestones.forced().into());
}

fn type_of(kind: Kind) -> TransactionType {
    match kind {
        Kind::Topup => TransactionType::Topup,
        Kind::Withdrawal => TransactionType::Withdrawal,
        Kind::Transfer => TransactionType::Transfer,
        Kind::Payment => TransactionType::Payment,
        Kind::Refund => TransactionType::Refund,
    }
}

fn outcome_of(status: Status) -> Option<TransactionOutcome> {
    match status {
        Status::Completed => Some(TransactionOutcome::Completed),
        Status::Voided => Some(TransactionOutcome::Voided),
        Status::Expired => Some(TransactionOutcome::Expired),
        Status::Failed => Some(TransactionOutcome::Failed),
        Status::Compensated => Some(TransactionOutcome::Compensated),
        Status::Requested | Status::Authorized | Status::Capturing | Status::Voiding | Status::Compensating => None,
    }
}

fn dead_letter_reason(reason: Reason) -> DeadLetterReason {
    match reason {
        Reason::Malformed => DeadLetterReason::Malformed,
        Reason::UnknownType => DeadLetterReason::UnknownType,
        Reason::TooLarge => DeadLetterReason::TooLarge,
        Reason::Panic => DeadLetterReason::Panic,
    }
}

/// Time for which the readers had to wait for this partition.
pub fn backpressure(metrics: &PartitionMetrics, stock: &Stock) {
    for (lane, queue) in [(Lane::Commands, Queue::Commands), (Lane::Inbox, Queue::Inbox)] {
        metrics.engine.backpressure.of(queue).add(stock.intake(lane).drain_waited_full());
    }
}

/// What is open, and time for which commands had to wait for that.
pub fn open(metrics: &PartitionMetrics, admission: &mut Admission) {
    metrics.engine.backpressure.of(Queue::OpenTransactions).add(admission.drain_waited());
    if let Some(gauge) = &metrics.transactions_open {
        gauge.set(admission.open() as f64);
    }
}

/// How far the partition is behind: offsets to the end, and the age of the oldest record not yet committed,
/// where one has been taken.
pub fn lag(
    metrics: &PartitionMetrics,
    committed: PerLane<Offset>,
    ends: PerLane<Offset>,
    oldest: PerLane<Option<Millis>>,
    now: Timestamp,
) {
    for (lane, gauges) in [(Lane::Commands, &metrics.commands_lag), (Lane::Inbox, &metrics.inbox_lag)] {
        let records = ends.of(lane).saturating_sub(*committed.of(lane)).max(0);
        let age = oldest.of(lane).map_or(0, |timestamp| now.0.saturating_sub(timestamp).max(0));
        gauges.records.set(records as f64);
        gauges.seconds.set(if records == 0 { 0.0 } else { age as f64 / 1000.0 });
    }
}
