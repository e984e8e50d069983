//! One life of a partition after the other: what ends is built again, unless only a person can let it go on.

use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use tokio::time::Instant;

use super::{Engine, Error, Life, Owned};
use crate::http::PartitionStatus;
use crate::log;
use crate::metrics::{PartitionMetrics, PartitionState, RestartReason};
use crate::partition::lifecycle::{End, Stage};
use crate::partition::poison::Suspicion;
use crate::partition::{Incarnation, Report, Start, Supervisor};
use crate::wire::message::Mail;

/// First pause before a partition is built again; doubled at every further end.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest pause before a partition is built again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// Pause after a panic: finding the record that does it takes many attempts.
const PANIC_BACKOFF: Duration = Duration::from_millis(20);
/// A partition that ran this long starts again without a grudge.
const HEALED: Duration = Duration::from_secs(60);
/// More panics than this within [`HEALED`], not counting those by which a suspected record is found, end the
/// process: something is wrong that restarts do not mend.
pub(super) const PANICS_ALLOWED: usize = 50;

impl<A: Mail> Engine<A> {
    pub(super) fn begin(
        &mut self,
        partition: u32,
        suspicion: Suspicion,
        metrics: Arc<PartitionMetrics>,
        backoff: Duration,
        doubted: Option<String>,
    ) {
        self.incarnations += 1;
        let incarnation = Incarnation { partition, number: self.incarnations };
        let start = Start {
            log: self.log.open(partition),
            settings: self.settings.clone(),
            shelf: self.shelves.as_ref().map(|shelves| shelves.shelf(A::AGGREGATE, partition)),
            accepted: self.accepted.get(&partition).copied().unwrap_or_default(),
            suspicion: suspicion.clone(),
            metrics: metrics.clone(),
            incarnation,
            reports: self.reporter.clone(),
        };
        let supervisor = Supervisor::start_in_arbiter(&self.threads.of(partition), |_| Supervisor::new(start));
        let life = Life::Running(incarnation, supervisor);
        self.owned.insert(partition, Owned { suspicion, metrics, backoff, doubted, running_since: None, life });
    }

    pub(super) fn reported(&mut self, incarnation: Incarnation, report: Report) -> Result<(), Error> {
        let Some(owned) = self.owned.get_mut(&incarnation.partition) else { return Ok(()) };
        if !matches!(&owned.life, Life::Running(current, _) if *current == incarnation) {
            return Ok(());
        }
        match report {
            Report::Stage(stage) => {
                if let Some(state) = state_of(stage) {
                    owned.metrics.enter(state);
                    self.health.partition(A::AGGREGATE, incarnation.partition, state);
                }
                if stage == Stage::Running {
                    owned.running_since = Some(Instant::now());
                    // What is lost from now on was not decided on.
                    self.accepted.remove(&incarnation.partition);
                }
                Ok(())
            }
            Report::Ended(end) => self.ended(incarnation.partition, &end),
        }
    }

    fn ended(&mut self, partition: u32, end: &End) -> Result<(), Error> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        let running_since = owned.running_since.take();
        if running_since.is_some_and(|since| since.elapsed() >= HEALED) {
            owned.backoff = FIRST_BACKOFF;
        }
        let group = self.settings.group_name();
        let mut is_new_panic = false;
        let (state, pause) = match end {
            // Only revocation releases, and that has forgotten the partition already.
            End::Released => return Ok(()),
            // Who was fenced and has not heard of it reads what another owner set in motion, and none of it follows. Built
            // again the partition is ours for sure, and halts again if it has to.
            End::Halted(halt) if running_since.is_some() && owned.doubted.as_ref() != Some(&halt.to_string()) => {
                tracing::warn!(group, partition, reason = %halt, "partition would halt, building it again to make sure");
                owned.doubted = Some(halt.to_string());
                (PartitionState::Failed, Some(FIRST_BACKOFF))
            }
            End::Halted(halt) => {
                tracing::error!(group, partition, reason = %halt, "partition halted");
                (PartitionState::Halted, None)
            }
            End::Panicked { batch } => {
                tracing::error!(group, partition, ?batch, "partition panicked, building it again");
                owned.metrics.aggregate.actor_restarts.of(RestartReason::Panicked).increment(1);
                // Finding the one record takes dozens of panics, which are not a sign of more.
                is_new_panic = !batch.is_some_and(|batch| owned.suspicion.strike(batch));
                (PartitionState::Failed, Some(PANIC_BACKOFF))
            }
            End::Log(_) | End::Refused { .. } | End::Snapshots(_) | End::Distrusted(_) => {
                tracing::warn!(group, partition, error = %end, backoff = ?owned.backoff, "partition ended, building it again");
                if matches!(end, End::Log(log::Error::Fenced { .. })) {
                    owned.metrics.engine.producer_fenced.increment(1);
                }
                if let End::Refused { batch: Some(batch), .. } = end {
                    owned.suspicion.strike(*batch);
                }
                let pause = owned.backoff;
                owned.backoff = (pause * 2).min(LONGEST_BACKOFF);
                (PartitionState::Failed, Some(pause))
            }
        };
        owned.life = pause.map_or(Life::Halted, |pause| Life::Waiting(Instant::now() + pause));
        owned.metrics.enter(state);
        self.health.partition(A::AGGREGATE, partition, PartitionStatus { state, reason: Some(end.to_string()) });
        if is_new_panic { self.count_panic() } else { Ok(()) }
    }

    fn count_panic(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        self.panics.retain(|at| now.duration_since(*at) < HEALED);
        self.panics.push_back(now);
        if self.panics.len() > PANICS_ALLOWED { Err(Error::Panics) } else { Ok(()) }
    }

    pub(super) fn next_rebuild(&self) -> Instant {
        let due = self.owned.values().filter_map(|owned| match owned.life {
            Life::Waiting(at) => Some(at),
            Life::Running(..) | Life::Halted => None,
        });
        due.min().unwrap_or_else(|| Instant::now() + HEALED)
    }

    pub(super) fn rebuild_due(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self
            .owned
            .iter()
            .filter(|(_, owned)| matches!(owned.life, Life::Waiting(at) if at <= now))
            .map(|(partition, _)| *partition)
            .collect();
        for partition in due {
            if let Some(Owned { suspicion, metrics, backoff, doubted, .. }) = self.owned.remove(&partition) {
                self.begin(partition, suspicion, metrics, backoff, doubted);
            }
        }
    }
}

fn state_of(stage: Stage) -> Option<PartitionState> {
    match stage {
        Stage::Recovering => Some(PartitionState::Recovering),
        Stage::Running => Some(PartitionState::Running),
        Stage::Draining => Some(PartitionState::Draining),
        Stage::Closed => None,
    }
}
