//! Accounts in snapshots.
//!
//! The order of the fields is the format: whatever changes here needs a new number for it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::Aggregate;
use crate::domain::account::{Account, AccountStatus, AccountType, Opened};
use crate::domain::idempotency::Window;
use crate::domain::ids::{CommandHash, CommandId, Timestamp, Version};
use crate::domain::money::{Amount, Currency};
use crate::wire::snapshot::{self, Conditions, Error, damaged};

pub(super) const FORMAT: u16 = 1;

#[derive(Serialize, Deserialize)]
struct AccountImage<'a> {
    version: u64,
    last_at: i64,
    #[serde(borrow)]
    remembered: Vec<CommandImage<'a>>,
    #[serde(borrow)]
    opened: Option<OpenedImage<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CommandImage<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    hash: [u8; 16],
    /// Events since the command remembered before it; mostly one, which takes one byte.
    events: u64,
}

#[derive(Serialize, Deserialize)]
struct OpenedImage<'a> {
    owner_id: &'a str,
    owner_type: &'a str,
    account_type: &'a str,
    currency: &'a str,
    decimals: u8,
    status: &'a str,
    balance: AmountImage,
    min_balance: Option<AmountImage>,
    max_balance: Option<AmountImage>,
}

#[derive(Serialize, Deserialize)]
struct AmountImage {
    mantissa: i128,
    decimals: u32,
}

pub(super) fn write(account: &Account, out: &mut Vec<u8>) {
    let mut standing = 0;
    let remembered = account.remembered().iter().map(|(id, CommandHash(hash), Version(version))| {
        let events = version - standing;
        standing = version;
        CommandImage { id, hash, events }
    });
    let image = AccountImage {
        version: account.version().0,
        last_at: account.last_at().0,
        remembered: remembered.collect(),
        opened: account.opened().map(image_of),
    };
    snapshot::write(out, &image);
}

fn image_of(opened: &Opened) -> OpenedImage<'_> {
    let amount = |amount: Amount| AmountImage { mantissa: amount.mantissa(), decimals: amount.decimals() };
    OpenedImage {
        owner_id: &opened.owner_id,
        owner_type: &opened.owner_type,
        account_type: opened.account_type.as_str(),
        currency: opened.currency.code(),
        decimals: opened.currency.decimals(),
        status: opened.status.as_str(),
        balance: amount(opened.balance),
        min_balance: opened.min_balance.map(amount),
        max_balance: opened.max_balance.map(amount),
    }
}

pub(super) fn read(bytes: &[u8], conditions: Conditions) -> Result<Account, Error> {
    let AccountImage { version, last_at, remembered, opened } = snapshot::read(bytes)?;
    let mut standing = 0_u64;
    let commands = remembered.into_iter().map(|CommandImage { id, hash, events }| {
        standing = standing.checked_add(events).ok_or_else(|| damaged("a version beyond all numbers"))?;
        Ok((CommandId::parse(&id).map_err(damaged)?, CommandHash(hash), Version(standing)))
    });
    let commands = commands.collect::<Result<Vec<_>, Error>>()?;
    let window = usize::try_from(conditions.window).map_err(damaged)?;
    let remembered = Window::restored(window, commands).map_err(damaged)?;
    let opened = opened.map(opened_of).transpose()?;
    Account::restored(Version(version), Timestamp(last_at), remembered, opened).map_err(damaged)
}

fn opened_of(image: OpenedImage<'_>) -> Result<Opened, Error> {
    let amount = |AmountImage { mantissa, decimals }: AmountImage| {
        Amount::of_digits(mantissa, decimals).ok_or_else(|| damaged("an amount that cannot be held"))
    };
    Ok(Opened {
        owner_id: image.owner_id.into(),
        owner_type: image.owner_type.into(),
        account_type: AccountType::parse(image.account_type).ok_or_else(|| damaged("no type of an account"))?,
        currency: Currency::new(image.currency, image.decimals).ok_or_else(|| damaged("too many decimals"))?,
        status: AccountStatus::parse(image.status).ok_or_else(|| damaged("no status of an account"))?,
        balance: amount(image.balance)?,
        min_balance: image.min_balance.map(amount).transpose()?,
        max_balance: image.max_balance.map(amount).transpose()?,
    })
}
