//! Which actor answers for which aggregate, who was asked least recently, and what of each is saved.

use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr};
use foldhash::{HashMap, HashMapExt};
use tokio::time::Instant;

use super::aggregate_actor::AggregateActor;
use super::desk::Desk;
use super::held::Held;
use crate::domain::ids::AggregateId;
use crate::wire::message::Mail;

/// Where an aggregate is.
pub enum Residence<A: Mail> {
    /// Not known here: its snapshot, if it has one, is to be loaded first.
    Unknown,
    /// Folded and waiting for its first command.
    Folded(Box<Held<A>>),
    /// In its actor.
    Live(Addr<AggregateActor<A>>),
    /// Its actor died; what it is stands in the snapshots and the log.
    Lost,
}

/// Counts up whenever aggregates are serialised: what an aggregate is made to be in one epoch is in every image that is
/// taken at the end of that epoch, or of a later one.
pub type Epoch = u64;

/// An aggregate that has a place.
struct Resident<A: Mail> {
    id: AggregateId,
    residence: Residence<A>,
    /// The last epoch that changed it.
    changed_in: Epoch,
    /// It is saved as of the end of this epoch.
    saved_as_of: Epoch,
    /// It waits to be serialised.
    is_queued: bool,
    asked_at: Instant,
    /// Its neighbours by the time of the last question.
    newer: Option<u32>,
    older: Option<u32>,
}

/// The routing table of a partition. Places stay valid until they are vacated.
pub struct Routes<A: Mail> {
    places: HashMap<AggregateId, u32>,
    residents: Vec<Option<Resident<A>>>,
    vacant: Vec<u32>,
    live: usize,
    newest: Option<u32>,
    oldest: Option<u32>,
}

impl<A: Mail> Routes<A> {
    /// A table of nobody.
    pub fn new() -> Self {
        Routes {
            places: HashMap::new(),
            residents: Vec::new(),
            vacant: Vec::new(),
            live: 0,
            newest: None,
            oldest: None,
        }
    }

    /// The place of that aggregate, if it has one.
    pub fn find(&self, id: &AggregateId) -> Option<u32> {
        self.places.get(id).copied()
    }

    /// Gives an aggregate a place, or another residence at the place it has.
    pub fn settle(&mut self, id: &AggregateId, residence: Residence<A>) -> u32 {
        if let Some(place) = self.find(id) {
            self.replace(place, residence);
            return place;
        }
        let resident = Some(Resident {
            id: id.clone(),
            residence,
            changed_in: 0,
            saved_as_of: 0,
            is_queued: false,
            asked_at: Instant::now(),
            newer: None,
            older: None,
        });
        let place = match self.vacant.pop() {
            Some(place) => {
                self.residents[place as usize] = resident;
                place
            }
            None => {
                self.residents.push(resident);
                (self.residents.len() - 1) as u32
            }
        };
        self.places.insert(id.clone(), place);
        self.link(place);
        place
    }

    fn resident(&self, place: u32) -> Option<&Resident<A>> {
        self.residents[place as usize].as_ref()
    }

    fn resident_mut(&mut self, place: u32) -> Option<&mut Resident<A>> {
        self.residents[place as usize].as_mut()
    }

    fn replace(&mut self, place: u32, residence: Residence<A>) {
        if let Some(resident) = &mut self.residents[place as usize] {
            if matches!(resident.residence, Residence::Live(_)) {
                self.live -= 1;
            }
            resident.residence = residence;
        }
    }

    /// The aggregate's actor, started when it has none; `None` when it is lost or not known.
    pub fn actor(&mut self, place: u32, desk: &Rc<Desk<A>>) -> Option<&Addr<AggregateActor<A>>> {
        let Resident { id, residence, .. } = self.residents[place as usize].as_mut()?;
        if let Residence::Folded(_) = residence
            && let Residence::Folded(held) = std::mem::replace(residence, Residence::Lost)
        {
            *residence = Residence::Live(AggregateActor::new(id.clone(), place, *held, desk.clone()).start());
            self.live += 1;
        }
        self.living_at(place)
    }

