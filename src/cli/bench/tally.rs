//! Which commands of a measurement were answered, and how often.

use serde_json::{Value, json};

use super::workload::number_of;

/// The answers to commands 0 to some number.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Answers still due, by command.
    due: Vec<u8>,
    missing: u64,
    /// Answers to a command that had one, or to none of ours.
    pub surplus: u64,
    /// Answers that say so.
    pub accepted: u64,
    /// Likewise.
    pub rejected: u64,
    /// Likewise.
    pub duplicate: u64,
    /// Likewise.
    pub completed: u64,
    /// Likewise.
    pub failed: u64,
    /// Likewise.
    pub compensated: u64,
}

impl Tally {
    /// Nothing answered yet, of commands that are due so many answers each.
    pub fn of(answers: impl Iterator<Item = u8>) -> Self {
        let due: Vec<u8> = answers.collect();
        let missing = due.len() as u64;
        Tally {
            due,
            missing,
            surplus: 0,
            accepted: 0,
            rejected: 0,
            duplicate: 0,
            completed: 0,
            failed: 0,
            compensated: 0,
        }
    }

    /// Counts one answer in; answers which command it is the last for.
    pub fn count(&mut self, answer: &[u8]) -> Option<u64> {
        for (outcome, count) in [
            (&br#""outcome":"ACCEPTED""#[..], &mut self.accepted),
            (br#""outcome":"REJECTED""#, &mut self.rejected),
            (br#""outcome":"DUPLICATE""#, &mut self.duplicate),
            (br#""outcome":"COMPLETED""#, &mut self.completed),
            (br#""outcome":"FAILED""#, &mut self.failed),
            (br#""outcome":"COMPENSATED""#, &mut self.compensated),
        ] {
            if answer.windows(outcome.len()).any(|window| window == outcome) {
                *count += 1;
                break;
            }
        }
        let number = number_of(answer);
        match number.and_then(|number| self.due.get_mut(number as usize)) {
            Some(due @ 1..) => {
                *due -= 1;
                let last = *due == 0;
                self.missing -= u64::from(last);
                number.filter(|_| last)
            }
            _ => {
                self.surplus += 1;
                None
            }
        }
    }

    /// The outcomes of many measurements, each added up by `sum`.
    pub fn to_json(sum: impl Fn(fn(&Tally) -> u64) -> u64) -> Value {
        json!({
            "accepted": sum(|tally| tally.accepted), "rejected": sum(|tally| tally.rejected),
            "duplicate": sum(|tally| tally.duplicate), "completed": sum(|tally| tally.completed),
            "failed": sum(|tally| tally.failed), "compensated": sum(|tally| tally.compensated),
        })
    }

    /// Commands without all of their answers.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// All commands.
    pub fn commands(&self) -> u64 {
        self.due.len() as u64
    }

    /// Transactions that did not do what they were asked to.
    pub fn in_vain(&self) -> u64 {
        self.failed + self.compensated
    }

    /// True when every command was answered exactly once.
    pub fn is_exact(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::workload::{Load, Workload};

    #[test]
    fn missing_and_surplus_answers_are_told_apart() {
        let mut workload = Workload::new(Load::Credits, 1, 1);
        let answers: Vec<_> = (0..3).map(|number| workload.command(number).value).collect();
        let mut tally = Tally::of([1, 1].into_iter());
        assert_eq!(tally.count(answers[1].as_bytes()), Some(1));
        assert_eq!((tally.missing(), tally.is_exact()), (1, false));
        assert_eq!(tally.count(answers[0].as_bytes()), Some(0));
        assert!(tally.is_exact());
        assert_eq!(tally.count(answers[0].as_bytes()), None);
        assert_eq!(tally.count(answers[2].as_bytes()), None);
        assert_eq!((tally.surplus, tally.is_exact()), (2, false));
        tally.count(br#"{"commandId":"x","outcome":"DUPLICATE"}"#);
        assert_eq!((tally.accepted, tally.duplicate), (0, 1));
    }

    #[test]
    fn a_transfer_is_done_with_its_last_answer() {
        let transfer = Workload::new(Load::Transfers, 1, 1).command(0).value;
        let mut tally = Tally::of([2].into_iter());
        assert_eq!(tally.count(transfer.as_bytes()), None);
        assert_eq!((tally.missing(), tally.surplus), (1, 0));
        assert_eq!(tally.count(transfer.as_bytes()), Some(0));
        assert!(tally.is_exact());
    }
}
