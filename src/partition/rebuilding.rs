//! What a partition remembers when it begins: its snapshots on this machine and the events behind them; or else those
//! of the snapshots topic; or else every event there is.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::agenda::Appointment;
use super::checkpoint::{Generation, Standing};
use super::folding::{Failure, Fold, Folded, Ground, Stretch, fold};
use super::held::Held;
use super::images;
use super::lifecycle::End;
use super::mirroring::Mirror;
use super::trust::{self, Position, Present};
use crate::domain::ids::AggregateId;
use crate::log::{Offset, Record};
use crate::metrics::{DiscardReason, EngineMetrics};
use crate::snapshots::{BATCH, Key, POSITION};
use crate::wire::message::Mail;

/// A partition's memory, up to the end of its events.
pub struct Rebuilt<A> {
    /// What is in memory, and everything that is known below the end.
    pub fold: Fold<A>,
    /// How far the shelf is settled; `None` when it is not.
    pub settled: Option<Offset>,
    /// How much of it the snapshots topic holds, or is still to be given from memory.
    pub mirror: Mirror,
    /// Which log this is.
    pub identity: String,
}

/// Builds the memory of a partition from the nearest that can be trusted.
///
/// # Errors
/// What the log or the shelf does not give, and a history that cannot be trusted however it is read.
pub async fn rebuild<A: Mail>(
    ground: &Ground<'_>,
    bounds: Range<Offset>,
    metrics: &EngineMetrics,
) -> Result<Rebuilt<A>, End> {
    let topic = ground.settings.keep.topic;
    let identity = if topic || ground.shelf.is_some() { ground.log.identity().await? } else { String::new() };
    let here = Here { ground, bounds, identity };
    if let Some(shelf) = ground.shelf {
        match here.read_shelf().await {
            Ok(Some(rebuilt)) => return Ok(rebuilt),
            Ok(None) => {}
            Err(failure) => here.discard("this machine", failure, metrics)?,
        }
        shelf.clear().await?;
    }
    let mut newest = None;
    if topic {
        match here.read_topic(&mut newest).await {
            Ok(Some(rebuilt)) => return Ok(rebuilt),
            Ok(None) => {}
            Err(failure) => here.discard("the topic", failure, metrics)?,
        }
        if let Some(shelf) = ground.shelf {
            shelf.clear().await?;
        }
    }
    here.read_log(newest).await.map_err(Failure::into_end)
}

struct Here<'a> {
    ground: &'a Ground<'a>,
    bounds: Range<Offset>,
    identity: String,
}

