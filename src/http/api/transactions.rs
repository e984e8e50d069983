//! Transactions: one by its id, or those of an account or in some status.

use axum::Json;
use axum::extract::{RawQuery, State};

use super::cursor::List;
use super::freshness::Fresh;
use super::parameters::{Id, Parameters};
use super::{Api, Listed};
use crate::domain::ids::AggregateId;
use crate::domain::transaction::Status;
use crate::http::Problem;
use crate::queries::{Page, Side, TransactionRow};

type Answer<T> = Result<Json<Fresh<T>>, Problem>;

/// `GET /api/v1/transactions/{id}`
pub(super) async fn show(State(api): State<Api>, Id(id): Id, RawQuery(query): RawQuery) -> Answer<TransactionRow> {
    let parameters = Parameters::read(query.as_deref(), &["atLeastVersion"])?;
    let mut look = api.look_at(Side::Transactions, &id, parameters.at_least_version()?).await?;
    match look.transaction(&id).await? {
        Some(found) => api.fresh(&mut look, Side::Transactions, Some(found.partition), found).await,
        None => Err(api.not_found(&mut look, Side::Transactions, format!("transaction {id} does not exist")).await),
    }
}

/// `GET /api/v1/transactions?accountId=&status=&cursor=&limit=`
pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer<Listed<TransactionRow>> {
    let parameters = Parameters::read(query.as_deref(), &["accountId", "status", "cursor", "limit"])?;
    let account = parameters.id("accountId")?;
    let status = parameters.word("status", Status::ALL, Status::as_str)?;
    let name = ["transactions", account.as_ref().map_or("", AggregateId::as_str), status.map_or("", Status::as_str)];
    let list = List(&name);
    let page = Page {
        after: parameters.raw("cursor").map(|cursor| list.key(cursor)).transpose()?,
        limit: parameters.limit()?,
    };
    let mut look = api.look().await?;
    let (items, next) = look.transactions(account.as_ref(), status, &page).await?;
    let answer = Listed { items, next: next.map(|key| list.cursor(&key)) };
    api.fresh(&mut look, Side::Transactions, None, answer).await
}
