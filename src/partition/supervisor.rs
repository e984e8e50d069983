//! The actor that owns a partition: takes, routes, collects, commits, and lets go.
//!
//! All of it is one function, [`Supervisor::advance`], called after every message: it looks at what there is
//! and does what can be done next. Messages only say that something changed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WeakAddr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Settings;
use super::attendance::Attendance;
use super::batch::Batch;
use super::clerk::Clerk;
use super::desk::{Desk, Round};
use super::inspect::Inspect;
use super::lifecycle::{End, Stage};
use super::measures;
use super::poison::Suspicion;
use super::recovery::{self, Folded, Recovered};
use super::round::{Group, ROUND_RECORDS};
use super::routes::{Residence, Routes};
use super::stock::Stock;
use crate::domain::ids::AggregateId;
use crate::log::{Commit, Error, Offset, Partition, PerLane, Signal};
use crate::metrics::{PartitionMetrics, RestartReason};
use crate::wire::Wire;

/// How often a partition looks at its idle positions and its lag.
const TICK: Duration = Duration::from_secs(1);
/// How long an idle partition leaves its offsets uncommitted: far below the seven days after which a broker
/// forgets them.
const RECOMMIT: Duration = Duration::from_secs(3600);
/// Pause before a commit that the log could not take is tried again.
const COMMIT_BACKOFF: Duration = Duration::from_millis(100);

/// What a supervisor needs to begin.
pub struct Start {
    /// The handle on the partition, not yet fenced.
    pub log: Arc<dyn Partition>,
    /// How to run it.
    pub settings: Arc<Settings>,
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
pub struct Supervisor<A: Wire> {
    pub(super) log: Arc<dyn Partition>,
    pub(super) settings: Arc<Settings>,
    pub(super) desk: Rc<Desk<A>>,
    pub(super) routes: Routes<A>,
    /// Who was asked for the first time in this round.
    pub(super) newcomers: Vec<Group>,
    pub(super) suspicion: Suspicion,
    pub(super) metrics: Arc<PartitionMetrics>,
    pub(super) condemned: Vec<Kill>,
    pub(super) inspections: Vec<Inspect<A>>,
    pub(super) restarts: u64,
    accepted: PerLane<Option<Offset>>,
    incarnation: Incarnation,
    reports: mpsc::UnboundedSender<(Incarnation, Report)>,
    stage: Stage,
    stock: Option<Stock>,
    batch: Batch,
    work: Work,
    committing: Option<Committing>,
    committed_at: Instant,
    releases: Vec<oneshot::Sender<()>>,
}

/// What the actors of the partition are busy with.
enum Work {
    /// Nothing: the desk is clear.
    None,
    /// They decide.
    Deciding { groups: Vec<Group>, attendance: Arc<Attendance> },
    /// Some died; their commands wait until they are folded again.
    Bereft { groups: Vec<Group> },
    /// They are being folded.
    Folding { groups: Vec<Group> },
    /// Something panicked. The commit under way is not to be lost with it: it may hold what was decided one record
    /// before.
    Broken,
}

/// The commit that is under way.
struct Committing {
    commit: Arc<Commit>,
    batch: Batch,
    since: Instant,
}

impl<A: Wire> Supervisor<A> {
    /// A partition that recovers as soon as it is started.
    pub fn new(start: Start) -> Self {
        let Start { log, settings, accepted, suspicion, metrics, incarnation, reports } = start;
        let clerk = Clerk::new(&settings, log.number());
        let desk = Desk { round: Round::empty().into(), rules: settings.rules.clone(), clerk };
        Supervisor {
            desk: Rc::new(desk),
            routes: Routes::new([]),
            newcomers: Vec::new(),
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
            work: Work::None,
            committing: None,
            committed_at: Instant::now(),
            releases: Vec::new(),
            log,
            settings,
        }
    }

    fn enter(&mut self, stage: Stage) {
        if self.stage.may_become(stage) {
            self.stage = stage;
            self.report(Report::Stage(stage));
        }
    }

