//! All partitions of the read side that are this node's: they come and go as the group says, and what ends is begun
//! again, or stays as it is until a person looks. Nothing here ever stops the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::gathering::Pace;
use super::gauges::{self, Progress};
use super::projector::{End, Life, Mode, Projector, Release, Report, Start};
use super::read_store::{Error as StoreError, Origin, ReadStore};
use crate::log::{Ownership, Subscription};
use crate::metrics::{Metrics, PartitionState, ProjectionMetrics, ProjectionScope};

/// First pause before a projector is replaced; doubled at every further end.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest pause before a projector is replaced.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A projector that ran this long is replaced without a grudge.
const HEALED: Duration = Duration::from_secs(30);

/// How often it is looked whether a rebuild has mended what only a rebuild can.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Without the prefix.
pub const GROUP: &str = "projections";

/// What projections are made of.
pub struct Plan {
    /// Where rows go.
    pub store: Arc<dyn ReadStore>,
    /// Where events come from.
    pub subscription: Arc<dyn Subscription>,
    /// When a batch is written.
    pub pace: Pace,
    /// Begins the names of topics and groups.
    pub prefix: String,
    /// Of every topic.
    pub partitions: u32,
    /// Where they are measured.
    pub metrics: Arc<Metrics>,
    /// Whom they tell how they are.
    pub watcher: Arc<dyn Watcher>,
}

/// Hears where the read side stands.
pub trait Watcher: Send + Sync {
    /// What keeps all of it from working; `None` when nothing does any more.
    fn projections(&self, obstacle: Option<String>);

    /// Where a partition stands; `None` once it is not ours any more.
    fn projection(&self, partition: u32, state: Option<(PartitionState, Option<String>)>);
}

/// Projections at work on a thread of their own.
pub struct Projections {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    arbiter: Arbiter,
}

impl Projections {
    /// Starts them. What they need may come later: until then they wait and say for what.
    pub fn start(plan: Plan) -> Projections {
        let arbiter = Arbiter::new();
        let (stop, stopped) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        arbiter.spawn(async move {
            Keeper::new(plan).work(stopped).await;
            done.send(()).ok();
        });
        Projections { stop, ended, arbiter }
    }

    /// Finishes what is being written, gives the partitions back and ends.
    pub async fn stop(self) {
        self.stop.send(()).ok();
        // A thread that has ended has given up everything, too.
        self.ended.await.ok();
        self.arbiter.stop();
    }
}

/// Keeps a projector at work for every partition that is ours.
struct Keeper {
    plan: Plan,
    owned: BTreeMap<u32, Owned>,
    lives: u64,
    reporter: mpsc::UnboundedSender<(Life, Report)>,
    reports: mpsc::UnboundedReceiver<(Life, Report)>,
}

/// A partition that is ours.
struct Owned {
    metrics: Arc<ProjectionMetrics>,
    progress: Arc<Progress>,
    gauges: AbortHandle,
    backoff: Duration,
    mode: Mode,
    /// Whether all of it was written anew lately, which is the last resort.
    anew: bool,
    running_since: Option<Instant>,
    /// What was last told to a person.
    halted_by: Option<String>,
    state: State,
}

enum State {
    Working(Life, Addr<Projector>),
    /// Begun again at that time.
    Waiting(Instant),
    /// Left as it is until a person looks.
    Halted,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.gauges.abort();
    }
}

impl Keeper {
    fn new(plan: Plan) -> Self {
        let (reporter, reports) = mpsc::unbounded_channel();
        Keeper { plan, owned: BTreeMap::new(), lives: 0, reporter, reports }
    }

    async fn work(mut self, mut stopped: oneshot::Receiver<()>) {
        tokio::select! {
            ready = self.prepare() => if !ready {
                stopped.await.ok();
                return;
            },
            _ = &mut stopped => return,
        }
        let mut ownership = self.plan.subscription.join();
        loop {
            let due = self.next_due();
            tokio::select! {
                change = ownership.recv() => match change {
                    Some(change) => self.owner_changed(change),
                    None => break,
                },
                Some((life, report)) = self.reports.recv() => self.reported(life, report),
                () = tokio::time::sleep_until(due) => self.begin_due(),
                _ = &mut stopped => break,
            }
        }
        self.leave(&mut ownership).await;
    }

