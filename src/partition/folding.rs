//! Folding the events of a partition, on top of its snapshots where there are any.

use std::collections::HashSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use tokio::task::yield_now;

use super::Settings;
use super::agenda::{Agenda, Outlook};
use super::bases::{Gathered, Portion};
use super::checkpoint::Standing;
use super::held::{self, Held};
use super::images;
use super::lifecycle::{End, Halt};
use super::placement::partition_of;
use super::trust;
use crate::domain::ids::{AggregateId, Version};
use crate::log::{self, Offset, Partition, Record};
use crate::metrics::DiscardReason;
use crate::snapshots::{self, Key, Shelf};
use crate::wire::message::Mail;
use crate::wire::snapshot::LastEvent;
use crate::wire::{self, StoredEvent};

/// What a partition is built from.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The log.
    pub log: &'a Arc<dyn Partition>,
    /// How the partition is run.
    pub settings: &'a Settings,
    /// Its snapshots on this machine, if it has any.
    pub shelf: Option<&'a Arc<dyn Shelf>>,
}

/// Why something cannot be folded.
#[derive(Debug)]
pub enum Failure {
    /// The partition ends.
    End(End),
    /// Only what was built on cannot be used, for this reason.
    Distrust(DiscardReason, String),
}

impl From<log::Error> for Failure {
    fn from(error: log::Error) -> Self {
        Failure::End(error.into())
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Failure::End(end)
    }
}

impl From<snapshots::Error> for Failure {
    fn from(error: snapshots::Error) -> Self {
        Failure::End(error.into())
    }
}

impl From<images::Unreadable> for Failure {
    fn from(unreadable: images::Unreadable) -> Self {
        match unreadable {
            images::Unreadable::Newer(reason) => Failure::End(End::Halted(Halt::Snapshot { reason })),
            images::Unreadable::Useless(reason, text) => Failure::Distrust(reason, text),
        }
    }
}

impl Failure {
    /// The end of a partition that has nothing else to build on.
    pub fn into_end(self) -> End {
        match self {
            Failure::End(end) => end,
            Failure::Distrust(_, reason) => End::Distrusted(reason),
        }
    }
}

/// One aggregate that is being folded.
#[derive(Clone, Debug)]
pub struct Folded<A> {
    /// As far as it is folded.
    pub held: Held<A>,
    /// The version of the snapshot it was built on: events up to it are in it already.
    based_on: Version,
    /// True when an event was added to what is saved.
    pub is_changed: bool,
}

/// What was folded so far.
pub struct Fold<A> {
    /// The aggregates that had events in it, and are still in memory.
    pub aggregates: HashMap<AggregateId, Folded<A>>,
    /// Everything below the end.
    pub standing: Standing,
    /// What is to come of all aggregates, in memory or not.
    pub agenda: Agenda,
    /// How many events were read.
    pub events: u64,
    /// True when those that are not in memory may lie on the shelf.
    pub on_shelf: bool,
}

impl<A: Mail> Fold<A> {
    /// On top of everything below `standing`.
    pub fn on(standing: Standing) -> Self {
        Fold { aggregates: HashMap::new(), standing, agenda: Agenda::default(), events: 0, on_shelf: false }
    }

    /// Builds on this snapshot from now on.
    pub fn build_on(&mut self, id: AggregateId, held: Held<A>) {
        let based_on = held.state.version();
        // It may be newer than what was noted.
        self.agenda.note(&id, Outlook::of(&held.state));
        self.aggregates.insert(id, Folded { held, based_on, is_changed: false });
    }

    /// Begins with nothing, unless something is known of the aggregate.
    pub fn begin(&mut self, id: &AggregateId, settings: &Settings) -> &mut Folded<A> {
        self.aggregates.entry(id.clone()).or_insert_with(|| Folded {
            held: Held::blank(settings),
            based_on: Version::NONE,
            is_changed: false,
        })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// One that cannot be read, does not follow, or does not belong here.
    pub fn take(&mut self, ground: &Ground<'_>, record: Record<'_>) -> Result<(), Failure> {
        let (settings, partition) = (ground.settings, ground.log.number());
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
            .map_err(|error| Failure::End(broken("unknown", error.to_string())))?;
        let id = &event.aggregate_id;
        let home = partition_of(id.as_str(), settings.partitions);
        if home != partition {
            let (aggregate, topic) = (id.to_string(), settings.events_name().to_owned());
            let partitions = settings.partitions;
            return Err(Failure::End(End::Halted(Halt::Misplaced { aggregate, topic, partition, home, partitions })));
        }
        let source = held::place_of(settings, partition, event.source.as_ref());
        held::note(&mut self.standing.sources, source);
        self.standing.aggregates += u64::from(event.recorded.version == Version::NONE.next());
        self.standing.last_event = Some(LastEvent::of(record.offset, record.key, record.value));
        self.events += 1;
        if !self.aggregates.contains_key(id) {
            self.begin(id, settings);
        }
        let Some(folded) = self.aggregates.get_mut(id) else { return Ok(()) };
        let (built_on_snapshots, from) = (folded.based_on > Version::NONE, Outlook::of(&folded.held.state));
        let taken = folded.take(&event, source);
        let to = Outlook::of(&folded.held.state);
        if to != from {
            self.agenda.note(id, to);
        }
        taken.map_err(|reason| {
            if built_on_snapshots {
                Failure::Distrust(DiscardReason::Contradicted, format!("aggregate {id}: {reason}"))
            } else {
                Failure::End(broken(id.as_str(), reason))
            }
        })
    }
}

impl<A: Mail> Folded<A> {
    fn take(&mut self, event: &StoredEvent<'_, A::Event>, source: Option<(log::Lane, Offset)>) -> Result<(), String> {
        let recorded = &event.recorded;
        if recorded.version <= self.based_on {
            // The snapshot holds it already; of the last one it is known when it was.
            let is_last = recorded.version == self.based_on && self.held.state.version() == self.based_on;
            if is_last && recorded.at != self.held.state.last_at() {
                return Err(format!("its version {} is another one in its snapshot", recorded.version));
            }
            return Ok(());
        }
        self.is_changed = true;
        // Building the partition again would end the same way, so a panic is a history that cannot be applied.
        let applied = catch_unwind(AssertUnwindSafe(|| self.held.apply(recorded, source)));
        let applied = applied.map_err(|_| "applying it panics".to_owned());
        applied.and_then(|applied| applied.map_err(|unfit| unfit.to_string()))
    }
}

/// Which events are folded.
pub struct Stretch<'a> {
    /// Where they lie.
    pub range: Range<Offset>,
    /// An event before them that has to be there.
    pub remembered: Option<LastEvent>,
    /// Only those of these aggregates, when given.
    pub wanted: Option<&'a HashSet<AggregateId>>,
}

