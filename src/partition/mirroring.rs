//! What is saved on this machine goes to the snapshots topic as well, in the transactions of the partition, so that no
//! owner before can write over it. A topic that lacks some of it is filled page by page from the shelf.

use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use tokio::time::Instant;

use super::checkpoint::Generation;
use super::images;
use super::keeping::Slice;
use super::supervisor::Supervisor;
use crate::log::{Drafts, Topic};
use crate::snapshots::{BATCH, Error, Key, POSITION};
use crate::wire::message::Mail;

/// While others are saved all the time, a page goes this often.
const PAGE_EVERY: Duration = Duration::from_secs(1);

/// How much of what is saved the snapshots topic holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mirror {
    /// It is not written.
    Off,
    /// All of it, in this generation.
    Level(Generation),
    /// What was saved since the filling began, and everything up to this key.
    Filling(Generation, Option<Key>),
}

impl Mirror {
    /// The generation that is written.
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Mirror::Off => None,
            Mirror::Level(generation) | Mirror::Filling(generation, _) => Some(*generation),
        }
    }

    /// The generation that holds all of it.
    pub fn level(&self) -> Option<Generation> {
        match self {
            Mirror::Level(generation) => Some(*generation),
            Mirror::Off | Mirror::Filling(..) => None,
        }
    }
}

/// What waits for the next commit to be written to the topic.
#[derive(Default)]
pub(super) struct Waiting {
    /// Of a checkpoint that is settled.
    pub(super) position: Option<Vec<u8>>,
    /// Values as they lie on the shelf. Nothing is serialised until they are written, so none of them is older than
    /// what the topic has.
    page: Vec<(Key, Vec<u8>)>,
    paged_at: Option<Instant>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.position.is_none() && self.page.is_empty()
    }
}

/// Adds what waits, and a slice, to what a commit writes. True when a page of the shelf is in it.
pub(super) fn add_to(
    records: &mut Drafts,
    place: (Topic, u32),
    generation: Generation,
    slice: Option<&Slice>,
    waiting: &mut Waiting,
) -> bool {
    for (key, value) in &waiting.page {
        images::draft(records, place, generation, key, value);
    }
    for (id, image) in slice.into_iter().flat_map(Slice::images) {
        images::draft(records, place, generation, id.as_str().as_bytes(), image);
    }
    if let Some(position) = waiting.position.take() {
        images::draft(records, place, generation, POSITION, &position);
    }
    !std::mem::take(&mut waiting.page).is_empty()
}

impl<A: Mail> Supervisor<A> {
    /// Asks the shelf for the next page that the topic lacks, when it is time. True when it is asked.
    pub(super) fn fill(&mut self, is_idle: bool, context: &mut Context<Self>) -> bool {
        let Some(keeping) = &mut self.keeping else { return false };
        let (Mirror::Filling(_, after), Some(shelf)) = (&keeping.mirror, keeping.shelf()) else { return false };
        let is_time = keeping.waiting.paged_at.is_none_or(|at| at.elapsed() >= PAGE_EVERY);
        if !(is_idle || is_time) {
            return false;
        }
        keeping.waiting.paged_at = Some(Instant::now());
        keeping.is_saving = true;
        let paging = wrap_future(shelf.page(after.clone(), BATCH));
        context.spawn(paging.map(|page, actor: &mut Self, context| {
            actor.paged(page, context);
            actor.advance(context);
        }));
        true
    }

    fn paged(&mut self, page: Result<Vec<(Key, Vec<u8>)>, Error>, context: &mut Context<Self>) {
        // What was damaged on this disk must not become what others begin with.
        let damaged =
            page.iter().flatten().find_map(|(key, value)| images::check::<A>(key, value, &self.settings).err());
        if let Some(unreadable) = damaged {
            return self.fail(unreadable.into(), context);
        }
        let Some(keeping) = &mut self.keeping else { return };
        match page {
            Ok(page) => {
                let Mirror::Filling(generation, after) = &mut keeping.mirror else { return };
                match page.last() {
                    // The shelf answers for other things again once the page is committed.
                    Some((last, _)) => (*after, keeping.waiting.page) = (Some(last.clone()), page),
                    None => (keeping.mirror, keeping.is_saving) = (Mirror::Level(*generation), false),
                }
            }
            Err(error) => {
                keeping.is_saving = false;
                self.shelf_failed(error, context);
            }
        }
    }

    /// A page that the topic lacked is in it.
    pub(super) fn filled(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.is_saving = false;
        }
    }
}
