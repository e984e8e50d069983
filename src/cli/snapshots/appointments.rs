//! What a position says is to come, beside what the log says.
//!
//! It is written down when a checkpoint begins, and speaks of everything committed by then. So it says of an aggregate
//! what was to come of it at the covered offset, or after one of the events behind that its snapshot has too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cli::output;
use crate::domain::ids::{AggregateId, Timestamp};
use crate::partition::Outlook;
use crate::wire::snapshot::Position;

/// Both sides.
pub struct Appointments {
    /// As the position has it.
    noted: BTreeMap<String, Outlook>,
    /// More than one of the same aggregate.
    doubles: BTreeSet<String>,
    /// As the events below have it.
    below: HashMap<AggregateId, Outlook>,
    /// And what it became after them.
    behind: HashMap<AggregateId, Vec<Outlook>>,
}

/// Where an event lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Below the covered offset.
    Below,
    /// At it, or behind.
    Behind,
}

impl Appointments {
    /// Those of a position.
    pub fn of(position: &Position) -> Self {
        let (mut noted, mut doubles) = (BTreeMap::new(), BTreeSet::new());
        for appointment in &position.agenda {
            let (next_expiry, is_open) = (appointment.next_expiry.map(Timestamp), appointment.is_open);
            if noted.insert(appointment.id.clone(), Outlook { next_expiry, is_open }).is_some() {
                doubles.insert(appointment.id.clone());
            }
        }
        Appointments { noted, doubles, below: HashMap::new(), behind: HashMap::new() }
    }

    /// Notes what is to come of an aggregate after an event.
    pub fn note(&mut self, id: &AggregateId, outlook: Outlook, side: Side) {
        match side {
            Side::Below if outlook == Outlook::default() => drop(self.below.remove(id)),
            Side::Below => drop(self.below.insert(id.clone(), outlook)),
            Side::Behind if outlook == self.below(id) => {}
            Side::Behind => self.behind.entry(id.clone()).or_default().push(outlook),
        }
    }

    fn below(&self, id: &AggregateId) -> Outlook {
        self.below.get(id).copied().unwrap_or_default()
    }

    /// Who it is, what is expected and what was found, wherever these are not the same.
    pub fn differences(self) -> Vec<(String, String, String)> {
        let ids = self.noted.keys().map(String::as_str).chain(self.below.keys().map(AggregateId::as_str));
        let ids: BTreeSet<&str> = ids.collect();
        let differences = ids.into_iter().filter_map(|text| {
            let noted = self.noted.get(text).copied().unwrap_or_default();
            let id = AggregateId::parse(text).ok();
            let below = id.as_ref().map(|id| self.below(id)).unwrap_or_default();
            let is_it = |outlook: &Outlook| *outlook == noted;
            let became = id.and_then(|id| self.behind.get(&id)).is_some_and(|behind| behind.iter().any(is_it));
            let is_double = self.doubles.contains(text);
            let is_empty = self.noted.contains_key(text) && noted == Outlook::default();
            let differs = is_double || is_empty || !(is_it(&below) || became);
            let found = if is_double { format!("{}, and more", told(noted)) } else { told(noted) };
            differs.then(|| (text.to_owned(), told(below), found))
        });
        differences.collect()
    }
}

fn told(outlook: Outlook) -> String {
    let Outlook { next_expiry, is_open } = outlook;
    let ends = next_expiry.map(|time| format!("something ends at {}", output::time(time)));
    let open = is_open.then(|| "a message is under way".to_owned());
    let told: Vec<String> = ends.into_iter().chain(open).collect();
    if told.is_empty() { "nothing is to come".to_owned() } else { told.join(", ") }
}
