//! The actor that owns a partition: takes, routes, collects, commits, and lets go.
//!
//! All of it is one function, [`Supervisor::advance`], called after every message: it looks at what there is
//! and does what can be done next. Messages only say that something changed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use actix::fut::wrap_future;
use actix::{ActorContext, ActorFutureExt, AsyncContext, Context};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Settings;
use super::admission::Admission;
use super::agenda::Agenda;
use super::attendance::Attendance;
use super::batch::Batch;
use super::clerk::Clerk;
use super::committing::{Committing, TICK};
use super::desk::{Desk, Round};
use super::inspect::Inspect;
use super::keeping::Keeping;
use super::lifecycle::{End, Stage};
use super::mailbox::{Kill, wake};
use super::poison::Suspicion;
use super::rebuilding::Rebuilt;
use super::recovery::Recovered;
use super::round::Group;
use super::routes::{Epoch, Residence, Routes};
use super::stock::Stock;
use crate::domain::ids::AggregateId;
use crate::log::{Error, Offset, Partition, PerLane};
use crate::metrics::PartitionMetrics;
use crate::snapshots::{self, Shelf};
use crate::wire::message::Mail;

/// What everything that was folded counts for: the epoch before the first.
const RECOVERY: Epoch = 1;

/// What a supervisor needs to begin.
pub struct Start {
    /// The handle on the partition, not yet fenced.
    pub log: Arc<dyn Partition>,
    /// How to run it.
    pub settings: Arc<Settings>,
    /// Its snapshots on this machine, if it is to have any.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// Offsets an operator decided on.
    pub accepted: PerLane<Option<Offset>>,
    /// What earlier incarnations suspect.
    pub suspicion: Suspicion,
    /// What is measured of it.
    pub metrics: Arc<PartitionMetrics>,
    /// Names this life of the partition in its reports.
    pub incarnation: Incarnation,
    /// Where to report.
    pub reports: mpsc::UnboundedSender<(Incarnation, Report)>,
}

/// Names one life of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incarnation {
    /// Partition number.
    pub partition: u32,
    /// Counts up.
    pub number: u64,
}

/// What a partition tells the engine.
#[derive(Debug)]
pub enum Report {
    /// It stands here now.
    Stage(Stage),
    /// It is gone, this is why. Nothing follows.
    Ended(End),
}

/// One partition in memory.
pub struct Supervisor<A: Mail> {
    pub(super) log: Arc<dyn Partition>,
    pub(super) settings: Arc<Settings>,
    pub(super) desk: Rc<Desk<A>>,
    pub(super) routes: Routes<A>,
    /// Places of those who are asked for in this round and do not exist.
    pub(super) newcomers: Vec<u32>,
    /// Until the partition is recovered.
    pub(super) shelf: Option<Arc<dyn Shelf>>,
    /// What is saved, where snapshots are kept at all.
    pub(super) keeping: Option<Keeping>,
    /// What is decided now is decided in this epoch.
    pub(super) epoch: Epoch,
    pub(super) suspicion: Suspicion,
    pub(super) metrics: Arc<PartitionMetrics>,
    pub(super) condemned: Vec<Kill>,
    pub(super) inspections: Vec<Inspect<A>>,
    pub(super) restarts: u64,
    pub(super) accepted: PerLane<Option<Offset>>,
    pub(super) incarnation: Incarnation,
    pub(super) reports: mpsc::UnboundedSender<(Incarnation, Report)>,
    pub(super) stage: Stage,
    pub(super) stock: Option<Stock>,
    pub(super) batch: Batch,
    /// What is to come of its aggregates, as of what is committed.
    pub(super) agenda: Agenda,
    /// Whose time has come, and who is not asked yet.
    pub(super) overdue: VecDeque<AggregateId>,
    /// What is open of what is decided.
    pub(super) admission: Admission,
    pub(super) work: Work,
    pub(super) committing: Option<Committing>,
    pub(super) committed_at: Instant,
    /// True while the log is asked for its ends.
    pub(super) asks_for_ends: bool,
    pub(super) releases: Vec<oneshot::Sender<()>>,
}

