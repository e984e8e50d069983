//! The composition root: partitions come and go as the log says, what ends is built again, and everything
//! is taken down in order.

mod topics;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::http::{Health, Membership, PartitionStatus};
use crate::log::{self, Lane, Log, Offset, Ownership, PerLane};
use crate::metrics::{self, Metrics, PartitionMetrics, PartitionState, RestartReason, Scope};
use crate::partition::lifecycle::{End, Stage};
use crate::partition::poison::Suspicion;
use crate::partition::{Incarnation, Inspect, Inspection, Kill, Release, Report, Settings, Start, Supervisor};
use crate::snapshots::Shelves;
use crate::wire::Wire;

pub use topics::{ACCOUNTS, TRANSACTIONS};

/// First pause before a partition is built again; doubled at every further end.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest pause before a partition is built again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// Pause after a panic: finding the record that does it takes many attempts.
const PANIC_BACKOFF: Duration = Duration::from_millis(20);
/// A partition that ran this long starts again without a grudge.
const HEALED: Duration = Duration::from_secs(60);
/// More panics than this within [`HEALED`], not counting those by which a suspected record is found, end the
/// process: something is wrong that restarts do not mend.
const PANICS_ALLOWED: usize = 50;

/// What ends an engine that was not told to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Membership ended: the log refused it, or the partitions of a topic changed under a running engine.
    #[error("the group cannot be a member any more: {0}")]
    Membership(#[source] log::Error),
    /// Partitions panicked again and again.
    #[error("more than {PANICS_ALLOWED} panics within a minute")]
    Panics,
}

/// Asks a running engine for something.
#[derive(Debug)]
pub enum Request<A: Wire> {
    /// Give up everything in order and end.
    Shutdown,
    /// Kill an actor that has commands in a batch; see [`Kill`].
    Kill(Kill),
    /// Answer what every partition in memory holds, once it is at rest.
    Inspect(oneshot::Sender<Vec<Inspection<A>>>),
}

/// The partitions of one aggregate type on this node.
pub struct Engine<A: Wire> {
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    shelves: Option<Arc<dyn Shelves>>,
    accepted: BTreeMap<u32, PerLane<Option<Offset>>>,
    metrics: Arc<Metrics>,
    health: Health,
    arbiters: Vec<Arbiter>,
    owned: BTreeMap<u32, Owned<A>>,
    reporter: mpsc::UnboundedSender<(Incarnation, Report)>,
    reports: mpsc::UnboundedReceiver<(Incarnation, Report)>,
    incarnations: u64,
    panics: VecDeque<Instant>,
}

/// A partition that is ours, in memory or between two lives.
struct Owned<A: Wire> {
    suspicion: Suspicion,
    metrics: Arc<PartitionMetrics>,
    backoff: Duration,
    running_since: Option<Instant>,
    life: Life<A>,
}

enum Life<A: Wire> {
    /// In memory.
    Running(Incarnation, Addr<Supervisor<A>>),
    /// Built again at that time.
    Waiting(Instant),
    /// Left as it is until an operator decides.
    Halted,
}

impl<A: Wire> Engine<A> {
    /// An engine on `log`, its partitions spread over `threads` threads, or all on the caller's own for 0.
    /// `accepted` names offsets that an operator decided on.
    pub fn new(
        log: Arc<dyn Log>,
        settings: Settings,
        accepted: BTreeMap<u32, PerLane<Option<Offset>>>,
        metrics: Arc<Metrics>,
        health: Health,
        threads: usize,
    ) -> Self {
        let (reporter, reports) = mpsc::unbounded_channel();
        Engine {
            log,
            settings: Arc::new(settings),
            shelves: None,
            accepted,
            metrics,
            health,
            arbiters: (0..threads).map(|_| Arbiter::new()).collect(),
            owned: BTreeMap::new(),
            reporter,
            reports,
            incarnations: 0,
            panics: VecDeque::new(),
        }
    }

    /// Keeps snapshots there; without, only the snapshots topic may hold any.
    #[must_use]
    pub fn with_shelves(self, shelves: Option<Arc<dyn Shelves>>) -> Self {
        Engine { shelves, ..self }
    }

