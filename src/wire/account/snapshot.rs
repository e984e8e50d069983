//! Accounts in snapshots.
//!
//! The order of the fields is the format: whatever changes here needs a new number for it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::Aggregate;
use crate::domain::account::{Account, AccountStatus, AccountType, Hold, Holds, Opened};
use crate::domain::idempotency::Window;
use crate::domain::ids::{CommandHash, CommandId, Timestamp, Version};
use crate::domain::money::Currency;
use crate::wire::image::{AmountImage, CauseImage, aggregate_id};
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
    /// In the order in which they expire.
    #[serde(borrow)]
    holds: Vec<HoldImage<'a>>,
}

#[derive(Serialize, Deserialize)]
struct HoldImage<'a> {
    id: &'a str,
    amount: AmountImage,
    expires_at: i64,
    #[serde(borrow)]
    cause: CauseImage<'a>,
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
    OpenedImage {
        owner_id: &opened.owner_id,
        owner_type: &opened.owner_type,
        account_type: opened.account_type.as_str(),
        currency: opened.currency.code(),
        decimals: opened.currency.decimals(),
        status: opened.status.as_str(),
        balance: opened.balance.into(),
        min_balance: opened.min_balance.map(AmountImage::from),
        max_balance: opened.max_balance.map(AmountImage::from),
        holds: opened.holds.iter().map(hold_image_of).collect(),
    }
}

fn hold_image_of(hold: &Hold) -> HoldImage<'_> {
    HoldImage {
        id: hold.id.as_str(),
        amount: hold.amount.into(),
        expires_at: hold.expires_at.0,
        cause: CauseImage::from(&hold.cause),
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
    let currency = Currency::new(image.currency, image.decimals).ok_or_else(|| damaged("too many decimals"))?;
    let mut holds = Holds::none(&currency);
    for image in image.holds {
        holds.place(hold_of(image)?).map_err(damaged)?;
    }
    Ok(Opened {
        owner_id: image.owner_id.into(),
        owner_type: image.owner_type.into(),
        account_type: AccountType::parse(image.account_type).ok_or_else(|| damaged("no type of an account"))?,
        currency,
        status: AccountStatus::parse(image.status).ok_or_else(|| damaged("no status of an account"))?,
        balance: image.balance.read()?,
        min_balance: image.min_balance.map(AmountImage::read).transpose()?,
        max_balance: image.max_balance.map(AmountImage::read).transpose()?,
        holds,
    })
}

fn hold_of(image: HoldImage<'_>) -> Result<Hold, Error> {
    Ok(Hold {
        id: aggregate_id(image.id)?,
        amount: image.amount.read()?,
        expires_at: Timestamp(image.expires_at),
        cause: image.cause.read()?,
    })
}
