//! Which actor answers for which aggregate.

use std::rc::Rc;

use actix::{Actor, Addr};
use foldhash::{HashMap, HashMapExt};

use super::aggregate_actor::AggregateActor;
use super::desk::Desk;
use crate::domain::ids::AggregateId;
use crate::wire::Wire;

/// Where an aggregate is.
pub enum Residence<A: Wire> {
    /// Folded and waiting for its first command.
    Folded(A),
    /// In its actor.
    Live(Addr<AggregateActor<A>>),
    /// Its actor died; what it is stands in the log.
    Lost,
}

/// The routing table of a partition. Places stay valid until they are vacated.
pub struct Routes<A: Wire> {
    places: HashMap<AggregateId, u32>,
    residents: Vec<Option<(AggregateId, Residence<A>)>>,
    vacant: Vec<u32>,
    live: usize,
}

impl<A: Wire> Routes<A> {
    /// A table of these aggregates, none of them with an actor yet.
    pub fn new(aggregates: impl IntoIterator<Item = (AggregateId, A)>) -> Self {
        let mut routes = Routes { places: HashMap::new(), residents: Vec::new(), vacant: Vec::new(), live: 0 };
        for (id, state) in aggregates {
            routes.settle(&id, Residence::Folded(state));
        }
        routes
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
        let resident = Some((id.clone(), residence));
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
        place
    }

    fn replace(&mut self, place: u32, residence: Residence<A>) {
        if let Some((_, standing)) = &mut self.residents[place as usize] {
            if matches!(standing, Residence::Live(_)) {
                self.live -= 1;
            }
            *standing = residence;
        }
    }

    /// The aggregate's actor, started when it has none; `None` when it is lost.
    pub fn actor(&mut self, place: u32, desk: &Rc<Desk<A>>) -> Option<&Addr<AggregateActor<A>>> {
        let (id, residence) = self.residents[place as usize].as_mut()?;
        if let Residence::Folded(_) = residence
            && let Residence::Folded(state) = std::mem::replace(residence, Residence::Lost)
        {
            *residence = Residence::Live(AggregateActor::new(id.clone(), state, desk.clone()).start());
            self.live += 1;
        }
        match residence {
            Residence::Live(actor) => Some(actor),
            Residence::Folded(_) | Residence::Lost => None,
        }
    }

    /// Whose place it is.
    pub fn name(&self, place: u32) -> Option<&AggregateId> {
        self.residents[place as usize].as_ref().map(|(id, _)| id)
    }

    /// Notes that the actor there is dead; answers whose it was.
    pub fn lose(&mut self, place: u32) -> Option<AggregateId> {
        self.replace(place, Residence::Lost);
        self.residents[place as usize].as_ref().map(|(id, _)| id.clone())
    }

    /// Forgets an aggregate. It leaves the table before its address is dropped, so nothing is sent to it since.
    pub fn vacate(&mut self, place: u32) {
        if let Some((id, residence)) = self.residents[place as usize].take() {
            self.places.remove(&id);
            self.vacant.push(place);
            if let Residence::Live(_) = residence {
                self.live -= 1;
            }
        }
    }

    /// Aggregates that wait for their first command.
    pub fn folded(&self) -> impl Iterator<Item = (&AggregateId, &A)> {
        self.residents.iter().flatten().filter_map(|(id, residence)| match residence {
            Residence::Folded(state) => Some((id, state)),
            Residence::Live(_) | Residence::Lost => None,
        })
    }

    /// Aggregates that have an actor.
    pub fn living(&self) -> impl Iterator<Item = (&AggregateId, &Addr<AggregateActor<A>>)> {
        self.residents.iter().flatten().filter_map(|(id, residence)| match residence {
            Residence::Live(actor) => Some((id, actor)),
            Residence::Folded(_) | Residence::Lost => None,
        })
    }

    /// How many actors live.
    pub fn live(&self) -> usize {
        self.live
    }
}
