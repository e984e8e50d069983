//! What the partition keeps of its aggregates: slices of them, serialised as of the end of a batch, and handed to the
//! shelf once that batch took effect. See `checkpoint` for how far that reaches.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use tokio::time::Instant;

use super::aggregate_actor::Serialise;
use super::attendance::{Absence, Attendance};
use super::checkpoint::{Checkpoints, Generation, Pace};
use super::images;
use super::lifecycle::{End, Stage};
use super::mailbox::wake;
use super::mirroring::{self, Mirror, Waiting};
use super::rebuilding::Rebuilt;
use super::routes::Epoch;
use super::supervisor::{Supervisor, Work};
use super::trust::Position;
use crate::domain::ids::AggregateId;
use crate::log::{Drafts, Topic};
use crate::snapshots::{Error, Key, Shelf};
use crate::wire::message::Mail;

/// Most aggregates of a checkpoint that one batch takes along: what that costs nobody notices.
const SLICE: usize = 200;
/// Bytes that a slice takes along, more or less: as much as a commit writes without being late.
const SLICE_BYTES: usize = 4 << 20;
/// Pause after a shelf failed.
pub(super) const SHELF_BACKOFF: Duration = Duration::from_millis(500);

/// What is saved of a partition, and what is on its way there.
pub(super) struct Keeping {
    pub(super) checkpoints: Checkpoints,
    shelf: Option<Arc<dyn Shelf>>,
    identity: String,
    /// What of it is in the topic too.
    pub(super) mirror: Mirror,
    pub(super) waiting: Waiting,
    /// Serialised, to be saved once the batch of that time took effect.
    slice: Option<Slice>,
    /// The shelf has something to answer.
    pub(super) is_saving: bool,
    /// Bytes that an aggregate took in the last slice.
    image_bytes: usize,
    /// It failed: nothing is asked of it before.
    pause_until: Option<Instant>,
    /// Something changed that may let somebody leave.
    pub(super) may_passivate: bool,
}

/// Some aggregates, serialised as of the end of one batch, which ends an epoch.
pub(super) struct Slice {
    as_of: Epoch,
    images: Vec<(u32, AggregateId, Vec<u8>)>,
}

impl Slice {
    /// The aggregates and their bytes.
    pub(super) fn images(&self) -> impl Iterator<Item = (&AggregateId, &[u8])> {
        self.images.iter().map(|(_, id, image)| (id, image.as_slice()))
    }
}

impl Keeping {
    pub(super) fn new<A>(pace: Pace, shelf: Option<Arc<dyn Shelf>>, rebuilt: &Rebuilt<A>) -> Self {
        Keeping {
            checkpoints: Checkpoints::new(pace, rebuilt.fold.standing, rebuilt.settled, rebuilt.fold.events),
            shelf,
            identity: rebuilt.identity.clone(),
            mirror: rebuilt.mirror.clone(),
            waiting: Waiting::default(),
            slice: None,
            is_saving: false,
            image_bytes: SLICE_BYTES / SLICE,
            pause_until: None,
            may_passivate: true,
        }
    }

    pub(super) fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        self.shelf.clone()
    }

    /// True while the shelf can be asked for nothing.
    fn is_paused(&self) -> bool {
        self.pause_until.is_some_and(|until| until > Instant::now())
    }

    /// True when something waits that only a commit can make true.
    pub(super) fn needs_commit(&self) -> bool {
        self.mirror.generation().is_some() && (self.slice.is_some() || !self.waiting.is_empty())
    }

    /// Adds what waits to a commit that is about to begin. Answers what is to be saved once it took effect, and whether
    /// a page of the shelf is in it.
    pub(super) fn add_to(&mut self, records: &mut Drafts, place: (Topic, u32)) -> (Option<Slice>, bool) {
        let slice = self.slice.take();
        let has_page = self
            .mirror
            .generation()
            .is_some_and(|generation| mirroring::add_to(records, place, generation, slice.as_ref(), &mut self.waiting));
        (slice, has_page)
    }
}

