//! From a fence to the first command: what the log says is folded, and the offsets are checked against it.

use std::sync::Arc;

use super::Settings;
use super::checkpoint::Standing;
use super::folding::Ground;
use super::guard::{Evidence, starting_offset};
use super::lifecycle::{End, Halt};
use super::rebuilding::{Rebuilt, rebuild};
use crate::log::{Commit, Drafts, Error, Input, Intake, Lane, Offset, Partition, PerLane, Signal};
use crate::metrics::EngineMetrics;
use crate::snapshots::Shelf;
use crate::wire::message::Mail;

/// A partition that is ready for its first command.
pub struct Recovered<A> {
    /// What it remembers.
    pub rebuilt: Rebuilt<A>,
    /// Where both lanes go on, committed.
    pub from: PerLane<Offset>,
    /// Both lanes, being read.
    pub lanes: PerLane<Intake>,
}

/// A partition that is to be taken over.
pub struct Takeover {
    /// The log.
    pub log: Arc<dyn Partition>,
    /// How it is run.
    pub settings: Arc<Settings>,
    /// Its snapshots on this machine, if it has any.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// Offsets an operator decided on.
    pub accepted: PerLane<Option<Offset>>,
    /// Called when records wait.
    pub arrived: Signal,
    /// Where it is counted what is not used.
    pub metrics: EngineMetrics,
}

/// Takes a partition over. Each step shuts out or waits out what could change the answer of the next:
/// fence, committed offsets, end of the events, replay, first read.
///
/// # Errors
/// [`End::Log`] and [`End::Snapshots`] when they do not answer, [`End::Halted`] when the log cannot be trusted.
pub async fn recover<A: Mail>(takeover: Takeover) -> Result<Recovered<A>, End> {
    let Takeover { log, settings, shelf, accepted, arrived, metrics } = takeover;
    log.fence().await?;
    let inputs = log.inputs().await?;
    let bounds = log.events_bounds().await?;
    let ground = Ground { log: &log, settings: &settings, shelf: shelf.as_ref() };
    let rebuilt = rebuild::<A>(&ground, bounds, &metrics).await?;
    let from = match starting_offsets(&log, &settings, inputs, &rebuilt.fold.standing, accepted) {
        Ok(from) => from,
        Err(halt) => return Err(gap_or_fence(&log, &settings, inputs, halt).await),
    };
    if Lane::ALL.into_iter().any(|lane| inputs.of(lane).committed != Some(*from.of(lane))) {
        log.commit(Arc::new(Commit { next_offsets: from, records: Drafts::default() })).await?;
    }
    let lanes = log.follow(from, arrived).await?;
    Ok(Recovered { rebuilt, from, lanes })
}

fn starting_offsets(
    log: &Arc<dyn Partition>,
    settings: &Settings,
    inputs: PerLane<Input>,
    events: &Standing,
    accepted: PerLane<Option<Offset>>,
) -> Result<PerLane<Offset>, Halt> {
    let mut from = PerLane::default();
    for lane in Lane::ALL {
        let evidence = Evidence {
            group: settings.group_name(),
            topic: settings.topic_name(lane),
            partition: log.number(),
            input: *inputs.of(lane),
            has_events: events.last_event.is_some(),
            highest_source: *events.sources.of(lane),
            accepted: *accepted.of(lane),
        };
        let start = starting_offset(evidence)?;
        if evidence.accepted.is_some_and(|accepted| accepted != start) {
            tracing::warn!(
                topic = evidence.topic,
                partition = evidence.partition,
                start,
                "no offset needs to be accepted"
            );
        }
        *from.of_mut(lane) = start;
    }
    Ok(from)
}

/// Offsets that do not match the events are a gap only while nobody moves them: whoever took over during the
/// replay has written events that were not there when the offsets were read.
async fn gap_or_fence(log: &Arc<dyn Partition>, settings: &Settings, read: PerLane<Input>, halt: Halt) -> End {
    match log.inputs().await {
        Err(error) => End::Log(error),
        Ok(now) if Lane::ALL.into_iter().all(|lane| now.of(lane).committed == read.of(lane).committed) => {
            End::Halted(halt)
        }
        Ok(_) => End::Log(Error::Fenced {
            group: settings.group_name().to_owned(),
            partition: log.number(),
            reason: "its offsets moved while it recovered".to_owned(),
        }),
    }
}
