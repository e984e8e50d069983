//! Which commands of a measurement were answered, and how often.

use super::workload::number_of;

/// The answers to commands 0 to some number.
#[derive(Clone, Debug)]
pub struct Tally {
    answered: Vec<bool>,
    missing: u64,
    /// Answers to a command that had one, or to none of ours.
    pub surplus: u64,
    /// Answers that say so.
    pub accepted: u64,
    /// Likewise.
    pub rejected: u64,
    /// Likewise.
    pub duplicate: u64,
}

impl Tally {
    /// Nothing answered yet.
    pub fn of(commands: u64) -> Self {
        Tally {
            answered: vec![false; commands as usize],
            missing: commands,
            surplus: 0,
            accepted: 0,
            rejected: 0,
            duplicate: 0,
        }
    }

    /// Counts one answer in; answers which command it is the first for.
    pub fn count(&mut self, answer: &[u8]) -> Option<u64> {
        for (outcome, count) in [
            (&br#""outcome":"ACCEPTED""#[..], &mut self.accepted),
            (br#""outcome":"REJECTED""#, &mut self.rejected),
            (br#""outcome":"DUPLICATE""#, &mut self.duplicate),
        ] {
            if answer.windows(outcome.len()).any(|window| window == outcome) {
                *count += 1;
                break;
            }
        }
        let number = number_of(answer).filter(|number| self.answered.get(*number as usize) == Some(&false));
        match number {
            Some(number) => {
                self.answered[number as usize] = true;
                self.missing -= 1;
            }
            None => self.surplus += 1,
        }
        number
    }

    /// Commands without an answer.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// All commands.
    pub fn commands(&self) -> u64 {
        self.answered.len() as u64
    }

    /// True when every command was answered exactly once.
    pub fn is_exact(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::workload::Workload;

    #[test]
    fn missing_and_surplus_answers_are_told_apart() {
        let mut workload = Workload::new(1, 1);
        let answers: Vec<_> = (0..3).map(|number| workload.command(number).value).collect();
        let mut tally = Tally::of(2);
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
}
