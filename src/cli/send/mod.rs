//! `send`: JSON lines become commands, each to the partition its aggregate lives in.

mod answers;
mod lines;
mod print;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::reach::{self, Reach, in_time};
use super::{Failure, Output};
use crate::config::Config;
use crate::engine::ACCOUNTS;
use crate::log::{Client, Drafts, Error};
use crate::partition::placement::partition_of;
use answers::Answers;
use lines::{Line, Lines, Name, Next};
use print::Fault;

/// `send`
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A command goes to the transactions when its commandType is one of theirs, and to the accounts
otherwise. A line that nobody can read is told with its number and sent all the same: it becomes
a dead letter. One that the topic does not take is told and left out; the others are sent. Exit
code 1 when a line was left out, or was told and not waited for.")]
pub struct Args {
    /// A file of JSON lines, one command each; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Wait for the answer to each command and print it, the final one of transactions too; fails when
    /// one stays unanswered
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Sends commands.
///
/// # Errors
/// The file cannot be read, the log does not answer, a command stays unanswered.
pub fn send(args: &Args, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let file: Box<dyn BufRead> = match args.file.as_str() {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(BufReader::new(
            File::open(path).map_err(|error| Failure::failed("IO", format!("cannot read {path}: {error}")))?,
        )),
    };
    let client = args.reach.client(config)?;
    let partitions = config.topics.partitions.get();
    reach::run(async {
        let answers = if args.wait {
            Some(Answers::follow(&client, &config.topics.prefix, partitions, &args.reach.within).await?)
        } else {
            None
        };
        let mut sending = Sending { client, reach: &args.reach, partitions, output, answers, tally: Tally::default() };
        sending.send_all(file).await?;
        let Sending { answers, tally, .. } = sending;
        match answers {
            Some(answers) => answers.print_all(output).await?,
            None => {
                output.object(&json!({ "sent": tally.sent }), || format!("sent {} commands", tally.sent))?;
            }
        }
        let is_done = tally.left_out == 0 && (args.wait || tally.unreadable == 0);
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    sent: usize,
    unreadable: usize,
    left_out: usize,
}

/// A file on its way.
struct Sending<'a> {
    client: Arc<dyn Client>,
    reach: &'a Reach,
    partitions: u32,
    output: Output,
    answers: Option<Answers>,
    tally: Tally,
}

impl Sending<'_> {
    async fn send_all(&mut self, file: Box<dyn BufRead>) -> Result<(), Failure> {
        let mut file = Lines::of(file);
        let progress = progress();
        while let Some(next) = file.next()? {
            match next {
                Next::TooLong(line) => self.leave_out(line, "longer than any topic takes")?,
                Next::Lines(lines) => {
                    let count = lines.len();
                    self.send(lines).await?;
                    progress.inc(count as u64);
                }
            }
        }
        progress.finish_and_clear();
        Ok(())
    }

    async fn send(&mut self, lines: Vec<Line>) -> Result<(), Failure> {
        let appended = self.client.append(drafts(&lines, self.partitions));
        let answer = in_time(&self.reach.within, async { Ok::<_, Failure>(appended.await) }).await?;
        match (answer, lines.as_slice()) {
            (Err(Error::Refused { reason, .. }), [line]) => return self.leave_out(line.number, &reason),
            (answer, _) => answer?,
        }
        self.tally.sent += lines.len();
        for Line { number, name, .. } in &lines {
            if let Err(message) = name {
                self.tally.unreadable += 1;
                print::fault(&Fault { line: *number, sent: true, code: "UNREADABLE", message }, self.output)?;
            }
        }
        if let Some(answers) = &mut self.answers {
            answers.expect(lines);
        }
        Ok(())
    }

    fn leave_out(&mut self, line: u64, message: &str) -> Result<(), Failure> {
        self.tally.left_out += 1;
        print::fault(&Fault { line, sent: false, code: "NOT_SENT", message }, self.output)
    }
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{human_pos} commands sent, {per_sec}")
        .unwrap_or(ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(style)
}

fn drafts(lines: &[Line], partitions: u32) -> Drafts {
    let mut drafts = Drafts::default();
    for Line { value, name, .. } in lines {
        let Ok(Name { topic, aggregate_id, .. }) = name else {
            drafts.push(nameless().topic, 0, None, |draft| draft.value(value));
            continue;
        };
        drafts.push(*topic, partition_of(aggregate_id, partitions), None, |draft| {
            draft.key(aggregate_id.as_bytes());
            draft.value(value);
        });
    }
    drafts
}

/// The name of what has none.
fn nameless() -> Name {
    Name { topic: ACCOUNTS.commands, aggregate_id: String::new(), command_id: String::new() }
}
