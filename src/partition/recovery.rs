//! From a fence to the first command: what the log says is folded, and the offsets are checked against it.

use std::collections::HashSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::Settings;
use super::guard::{Evidence, starting_offset};
use super::lifecycle::{End, Halt};
use super::placement::partition_of;
use crate::domain::ids::AggregateId;
use crate::log::{Commit, Drafts, Error, Input, Intake, Lane, Offset, Partition, PerLane, Record, Signal};
use crate::wire::{self, Wire};

/// A partition that is ready for its first command.
pub struct Recovered<A> {
    /// Every aggregate of the partition, folded.
    pub aggregates: HashMap<AggregateId, A>,
    /// Where both lanes go on, committed.
    pub from: PerLane<Offset>,
    /// Both lanes, being read.
    pub lanes: PerLane<Intake>,
    /// Events that were replayed.
    pub replayed: u64,
}

/// What a range of events says.
pub struct Folded<A> {
    /// The aggregates that had events in it.
    pub aggregates: HashMap<AggregateId, A>,
    /// Highest source of each lane.
    pub highest_source: PerLane<Option<Offset>>,
    /// How many events.
    pub events: u64,
}

/// Takes a partition over. Each step shuts out or waits out what could change the answer of the next:
/// fence, committed offsets, end of the events, replay, first read.
///
/// # Errors
/// [`End::Log`] when the log does not answer, [`End::Halted`] when it cannot be trusted.
pub async fn recover<A: Wire>(
    log: &Arc<dyn Partition>,
    settings: &Settings,
    accepted: PerLane<Option<Offset>>,
    arrived: Signal,
) -> Result<Recovered<A>, End> {
    log.fence().await?;
    let inputs = log.inputs().await?;
    let bounds = log.events_bounds().await?;
    let folded = fold::<A>(log, settings, bounds, None).await?;
    let from = match starting_offsets(log, settings, inputs, &folded, accepted) {
        Ok(from) => from,
        Err(halt) => return Err(gap_or_fence(log, settings, inputs, halt).await),
    };
    if Lane::ALL.into_iter().any(|lane| inputs.of(lane).committed != Some(*from.of(lane))) {
        log.commit(Arc::new(Commit { next_offsets: from, records: Drafts::default() })).await?;
    }
    let lanes = log.follow(from, arrived).await?;
    Ok(Recovered { aggregates: folded.aggregates, from, lanes, replayed: folded.events })
}

fn starting_offsets<A>(
    log: &Arc<dyn Partition>,
    settings: &Settings,
    inputs: PerLane<Input>,
    folded: &Folded<A>,
    accepted: PerLane<Option<Offset>>,
) -> Result<PerLane<Offset>, Halt> {
    let mut from = PerLane::default();
    for lane in Lane::ALL {
        let evidence = Evidence {
            group: settings.group_name(),
            topic: settings.topic_name(lane),
            partition: log.number(),
            input: *inputs.of(lane),
            has_events: folded.events > 0,
            highest_source: *folded.highest_source.of(lane),
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

/// Folds the events of `range`; only those of `wanted`, when given.
///
/// # Errors
/// [`End::Halted`] for an event that cannot be read, does not follow, or does not belong here.
pub async fn fold<A: Wire>(
    log: &Arc<dyn Partition>,
    settings: &Settings,
    range: Range<Offset>,
    wanted: Option<&HashSet<AggregateId>>,
) -> Result<Folded<A>, End> {
    let mut folded = Folded { aggregates: HashMap::new(), highest_source: PerLane::default(), events: 0 };
    let mut chunks = log.replay(range);
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        for record in chunk.iter() {
            let is_wanted =
                |wanted: &HashSet<AggregateId>| wanted.iter().any(|id| record.key == Some(id.as_str().as_bytes()));
            if wanted.is_none_or(is_wanted) {
                take(&mut folded, settings, log.number(), record)?;
            }
        }
    }
    Ok(folded)
}

fn take<A: Wire>(folded: &mut Folded<A>, settings: &Settings, partition: u32, record: Record<'_>) -> Result<(), End> {
    let broken = |aggregate: &str, reason: String| {
        End::Halted(Halt::History {
            topic: settings.events_name().to_owned(),
            partition,
            offset: record.offset,
            aggregate: aggregate.to_owned(),
            reason,
        })
    };
    let event = wire::event::decode::<A>(record.value, record.headers.iter())
        .map_err(|error| broken("unknown", error.to_string()))?;
    let id = event.aggregate_id;
    let home = partition_of(id.as_str(), settings.partitions);
    if home != partition {
        let (aggregate, topic) = (id.to_string(), settings.events_name().to_owned());
        let partitions = settings.partitions;
        return Err(End::Halted(Halt::Misplaced { aggregate, topic, partition, home, partitions }));
    }
    if let Some(source) = &event.source {
        for lane in Lane::ALL {
            if settings.topic_name(lane) == source.topic && source.partition == partition {
                let highest = folded.highest_source.of_mut(lane);
                *highest = (*highest).max(Some(source.offset));
            }
        }
    }
    folded.events += 1;
    let known = folded.aggregates.get_mut(&id);
    let aggregate = match known {
        Some(aggregate) => aggregate,
        None => folded.aggregates.entry(id.clone()).or_insert_with(|| A::blank(&settings.rules)),
    };
    // Building the partition again would end the same way, so a panic is a history that cannot be applied.
    let applied = catch_unwind(AssertUnwindSafe(|| aggregate.apply(&event.recorded)));
    let applied = applied.map_err(|_| "applying it panics".to_owned());
    applied.and_then(|applied| applied.map_err(|unfit| unfit.to_string())).map_err(|reason| broken(id.as_str(), reason))
}