impl<A: Mail> Supervisor<A> {
    /// Lets some aggregates write down what they are at the end of this batch. Nothing may be decided between that
    /// and the batch's commit. False when there is nothing to write down, or no place for it.
    pub(super) fn take_slice(&mut self, context: &mut Context<Self>) -> bool {
        let Some(keeping) = self.keeping.as_mut().filter(|_| self.stage == Stage::Running) else { return false };
        if keeping.slice.is_some() || keeping.is_saving || keeping.is_paused() {
            return false;
        }
        // Before those who leave: there may always be some.
        if self.settle(context) || self.fill(false, context) {
            return false;
        }
        let leavers = self.unsaved_leavers();
        let Some(keeping) = &mut self.keeping else { return false };
        if keeping.checkpoints.is_due() {
            keeping.checkpoints.begin(keeping.mirror.level(), self.agenda.appointments());
        }
        let most = (SLICE_BYTES / keeping.image_bytes.max(1)).max(1);
        let leavers = leavers.into_iter().take(most);
        let mut places: Vec<u32> = leavers.filter(|place| self.routes.take_from_queue(*place)).collect();
        if let Some(under_way) = keeping.checkpoints.under_way() {
            // Besides those who leave: however many come and go, a checkpoint comes to its end.
            let most = places.len() + SLICE.min(most);
            while places.len() < most
                && let Some(place) = under_way.due.pop_front()
            {
                if self.routes.take_from_queue(place) {
                    places.push(place);
                }
            }
        }
        if places.is_empty() {
            if !self.settle(context) {
                self.fill(true, context);
            }
            return false;
        }
        self.serialise(places, context);
        true
    }

    fn serialise(&mut self, places: Vec<u32>, context: &mut Context<Self>) {
        let (folded, places): (Vec<u32>, Vec<u32>) =
            places.into_iter().partition(|place| self.routes.folded_at(*place).is_some());
        for place in folded {
            if let (Some(held), Some(id)) = (self.routes.folded_at(place), self.routes.name(place)) {
                let image = images::write(id, held, self.desk.conditions);
                self.desk.images.borrow_mut().push((place, image));
            }
        }
        let attendance = Attendance::of(places.len(), wake(context));
        for (number, place) in places.iter().enumerate() {
            let ticket = attendance.ticket(number);
            // Who is dead is noticed by its ticket.
            if let Some(actor) = self.routes.living_at(*place) {
                actor.try_send(Serialise { ticket }).ok();
            }
        }
        self.work = Work::Serialising { places, attendance };
    }

    /// All have written, but the dead, who are folded again first.
    pub(super) fn serialised(&mut self, places: &[u32], absences: &[Absence], context: &mut Context<Self>) {
        let images = std::mem::take(&mut *self.desk.images.borrow_mut());
        let named = images.into_iter().filter_map(|(place, image)| {
            let id = self.routes.name(place)?.clone();
            Some((place, id, image))
        });
        let images: Vec<_> = named.collect();
        let Some(keeping) = &mut self.keeping else { return };
        if !images.is_empty() {
            keeping.image_bytes = images.iter().map(|(_, _, image)| image.len()).sum::<usize>() / images.len();
            keeping.slice = Some(Slice { as_of: self.epoch, images });
        }
        self.epoch += 1;
        let dead: Vec<u32> = absences.iter().map(|absence| places[absence.group]).collect();
        if !dead.is_empty() {
            let named: Vec<_> =
                dead.iter().filter_map(|place| Some((*place, self.routes.name(*place)?.clone()))).collect();
            self.queue_again(&named);
            self.work = Work::Bereft { dead, groups: Vec::new() };
            self.fold_lost(context);
        }
    }

    /// They were not saved after all. Whoever changed meanwhile waits for the next checkpoint already, but the one that
    /// is under way must not end without it.
    fn queue_again(&mut self, places: &[(u32, AggregateId)]) {
        let Some(keeping) = &mut self.keeping else { return };
        for (place, id) in places {
            let was_queued = self.routes.queue_again(*place, id);
            match keeping.checkpoints.under_way() {
                Some(under_way) => under_way.due.push_back(*place),
                None if was_queued => {}
                None => keeping.checkpoints.changed.push(*place),
            }
        }
    }