/// What the actors of the partition are busy with.
pub(super) enum Work {
    /// Nothing: the desk is clear.
    None,
    /// They decide.
    Deciding { groups: Vec<Group>, attendance: Arc<Attendance> },
    /// Their snapshots are being loaded; their commands wait.
    Loading { groups: Vec<Group> },
    /// They write down what they are.
    Serialising { places: Vec<u32>, attendance: Arc<Attendance> },
    /// Some died; their commands, if they had any, wait until they are folded again.
    Bereft { dead: Vec<u32>, groups: Vec<Group> },
    /// They are being folded.
    Folding,
    /// Something panicked. The commit under way is not to be lost with it: it may hold what was decided one record
    /// before.
    Broken,
}

impl<A: Mail> Supervisor<A> {
    /// A partition that recovers as soon as it is started.
    pub fn new(start: Start) -> Self {
        let Start { log, settings, shelf, accepted, suspicion, metrics, incarnation, reports } = start;
        let clerk = Clerk::new(&settings, log.number());
        let desk = Desk {
            round: Round::empty().into(),
            rules: settings.rules.clone(),
            clerk,
            conditions: settings.conditions(),
            images: Vec::new().into(),
        };
        Supervisor {
            desk: Rc::new(desk),
            routes: Routes::new(),
            newcomers: Vec::new(),
            shelf,
            keeping: None,
            epoch: RECOVERY + 1,
            suspicion,
            metrics,
            condemned: Vec::new(),
            inspections: Vec::new(),
            restarts: 0,
            accepted,
            incarnation,
            reports,
            stage: Stage::Recovering,
            stock: None,
            batch: Batch::starting_at(PerLane::default()),
            agenda: Agenda::default(),
            overdue: VecDeque::new(),
            admission: Admission::new(settings.max_open, 0),
            work: Work::None,
            committing: None,
            committed_at: Instant::now(),
            asks_for_ends: false,
            releases: Vec::new(),
            log,
            settings,
        }
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        if self.stage.may_become(stage) {
            self.stage = stage;
            self.report(Report::Stage(stage));
        }
    }

    pub(super) fn report(&self, report: Report) {
        // The engine drops its end only when the process ends.
        self.reports.send((self.incarnation, report)).ok();
    }

    /// Does what can be done now. Safe to call at any time.
    pub(super) fn advance(&mut self, context: &mut Context<Self>) {
        if self.stage == Stage::Closed {
            return;
        }
        // Whatever a panic leaves half done is dropped with the partition.
        let advanced = catch_unwind(AssertUnwindSafe(|| self.try_advance(context))).unwrap_or_else(|_| {
            self.work = Work::Broken;
            self.finish_round(context)
        });
        if let Err(end) = advanced {
            self.close(end, context);
        }
    }

    fn try_advance(&mut self, context: &mut Context<Self>) -> Result<(), End> {
        loop {
            self.finish_round(context)?;
            if !matches!(self.work, Work::None) {
                return Ok(());
            }
            self.passivate();
            if self.committing.is_none() {
                if self.take_slice(context) {
                    continue;
                }
                if self.has_decided() || self.keeping.as_ref().is_some_and(Keeping::needs_commit) {
                    self.start_commit(context);
                } else {
                    self.save_committed_slice(context);
                }
            }
            if self.stage == Stage::Draining && self.committing.is_none() {
                return Err(End::Released);
            }
            if self.stage != Stage::Running {
                return Ok(());
            }
            if !self.start_round(context)? {
                self.answer_inspections(context);
                return Ok(());
            }
        }
    }

    /// True when something waits for its commit.
    fn has_decided(&self) -> bool {
        self.batch.records() > 0 || !self.desk.round.borrow().drafts.is_empty()
    }

    fn answer_inspections(&mut self, context: &mut Context<Self>) {
        if self.committing.is_some() || self.inspections.is_empty() {
            return;
        }
        for Inspect { answer } in std::mem::take(&mut self.inspections) {
            // Whoever asked may have gone.
            context.spawn(wrap_future(self.inspected()).map(|inspection, _: &mut Self, _| {
                answer.send(inspection).ok();
            }));
        }
    }

    pub(super) fn dispatch(&mut self, groups: Vec<Group>, context: &mut Context<Self>) {
        let attendance = Attendance::of(groups.len(), wake(context));
        self.hand_out(&groups, &attendance);
        self.work = Work::Deciding { groups, attendance };
    }

