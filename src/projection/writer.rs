//! Whoever claimed a partition, and how far it has written it.

use std::sync::Arc;
use std::time::Instant;

use super::gathering::Gathering;
use super::read_store::{Batch, Claim, Error, ReadStore};
use super::resume::Resume;
use crate::log::Offset;
use crate::metrics::ProjectionMetrics;

/// Writes one batch behind the other.
pub(super) struct Writer {
    store: Arc<dyn ReadStore>,
    metrics: Arc<ProjectionMetrics>,
    partition: u32,
    epochs: [i64; 2],
    /// Where the store stands.
    stored: [Offset; 2],
    /// Where the next batch begins: before `stored` while rows are written again.
    from: [Offset; 2],
    /// Below these offsets rows were written before.
    known_until: [Offset; 2],
}

impl Writer {
    /// Goes on where the store stands.
    pub(super) fn new(
        store: Arc<dyn ReadStore>,
        metrics: Arc<ProjectionMetrics>,
        partition: u32,
        claim: &Claim,
    ) -> Self {
        let (epochs, stored) = (claim.epochs, claim.positions);
        Writer { store, metrics, partition, epochs, stored, from: stored, known_until: stored }
    }

    /// Where what it is given next has to begin.
    pub(super) fn reads_from(&self) -> [Offset; 2] {
        self.from
    }

    /// Goes on as it was decided; what is to be cleared is cleared now.
    ///
    /// # Errors
    /// A store that does not do it.
    pub(super) async fn go_on(&mut self, plan: [Resume; 2]) -> Result<(), Error> {
        self.from = plan.map(|topic| topic.from);
        self.known_until = plan.map(|topic| topic.known_until);
        let clear = plan.map(|topic| topic.clear);
        if clear != [false; 2] {
            // What is not cleared stays where it stands until its first batch.
            let mut next = self.stored;
            for topic in 0..next.len() {
                if clear[topic] {
                    next[topic] = self.from[topic];
                }
            }
            self.step(Gathering::at(self.partition, next), clear).await?;
        }
        Ok(())
    }

    /// Writes what was gathered from [`Writer::reads_from`] on.
    ///
    /// # Errors
    /// A store that does not do it, or is not ours any more: nothing more can be written by this one.
    pub(super) async fn write(&mut self, gathered: Gathering) -> Result<(), Error> {
        let next = gathered.next;
        self.step(gathered, [false; 2]).await?;
        self.from = next;
        Ok(())
    }

    async fn step(&mut self, gathered: Gathering, clear: [bool; 2]) -> Result<(), Error> {
        let known = self.from.iter().zip(self.known_until);
        let batch = Batch {
            partition: self.partition,
            epochs: self.epochs,
            expected: self.stored,
            next: gathered.next,
            as_of: gathered.as_of,
            clear,
            recount: known.into_iter().any(|(from, known_until)| *from < known_until),
            changes: gathered.changes,
        };
        let began = Instant::now();
        self.store.write(&batch).await?;
        self.metrics.write_duration.record(began.elapsed());
        self.metrics.batch_rows.record(batch.changes.rows() as f64);
        self.stored = batch.next;
        Ok(())
    }
}
