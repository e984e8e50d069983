//! The composition root: partitions come and go as the log says, what ends is built again, and everything
//! is taken down in order.
//!
//! An [`Engine`] runs the partitions of one aggregate type. A process runs one for accounts and one for transactions;
//! they share threads, snapshots, metrics and health, and speak to each other by the log alone.

mod lives;
mod threads;
mod topics;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::http::{Health, Membership};
use crate::log::{self, Lane, Log, Offset, Ownership, PerLane};
use crate::metrics::{self, Metrics, PartitionMetrics, Scope};
use crate::partition::poison::Suspicion;
use crate::partition::{Incarnation, Inspect, Inspection, Kill, Release, Report, Settings, Supervisor};
use crate::snapshots::Shelves;
use crate::wire::message::Mail;

pub use threads::Threads;
pub use topics::{ACCOUNTS, TRANSACTIONS};

/// What ends an engine that was not told to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Membership ended: the log refused it, or the partitions of a topic changed under a running engine.
    #[error("the group cannot be a member any more: {0}")]
    Membership(#[source] log::Error),
    /// Partitions panicked again and again.
    #[error("more than {} panics within a minute", lives::PANICS_ALLOWED)]
    Panics,
}

/// Asks a running engine for something.
#[derive(Debug)]
pub enum Request<A: Mail> {
    /// Give up everything in order and end.
    Shutdown,
    /// Kill an actor that has commands in a batch; see [`Kill`].
    Kill(Kill),
    /// Answer what every partition in memory holds, once it is at rest.
    Inspect(oneshot::Sender<Vec<Inspection<A>>>),
}

/// The partitions of one aggregate type on this node.
pub struct Engine<A: Mail> {
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    shelves: Option<Arc<dyn Shelves>>,
    accepted: BTreeMap<u32, PerLane<Option<Offset>>>,
    metrics: Arc<Metrics>,
    health: Health,
    threads: Threads,
    owned: BTreeMap<u32, Owned<A>>,
    reporter: mpsc::UnboundedSender<(Incarnation, Report)>,
    reports: mpsc::UnboundedReceiver<(Incarnation, Report)>,
    incarnations: u64,
    panics: VecDeque<Instant>,
}

/// A partition that is ours, in memory or between two lives.
struct Owned<A: Mail> {
    suspicion: Suspicion,
    metrics: Arc<PartitionMetrics>,
    backoff: Duration,
    /// Why it would have halted while it ran: believed when it happens again.
    doubted: Option<String>,
    running_since: Option<Instant>,
    life: Life<A>,
}

enum Life<A: Mail> {
    /// In memory.
    Running(Incarnation, Addr<Supervisor<A>>),
    /// Built again at that time.
    Waiting(Instant),
    /// Left as it is until an operator decides.
    Halted,
}

impl<A: Mail> Engine<A> {
    /// An engine on `log`, its partitions spread over `threads`; not ready from now on until it has joined its group.
    /// `accepted` names offsets that an operator decided on.
    pub fn new(
        log: Arc<dyn Log>,
        settings: Settings,
        accepted: BTreeMap<u32, PerLane<Option<Offset>>>,
        metrics: Arc<Metrics>,
        health: Health,
        threads: Threads,
    ) -> Self {
        let (reporter, reports) = mpsc::unbounded_channel();
        health.membership(settings.spec.group, Membership::Joining);
        Engine {
            log,
            settings: Arc::new(settings),
            shelves: None,
            accepted,
            metrics,
            health,
            threads,
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
    /// drains every partition, leaves the group.
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
                            self.health.membership(self.settings.spec.group, Membership::Joining);
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
        self.health.membership(self.settings.spec.group, Membership::Draining);
        self.leave(&mut ownership).await;
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
                self.health.membership(self.settings.spec.group, Membership::Joined);
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
        self.begin(partition, Suspicion::default(), metrics, lives::FIRST_BACKOFF, None);
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
