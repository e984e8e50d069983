//! Who leaves memory: those that were asked least recently while there are too many, and those that nobody asks any
//! more. Nobody leaves who is not saved, and nobody while actors are at work.

use tokio::time::Instant;

use super::supervisor::{Supervisor, Work};
use crate::wire::message::Mail;

/// Most that are looked at in one go.
const LOOKED_AT: usize = 2_000;

impl<A: Mail> Supervisor<A> {
    /// Lets go of those that may leave and are saved.
    pub(super) fn passivate(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        if !matches!(self.work, Work::None) || !std::mem::take(&mut keeping.may_passivate) {
            return;
        }
        let leavers: Vec<u32> = self.leavers().filter(|place| self.routes.is_saved(*place)).collect();
        self.metrics.aggregate.passivations.increment(leavers.len() as u64);
        for place in leavers {
            self.routes.vacate(place);
        }
    }

    /// Those that may leave once they are saved.
    pub(super) fn unsaved_leavers(&self) -> Vec<u32> {
        self.leavers().filter(|place| !self.routes.is_saved(*place)).collect()
    }

    /// True while so many are in memory that nobody else may come.
    pub(super) fn is_crowded(&self) -> bool {
        self.passivates() && self.routes.len() > self.settings.keep.max_resident
    }

    fn passivates(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| keeping.shelf().is_some())
    }

    /// The oldest of too many, and the idle ones, in the order in which they were asked. They begin to leave while there
    /// is still room for those who come meanwhile.
    fn leavers(&self) -> impl Iterator<Item = u32> {
        let keep = &self.settings.keep;
        let wanted = keep.max_resident - keep.max_resident / 8;
        let too_many = self.routes.len().saturating_sub(wanted);
        let now = Instant::now();
        let oldest = self.routes.oldest().filter(|_| self.passivates());
        std::iter::successors(oldest, |place| self.routes.next_newer(*place))
            .take(LOOKED_AT)
            .enumerate()
            .take_while(move |(rank, place)| *rank < too_many || self.routes.is_idle(*place, now, keep.idle_timeout))
            .map(|(_, place)| place)
    }
}
