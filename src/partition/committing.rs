//! The one commit that is under way, and what is done while nothing is.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use tokio::time::Instant;

use super::batch::Batch;
use super::keeping::Slice;
use super::lifecycle::{End, Stage};
use super::measures;
use super::supervisor::{Supervisor, Work};
use crate::log::{Commit, Error, Offset};
use crate::wire::message::Mail;
use crate::wire::snapshot::LastEvent;

/// How often a partition looks at its idle positions, at its lag, and at whose time has come.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How long an idle partition leaves its offsets uncommitted: far below the seven days after which a broker
/// forgets them.
const RECOMMIT: Duration = Duration::from_secs(3600);
/// Pause before a commit that the log could not take is tried again.
const COMMIT_BACKOFF: Duration = Duration::from_millis(100);

/// The commit that is under way.
pub(super) struct Committing {
    commit: Arc<Commit>,
    batch: Batch,
    /// Aggregates as of its end, to be saved once it took effect.
    slice: Option<Slice>,
    /// It gives the topic a page of what it lacked.
    has_page: bool,
    since: Instant,
}

impl<A: Mail> Supervisor<A> {
    pub(super) fn start_commit(&mut self, context: &mut Context<Self>) {
        let next = self.batch.next_offsets();
        let batch = std::mem::replace(&mut self.batch, Batch::starting_at(next));
        let mut records = self.desk.round.borrow_mut().take_drafts();
        let place = (self.settings.spec.snapshots, self.log.number());
        let kept = self.keeping.as_mut().map(|keeping| keeping.add_to(&mut records, place));
        let (slice, has_page) = kept.unwrap_or_default();
        let commit = Arc::new(Commit { next_offsets: next, records });
        self.measure_snapshots();
        self.send_commit(Committing { commit, batch, slice, has_page, since: Instant::now() }, context);
    }

    fn send_commit(&mut self, committing: Committing, context: &mut Context<Self>) {
        let answer = self.log.commit(committing.commit.clone());
        self.committing = Some(committing);
        context.spawn(wrap_future(answer).map(|answer, actor: &mut Self, context| actor.committed(answer, context)));
    }

    fn committed(&mut self, answer: Result<Option<Offset>, Error>, context: &mut Context<Self>) {
        let Some(committing) = self.committing.take() else { return };
        match answer {
            Ok(end_of_events) => {
                self.committed_at = Instant::now();
                for (id, outlook) in committing.batch.turns() {
                    self.agenda.note(id, *outlook);
                }
                self.keep(&committing, end_of_events);
                measures::milestones(&self.metrics, &committing.batch.added().milestones);
                measures::committed(
                    &self.metrics,
                    &committing.batch.into_outcomes(),
                    committing.since.elapsed(),
                    (self.settings.clock)(),
                );
                if let Some(commit) = Arc::into_inner(committing.commit) {
                    self.desk.round.borrow_mut().recycle(commit.records);
                }
                if committing.has_page {
                    self.filled();
                }
                if let Some(slice) = committing.slice {
                    self.save(slice, context);
                }
                self.advance(context);
            }
            Err(error) if error.is_retriable() && self.stage == Stage::Running => {
                tracing::warn!(partition = self.log.number(), %error, "commit not taken, trying it again");
                self.committing = Some(committing);
                context.run_later(COMMIT_BACKOFF, |actor, context| {
                    if let Some(committing) = actor.committing.take() {
                        actor.send_commit(committing, context);
                    }
                });
            }
            Err(error @ Error::Refused { .. }) => {
                self.close(End::Refused { error, batch: committing.batch.id() }, context);
            }
            Err(error) => self.close(End::Log(error), context),
        }
    }

    /// Counts in what the log holds now.
    fn keep(&mut self, committing: &Committing, end_of_events: Option<Offset>) {
        let Some(keeping) = &mut self.keeping else { return };
        let Committing { commit, batch, .. } = committing;
        let last_event = end_of_events.and_then(|end| {
            let draft = commit.records.get(commit.last_event(self.settings.spec.events, self.log.number())?);
            Some(LastEvent::of(end - 1, draft.key, draft.value))
        });
        keeping.checkpoints.committed(batch.added(), last_event);
    }

    /// Idle positions pass control records, and no offset is left to expire.
    pub(super) fn tick(&mut self, context: &mut Context<Self>) {
        let idle = self.stage == Stage::Running && matches!(self.work, Work::None) && self.committing.is_none();
        let moved = self.batch.next_offsets() != self.batch.start();
        if idle && self.batch.records() == 0 && (moved || self.committed_at.elapsed() >= RECOMMIT) {
            self.start_commit(context);
        }
        self.sweep();
        self.measure(context);
        self.advance(context);
    }

    /// Whoever sees what a commit brought does not see an age of before.
    pub(super) fn measure_snapshots(&self) {
        if let Some(keeping) = &self.keeping {
            self.metrics.snapshot_age.set(keeping.checkpoints.age().as_secs_f64());
        }
    }

    /// Looks at what the partition holds and how far it is behind.
    fn measure(&mut self, context: &mut Context<Self>) {
        self.metrics.actors.set(self.routes.live() as f64);
        self.measure_snapshots();
        if let Some(keeping) = &mut self.keeping {
            // Who is idle is noticed by nothing else.
            keeping.may_passivate = true;
        }
        if let Some(stock) = &self.stock {
            measures::backpressure(&self.metrics, stock);
        }
        measures::open(&self.metrics, &mut self.admission);
        let first = self.committing.as_ref().map_or(&self.batch, |committing| &committing.batch);
        let (committed, oldest, now) = (first.start(), first.oldest(), (self.settings.clock)());
        // One question at a time: while a broker is away, answers take longer than ticks.
        if std::mem::replace(&mut self.asks_for_ends, true) {
            return;
        }
        context.spawn(wrap_future(self.log.ends()).map(move |ends: Result<_, Error>, actor: &mut Self, _| {
            actor.asks_for_ends = false;
            match ends {
                Ok(ends) => measures::lag(&actor.metrics, committed, ends, oldest, now),
                Err(error) => tracing::debug!(%error, "lag is not known"),
            }
        }));
    }
}
