//! The actor of one partition: reads its events, gathers them into batches and has them written.
//!
//! It lives from one claim of the partition to the first thing that goes wrong. Nothing is repaired in place: whoever
//! started it starts another, which claims the partition again and goes on where the store says it stands.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::gathering::{Gathering, Pace, Unreadable};
use super::gauges::Progress;
use super::read_store::{Claim, Error as StoreError, ReadStore, TOPICS};
use super::resume::{Astray, Notice, Resume, resume};
use super::writer::Writer;
use crate::log::{self, Following, Input, Offset, Subscription};
use crate::metrics::ProjectionMetrics;

/// How long a write that is under way may take when the partition is given up.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a projector is made of.
pub(super) struct Start {
    pub(super) partition: u32,
    pub(super) store: Arc<dyn ReadStore>,
    pub(super) subscription: Arc<dyn Subscription>,
    pub(super) pace: Pace,
    pub(super) mode: Mode,
    pub(super) metrics: Arc<ProjectionMetrics>,
    pub(super) progress: Arc<Progress>,
}

/// How much of what is written already a projector trusts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// It was just given the partition: the group may want rows written again.
    Assigned,
    /// It goes on after an error: what the group says is only what was said last.
    Continued,
    /// Rows are missing: all of them are written from the start of the log.
    Anew,
}

/// What a projector tells whoever started it.
pub(super) enum Report {
    /// It reads.
    Running,
    /// It has written its first batch.
    Written,
    /// It is gone.
    Ended(End),
}

/// Why a projector is gone.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the partition was given up")]
    Released,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Astray(#[from] Astray),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("it panicked")]
    Panicked,
}

impl End {
    /// True when another projector may do better.
    pub(super) fn is_retriable(&self) -> bool {
        match self {
            End::Store(error) => error.is_retriable(),
            End::Log(error) => error.is_retriable(),
            End::Panicked => true,
            End::Released | End::Astray(_) | End::Unreadable(_) => false,
        }
    }

    /// True when the store holds rows of another history, which may be replaced while others work.
    pub(super) fn is_mended_by_a_rebuild(&self) -> bool {
        matches!(self, End::Astray(_) | End::Store(StoreError::Foreign { .. }))
    }
}

/// Which life of which partition a report is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    pub(super) partition: u32,
    pub(super) number: u64,
}

/// The actor.
pub(super) struct Projector {
    start: Option<Start>,
    life: Life,
    reports: mpsc::UnboundedSender<(Life, Report)>,
    closing: watch::Sender<bool>,
    /// Dropped with the actor, which is the answer.
    released: Option<oneshot::Sender<()>>,
    ended: bool,
}

impl Projector {
    pub(super) fn new(start: Start, life: Life, reports: mpsc::UnboundedSender<(Life, Report)>) -> Self {
        Projector {
            start: Some(start),
            life,
            reports,
            closing: watch::Sender::new(false),
            released: None,
            ended: false,
        }
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        // Whoever does not listen any more has given everything up.
        self.reports.send((self.life, Report::Ended(end))).ok();
    }
}

impl Actor for Projector {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(start) = self.start.take() else { return };
        let (life, reports, closing) = (self.life, self.reports.clone(), self.closing.subscribe());
        let tell = move |report| drop(reports.send((life, report)));
        let work = async move { start.work(closing, tell).await.err().unwrap_or(End::Released) };
        context.spawn(work.into_actor(self).map(|end, projector, context| {
            projector.end(end);
            context.stop();
        }));
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Panicked);
        }
    }
}

/// Finish what is being written, and end; the sender is dropped then.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Release(pub(super) oneshot::Sender<()>);

impl Handler<Release> for Projector {
    type Result = ();

    fn handle(&mut self, release: Release, _: &mut Self::Context) {
        self.released = Some(release.0);
        self.closing.send_replace(true);
    }
}

