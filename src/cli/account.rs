//! `account`: one account, folded from the log.

use std::borrow::Cow;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Failure, Output, reach, setup};
use crate::config::Config;
use crate::domain::Aggregate;
use crate::domain::account::{Account, Opened};
use crate::domain::ids::AggregateId;
use crate::engine::ACCOUNTS;
use crate::log::{Client, Record};
use crate::partition::placement::partition_of;
use crate::wire;
use crate::wire::json::{self, Unknown};

/// `account`
#[derive(Subcommand, Debug)]
pub enum Command {
    /// What it is now: the fold of its events
    Show(Args),
    /// Every event of it, oldest first
    History(Args),
}

/// Which account, on which log.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The account's id
    id: String,
    #[command(flatten)]
    reach: reach::Reach,
}

/// Shows one account.
///
/// # Errors
/// No such account, an id that is none, no broker.
pub fn account(command: &Command, config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let (Command::Show(args) | Command::History(args)) = command;
    let id = AggregateId::parse(&args.id)
        .map_err(|error| Failure::failed("INVALID_ID", format!("{:?} is no account id: it {error}", args.id)))?;
    args.reach.must_exist()?;
    let client = args.reach.client(config)?;
    reach::block_on(&args.reach.within, async {
        let history = History::read(client.as_ref(), config, &id).await?;
        match command {
            Command::Show(_) => output.object(&history.shown(&id)?, || history.table(&id)),
            Command::History(_) => {
                output.list(&history.events, &["version", "time", "event", "data"], |event| row(event))
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The events of one account, as they lie on the log, and their fold.
struct History {
    account: Account,
    events: Vec<Box<RawValue>>,
}

impl History {
    async fn read(client: &dyn Client, config: &Config, id: &AggregateId) -> Result<Self, Failure> {
        let partition = partition_of(id.as_str(), config.topics.partitions.get());
        let bounds = client.bounds(ACCOUNTS.events, partition).await?;
        let mut history = History { account: Account::blank(&setup::rules(config)), events: Vec::new() };
        let mut chunks = client.read(ACCOUNTS.events, partition, bounds);
        while let Some(chunk) = chunks.recv().await {
            for record in chunk?.iter().filter(|record| record.key == Some(id.as_str().as_bytes())) {
                history.take(record)?;
            }
        }
        if history.events.is_empty() {
            return Err(Failure::not_found(format!("account {id} does not exist")));
        }
        Ok(history)
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), Failure> {
        let broken = |reason: String| {
            Failure::failed(
                "UNREADABLE_EVENT",
                format!("event at offset {} cannot be applied: {reason}", record.offset),
            )
        };
        let event = wire::event::decode::<Account>(record.value, record.headers.iter())
            .map_err(|error| broken(error.to_string()))?;
        self.account.apply(&event.recorded).map_err(|unfit| broken(unfit.to_string()))?;
        let value = record.value.unwrap_or_default();
        // As it was written: a number of any length stays what it is.
        self.events.push(serde_json::from_slice(value).map_err(|error| broken(error.to_string()))?);
        Ok(())
    }

    fn shown(&self, id: &AggregateId) -> Result<Shown, Failure> {
        let opened = self.account.opened().ok_or_else(|| Failure::not_found(format!("account {id} does not exist")))?;
        Ok(Shown::new(id, self.account.version().0, opened))
    }

    fn table(&self, id: &AggregateId) -> String {
        let Some(opened) = self.account.opened() else { return String::new() };
        let Shown { version, owner_id, owner_type, balance, available, min_balance, max_balance, .. } =
            Shown::new(id, self.account.version().0, opened);
        let unset = || "none".to_owned();
        let code = opened.currency.code();
        let rows = [
            ("account", id.to_string()),
            ("version", version.to_string()),
            ("owner", format!("{owner_id} ({owner_type})")),
            ("type", opened.account_type.to_string()),
            ("status", opened.status.to_string()),
            ("balance", format!("{balance} {code}")),
            ("available", format!("{available} {code}")),
            ("minimum", min_balance.unwrap_or_else(unset)),
            ("maximum", max_balance.unwrap_or_else(unset)),
        ];
        super::output::table(&[], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value])).to_string()
    }
}

/// `account show`, in the words of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    account_id: String,
    version: u64,
    owner_id: String,
    owner_type: String,
    account_type: &'static str,
    currency: String,
    status: &'static str,
    balance: String,
    available: String,
    min_balance: Option<String>,
    max_balance: Option<String>,
    holds: [(); 0],
}

impl Shown {
    fn new(id: &AggregateId, version: u64, opened: &Opened) -> Self {
        Shown {
            account_id: id.to_string(),
            version,
            owner_id: opened.owner_id.to_string(),
            owner_type: opened.owner_type.to_string(),
            account_type: opened.account_type.as_str(),
            currency: opened.currency.code().to_owned(),
            status: opened.status.as_str(),
            balance: opened.balance.to_string(),
            available: opened.balance.to_string(),
            min_balance: opened.min_balance.map(|amount| amount.to_string()),
            max_balance: opened.max_balance.map(|amount| amount.to_string()),
            holds: [],
        }
    }
}

/// Version, time, type and data of an event, for people.
fn row(event: &RawValue) -> Vec<String> {
    const NAMES: [&str; 4] = ["aggregateVersion", "timestamp", "eventType", "data"];
    let text = |sent: &str| json::string(sent).map_or_else(|| sent.to_owned(), Cow::into_owned);
    // It was decoded before, so neither can fail.
    let fields = json::fields("the event", event.get(), NAMES, Unknown::Ignored).into_iter().flatten();
    let cells = fields.map(|field| match field.sent().unwrap_or_default() {
        data if data.starts_with('{') => {
            let members = json::members("data", data, Vec::new(), |members, name, value| {
                members.push(format!("{name}={}", text(value)));
            });
            members.unwrap_or_default().join(" ")
        }
        scalar => text(scalar),
    });
    cells.collect()
}
