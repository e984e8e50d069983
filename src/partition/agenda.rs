//! What a partition comes back to by itself: whose time ends when, and which transactions are open. Pure.
//!
//! It stands as of what is committed and is kept with the position of the snapshots, because those who are in it need
//! not be in memory.

use std::collections::BTreeSet;

use foldhash::HashMap;

use crate::domain::ids::{AggregateId, Timestamp};
use crate::wire::message::Mail;

/// What is to come of one aggregate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outlook {
    /// When something of it ends by time alone.
    pub next_expiry: Option<Timestamp>,
    /// Whether a message of it is under way.
    pub is_open: bool,
}

impl Outlook {
    /// Of that aggregate.
    pub fn of<A: Mail>(state: &A) -> Self {
        Outlook { next_expiry: state.next_expiry(), is_open: state.is_open() }
    }
}

/// One aggregate, and what is to come of it.
pub type Appointment = (AggregateId, Outlook);

/// Everything that is to come of the aggregates of a partition.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Agenda {
    outlooks: HashMap<AggregateId, Outlook>,
    by_time: BTreeSet<(Timestamp, AggregateId)>,
}

impl Agenda {
    /// Notes what is to come of an aggregate from now on.
    pub fn note(&mut self, id: &AggregateId, outlook: Outlook) {
        let before = match outlook == Outlook::default() {
            true => self.outlooks.remove(id),
            false => self.outlooks.insert(id.clone(), outlook),
        };
        let before = before.and_then(|before| before.next_expiry);
        if before == outlook.next_expiry {
            return;
        }
        if let Some(time) = before {
            self.by_time.remove(&(time, id.clone()));
        }
        if let Some(time) = outlook.next_expiry {
            self.by_time.insert((time, id.clone()));
        }
    }

    /// Whose time has come at `now`, the earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &AggregateId> {
        self.by_time.iter().take_while(move |(time, _)| *time <= now).map(|(_, id)| id)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.outlooks.values().filter(|outlook| outlook.is_open).count()
    }

    /// All of it, in no order.
    pub fn appointments(&self) -> Vec<Appointment> {
        self.outlooks.iter().map(|(id, outlook)| (id.clone(), *outlook)).collect()
    }
}

impl FromIterator<Appointment> for Agenda {
    fn from_iter<I: IntoIterator<Item = Appointment>>(appointments: I) -> Self {
        let mut agenda = Agenda::default();
        for (id, outlook) in appointments {
            agenda.note(&id, outlook);
        }
        agenda
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AggregateId {
        AggregateId::parse(name).unwrap()
    }

    fn ends_at(time: i64) -> Outlook {
        Outlook { next_expiry: Some(Timestamp(time)), is_open: false }
    }

    fn due(agenda: &Agenda, now: i64) -> Vec<&str> {
        agenda.due(Timestamp(now)).map(AggregateId::as_str).collect()
    }

    #[test]
    fn whose_time_has_come_is_due_from_that_moment_on_until_something_else_is_to_come() {
        let mut agenda = Agenda::default();
        for (name, time) in [("late", 9), ("early", 3), ("moved", 1)] {
            agenda.note(&id(name), ends_at(time));
        }
        agenda.note(&id("moved"), ends_at(7));
        assert_eq!(due(&agenda, 2), [""; 0]);
        assert_eq!(due(&agenda, 3), ["early"]);
        assert_eq!(due(&agenda, 9), ["early", "moved", "late"]);
        agenda.note(&id("early"), Outlook::default());
        assert_eq!(due(&agenda, 9), ["moved", "late"]);
    }

    #[test]
    fn who_is_open_is_counted_once_and_all_of_it_survives_being_written_down() {
        let mut agenda = Agenda::default();
        let open = Outlook { next_expiry: None, is_open: true };
        agenda.note(&id("a"), open);
        agenda.note(&id("a"), open);
        agenda.note(&id("b"), open);
        agenda.note(&id("c"), ends_at(5));
        agenda.note(&id("b"), Outlook::default());
        assert_eq!(agenda.open(), 1);
        let again: Agenda = agenda.appointments().into_iter().collect();
        assert_eq!(again, agenda);
        assert_eq!(again.appointments().len(), 2);
    }
}