    /// The actor of that place, if it has one.
    pub fn living_at(&self, place: u32) -> Option<&Addr<AggregateActor<A>>> {
        match &self.resident(place)?.residence {
            Residence::Live(actor) => Some(actor),
            Residence::Unknown | Residence::Folded(_) | Residence::Lost => None,
        }
    }

    /// What is folded at that place and has no actor.
    pub fn folded_at(&self, place: u32) -> Option<&Held<A>> {
        match &self.resident(place)?.residence {
            Residence::Folded(held) => Some(held),
            Residence::Unknown | Residence::Live(_) | Residence::Lost => None,
        }
    }

    /// Whose place it is.
    pub fn name(&self, place: u32) -> Option<&AggregateId> {
        self.resident(place).map(|resident| &resident.id)
    }

    /// Notes that the actor there is dead; answers whose it was.
    pub fn lose(&mut self, place: u32) -> Option<AggregateId> {
        self.replace(place, Residence::Lost);
        self.name(place).cloned()
    }

    /// Forgets an aggregate. It leaves the table before its address is dropped, so nothing is sent to it since.
    pub fn vacate(&mut self, place: u32) {
        self.unlink(place);
        if let Some(resident) = self.residents[place as usize].take() {
            self.places.remove(&resident.id);
            self.vacant.push(place);
            if let Residence::Live(_) = resident.residence {
                self.live -= 1;
            }
        }
    }

    /// Aggregates that wait for their first command.
    pub fn folded(&self) -> impl Iterator<Item = (&AggregateId, &A)> {
        self.residents.iter().flatten().filter_map(|resident| match &resident.residence {
            Residence::Folded(held) => Some((&resident.id, &held.state)),
            Residence::Unknown | Residence::Live(_) | Residence::Lost => None,
        })
    }

    /// Aggregates that have an actor.
    pub fn living(&self) -> impl Iterator<Item = (&AggregateId, &Addr<AggregateActor<A>>)> {
        self.residents.iter().flatten().filter_map(|resident| match &resident.residence {
            Residence::Live(actor) => Some((&resident.id, actor)),
            Residence::Unknown | Residence::Folded(_) | Residence::Lost => None,
        })
    }

    /// How many actors live.
    pub fn live(&self) -> usize {
        self.live
    }

    /// How many aggregates have a place.
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

/// What of each is saved.
impl<A: Mail> Routes<A> {
    /// The aggregate changes in that epoch. True when it does not wait to be serialised yet, and does from now on.
    pub fn change(&mut self, place: u32, epoch: Epoch) -> bool {
        self.resident_mut(place).is_some_and(|resident| {
            resident.changed_in = epoch;
            !std::mem::replace(&mut resident.is_queued, true)
        })
    }

    /// True when it changed since it has its place.
    pub fn has_changed(&self, place: u32) -> bool {
        self.resident(place).is_some_and(|resident| resident.changed_in > 0)
    }

    /// It is to be serialised now; true when it waited for that.
    pub fn take_from_queue(&mut self, place: u32) -> bool {
        self.resident_mut(place).is_some_and(|resident| std::mem::take(&mut resident.is_queued))
    }

    /// It was not saved after all, and waits to be serialised from now on; true when it did already.
    pub fn queue_again(&mut self, place: u32, id: &AggregateId) -> bool {
        let resident = self.resident_mut(place).filter(|resident| resident.id == *id);
        resident.is_some_and(|resident| std::mem::replace(&mut resident.is_queued, true))
    }

    /// The value of that aggregate as of the end of `epoch` is acknowledged.
    pub fn saved(&mut self, place: u32, id: &AggregateId, epoch: Epoch) {
        if let Some(resident) = self.resident_mut(place).filter(|resident| resident.id == *id) {
            resident.saved_as_of = resident.saved_as_of.max(epoch);
        }
    }