/// Folds a stretch of events on top of what the shelf holds; `between` sees now and then what is folded and where.
///
/// # Errors
/// What the log or the shelf does not give, or gives and cannot be used.
pub async fn fold<A: Mail>(
    ground: &Ground<'_>,
    fold: &mut Fold<A>,
    stretch: Stretch<'_>,
    mut between: impl AsyncFnMut(&mut Fold<A>, Offset) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Stretch { range, mut remembered, wanted } = stretch;
    let start = remembered.map_or(range.start, |event| event.offset);
    let mut chunks = ground.log.replay(start..range.end);
    let wanted: Option<HashSet<&[u8]>> = wanted.map(|wanted| wanted.iter().map(|id| id.as_str().as_bytes()).collect());
    let mut gathered = Gathered::default();
    let is_wanted =
        |record: &Record<'_>| wanted.as_ref().is_none_or(|wanted| record.key.is_some_and(|key| wanted.contains(key)));
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let mut first = 0;
        if let Some(event) = remembered
            && !chunk.is_empty()
        {
            trust::recognise(event, Some(chunk.get(0))).map_err(|reason| unknown_event(reason, event))?;
            (remembered, first) = (None, 1);
        }
        let behind = |record: &Record<'_>| record.offset >= range.start && is_wanted(record);
        let records: Vec<usize> = (first..chunk.len()).filter(|index| behind(&chunk.get(*index))).collect();
        gathered.add(Portion { chunk, records }, |id| !fold.on_shelf || fold.aggregates.contains_key(id));
        if gathered.is_enough() {
            fold_gathered(ground, fold, &mut gathered, &mut between).await?;
        }
    }
    fold_gathered(ground, fold, &mut gathered, &mut between).await?;
    match remembered {
        Some(event) => Err(unknown_event(DiscardReason::OtherEvent, event)),
        None => Ok(()),
    }
}

fn unknown_event(reason: DiscardReason, event: LastEvent) -> Failure {
    Failure::Distrust(reason, format!("the event at {} is not the one remembered", event.offset))
}

/// Loads what the events are folded on top of, and folds them. `between` may let everything in memory go, so it sees
/// nothing before all that was loaded is used.
async fn fold_gathered<A: Mail>(
    ground: &Ground<'_>,
    fold: &mut Fold<A>,
    gathered: &mut Gathered,
    between: &mut impl AsyncFnMut(&mut Fold<A>, Offset) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (events, missing) = gathered.take();
    if let Some(shelf) = ground.shelf {
        for ids in missing {
            for (id, held) in load(shelf, ground.settings, ids).await? {
                if let Some(held) = held {
                    fold.build_on(id, held);
                }
            }
        }
    }
    let mut next_offset = None;
    for Portion { chunk, records } in events {
        for record in records {
            fold.take(ground, chunk.get(record))?;
        }
        next_offset = Some(chunk.next_offset);
        // Many chunks at a time, and other partitions are on this thread too.
        yield_now().await;
    }
    match next_offset {
        Some(next_offset) => between(fold, next_offset).await,
        None => Ok(()),
    }
}

/// Loads the snapshots of these aggregates, `None` for those that have none.
///
/// # Errors
/// What the shelf does not give, or gives and cannot be used.
pub async fn load<A: Mail>(
    shelf: &Arc<dyn Shelf>,
    settings: &Settings,
    ids: Vec<AggregateId>,
) -> Result<Vec<(AggregateId, Option<Held<A>>)>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = ids.iter().map(|id| id.as_str().as_bytes().into()).collect();
    let values = shelf.load(keys).await?;
    let mut loaded = Vec::with_capacity(ids.len());
    for (id, value) in ids.into_iter().zip(values) {
        let held = value.map(|value| images::read::<A>(&id, &value, settings)).transpose()?;
        loaded.push((id, held));
    }
    Ok(loaded)
}