    /// Collects the answers once all are in; sees to the dead.
    pub(super) fn finish_round(&mut self, context: &mut Context<Self>) -> Result<(), End> {
        match std::mem::replace(&mut self.work, Work::None) {
            Work::Deciding { groups, attendance } if attendance.is_complete() => {
                let absences = attendance.absences();
                if absences.iter().any(|absence| absence.panicked) {
                    self.work = Work::Broken;
                    return self.finish_round(context);
                }
                if let Some(halt) = self.desk.round.borrow_mut().stuck.take() {
                    return Err(End::Halted(halt));
                }
                if absences.is_empty() {
                    self.close_round();
                } else {
                    let groups: Vec<_> = absences.iter().map(|absence| groups[absence.group].clone()).collect();
                    self.work = Work::Bereft { dead: groups.iter().map(|group| group.place).collect(), groups };
                    self.fold_lost(context);
                }
            }
            Work::Serialising { places, attendance } if attendance.is_complete() => {
                let absences = attendance.absences();
                if absences.iter().any(|absence| absence.panicked) {
                    self.work = Work::Broken;
                    return self.finish_round(context);
                }
                self.serialised(&places, &absences, context);
            }
            Work::Bereft { dead, groups } => {
                self.work = Work::Bereft { dead, groups };
                self.fold_lost(context);
            }
            Work::Broken if self.committing.is_none() => return Err(End::Panicked { batch: self.batch.id() }),
            busy => self.work = busy,
        }
        Ok(())
    }

    pub(super) fn recovered(&mut self, recovered: Result<Recovered<A>, End>, context: &mut Context<Self>) {
        if self.stage != Stage::Recovering {
            return;
        }
        match recovered {
            Ok(Recovered { rebuilt, from, lanes }) => {
                self.metrics.aggregate.recovery_replayed_events.increment(rebuilt.fold.events);
                self.metrics.aggregate.recovery_duration.record(self.committed_at.elapsed());
                self.remember(rebuilt);
                self.batch = Batch::starting_at(from);
                self.stock = Some(Stock::new(lanes));
                self.enter(Stage::Running);
                context.run_interval(TICK, Self::tick);
                self.advance(context);
            }
            Err(end) => {
                if let End::Snapshots(_) = end {
                    self.metrics.engine.snapshot_failures.increment(1);
                }
                self.close(end, context);
            }
        }
    }

    /// Settles everything that is in memory from the beginning.
    fn remember(&mut self, rebuilt: Rebuilt<A>) {
        let keep = &self.settings.keep;
        let keeps = self.shelf.is_some() || keep.topic;
        self.keeping = keeps.then(|| Keeping::new(keep.pace, self.shelf.take(), &rebuilt));
        self.agenda = rebuilt.fold.agenda;
        self.admission = Admission::new(self.settings.max_open, self.agenda.open());
        let mut aggregates: Vec<_> = rebuilt.fold.aggregates.into_iter().collect();
        aggregates.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (id, folded) in aggregates {
            let place = self.routes.settle(&id, Residence::Folded(Box::new(folded.held)));
            if folded.is_changed {
                self.changed(place, RECOVERY);
            }
        }
    }

    /// Nothing is repaired in place: whatever is in memory is dropped.
    pub(super) fn close(&mut self, end: End, context: &mut Context<Self>) {
        self.close_after(None, end, context);
    }

    /// The same, once a shelf has answered.
    pub(super) fn close_after(
        &mut self,
        shelved: Option<snapshots::Answer<()>>,
        end: End,
        context: &mut Context<Self>,
    ) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        self.stock = None;
        let closing = self.log.close();
        let closing = async move {
            if let Some(shelved) = shelved
                && let Err(error) = shelved.await
            {
                tracing::warn!(%error, "the shelf of a partition that ends does not answer");
            }
            closing.await
        };
        context.spawn(wrap_future(closing).map(|closed: Result<(), Error>, actor: &mut Self, context| {
            if let Err(error) = closed {
                tracing::warn!(partition = actor.log.number(), %error, "the log did not close the partition cleanly");
            }
            actor.report(Report::Ended(end));
            for released in actor.releases.drain(..) {
                released.send(()).ok();
            }
            context.stop();
        }));
    }
}

impl<A: Mail> Drop for Supervisor<A> {
    /// A panic that nobody caught takes the supervisor with it: the engine has to hear of that too.
    fn drop(&mut self) {
        if self.stage != Stage::Closed {
            self.report(Report::Ended(End::Panicked { batch: self.batch.id() }));
        }
    }
}