impl Start {
    async fn work(self, mut closing: watch::Receiver<bool>, tell: impl Fn(Report)) -> Result<(), End> {
        let begun = tokio::select! {
            begun = self.begin() => begun?,
            () = asked(&mut closing) => return Ok(()),
        };
        let Reading { mut writer, following, arrived } = begun;
        tell(Report::Running);
        let mut first = Some(Report::Written);
        let mut gathering = Gathering::at(self.partition, writer.reads_from());
        loop {
            self.gather(&following, &mut gathering)?;
            self.progress.waits_since(gathering.oldest);
            match gathering.patience(self.pace) {
                Some(Duration::ZERO) => {
                    let next = gathering.next;
                    let gathered = std::mem::replace(&mut gathering, Gathering::at(self.partition, next));
                    tokio::select! {
                        written = writer.write(gathered) => written?,
                        () = farewell(closing.clone()) => return Ok(()),
                    }
                    self.stands_at(next);
                    first.take().into_iter().for_each(&tell);
                    if *closing.borrow() {
                        return Ok(());
                    }
                }
                patience => tokio::select! {
                    () = arrived.notified() => {}
                    () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {}
                    () = asked(&mut closing) => return Ok(()),
                },
            }
        }
    }

    /// Claims the partition and starts to read.
    async fn begin(&self) -> Result<Reading, End> {
        let inputs = self.inputs().await?;
        let claim = self.store.claim(self.partition, inputs.map(|input| input.start)).await?;
        let plan = self.plan(&claim, inputs)?;
        let mut writer = Writer::new(self.store.clone(), self.metrics.clone(), self.partition, &claim);
        writer.go_on(plan).await?;
        let arrived = Arc::new(Notify::new());
        let bell = arrived.clone();
        let from = writer.reads_from();
        let following = self.subscription.follow(self.partition, &from, Arc::new(move || bell.notify_one())).await?;
        self.progress.stands_at(from);
        if from == inputs.map(|input| input.end) {
            // Nothing will come that says it later. Otherwise the group is not told before something is written: at
            // the start of the log it would ask for all rows to be written anew.
            self.subscription.acknowledge(self.partition, &from);
        }
        Ok(Reading { writer, following, arrived })
    }

    async fn inputs(&self) -> Result<[Input; 2], End> {
        let inputs = self.subscription.inputs(self.partition).await?;
        inputs.try_into().map_err(|_| {
            let reason = "the log did not answer for every topic".to_owned();
            End::Log(log::Error::Refused { context: "looking at the event topics".to_owned(), reason })
        })
    }

    fn plan(&self, claim: &Claim, inputs: [Input; 2]) -> Result<[Resume; 2], Astray> {
        let mut plan = Vec::with_capacity(inputs.len());
        for ((topic, mut input), stored) in TOPICS.into_iter().zip(inputs).zip(claim.positions) {
            input.committed = match self.mode {
                Mode::Assigned => input.committed,
                Mode::Continued => None,
                Mode::Anew => Some(input.start),
            };
            let mut decided = resume(topic.0, self.partition, stored, input)?;
            decided.clear |= self.mode == Mode::Anew;
            self.tell(topic.0, stored, &decided);
            plan.push(decided);
        }
        Ok([plan[0], plan[1]])
    }

    fn tell(&self, topic: &str, stored: Offset, decided: &Resume) {
        let (partition, from) = (self.partition, decided.from);
        match decided.notice {
            None => {}
            Some(Notice::Again) if decided.clear => {
                tracing::info!(topic, partition, stored, "writing all rows anew from the start of the log");
            }
            Some(Notice::Again) => {
                tracing::info!(topic, partition, stored, from, "writing rows again from where the group stands")
            }
            Some(Notice::GroupAhead { group }) => {
                tracing::warn!(
                    topic,
                    partition,
                    stored,
                    group,
                    "the group stands behind the rows, going on at the rows"
                );
            }
        }
    }

    /// Takes in what is there, both topics in turn, until it is enough for a batch.
    fn gather(&self, following: &Following, gathering: &mut Gathering) -> Result<(), End> {
        let mut more = true;
        while more && !gathering.is_full(self.pace) {
            more = false;
            for (topic, intake) in following.intakes.iter().enumerate() {
                if let Some(chunk) = intake.take()? {
                    gathering.take(topic, &chunk)?;
                    more = true;
                }
            }
        }
        Ok(())
    }

    fn stands_at(&self, next: [Offset; 2]) {
        self.subscription.acknowledge(self.partition, &next);
        self.progress.stands_at(next);
    }
}

/// A partition that was claimed.
struct Reading {
    writer: Writer,
    following: Following,
    arrived: Arc<Notify>,
}

/// Until the partition is to be given up.
async fn asked(closing: &mut watch::Receiver<bool>) {
    // An actor that is gone asks for nothing any more, and this future went with it.
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The same, and then a moment for a store that does not answer.
async fn farewell(mut closing: watch::Receiver<bool>) {
    asked(&mut closing).await;
    tokio::time::sleep(FAREWELL).await;
}