    /// True when nothing of the aggregate would be lost with its memory.
    pub fn is_saved(&self, place: u32) -> bool {
        self.resident(place).is_some_and(|resident| resident.changed_in <= resident.saved_as_of)
    }
}

/// Who was asked when.
impl<A: Mail> Routes<A> {
    /// The aggregate is asked something.
    pub fn ask(&mut self, place: u32, now: Instant) {
        if let Some(resident) = self.resident_mut(place) {
            resident.asked_at = now;
        }
        if self.newest != Some(place) {
            self.unlink(place);
            self.link(place);
        }
    }

    /// Who was asked least recently.
    pub fn oldest(&self) -> Option<u32> {
        self.oldest
    }

    /// Who was asked next after that one.
    pub fn next_newer(&self, place: u32) -> Option<u32> {
        self.resident(place)?.newer
    }

    /// True when nobody asked for so long.
    pub fn is_idle(&self, place: u32, now: Instant, timeout: Duration) -> bool {
        self.resident(place).is_some_and(|resident| now.duration_since(resident.asked_at) >= timeout)
    }

    fn link(&mut self, place: u32) {
        let before = self.newest.replace(place);
        if let Some(resident) = self.resident_mut(place) {
            (resident.older, resident.newer) = (before, None);
        }
        match before.and_then(|before| self.resident_mut(before)) {
            Some(before) => before.newer = Some(place),
            None => self.oldest = Some(place),
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some((older, newer)) = self.resident(place).map(|resident| (resident.older, resident.newer)) else {
            return;
        };
        match older.and_then(|older| self.resident_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match newer.and_then(|newer| self.resident_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Account;

    fn id(name: &str) -> AggregateId {
        AggregateId::parse(name).unwrap()
    }

    fn table(names: &[&str]) -> Routes<Account> {
        let mut routes = Routes::new();
        for name in names {
            routes.settle(&id(name), Residence::Unknown);
        }
        routes
    }

    fn oldest_first(routes: &Routes<Account>) -> Vec<&str> {
        let places = std::iter::successors(routes.oldest(), |place| routes.next_newer(*place));
        places.filter_map(|place| routes.name(place)).map(AggregateId::as_str).collect()
    }

    #[test]
    fn who_is_asked_becomes_the_newest_and_who_leaves_leaves_no_gap() {
        let mut routes = table(&["a", "b", "c", "d"]);
        let place = |routes: &Routes<Account>, name| routes.find(&id(name)).unwrap();
        assert_eq!(oldest_first(&routes), ["a", "b", "c", "d"]);
        routes.ask(place(&routes, "b"), Instant::now());
        routes.ask(place(&routes, "a"), Instant::now());
        routes.ask(place(&routes, "a"), Instant::now());
        assert_eq!(oldest_first(&routes), ["c", "d", "b", "a"]);
        for (leaver, left) in [("d", &["c", "b", "a"][..]), ("a", &["c", "b"]), ("c", &["b"]), ("b", &[])] {
            routes.vacate(place(&routes, leaver));
            assert_eq!(oldest_first(&routes), left);
        }
        routes.settle(&id("e"), Residence::Unknown);
        assert_eq!((oldest_first(&routes), routes.len()), (vec!["e"], 1));
    }

    #[test]
    fn an_aggregate_is_saved_as_of_the_end_of_an_epoch_until_it_changes_in_a_later_one() {
        let mut routes = table(&["a"]);
        let place = routes.find(&id("a")).unwrap();
        assert!(routes.is_saved(place) && !routes.has_changed(place));
        assert!(routes.change(place, 2), "it has to wait from now on");
        assert!(!routes.change(place, 2), "it waits already");
        assert!(!routes.is_saved(place));
        assert!(routes.take_from_queue(place) && !routes.take_from_queue(place));
        assert!(routes.change(place, 3));
        routes.saved(place, &id("a"), 2);
        assert!(!routes.is_saved(place), "it changed after the image was taken");
        routes.saved(place, &id("other"), 3);
        assert!(!routes.is_saved(place), "another one was saved, who had the place before");
        routes.saved(place, &id("a"), 3);
        assert!(routes.is_saved(place));
    }
}