    /// Makes the tables; false when that needs a person.
    async fn prepare(&self) -> bool {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let obstacle = match self.prepared().await {
                Ok(()) => {
                    self.plan.watcher.projections(None);
                    return true;
                }
                Err(end) if !end.is_retriable() && !end.is_mended_by_a_rebuild() => {
                    self.obstacle(&end);
                    return false;
                }
                Err(end) => end.to_string(),
            };
            tracing::warn!(obstacle, retry_in = ?backoff, "the read side waits");
            self.plan.watcher.projections(Some(obstacle));
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    async fn prepared(&self) -> Result<(), End> {
        let Plan { store, subscription, prefix, partitions, .. } = &self.plan;
        let cluster_id = subscription.identity().await?;
        let origin = Origin { cluster_id, prefix: prefix.clone(), partitions: *partitions };
        Ok(store.prepare(&origin).await?)
    }

    fn obstacle(&self, reason: &dyn std::fmt::Display) {
        tracing::error!(%reason, "the read side has stopped; the engine goes on without it");
        self.plan.watcher.projections(Some(reason.to_string()));
    }

    fn owner_changed(&mut self, change: Ownership) {
        match change {
            Ownership::Assigned(partitions) => {
                tracing::info!(group = GROUP, ?partitions, "assigned");
                partitions.into_iter().for_each(|partition| self.assigned(partition));
            }
            Ownership::Revoked { partitions, done, .. } => {
                tracing::info!(group = GROUP, ?partitions, "revoked");
                let released: Vec<_> = partitions.into_iter().filter_map(|partition| self.give_up(partition)).collect();
                actix::spawn(async move {
                    join_all(released).await;
                    done.send(()).ok();
                });
            }
            Ownership::Failed(error) => {
                self.obstacle(&error);
                let all: Vec<u32> = self.owned.keys().copied().collect();
                let released: Vec<_> = all.into_iter().filter_map(|partition| self.give_up(partition)).collect();
                actix::spawn(join_all(released));
            }
        }
    }

    fn assigned(&mut self, partition: u32) {
        let Plan { subscription, metrics, prefix, .. } = &self.plan;
        let scope = ProjectionScope {
            group: format!("{prefix}-{GROUP}"),
            topics: super::TOPICS.map(|topic| topic.full_name(prefix)),
        };
        let metrics = Arc::new(metrics.projection(&scope, partition));
        let progress = Arc::new(Progress::new());
        let telling = gauges::tell(subscription.clone(), partition, progress.clone(), metrics.clone());
        let gauges = actix::spawn(telling).abort_handle();
        let state = State::Waiting(Instant::now());
        let (backoff, mode) = (FIRST_BACKOFF, Mode::Assigned);
        let owned = Owned {
            metrics,
            progress,
            gauges,
            backoff,
            mode,
            anew: false,
            running_since: None,
            halted_by: None,
            state,
        };
        self.owned.insert(partition, owned);
        self.begin_due();
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        for (partition, owned) in &mut self.owned {
            if !matches!(owned.state, State::Waiting(at) if at <= now) {
                continue;
            }
            self.lives += 1;
            let life = Life { partition: *partition, number: self.lives };
            let start = Start {
                partition: *partition,
                store: self.plan.store.clone(),
                subscription: self.plan.subscription.clone(),
                pace: self.plan.pace,
                mode: owned.mode,
                metrics: owned.metrics.clone(),
                progress: owned.progress.clone(),
            };
            owned.state = State::Working(life, Projector::new(start, life, self.reporter.clone()).start());
        }
    }

    fn next_due(&self) -> Instant {
        let due = self.owned.values().filter_map(|owned| match owned.state {
            State::Waiting(at) => Some(at),
            State::Working(..) | State::Halted => None,
        });
        due.min().unwrap_or_else(|| Instant::now() + HEALED)
    }

    fn give_up(&mut self, partition: u32) -> Option<impl Future<Output = ()> + use<>> {
        self.plan.watcher.projection(partition, None);
        let mut owned = self.owned.remove(&partition)?;
        let State::Working(_, projector) = std::mem::replace(&mut owned.state, State::Halted) else { return None };
        Some(async move {
            let (released, release) = oneshot::channel();
            // A projector that is gone has nothing left to finish.
            if projector.send(Release(released)).await.is_ok() {
                release.await.ok();
            }
            drop(owned);
        })
    }

    fn reported(&mut self, life: Life, report: Report) {
        let partition = life.partition;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if !matches!(&owned.state, State::Working(current, _) if *current == life) {
            return;
        }
        let (state, reason) = match report {
            Report::Running => {
                owned.running_since = Some(Instant::now());
                (PartitionState::Running, None)
            }
            Report::Written => {
                owned.mode = Mode::Continued;
                return;
            }
            Report::Ended(end) => owned.ended(partition, &end),
        };
        owned.metrics.enter(state);
        self.plan.watcher.projection(partition, Some((state, reason)));
    }

    /// Gives up the group; projectors finish as it revokes their partitions.
    async fn leave(&mut self, ownership: &mut mpsc::UnboundedReceiver<Ownership>) {
        let mut leaving = self.plan.subscription.leave();
        loop {
            tokio::select! {
                left = &mut leaving => {
                    if let Err(error) = left {
                        tracing::warn!(%error, "the group was not left in order");
                    }
                    return;
                }
                Some(change) = ownership.recv() => if let Ownership::Revoked { .. } = change {
                    self.owner_changed(change);
                },
            }
        }
    }
}

impl Owned {
    /// Decides what comes after a projector.
    fn ended(&mut self, partition: u32, end: &End) -> (PartitionState, Option<String>) {
        if self.running_since.take().is_some_and(|since| since.elapsed() >= HEALED) {
            self.backoff = FIRST_BACKOFF;
            self.anew = false;
        }
        let reason = end.to_string();
        if matches!(end, End::Store(StoreError::Missing { .. })) && !self.anew {
            tracing::error!(partition, reason, "rows are missing, writing all of the partition anew");
            self.mode = Mode::Anew;
            self.anew = true;
        } else if !end.is_retriable() {
            if self.halted_by.as_ref() != Some(&reason) {
                tracing::error!(partition, reason, "the projection of a partition has stopped until a person looks");
            }
            self.halted_by = Some(reason.clone());
            let looked_at = end.is_mended_by_a_rebuild();
            self.state = if looked_at { State::Waiting(Instant::now() + LOOK_AGAIN) } else { State::Halted };
            return (PartitionState::Halted, Some(reason));
        }
        tracing::warn!(partition, reason, retry_in = ?self.backoff, "a projector has ended, beginning again");
        self.state = State::Waiting(Instant::now() + self.backoff);
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        (PartitionState::Failed, Some(reason))
    }
}
