//! What commands print: tables for people, JSON for programs, and failures for both.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;

use super::BAD_CONFIGURATION;
use crate::config::Fault;
use crate::domain::ids::Timestamp;
use crate::log;
use crate::projection;
use crate::snapshots;
use crate::wire::json::push_timestamp;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// For programs.
    pub json: bool,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit: u8,
    code: &'static str,
    message: String,
}

impl Failure {
    /// Exit code 1: looked for and not there, or found different.
    pub fn not_found(message: impl Into<String>) -> Self {
        Failure { exit: 1, code: "NOT_FOUND", message: message.into() }
    }

    /// Exit code 1: it was tried and failed.
    pub fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Failure { exit: 1, code, message: message.into() }
    }

    /// The first of `count` failures of one kind, which says how many there are.
    pub fn among(self, count: u64) -> Self {
        match count {
            0 | 1 => self,
            count => Failure { message: format!("{} (the first of {count} faults)", self.message), ..self },
        }
    }

    /// Exit code 2: the arguments make no sense.
    pub fn usage(error: &clap::Error) -> Self {
        Failure {
            exit: 2,
            code: "USAGE",
            message: error.to_string().trim_end().trim_start_matches("error: ").to_owned(),
        }
    }

    /// Exit code 78: the configuration, all of its faults.
    pub fn configuration(faults: &[Fault]) -> Self {
        let faults: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        Failure::refused(format!("the configuration has {} fault(s)\n{}", faults.len(), faults.join("\n")))
    }

    /// Exit code 78: what is configured cannot work with what is there.
    pub fn refused(message: impl Into<String>) -> Self {
        Failure { exit: BAD_CONFIGURATION, code: "BAD_CONFIGURATION", message: message.into() }
    }
}

impl From<log::Error> for Failure {
    fn from(error: log::Error) -> Self {
        let code = match &error {
            log::Error::Unavailable(_) => "LOG_UNAVAILABLE",
            log::Error::TopicMissing { .. } => "TOPIC_MISSING",
            log::Error::Fenced { .. } => "FENCED",
            log::Error::Closed => "CLOSED",
            log::Error::Refused { .. } => "REFUSED",
        };
        Failure::failed(code, error.to_string())
    }
}

impl From<snapshots::Error> for Failure {
    fn from(error: snapshots::Error) -> Self {
        match error {
            snapshots::Error::Locked { directory } => Failure::refused(format!(
                "an engine runs on the snapshots in {directory}; stop it first, or set another data_dir"
            )),
            snapshots::Error::Unusable { .. } => Failure::refused(error.to_string()),
            snapshots::Error::Failed { .. } | snapshots::Error::Lost { .. } | snapshots::Error::Closed => {
                Failure::failed("SNAPSHOTS_UNUSABLE", error.to_string())
            }
        }
    }
}

impl From<projection::Error> for Failure {
    fn from(error: projection::Error) -> Self {
        match error {
            projection::Error::Address(_) | projection::Error::Foreign { .. } => Failure::refused(error.to_string()),
            projection::Error::Unavailable(_)
            | projection::Error::Refused(_)
            | projection::Error::Migration(_)
            | projection::Error::Fenced { .. }
            | projection::Error::Missing { .. } => Failure::failed("READ_STORE_UNUSABLE", error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::failed("IO", error.to_string())
    }
}

impl Output {
    /// Prints a failure on stderr and answers its exit code.
    pub fn fail(self, failure: &Failure) -> ExitCode {
        let Failure { exit, code, message } = failure;
        // Nobody is left to be told when stderr is closed.
        if self.json {
            writeln!(io::stderr(), "{}", json!({"error": {"code": code, "message": message}})).ok();
        } else {
            writeln!(io::stderr(), "error: {message}").ok();
        }
        ExitCode::from(*exit)
    }

    /// One finding: an object for programs, `text` for people.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn object(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        print(&if self.json { to_json(value)? } else { text() })
    }

    /// Many findings: an object a line for programs, a table for people.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn list<T: Serialize>(
        self,
        rows: &[T],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return rows.iter().try_for_each(|value| print(&to_json(value)?));
        }
        print(&table(header, rows.iter().map(row)).to_string())
    }

    /// Findings that come one after the other: a program gets each at once, people a table of all at the end.
    pub fn rows(self, header: &'static [&'static str]) -> Rows {
        Rows { output: self, header, rows: Vec::new(), is_empty: true }
    }
}

/// One line of a table.
pub type Row = Vec<String>;

/// Findings on their way out.
pub struct Rows {
    output: Output,
    header: &'static [&'static str],
    rows: Vec<Row>,
    is_empty: bool,
}

impl Rows {
    /// One more: `value` for programs, `row` for people.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn take(&mut self, value: &impl Serialize, row: impl FnOnce() -> Row) -> Result<(), Failure> {
        self.is_empty = false;
        if self.output.json {
            return print(&to_json(value)?);
        }
        self.rows.push(row());
        Ok(())
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// There are no more.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn finish(self) -> Result<(), Failure> {
        match self.output.json {
            true => Ok(()),
            false => print(&table(self.header, self.rows.into_iter()).to_string()),
        }
    }
}

/// A time as it is written everywhere.
pub fn time(at: Timestamp) -> String {
    let mut text = Vec::new();
    push_timestamp(&mut text, at);
    String::from_utf8_lossy(&text).into_owned()
}

/// Prints a line on stdout. Whoever read it may have seen enough, as `head` has after ten lines.
///
/// # Errors
/// Stdout cannot be written.
pub fn print(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::from),
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::failed("IO", error.to_string()))
}

/// A table without frames: it reads well and pastes well.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    if !header.is_empty() {
        table.set_header(header.iter().map(|name| name.to_uppercase()));
    }
    table.add_rows(rows);
    table
}