    /// Joins the group and works until `requests` asks for a shutdown or is closed; then, in this order:
    /// drains every partition, leaves the group, stops the threads.
    ///
    /// # Errors
    /// What ended it without being asked to.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request<A>>) -> Result<(), Error> {
        let mut ownership = self.log.join();
        let mut upkeep = tokio::time::interval(metrics::UPKEEP);
        let ended = loop {
            let rebuild = self.next_rebuild();
            tokio::select! {
                // In this order, so that a run can be repeated.
                biased;
                change = ownership.recv() => match change {
                    Some(Ownership::Failed(error)) => break Err(Error::Membership(error)),
                    Some(change) => {
                        if matches!(change, Ownership::Revoked { lost: true, .. }) {
                            self.health.membership(Membership::Joining);
                        }
                        self.owner_changed(change);
                    }
                    None => break Err(Error::Membership(log::Error::Closed)),
                },
                Some((incarnation, report)) = self.reports.recv() => {
                    if let Err(error) = self.reported(incarnation, report) {
                        break Err(error);
                    }
                }
                request = requests.recv() => match request {
                    Some(Request::Kill(kill)) => self.kill(kill),
                    Some(Request::Inspect(answer)) => self.inspect(answer),
                    Some(Request::Shutdown) | None => break Ok(()),
                },
                () = tokio::time::sleep_until(rebuild) => self.rebuild_due(),
                _ = upkeep.tick() => self.metrics.upkeep(),
            }
        };
        self.health.membership(Membership::Draining);
        self.leave(&mut ownership).await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        ended
    }

    /// Gives up the group; partitions drain as it revokes them.
    async fn leave(&mut self, ownership: &mut mpsc::UnboundedReceiver<Ownership>) {
        let mut leaving = self.log.leave();
        loop {
            tokio::select! {
                biased;
                left = &mut leaving => {
                    if let Err(error) = left {
                        tracing::warn!(%error, "the group was not left in order");
                    }
                    return;
                }
                Some(change) = ownership.recv() => if let Ownership::Revoked { .. } = change {
                    self.owner_changed(change);
                },
                Some((incarnation, report)) = self.reports.recv() => {
                    // Nothing is built again any more, so there is nothing to give up for.
                    self.reported(incarnation, report).ok();
                }
            }
        }
    }

    fn owner_changed(&mut self, change: Ownership) {
        match change {
            Ownership::Assigned(partitions) => {
                tracing::info!(group = self.settings.group_name(), ?partitions, "assigned");
                self.health.membership(Membership::Joined);
                for partition in partitions {
                    self.assigned(partition);
                }
            }
            Ownership::Revoked { partitions, lost, done } => {
                tracing::info!(group = self.settings.group_name(), ?partitions, lost, "revoked");
                let released: Vec<_> =
                    partitions.into_iter().filter_map(|partition| self.give_up(partition, lost)).collect();
                tokio::spawn(async move {
                    join_all(released).await;
                    done.send(()).ok();
                });
            }
            Ownership::Failed(_) => {}
        }
    }

    fn assigned(&mut self, partition: u32) {
        let scope = Scope {
            aggregate: A::AGGREGATE,
            group: self.settings.group_name().to_owned(),
            commands: self.settings.topic_name(Lane::Commands).to_owned(),
            inbox: self.settings.topic_name(Lane::Inbox).to_owned(),
        };
        let metrics = Arc::new(self.metrics.partition(&scope, partition));
        self.begin(partition, Suspicion::default(), metrics, FIRST_BACKOFF);
    }

    fn begin(&mut self, partition: u32, suspicion: Suspicion, metrics: Arc<PartitionMetrics>, backoff: Duration) {
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
        let thread = match self.arbiters.len() {
            0 => Arbiter::current(),
            threads => self.arbiters[partition as usize % threads].handle(),
        };
        let supervisor = Supervisor::start_in_arbiter(&thread, |_| Supervisor::new(start));
        let life = Life::Running(incarnation, supervisor);
        self.owned.insert(partition, Owned { suspicion, metrics, backoff, running_since: None, life });
    }

    fn give_up(&mut self, partition: u32, lost: bool) -> Option<impl Future<Output = ()> + use<A>> {
        self.health.revoked(A::AGGREGATE, partition);
        let Life::Running(_, supervisor) = self.owned.remove(&partition)?.life else { return None };
        let (released, release) = oneshot::channel();
        // However full its mailbox is, it hears of it; a supervisor that is gone has nothing left to release.
        Some(async move {
            if supervisor.send(Release { lost, released }).await.is_ok() {
                release.await.ok();
            }
        })
    }

    fn reported(&mut self, incarnation: Incarnation, report: Report) -> Result<(), Error> {
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
        if owned.running_since.take().is_some_and(|since| since.elapsed() >= HEALED) {
            owned.backoff = FIRST_BACKOFF;
        }
        let group = self.settings.group_name();
        let mut is_new_panic = false;
        let (state, pause) = match end {
            // Only revocation releases, and that has forgotten the partition already.
            End::Released => return Ok(()),
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

    fn next_rebuild(&self) -> Instant {
        let due = self.owned.values().filter_map(|owned| match owned.life {
            Life::Waiting(at) => Some(at),
            Life::Running(..) | Life::Halted => None,
        });
        due.min().unwrap_or_else(|| Instant::now() + HEALED)
    }

    fn rebuild_due(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self
            .owned
            .iter()
            .filter(|(_, owned)| matches!(owned.life, Life::Waiting(at) if at <= now))
            .map(|(partition, _)| *partition)
            .collect();
        for partition in due {
            if let Some(Owned { suspicion, metrics, backoff, .. }) = self.owned.remove(&partition) {
                self.begin(partition, suspicion, metrics, backoff);
            }
        }
    }

    fn supervisors(&self) -> impl Iterator<Item = &Addr<Supervisor<A>>> {
        self.owned.values().filter_map(|owned| match &owned.life {
            Life::Running(_, supervisor) => Some(supervisor),
            Life::Waiting(_) | Life::Halted => None,
        })
    }

    fn kill(&self, kill: Kill) {
        let running = self.supervisors().count().max(1);
        if let Some(supervisor) = self.supervisors().nth(kill.lot as usize % running) {
            supervisor.try_send(kill).ok();
        }
    }

    fn inspect(&self, answer: oneshot::Sender<Vec<Inspection<A>>>) {
        let asked: Vec<_> = self
            .supervisors()
            .map(|supervisor| {
                let (answer, inspection) = oneshot::channel();
                supervisor.try_send(Inspect { answer }).ok();
                inspection
            })
            .collect();
        tokio::spawn(async move {
            let inspections = join_all(asked).await.into_iter().filter_map(Result::ok).collect();
            answer.send(inspections).ok();
        });
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
