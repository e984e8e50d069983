//! An aggregate, and what its snapshot tells beside it.

use crate::domain::{Recorded, Unfit};
use crate::log::{Lane, Offset, PerLane};
use crate::wire::{Source, Wire};

use super::Settings;

/// An aggregate as it stands in memory.
#[derive(Clone, PartialEq, Debug)]
pub struct Held<A> {
    /// What it is.
    pub state: A,
    /// The highest offset of each lane that caused an event of it.
    pub sources: PerLane<Option<Offset>>,
}

impl<A: Wire> Held<A> {
    /// What had no event yet.
    pub fn blank(settings: &Settings) -> Self {
        Held { state: A::blank(&settings.rules), sources: PerLane::default() }
    }

    /// Takes the next event, which was caused by a record at `source`.
    ///
    /// # Errors
    /// An event that does not follow from the history so far.
    pub fn apply(&mut self, event: &Recorded<A::Event>, source: Option<(Lane, Offset)>) -> Result<(), Unfit> {
        self.state.apply(event)?;
        note(&mut self.sources, source);
        Ok(())
    }
}

/// Remembers a source, if it is the highest of its lane.
pub fn note(sources: &mut PerLane<Option<Offset>>, source: Option<(Lane, Offset)>) {
    if let Some((lane, offset)) = source {
        let highest = sources.of_mut(lane);
        *highest = (*highest).max(Some(offset));
    }
}

/// Which lane of this partition a source lies in, and where; none when it lies elsewhere.
pub fn place_of(settings: &Settings, partition: u32, source: Option<&Source<'_>>) -> Option<(Lane, Offset)> {
    let source = source.filter(|source| source.partition == partition)?;
    let lane = Lane::ALL.into_iter().find(|lane| settings.topic_name(*lane) == source.topic)?;
    Some((lane, source.offset))
}
