//! Who still has to answer in a round, and who never will.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::log::Signal;

/// Counts the answers of one round.
///
/// Every actor of the round holds a [`Ticket`]. However the ticket ends — handed in, dropped with the mailbox
/// of a dead actor, unwound by a panic — it is counted, so a round always comes to its end.
pub struct Attendance {
    missing: AtomicUsize,
    absent: Mutex<Vec<Absence>>,
    complete: Signal,
}

/// An actor that ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Absence {
    /// Its group in the round.
    pub group: usize,
    /// True when it panicked, false when it was killed.
    pub panicked: bool,
}

impl Attendance {
    /// Waits for `actors` tickets, then calls `complete`.
    pub fn of(actors: usize, complete: Signal) -> Arc<Self> {
        Arc::new(Attendance { missing: AtomicUsize::new(actors), absent: Mutex::default(), complete })
    }

    /// The ticket of one actor. Exactly as many are made as actors were announced.
    pub fn ticket(self: &Arc<Self>, group: usize) -> Ticket {
        Ticket { attendance: self.clone(), group, handed_in: false }
    }

    /// True when every ticket has come to its end.
    pub fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Who ended without an answer.
    pub fn absences(&self) -> Vec<Absence> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The duty of one actor to answer in one round.
pub struct Ticket {
    attendance: Arc<Attendance>,
    group: usize,
    handed_in: bool,
}

impl Ticket {
    /// Everything is answered.
    pub fn hand_in(mut self) {
        self.handed_in = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.handed_in {
            let absence = Absence { group: self.group, panicked: std::thread::panicking() };
            self.attendance.absent.lock().unwrap_or_else(PoisonError::into_inner).push(absence);
        }
        if self.attendance.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.attendance.complete)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_ticket_counts_once() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let attendance = Attendance::of(
            3,
            Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
        );
        let [answers, dies, panics] = [0, 1, 2].map(|group| attendance.ticket(group));
        answers.hand_in();
        drop(dies);
        assert!(!attendance.is_complete());
        std::thread::spawn(move || {
            let _held = panics;
            panic!("on purpose");
        })
        .join()
        .unwrap_err();
        assert!(attendance.is_complete());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let absent = |group, panicked| Absence { group, panicked };
        assert_eq!(attendance.absences(), [absent(1, false), absent(2, true)]);
    }
}
