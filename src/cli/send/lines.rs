//! A file of commands, line by line, and what of each decides where it goes.

use std::io::{self, BufRead, Read};

use serde::Deserialize;

use crate::domain::transaction::Operation;
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::Topic;

/// Lines that are sent together.
const BATCH: usize = 1_000;

/// A longer line is sent alone, so that when the log refuses it, it is known which it was.
const LONG: usize = 256 << 10;

/// No topic takes a longer line, and none is read to its end.
const LONGEST: usize = 16 << 20;

/// What tells one command from every other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    /// Where it is sent.
    pub topic: Topic,
    /// Whom it is for.
    pub aggregate_id: String,
    /// Its own id.
    pub command_id: String,
}

/// What of a command, or of the answer to it, is in its name.
#[derive(Deserialize)]
pub struct Addressed {
    #[serde(rename = "aggregateId")]
    aggregate_id: String,
    #[serde(rename = "commandId", default)]
    command_id: String,
    #[serde(rename = "commandType", default)]
    command_type: String,
}

impl From<Addressed> for Name {
    fn from(Addressed { aggregate_id, command_id, command_type }: Addressed) -> Self {
        let topic = match Operation::parse(&command_type) {
            Some(_) => TRANSACTIONS.commands,
            None => ACCOUNTS.commands,
        };
        Name { topic, aggregate_id, command_id }
    }
}

/// One line that can be sent.
pub struct Line {
    /// Counted from 1, with those that are blank.
    pub number: u64,
    /// As it stands there.
    pub value: Vec<u8>,
    /// What it is; an error for what nobody can read. That is sent all the same: it becomes a dead letter.
    pub name: Result<Name, String>,
}

impl Line {
    fn read(number: u64, value: Vec<u8>) -> Self {
        let name = serde_json::from_slice::<Addressed>(&value).map(Name::from).map_err(|error| {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text);
            format!("{reason}, at character {}", error.column())
        });
        Line { number, value, name }
    }
}

/// What comes next of a file.
pub enum Next {
    /// Some lines, to be sent together.
    Lines(Vec<Line>),
    /// The line of this number is longer than any topic takes.
    TooLong(u64),
}

/// Reads the lines of a file that are not blank, and never holds much of it.
pub struct Lines<R> {
    file: R,
    number: u64,
    /// Read already, and not part of the batch before it.
    ahead: Option<Next>,
}

impl<R: BufRead> Lines<R> {
    /// From the first line on.
    pub fn of(file: R) -> Self {
        Lines { file, number: 0, ahead: None }
    }

    /// The next lines to be sent together, or one that cannot be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Next>> {
        let mut batch = Vec::new();
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        while batch.len() < BATCH {
            match self.read_line()? {
                Some(Next::Lines(line)) if line.iter().all(|line| line.value.len() <= LONG) => batch.extend(line),
                other if batch.is_empty() => return Ok(other),
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        Ok(Some(Next::Lines(batch)))
    }

    fn read_line(&mut self) -> io::Result<Option<Next>> {
        loop {
            let mut value = Vec::new();
            let most = LONGEST as u64 + 1;
            if self.file.by_ref().take(most).read_until(b'\n', &mut value)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if value.last() == Some(&b'\n') {
                value.pop();
            } else if value.len() > LONGEST {
                self.skip_line()?;
                return Ok(Some(Next::TooLong(self.number)));
            }
            if !value.trim_ascii().is_empty() {
                return Ok(Some(Next::Lines(vec![Line::read(self.number, value)])));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let waiting = self.file.fill_buf()?;
            let (read, is_end) = match waiting.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (waiting.len(), waiting.is_empty()),
            };
            self.file.consume(read);
            if is_end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the lines, batch by batch; of one that is too long the number alone, negative.
    fn batches(file: &[u8]) -> Vec<Vec<i64>> {
        let mut lines = Lines::of(file);
        let mut batches = Vec::new();
        while let Some(next) = lines.next().unwrap() {
            batches.push(match next {
                Next::Lines(lines) => lines.iter().map(|line| line.number.cast_signed()).collect(),
                Next::TooLong(number) => vec![-number.cast_signed()],
            });
        }
        batches
    }

    #[test]
    fn lines_are_numbered_as_an_editor_numbers_them_and_blank_ones_are_left_out() {
        assert_eq!(batches(b"a\n\n \t\r\nb\nc"), [vec![1, 4, 5]]);
        assert_eq!(batches(b""), Vec::<Vec<i64>>::new());
        assert_eq!(batches(b"\n\n"), Vec::<Vec<i64>>::new());
    }

    #[test]
    fn a_long_line_travels_alone_and_one_that_is_too_long_is_told_apart() {
        let [long, longest, too_long] = [LONG + 1, LONGEST, LONGEST + 1].map(|length| vec![b'x'; length]);
        let file = [&b"a"[..], &long, b"c", &longest, &too_long, b"f"].join(&b'\n');
        assert_eq!(batches(&file), [vec![1], vec![2], vec![3], vec![4], vec![-5], vec![6]]);
        assert_eq!(batches(&too_long), [vec![-1]]);
    }

    #[test]
    fn a_command_is_for_a_transaction_when_its_type_says_so_and_for_an_account_otherwise() {
        let topic = |text: &str| Line::read(1, text.into()).name.map(|name| name.topic);
        for operation in Operation::ALL {
            let command = format!(r#"{{"commandType":"{operation}","aggregateId":"a"}}"#);
            assert_eq!(topic(&command), Ok(TRANSACTIONS.commands), "{command}");
        }
        for account in [r#"{"commandType":"Credit","aggregateId":"a"}"#, r#"{"aggregateId":"a"}"#] {
            assert_eq!(topic(account), Ok(ACCOUNTS.commands), "{account}");
        }
        assert_eq!(topic("{}").unwrap_err(), "missing field `aggregateId`, at character 2");
    }
}