impl Here<'_> {
    fn discard(&self, what: &str, failure: Failure, metrics: &EngineMetrics) -> Result<(), End> {
        match failure {
            Failure::End(end) => Err(end),
            Failure::Distrust(reason, text) => {
                let partition = self.ground.log.number();
                tracing::warn!(partition, reason = text, "the snapshots of {what} are not used");
                metrics.snapshots_discarded.of(reason).increment(1);
                Ok(())
            }
        }
    }

    fn judged<A: Mail>(&self, position: &[u8]) -> Result<Position, Failure> {
        let settings = self.ground.settings;
        let position = images::read_position::<A>(position)?;
        let present =
            Present { conditions: settings.conditions(), identity: &self.identity, bounds: self.bounds.clone() };
        trust::judge(&position, &present).map_err(|reason| {
            Failure::Distrust(reason, format!("its position is {position:?}, here is {present:?}"))
        })?;
        Ok(position)
    }

    async fn read_shelf<A: Mail>(&self) -> Result<Option<Rebuilt<A>>, Failure> {
        let Some(shelf) = self.ground.shelf else { return Ok(None) };
        let Some(position) = shelf.position().await? else { return Ok(None) };
        let mut position = self.judged::<A>(&position)?;
        if !self.ground.settings.keep.topic && position.generation.take().is_some() {
            // What is saved from now on goes nowhere else. Were it written down that the topic has what the shelf has,
            // nobody would give it those values when it is written again.
            shelf.settle(images::write_position::<A>(&position)).await?;
        }
        let agenda = position.agenda.into_iter().collect();
        let tail = Fold { on_shelf: true, agenda, ..Fold::on(position.standing) };
        let mirror = match position.generation {
            Some(generation) => Mirror::Level(generation),
            None => self.filling(None),
        };
        self.fold_tail(tail, mirror).await.map(Some)
    }

    /// Folds what lies behind the position on top of it.
    async fn fold_tail<A: Mail>(&self, mut tail: Fold<A>, mirror: Mirror) -> Result<Rebuilt<A>, Failure> {
        let covered = tail.standing.covered;
        let stretch = Stretch { range: covered..self.bounds.end, remembered: tail.standing.last_event, wanted: None };
        let (settled, mirror) = match self.fold_all(&mut tail, stretch).await? {
            // What left memory was saved, and the topic has nothing of it.
            Some(settled) if matches!(mirror, Mirror::Level(_)) => (settled, self.filling(mirror.generation())),
            Some(settled) => (settled, mirror),
            None => (covered, mirror),
        };
        let settled = self.ground.shelf.map(|_| settled);
        Ok(Rebuilt { fold: tail, settled, mirror, identity: self.identity.clone() })
    }

    /// Folds a stretch up to the end. With a shelf no more is kept in memory than may be resident: answers where it was
    /// settled for that the last time.
    async fn fold_all<A: Mail>(&self, all: &mut Fold<A>, stretch: Stretch<'_>) -> Result<Option<Offset>, Failure> {
        let mut settled = None;
        fold(self.ground, all, stretch, async |all, next_offset| {
            all.standing.covered = next_offset;
            if all.aggregates.len() > self.ground.settings.keep.max_resident && self.ground.shelf.is_some() {
                self.make_room(all).await?;
                settled = Some(next_offset);
            }
            Ok(())
        })
        .await?;
        all.standing.covered = self.bounds.end;
        Ok(settled)
    }

    /// Restores what the topic holds: onto the shelf, or into memory where there is none. `newest` becomes the newest
    /// generation that was seen, whatever becomes of it.
    async fn read_topic<A: Mail>(&self, newest: &mut Option<Generation>) -> Result<Option<Rebuilt<A>>, Failure> {
        let mut restored = Restored::<A>::new();
        let mut chunks = self.ground.log.snapshots();
        while let Some(chunk) = chunks.recv().await {
            for record in chunk?.iter() {
                let generation = images::generation_of(&record);
                if generation > *newest {
                    // All values were written anew: those before may be of another history.
                    *newest = generation;
                    restored.forget(self.ground).await?;
                }
                if generation == *newest {
                    restored.take(self.ground, record)?;
                }
                if restored.waiting.len() >= BATCH {
                    restored.save(self.ground).await?;
                }
            }
        }
        restored.save(self.ground).await?;
        let Some(position) = restored.position.take() else { return Ok(None) };
        let position = self.judged::<A>(&position)?;
        let (found, wanted) = (restored.keys.len() as u64, position.standing.aggregates);
        if found < wanted {
            let text = format!("it holds {found} aggregates of at least {wanted}");
            return Err(Failure::Distrust(DiscardReason::Incomplete, text));
        }
        if let Some(shelf) = self.ground.shelf {
            shelf.settle(self.position::<A>(position.standing, position.agenda.clone(), *newest)).await?;
        }
        let agenda = position.agenda.into_iter().collect();
        let mut tail = Fold { on_shelf: self.ground.shelf.is_some(), agenda, ..Fold::on(position.standing) };
        for (id, held) in restored.held {
            tail.build_on(id, held);
        }
        self.fold_tail(tail, newest.map_or(Mirror::Off, Mirror::Level)).await.map(Some)
    }

    /// Folds everything there is. As long as nothing has left memory, all of it is given to the topic as a generation of
    /// its own, newer than the `newest` there.
    async fn read_log<A: Mail>(&self, newest: Option<Generation>) -> Result<Rebuilt<A>, Failure> {
        let mut all = Fold::on(Standing { covered: self.bounds.start, ..Standing::default() });
        let stretch = Stretch { range: self.bounds.clone(), remembered: None, wanted: None };
        let settled = self.fold_all(&mut all, stretch).await?;
        let mirror = match self.filling(newest) {
            Mirror::Filling(generation, _) if settled.is_none() => Mirror::Level(generation),
            mirror => mirror,
        };
        Ok(Rebuilt { fold: all, settled, mirror, identity: self.identity.clone() })
    }

    /// A topic that holds nothing yet of what is saved. Its generation is newer than any that was written in earlier
    /// times of this log, because the log has grown since.
    fn filling(&self, newest: Option<Generation>) -> Mirror {
        if !self.ground.settings.keep.topic {
            return Mirror::Off;
        }
        let grown = u64::try_from(self.bounds.end).unwrap_or(0) + 1;
        Mirror::Filling(grown.max(newest.map_or(0, |newest| newest + 1)), None)
    }

    /// Saves what is in memory and lets it go. All that was folded so far is on the shelf then, so that is settled too.
    async fn make_room<A: Mail>(&self, all: &mut Fold<A>) -> Result<(), Failure> {
        let (Some(shelf), settings) = (self.ground.shelf, self.ground.settings) else { return Ok(()) };
        let mut changed: Vec<_> = all.aggregates.drain().filter(|(_, folded)| folded.is_changed).collect();
        changed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut changed = changed.into_iter().peekable();
        while changed.peek().is_some() {
            let image = |(id, folded): (AggregateId, Folded<A>)| {
                (Key::from(id.as_str().as_bytes()), images::write(&id, &folded.held, settings.conditions()))
            };
            shelf.save(changed.by_ref().take(BATCH).map(image).collect()).await?;
        }
        shelf.settle(self.position::<A>(all.standing, all.agenda.appointments(), None)).await?;
        all.on_shelf = true;
        Ok(())
    }

    fn position<A: Mail>(
        &self,
        standing: Standing,
        agenda: Vec<Appointment>,
        generation: Option<Generation>,
    ) -> Vec<u8> {
        images::write_position::<A>(&Position::of(standing, agenda, generation, self.ground.settings, &self.identity))
    }
}