    fn report(&self, report: Report) {
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
            if self.committing.is_none() && self.batch.records() > 0 {
                self.start_commit(context);
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

    /// Takes what waits, as far as the batch has room, and lets the actors decide. False when there is nothing.
    fn start_round(&mut self, context: &mut Context<Self>) -> Result<bool, End> {
        let Some(stock) = &mut self.stock else { return Ok(false) };
        let mut portions = Vec::new();
        let bound = self.suspicion.bound(self.batch.start()).unwrap_or(self.settings.batch_records);
        let round_end = (self.batch.records() + ROUND_RECORDS).min(bound);
        let has_bytes = self.desk.round.borrow().drafts.size() < self.settings.batch_bytes;
        while has_bytes && self.batch.records() < round_end {
            let room = round_end - self.batch.records();
            let Some(portion) = stock.take(self.batch.taken(), room)? else { break };
            self.batch.take(&portion);
            if portion.len() > 0 {
                portions.push(portion);
            }
        }
        if portions.is_empty() {
            return Ok(false);
        }
        let groups = self.lay_out(portions)?;
        self.dispatch(groups, context);
        Ok(true)
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

    fn dispatch(&mut self, groups: Vec<Group>, context: &mut Context<Self>) {
        let attendance = Attendance::of(groups.len(), wake(context));
        self.hand_out(&groups, &attendance);
        self.work = Work::Deciding { groups, attendance };
    }

    /// Collects the answers once all are in; sees to the dead.
    fn finish_round(&mut self, context: &mut Context<Self>) -> Result<(), End> {
        match std::mem::replace(&mut self.work, Work::None) {
            Work::Deciding { groups, attendance } if attendance.is_complete() => {
                let absences = attendance.absences();
                if absences.iter().any(|absence| absence.panicked) {
                    self.work = Work::Broken;
                    return self.finish_round(context);
                }
                if absences.is_empty() {
                    let outcomes = self.close_round();
                    self.batch.settle(outcomes);
                } else {
                    let groups = absences.iter().map(|absence| groups[absence.group].clone()).collect();
                    self.work = Work::Bereft { groups };
                    self.fold_lost(context);
                }
            }
            Work::Bereft { groups } => {
                self.work = Work::Bereft { groups };
                self.fold_lost(context);
            }
            Work::Broken if self.committing.is_none() => return Err(End::Panicked { batch: self.batch.id() }),
            busy => self.work = busy,
        }
        Ok(())
    }

    /// Folds again those whose actors died: from the log, once the commit under way is in it, and from what is
    /// decided and waits.
    fn fold_lost(&mut self, context: &mut Context<Self>) {
        if self.committing.is_some() {
            return;
        }
        let Work::Bereft { groups } = std::mem::replace(&mut self.work, Work::None) else { return };
        let lost: HashSet<AggregateId> = groups.iter().filter_map(|group| self.routes.lose(group.place)).collect();
        tracing::info!(partition = self.log.number(), actors = lost.len(), "actors died, folding them again");
        self.restarts += lost.len() as u64;
        self.metrics.aggregate.actor_restarts.of(RestartReason::Killed).increment(lost.len() as u64);
        self.work = Work::Folding { groups };
        let (log, settings) = (self.log.clone(), self.settings.clone());
        let folding = async move {
            let bounds = log.events_bounds().await?;
            recovery::fold::<A>(&log, &settings, bounds, Some(&lost)).await.map(|folded| (lost, folded))
        };
        context.spawn(wrap_future(folding).map(|folded, actor: &mut Self, context| {
            let resumed = folded.and_then(|(lost, folded)| actor.resume(&lost, folded, context));
            match resumed {
                Ok(()) => actor.advance(context),
                Err(end) => actor.close(end, context),
            }
        }));
    }

    fn resume(
        &mut self,
        lost: &HashSet<AggregateId>,
        folded: Folded<A>,
        context: &mut Context<Self>,
    ) -> Result<(), End> {
        let Work::Folding { groups } = std::mem::replace(&mut self.work, Work::None) else { return Ok(()) };
        for (id, state) in self.with_pending(lost, folded)? {
            self.routes.settle(&id, Residence::Folded(state));
        }
        self.dispatch(groups, context);
        Ok(())
    }

    fn start_commit(&mut self, context: &mut Context<Self>) {
        let next = self.batch.next_offsets();
        let batch = std::mem::replace(&mut self.batch, Batch::starting_at(next));
        let records = self.desk.round.borrow_mut().take_drafts();
        let commit = Arc::new(Commit { next_offsets: next, records });
        self.send_commit(Committing { commit, batch, since: Instant::now() }, context);
    }

    fn send_commit(&mut self, committing: Committing, context: &mut Context<Self>) {
        let answer = self.log.commit(committing.commit.clone());
        self.committing = Some(committing);
        context.spawn(wrap_future(answer).map(|answer, actor: &mut Self, context| actor.committed(answer, context)));
    }

    fn committed(&mut self, answer: Result<(), Error>, context: &mut Context<Self>) {
        let Some(committing) = self.committing.take() else { return };
        match answer {
            Ok(()) => {
                self.committed_at = Instant::now();
                measures::committed(
                    &self.metrics,
                    &committing.batch.into_outcomes(),
                    committing.since.elapsed(),
                    (self.settings.clock)(),
                );
                self.advance(context);
            }
            Err(error) if error.is_retriable() && self.stage == Stage::Running => {
                tracing::warn!(partition = self.log.number(), %error, "commit not taken, trying it again");
                self.committing = Some(Committing { ..committing });
                context.run_later(COMMIT_BACKOFF, |actor, context| {
                    if let Some(committing) = actor.committing.take() {
                        actor.send_commit(committing, context);
                    }
                });
            }
            Err(error) => self.close(End::Log(error), context),
        }
    }

    /// Idle positions pass control records, and no offset is left to expire.
    fn tick(&mut self, context: &mut Context<Self>) {
        let idle = self.stage == Stage::Running && matches!(self.work, Work::None) && self.committing.is_none();
        let moved = self.batch.next_offsets() != self.batch.start();
        if idle && self.batch.records() == 0 && (moved || self.committed_at.elapsed() >= RECOMMIT) {
            self.start_commit(context);
        }
        self.measure(context);
        self.advance(context);
    }

    /// Looks at what the partition holds and how far it is behind.
    fn measure(&mut self, context: &mut Context<Self>) {
        self.metrics.actors.set(self.routes.live() as f64);
        if let Some(stock) = &self.stock {
            measures::backpressure(&self.metrics, stock);
        }
        let first = self.committing.as_ref().map_or(&self.batch, |committing| &committing.batch);
        let (committed, oldest, now) = (first.start(), first.oldest(), (self.settings.clock)());
        let metrics = self.metrics.clone();
        context.spawn(wrap_future(self.log.ends()).map(move |ends: Result<_, Error>, _: &mut Self, _| match ends {
            Ok(ends) => measures::lag(&metrics, committed, ends, oldest, now),
            Err(error) => tracing::debug!(%error, "lag is not known"),
        }));
    }

    fn recovered(&mut self, recovered: Result<Recovered<A>, End>, context: &mut Context<Self>) {
        if self.stage != Stage::Recovering {
            return;
        }
        match recovered {
            Ok(Recovered { aggregates, from, lanes, replayed }) => {
                self.metrics.aggregate.recovery_replayed_events.increment(replayed);
                self.metrics.aggregate.recovery_duration.record(self.committed_at.elapsed());
                self.routes = Routes::new(aggregates);
                self.batch = Batch::starting_at(from);
                self.stock = Some(Stock::new(lanes));
                self.enter(Stage::Running);
                context.run_interval(TICK, Self::tick);
                self.advance(context);
            }
            Err(end) => self.close(end, context),
        }
    }

    /// Nothing is repaired in place: whatever is in memory is dropped.
    fn close(&mut self, end: End, context: &mut Context<Self>) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        self.stock = None;
        let closing = self.log.close();
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

impl<A: Wire> Drop for Supervisor<A> {
    /// A panic that nobody caught takes the supervisor with it: the engine has to hear of that too.
    fn drop(&mut self) {
        if self.stage != Stage::Closed {
            self.report(Report::Ended(End::Panicked { batch: self.batch.id() }));
        }
    }
}

/// Tells the supervisor that something changed, from any thread. A full mailbox needs no telling: whatever is
/// in it makes the supervisor look.
fn wake<A: Wire>(context: &mut Context<Supervisor<A>>) -> Signal {
    let supervisor: WeakAddr<Supervisor<A>> = context.address().downgrade();
    Arc::new(move || {
        if let Some(supervisor) = supervisor.upgrade() {
            supervisor.try_send(Wake).ok();
        }
    })
}

impl<A: Wire> Actor for Supervisor<A> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.report(Report::Stage(Stage::Recovering));
        let (log, settings, accepted, arrived) =
            (self.log.clone(), self.settings.clone(), self.accepted, wake(context));
        let recovering = async move { recovery::recover::<A>(&log, &settings, accepted, arrived).await };
        context.spawn(wrap_future(recovering).map(|recovered, actor: &mut Self, context| {
            actor.recovered(recovered, context);
        }));
    }
}

/// Something changed.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

impl<A: Wire> Handler<Wake> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Context<Self>) {
        self.advance(context);
    }
}

/// Give the partition up.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release {
    /// True when somebody else owns it already: what is decided is abandoned instead of committed.
    pub lost: bool,
    /// Answered when nothing of it is left.
    pub released: oneshot::Sender<()>,
}

impl<A: Wire> Handler<Release> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, release: Release, context: &mut Context<Self>) {
        self.releases.push(release.released);
        if release.lost || self.stage == Stage::Recovering {
            return self.close(End::Released, context);
        }
        self.enter(Stage::Draining);
        self.advance(context);
    }
}

/// Kill one actor that has commands in the next round.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Kill {
    /// Picks the victim among the actors of the round, and whether it dies before its commands or after them.
    pub lot: u64,
    /// Answered with the victim.
    pub killed: oneshot::Sender<AggregateId>,
}

impl Kill {
    /// True when the victim dies before it sees its commands.
    pub(super) fn dies_before(&self) -> bool {
        self.lot.is_multiple_of(2)
    }
}

impl<A: Wire> Handler<Kill> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, kill: Kill, context: &mut Context<Self>) {
        self.condemned.push(kill);
        self.advance(context);
    }
}
