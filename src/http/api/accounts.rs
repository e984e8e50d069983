//! Accounts: as they stand, what was posted to them, what they held when.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;

use super::cursor::List;
use super::freshness::Fresh;
use super::parameters::{Id, Parameters};
use super::{Api, Listed, now};
use crate::http::Problem;
use crate::queries::{Account, Balance, Entry, Moment, Page, Side};

type Answer<T> = Result<Json<Fresh<T>>, Problem>;

/// `GET /api/v1/accounts/{id}`
pub(super) async fn show(State(api): State<Api>, Id(id): Id, RawQuery(query): RawQuery) -> Answer<Account> {
    let parameters = Parameters::read(query.as_deref(), &["atLeastVersion"])?;
    let mut look = api.look_at(Side::Accounts, &id, parameters.at_least_version()?).await?;
    match look.account(&id, now()).await? {
        Some(account) => api.fresh(&mut look, Side::Accounts, Some(account.partition), account).await,
        None => Err(api.not_found(&mut look, Side::Accounts, format!("account {id} does not exist")).await),
    }
}

/// `GET /api/v1/accounts?ownerId=&ownerType=&cursor=&limit=`
pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer<Listed<Account>> {
    let parameters = Parameters::read(query.as_deref(), &["ownerId", "ownerType", "cursor", "limit"])?;
    let (owner_id, owner_type) = (parameters.required_text("ownerId")?, parameters.text("ownerType")?);
    let name = ["accounts", owner_id, owner_type.unwrap_or_default()];
    let list = List(&name);
    let page = Page {
        after: parameters.raw("cursor").map(|cursor| list.key(cursor)).transpose()?,
        limit: parameters.limit()?,
    };
    let mut look = api.look().await?;
    let (items, next) = look.accounts_of(owner_id, owner_type, &page, now()).await?;
    let answer = Listed { items, next: next.map(|key| list.cursor(&key)) };
    api.fresh(&mut look, Side::Accounts, None, answer).await
}

/// `GET /api/v1/accounts/{id}/entries?cursor=&limit=`
pub(super) async fn entries(State(api): State<Api>, Id(id): Id, RawQuery(query): RawQuery) -> Answer<Listed<Entry>> {
    let parameters = Parameters::read(query.as_deref(), &["cursor", "limit"])?;
    let name = ["entries", id.as_str()];
    let list = List(&name);
    let page = Page {
        after: parameters.raw("cursor").map(|cursor| list.key(cursor)).transpose()?,
        limit: parameters.limit()?,
    };
    let mut look = api.look().await?;
    let Some((_, partition)) = look.account_version(&id).await? else {
        return Err(api.not_found(&mut look, Side::Accounts, format!("account {id} does not exist")).await);
    };
    let (items, next) = look.entries(&id, &page).await?;
    let answer = Listed { items, next: next.map(|key| list.cursor(&key)) };
    api.fresh(&mut look, Side::Accounts, Some(partition), answer).await
}

/// A balance, and the time it was asked for.
#[derive(Serialize)]
pub(super) struct BalanceAt {
    #[serde(flatten)]
    balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Moment>,
}

/// `GET /api/v1/accounts/{id}/balance?at=`
pub(super) async fn balance(State(api): State<Api>, Id(id): Id, RawQuery(query): RawQuery) -> Answer<BalanceAt> {
    let parameters = Parameters::read(query.as_deref(), &["at", "atLeastVersion"])?;
    let at = parameters.moment("at")?;
    let mut look = api.look_at(Side::Accounts, &id, parameters.at_least_version()?).await?;
    match look.balance(&id, at.unwrap_or(Moment::LAST)).await? {
        Some(balance) => api.fresh(&mut look, Side::Accounts, Some(balance.partition), BalanceAt { balance, at }).await,
        None => {
            let when = if at.is_some() { "did not exist at that time" } else { "does not exist" };
            Err(api.not_found(&mut look, Side::Accounts, format!("account {id} {when}")).await)
        }
    }
}