/// What was read of the snapshots topic.
struct Restored<A> {
    position: Option<Vec<u8>>,
    /// Fingerprints of the keys.
    keys: HashSet<u64>,
    /// On their way to the shelf.
    waiting: Vec<(Key, Vec<u8>)>,
    /// Where there is no shelf.
    held: HashMap<AggregateId, Held<A>>,
}

impl<A: Mail> Restored<A> {
    fn new() -> Self {
        Restored { position: None, keys: HashSet::new(), waiting: Vec::new(), held: HashMap::new() }
    }

    /// Starts again from nothing.
    async fn forget(&mut self, ground: &Ground<'_>) -> Result<(), Failure> {
        *self = Restored::new();
        if let Some(shelf) = ground.shelf {
            shelf.clear().await?;
        }
        Ok(())
    }

    /// Takes one record; a later one of the same key stands for those before it.
    fn take(&mut self, ground: &Ground<'_>, record: Record<'_>) -> Result<(), Failure> {
        let (Some(key), Some(value)) = (record.key, record.value) else { return Ok(()) };
        if key == POSITION {
            self.position = Some(value.to_vec());
            return Ok(());
        }
        let (id, held) = images::check::<A>(key, value, ground.settings)?;
        self.keys.insert(FixedState::default().hash_one(key));
        if ground.shelf.is_some() {
            self.waiting.push((key.into(), value.to_vec()));
        } else {
            self.held.insert(id, held);
        }
        Ok(())
    }

    async fn save(&mut self, ground: &Ground<'_>) -> Result<(), Failure> {
        if let Some(shelf) = ground.shelf.filter(|_| !self.waiting.is_empty()) {
            shelf.save(std::mem::take(&mut self.waiting)).await?;
        }
        Ok(())
    }
}