    /// Saves a slice that needs no commit, because everything in it is committed already.
    pub(super) fn save_committed_slice(&mut self, context: &mut Context<Self>) {
        if let Some(slice) = self.keeping.as_mut().and_then(|keeping| keeping.slice.take()) {
            self.save(slice, context);
        }
    }

    /// Hands a slice to the shelf, once the batch that it is as of took effect.
    pub(super) fn save(&mut self, slice: Slice, context: &mut Context<Self>) {
        let Some(keeping) = &mut self.keeping else { return };
        let Slice { as_of, images } = slice;
        let (mut named, mut values) = (Vec::with_capacity(images.len()), Vec::with_capacity(images.len()));
        for (place, id, image) in images {
            values.push((Key::from(id.as_str().as_bytes()), image));
            named.push((place, id));
        }
        keeping.is_saving = true;
        let Some(shelf) = &keeping.shelf else { return self.saved(as_of, &named, Ok(()), context) };
        let saving = wrap_future(shelf.save(values));
        context.spawn(saving.map(move |answer, actor: &mut Self, context| {
            actor.saved(as_of, &named, answer, context);
            actor.advance(context);
        }));
    }

    fn saved(
        &mut self,
        as_of: Epoch,
        named: &[(u32, AggregateId)],
        answer: Result<(), Error>,
        context: &mut Context<Self>,
    ) {
        let Some(keeping) = &mut self.keeping else { return };
        keeping.is_saving = false;
        match answer {
            Ok(()) => {
                keeping.may_passivate = true;
                self.metrics.engine.snapshot_writes.increment(named.len() as u64);
                for (place, id) in named {
                    self.routes.saved(*place, id, as_of);
                }
            }
            Err(error) => {
                self.shelf_failed(error, context);
                self.queue_again(named);
            }
        }
    }

    /// Settles the checkpoint under way, when all of it is saved. True when the shelf is asked to.
    fn settle(&mut self, context: &mut Context<Self>) -> bool {
        let Some(keeping) = &mut self.keeping else { return false };
        let Some(under_way) = keeping.checkpoints.complete() else { return false };
        let (generation, agenda) = (under_way.generation, under_way.agenda.clone());
        let position = Position::of(under_way.standing, agenda, generation, &self.settings, &keeping.identity);
        let position = images::write_position::<A>(&position);
        keeping.is_saving = true;
        let Some(shelf) = &keeping.shelf else {
            self.settled(position, generation, Ok(()), context);
            return true;
        };
        let settling = wrap_future(shelf.settle(position.clone()));
        context.spawn(settling.map(move |answer, actor: &mut Self, context| {
            actor.settled(position, generation, answer, context);
            actor.advance(context);
        }));
        true
    }

    fn settled(
        &mut self,
        position: Vec<u8>,
        generation: Option<Generation>,
        answer: Result<(), Error>,
        context: &mut Context<Self>,
    ) {
        let Some(keeping) = &mut self.keeping else { return };
        keeping.is_saving = false;
        match answer {
            Ok(()) => {
                keeping.checkpoints.settle();
                // A topic that lacks something must not say that it reaches so far.
                keeping.waiting.position = generation.and_then(|_| self.settings.fitting(position));
                self.measure_snapshots();
            }
            Err(error) => self.shelf_failed(error, context),
        }
    }

    /// What is not saved stays in memory until it can be.
    pub(super) fn shelf_failed(&mut self, error: Error, context: &mut Context<Self>) {
        self.metrics.engine.snapshot_failures.increment(1);
        if !error.is_retriable() {
            return self.close(End::Snapshots(error), context);
        }
        tracing::warn!(partition = self.log.number(), %error, "snapshots are not written, trying it again");
        if let Some(keeping) = &mut self.keeping {
            keeping.pause_until = Some(Instant::now() + SHELF_BACKOFF);
        }
    }
}
