//! `config check`: every fault at once, or every setting and where it comes from.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Output};
use crate::config::{Config, Fault};

/// `config`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Name every fault, or show what is in effect; secrets stay hidden
    Check,
}

/// Checks what was loaded.
///
/// # Errors
/// [`Failure::configuration`] with every fault.
pub fn check(command: &Command, loaded: Result<Config, Vec<Fault>>, output: Output) -> Result<ExitCode, Failure> {
    let Command::Check = command;
    let config = loaded.map_err(|faults| Failure::configuration(&faults))?;
    output.list(config.effective(), &["key", "value", "from"], |setting| {
        vec![setting.key.clone(), setting.value.clone(), setting.origin.clone()]
    })?;
    Ok(ExitCode::SUCCESS)
}
