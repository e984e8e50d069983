//! `account`: one account, folded from the log.

mod shown;
mod told;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Subcommand;

use super::events::{self, Event, Reader};
use super::output::{self, Failure, Output, Row};
use super::{reach, setup};
use crate::config::Config;
use crate::domain::Aggregate;
use crate::domain::account::Account;
use crate::domain::ids::{AggregateId, Timestamp};
use crate::engine::ACCOUNTS;
use crate::wire::Wire;
use crate::wire::json;
pub use shown::Shown;
pub use told::told;

/// `account`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// What it is now: the fold of its events
    Show(Args),
    /// Every event of it, oldest first
    History(Args),
    /// Its balance, now or at a time that is past
    #[command(after_help = "\
With --at it is the balance after the last event that is not later. Exit code 1 when the account did not
exist yet.")]
    Balance {
        #[command(flatten)]
        args: Args,
        /// RFC 3339, such as 2025-12-09T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<Timestamp>,
    },
}

/// Which account, on which log.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The account's id
    id: String,
    #[command(flatten)]
    reach: reach::Reach,
}

fn time(text: &str) -> Result<Timestamp, String> {
    json::strict_timestamp(text).ok_or_else(|| "write an RFC 3339 time such as 2025-12-09T12:00:00Z".to_owned())
}

/// Shows one account.
///
/// # Errors
/// No such account, an id that is none, no broker.
pub fn account(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let (Command::Show(args) | Command::History(args) | Command::Balance { args, .. }) = command;
    let id = AggregateId::parse(&args.id)
        .map_err(|error| Failure::failed("INVALID_ID", format!("{:?} is no account id: it {error}", args.id)))?;
    args.reach.must_exist()?;
    let client = args.reach.client(config)?;
    let reader = Reader::new(client.as_ref(), &args.reach.within, config);
    let unopened = Account::blank(&setup::rules(config));
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    reach::run(async {
        match command {
            Command::Show(_) => {
                let account = fold(reader, &id, unopened, Timestamp(i64::MAX)).await?;
                let shown = Shown::new(&id, &account, now).ok_or_else(|| unknown(&id))?;
                output.object(&shown, || shown.table())
            }
            Command::Balance { at, .. } => {
                let account = fold(reader, &id, unopened, at.unwrap_or(Timestamp(i64::MAX))).await?;
                let shown = Shown::new(&id, &account, at.unwrap_or(now)).ok_or_else(|| match at {
                    Some(at) => Failure::not_found(format!("account {id} did not exist at {}", output::time(*at))),
                    None => unknown(&id),
                })?;
                output.object(&shown.balance(account.last_at()), || shown.balance_line())
            }
            Command::History(_) => history(reader, &id, output).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: &AggregateId) -> Failure {
    Failure::not_found(format!("account {id} does not exist"))
}

/// The account as it was at that time, unopened when it did not exist.
async fn fold(reader: Reader<'_>, id: &AggregateId, unopened: Account, at: Timestamp) -> Result<Account, Failure> {
    let mut account = unopened;
    let take = |Event { recorded, .. }: Event<Account>| match recorded.at <= at {
        // Within an account times never run backwards, so nothing behind it is earlier.
        false => Ok(()),
        true => account.apply(&recorded).map_err(|unfit| events::contradicted(id, recorded.version, &unfit)),
    };
    reader.histories(ACCOUNTS.events, &BTreeSet::from([id.clone()]), take).await?;
    Ok(account)
}

/// Prints every event: for programs as it comes and as it was written.
async fn history(reader: Reader<'_>, id: &AggregateId, output: Output) -> Result<(), Failure> {
    let mut rows = output.rows(&["version", "time", "event", "what"]);
    let take = |event: Event<Account>| {
        let recorded = &event.recorded;
        rows.take(&event.written, || -> Row {
            let name = Account::event_type(&recorded.body).to_owned();
            vec![recorded.version.to_string(), output::time(recorded.at), name, told(&recorded.body)]
        })
    };
    reader.histories(ACCOUNTS.events, &BTreeSet::from([id.clone()]), take).await?;
    if rows.is_empty() { Err(unknown(id)) } else { rows.finish() }
}
