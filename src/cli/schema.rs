//! `schema`: what is on the topics, as JSON Schema.

use std::process::ExitCode;

use clap::ValueEnum;

use super::Failure;
use super::output::print;
use crate::wire::schema;

/// `schema`
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which value
    of: Subject,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Subject {
    /// What upstream writes
    Command,
    /// What the engine records
    Event,
    /// What the engine answers
    Reply,
}

/// Prints the schema.
///
/// # Errors
/// Stdout is closed.
pub fn show(args: &Args) -> Result<ExitCode, Failure> {
    let schema = match args.of {
        Subject::Command => schema::COMMAND,
        Subject::Event => schema::EVENT,
        Subject::Reply => schema::REPLY,
    };
    print(schema.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
