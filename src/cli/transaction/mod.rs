//! `transaction`: what became of transactions, folded from the log.

mod digest;
mod list;
mod moment;
mod shown;
mod story;
mod told;

use std::process::ExitCode;

use clap::Subcommand;

use super::events::Reader;
use super::{Failure, Output, reach};
use crate::config::Config;
use crate::domain::ids::AggregateId;

/// `transaction`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// The story of one transaction in its order: its own events and what they did to accounts
    #[command(after_help = "\
Events stand in the order of time, as one clock tells it, and where the clocks of two machines
disagree in the order in which one followed from the other. A refund's story has what its payment
says about it as well.")]
    Show(Args),
    /// Transactions, oldest first
    #[command(after_help = "\
Every event of every transaction is read. What is kept meanwhile is a short form of each transaction
that can still be one of those asked for.")]
    List(list::Args),
}

/// Which transaction, on which log.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The transaction's id
    id: String,
    #[command(flatten)]
    reach: reach::Reach,
}

/// Shows one transaction, or many.
///
/// # Errors
/// No such transaction, an id that is none, no broker.
pub fn transaction(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let reach = match command {
        Command::Show(Args { reach, .. }) => reach,
        Command::List(args) => args.reach(),
    };
    reach.must_exist()?;
    let client = reach.client(config)?;
    let reader = Reader::new(client.as_ref(), &reach.within, config);
    reach::run(async {
        match command {
            Command::Show(Args { id, .. }) => story::show(reader, &parse_id(id)?, output).await,
            Command::List(args) => list::list(args, reader, output).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn parse_id(text: &str) -> Result<AggregateId, Failure> {
    AggregateId::parse(text)
        .map_err(|error| Failure::failed("INVALID_ID", format!("{text:?} is no transaction id: it {error}")))
}
